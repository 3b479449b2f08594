"""What the answers of the API are made from: the watch of the moment, the store, the clock. No aiohttp request in sight."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar, cast

from aiohttp import web

from ...alerts.rule_desk import RuleDesk
from ...clock import Clock
from ...config import Settings
from ...errors import Unavailable
from ...lab.lab import Lab
from ...model.coins import CoinIndex
from ...model.system import FeedState
from ...portfolio.appraiser import Appraiser
from ...portfolio.book_desk import BookDesk
from ...ports import MarketStore
from ...replay.lanes import LaneReader
from ...screener.desk import ScreenDesk
from ...screener.screener import Screener
from ...state import SymbolState
from ...telemetry import Telemetry
from ...watch import Watch, WatchSlot
from ..snapshot import Snapshot
from ..sse import Hub

K = TypeVar("K")


class Desk:
    """Hands the parts of the program to the endpoints, which are functions of it and of their parameters."""

    def __init__(
        self, *, settings: Settings, clock: Clock, store: MarketStore, slot: WatchSlot, hub: Hub, telemetry: Telemetry
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store
        self.slot = slot
        self.hub = hub
        self.telemetry = telemetry
        self.lab = Lab(store)
        self.lanes = LaneReader(store)
        self.snapshot = Snapshot(slot=slot, clock=clock)
        self.rules: RuleDesk | None = None
        self.bookkeeping: BookDesk | None = None
        self.authors: Mapping[str, str] = {}
        """The names of all people by id, as an admin was told them last: for the pages of admins alone."""
        self._screens: ScreenDesk | None = None
        self._screener: tuple[int, Screener] | None = None
        self._appraiser: tuple[int, Appraiser] | None = None
        self._index: tuple[int, CoinIndex] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._kept: dict[str, tuple[float, int, object]] = {}
        self._positions: tuple[int, dict[str, int]] | None = None

    @property
    def watch(self) -> Watch:
        """The watch of the moment. Raises Unavailable while there is none."""
        watch = self.slot.current
        if watch is None:
            raise Unavailable(f"No market is open yet. {self.slot.waiting}")
        return watch

    @property
    def rule_desk(self) -> RuleDesk:
        """Where rules are written. Raises Unavailable where this process has none."""
        if self.rules is None:
            raise Unavailable("Rules cannot be written in this process.")
        return self.rules

    @property
    def books(self) -> BookDesk:
        """Portfolios and watchlists. Raises Unavailable where this process has none."""
        if self.bookkeeping is None:
            raise Unavailable("Portfolios cannot be kept in this process.")
        return self.bookkeeping

    @property
    def screens(self) -> ScreenDesk:
        """Saved screens. Raises Unavailable where this process has none."""
        if self._screens is None:
            self._screens = ScreenDesk(self.books.working, self.clock)
        return self._screens

    def forget(self, user_id: str) -> None:
        """The account of somebody is gone: their streams end, and what they deleted is not kept for them."""
        self.authors = {one: name for one, name in self.authors.items() if one != user_id}
        if self._screens is not None:
            self._screens.forget()
        if self.hub.holders is not None:
            self.hub.holders.leave(user_id)

    @property
    def screener(self) -> Screener:
        """Who evaluates screens over the market of the moment. Raises Unavailable while there is none."""
        watch = self.watch
        if self._screener is None or self._screener[0] != self.slot.generation:
            if self._screener is not None:
                self._screener[1].close()
            made = Screener(watch=watch, sample_ms=self.settings.sample_ms, now=self.clock.monotonic)
            self._screener = (self.slot.generation, made)
        return self._screener[1]

    @property
    def appraiser(self) -> Appraiser:
        """Who values portfolios at the market of the moment. Raises Unavailable while there is none."""
        watch = self.watch
        if self._appraiser is None or self._appraiser[0] != self.slot.generation:
            made = Appraiser(state=watch.state, candles=watch.candles, source=self.store)
            self._appraiser = (self.slot.generation, made)
        return self._appraiser[1]

    @property
    def source(self) -> str | None:
        """What the envelope says about the origin of the numbers."""
        watch = self.slot.current
        return watch.source.value if watch is not None else None

    @property
    def coins(self) -> CoinIndex:
        """The index of the watched pairs. Raises Unavailable while no market is open."""
        watch = self.watch
        if self._index is None or self._index[0] != self.slot.generation:
            self._index = (self.slot.generation, CoinIndex(watch.instruments.values()))
        return self._index[1]

    def symbols(self, coins: list[str] | None) -> list[str]:
        """The symbols of the given coins without repetition, of all when none are given. Raises NotFound."""
        if coins is None:
            return list(self.watch.symbols)
        return list(dict.fromkeys(self.coins.symbol(coin) for coin in coins))

    def position(self, symbol: str) -> int:
        """The column of `symbol` in the metric table."""
        positions = self._positions
        if positions is None or positions[0] != self.slot.generation:
            by_symbol = {name: index for index, name in enumerate(self.watch.symbols)}
            positions = self._positions = (self.slot.generation, by_symbol)
        return positions[1][symbol]

    def market_now_ms(self) -> int:
        """The moment against which ages are measured: the wall clock, or for a recording the newest event time."""
        watch = self.watch
        if watch.source.value != "recorded":
            return self.clock.now_ms()
        newest = max((status.last_data_ms or 0 for status in watch.state.feeds.values()), default=0)
        return newest or self.clock.now_ms()

    async def kept(self, name: str, for_s: float, make: Callable[[], Awaitable[K]]) -> K:
        """What `make` answered at most `for_s` ago under `name`; asked once even when many wait for it."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            now = self.clock.monotonic()
            made_at, generation, value = self._kept.get(name, (-math.inf, -1, None))
            if now - made_at >= for_s or generation != self.slot.generation:
                value = await make()
                self._kept[name] = (self.clock.monotonic(), self.slot.generation, value)
        return cast("K", value)

    def is_stale(self, entry: SymbolState, now_ms: int) -> bool:
        """Whether the numbers of a symbol are not of now: the feed is down, the feed calls the symbol quiet, or the newest of
        its trades, quotes and statistics is older than the setting `stale_s` at `now_ms`. True where there is no price."""
        newest = max(entry.trade_ms or 0, entry.quote_ms or 0, entry.ticker_ms or 0)
        return entry.stale or entry.price is None or now_ms - newest > 1000 * self.settings.stale_s or self.feed_down()

    def feed_down(self) -> bool:
        """No feed of the watch delivers now."""
        feeds = self.watch.state.feeds.values()
        down = (FeedState.STALE, FeedState.RECONNECTING, FeedState.FORBIDDEN)
        return bool(feeds) and all(status.state in down for status in feeds)


DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
