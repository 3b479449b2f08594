"""A watch with known numbers, and the real application around it, without a feed.

`market()` publishes by hand: three pairs, ten seconds of trades whose prices and sums stand in the docstring of `play`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from marketwatch.accounts.accounts import Accounts
from marketwatch.accounts.sessions import Place
from marketwatch.alerts.rule_desk import RuleDesk
from marketwatch.clock import Clock, ManualClock
from marketwatch.config import Settings
from marketwatch.model.accounts import Role, User
from marketwatch.model.market import (
    Candle,
    Instrument,
    Pulse,
    Quote,
    Quotes,
    Source,
    Ticker,
    Tickers,
    Trade,
    Trades,
    VenueCandles,
)
from marketwatch.model.system import FeedState, FeedStatus
from marketwatch.portfolio.book_desk import BookDesk
from marketwatch.ports import MarketStore
from marketwatch.store import open_store
from marketwatch.store.accounts import StoredAccounts
from marketwatch.store.books import books_of
from marketwatch.store.reads import Reads
from marketwatch.store.user_database import UserDatabase
from marketwatch.tasks import Tasks
from marketwatch.telemetry import Telemetry
from marketwatch.watch import Watch, WatchSlot
from marketwatch.web.server import build_app
from marketwatch.web.sse import Hub

START_MS = 1_763_683_200_000
"""2025-11-21T00:00:00Z."""

INSTRUMENTS = (
    Instrument("BTCUSDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001")),
    Instrument("ETHUSDT", "ETH", "USDT", Decimal("0.01"), Decimal("0.0001")),
    Instrument("ETHBTC", "ETH", "BTC", Decimal("0.00001"), Decimal("0.0001")),
)


def raising(name: str, error: BaseException) -> None:
    """A subscriber must not fail in a test."""
    raise AssertionError(f"{name} failed") from error


def make_watch(settings: Settings, instruments: tuple[Instrument, ...] = INSTRUMENTS, source: Source = Source.LIVE) -> Watch:
    """A watch that has seen nothing."""
    return Watch(settings=settings, source=source, venue="binance", instruments=instruments, on_error=raising)


def trade(symbol: str, trade_id: int, price: float, quantity: float, time_ms: int, *, sold: bool = False) -> Trade:
    """One print; `sold`: the taker sold."""
    return Trade(symbol, trade_id, price, quantity, time_ms, sold)


def publish_trades(watch: Watch, *trades: Trade, pulse: bool = True) -> None:
    """One batch, received 40 ms after its newest trade."""
    newest = max(one.time_ms for one in trades)
    watch.bus.publish(Trades(watch.venue, newest + 40, list(trades)))
    if pulse:
        watch.bus.publish(Pulse(watch.venue, newest))


def status(watch: Watch, now_ms: int, state: FeedState = FeedState.LIVE, **more: Any) -> FeedStatus:
    """What a feed says about itself."""
    given: dict[str, Any] = {
        "last_data_ms": now_ms,
        "latency_ms": 40.0,
        "messages": 100,
        "trades": 50,
        "connections": 1,
        **more,
    }
    return FeedStatus(watch.venue, watch.source, state, "wss://example.invalid", now_ms - 60_000, **given)


def play(watch: Watch, start_ms: int = START_MS, seconds: int = 10) -> int:
    """Twenty steps of half a second per ten seconds; answers the end time.

    BTCUSDT trades once a step at 50,000 + step, quantity 0.1; ETHUSDT every second step at 2,500 - step / 10, quantity 2, sold.
    ETHBTC never trades. BTCUSDT's trade of step 4 is a whale: quantity 4. Quotes and 24 h statistics come first.
    """
    watch.bus.publish(status(watch, start_ms))
    watch.bus.publish(Quotes(watch.venue, start_ms, [Quote("BTCUSDT", 49_999.5, 1.5, 50_000.5, 2.0, start_ms)]))
    watch.bus.publish(
        Tickers(
            watch.venue,
            start_ms,
            [
                Ticker("BTCUSDT", 50_000.0, 49_000.0, 51_000.0, 48_000.0, 1_000.0, 50_000_000.0, start_ms),
                Ticker("ETHUSDT", 2_500.0, 2_600.0, 2_700.0, 2_400.0, 9_000.0, 22_500_000.0, start_ms),
            ],
        )
    )
    for step in range(seconds * 2):
        at = start_ms + step * 500 + 100
        batch = [trade("BTCUSDT", 1_000 + step, 50_000.0 + step, 4.0 if step == 4 else 0.1, at)]
        if step % 2 == 0:
            batch.append(trade("ETHUSDT", 500 + step // 2, 2_500.0 - step / 10, 2.0, at + 50, sold=True))
        publish_trades(watch, *batch)
    end_ms = start_ms + seconds * 1_000
    watch.bus.publish(Pulse(watch.venue, end_ms + 3_000))
    watch.bus.publish(status(watch, end_ms))
    return end_ms


def history(symbol: str, interval: str, length_ms: int, count: int, end_ms: int, base: float = 100.0) -> list[Candle]:
    """`count` closed candles up to `end_ms`: closes go `base`, `base` + 1, ..., a range of 2, volume 10."""
    first = end_ms // length_ms * length_ms - count * length_ms
    closes = [(first + n * length_ms, base + n) for n in range(count)]
    return [
        Candle(symbol, interval, at, close - 0.5, close + 1, close - 1, close, 10.0, 10 * close, 5, 4.0) for at, close in closes
    ]


def warm(watch: Watch, candles: list[Candle]) -> None:
    """Hand venue history to the watch."""
    watch.bus.publish(VenueCandles(watch.venue, candles, history=True))


@asynccontextmanager
async def sqlite_store(folder: Path, settings: Settings) -> AsyncIterator[MarketStore]:
    """A real store in `folder`."""
    from dataclasses import replace

    store = open_store(replace(settings, database_url=f"sqlite:///{folder / 'test.db'}"))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


SECRET = "a secret of the tests that is long enough"
PASSWORD = "correct battery staple"
TOKEN = "the-token-of-the-tests"
OWNER = {"Authorization": f"Bearer {TOKEN}"}
"""What makes a request the owner's."""


def test_settings(**given: Any) -> Settings:
    """Settings that no test client runs into by accident."""
    return Settings.of(
        **{"token": TOKEN, "rate_limit": 1_000_000, "rate_limit_data": 1_000_000, "symbols": ("BTCUSDT", "ETHUSDT"), **given}
    )


test_settings.__test__ = False  # type: ignore[attr-defined]


def desk_of(store: MarketStore, clock: Clock, settings: Settings) -> RuleDesk:
    """A rule desk whose database is this open store."""
    database = UserDatabase(settings, clock=clock)
    database.use(store)
    return RuleDesk(database=database, clock=clock, file=settings.rules_file)


def books_in(store: MarketStore, clock: Clock, settings: Settings) -> BookDesk:
    """A book desk whose database is this open store."""
    database = UserDatabase(settings, clock=clock)
    database.use(store)
    return BookDesk(database=database, stores=books_of, clock=clock)


class World:
    """The application around one played watch, with everything a test may want to touch."""

    def __init__(self, *, settings: Settings, clock: Clock, store: MarketStore) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store
        self.slot = WatchSlot()
        self.telemetry = Telemetry()
        self.watch = make_watch(settings)
        self.accounts: Accounts | None = None
        if settings.accounts_mode != "off":
            assert isinstance(store, Reads)
            rows = StoredAccounts(store)
            self.accounts = Accounts(store=rows, settings=settings, clock=clock, secret=SECRET, rounds=4)
        self.desk = desk_of(store, clock, settings)
        self.books = books_in(store, clock, settings)

    def build(self, *, hub: Hub | None = None, keepalive_s: float = 15.0, tasks: Tasks | None = None) -> web.Application:
        """The application; call it once."""
        return build_app(
            settings=self.settings,
            clock=self.clock,
            store=self.store,
            slot=self.slot,
            telemetry=self.telemetry,
            hub=hub,
            tasks=tasks,
            keepalive_s=keepalive_s,
            accounts=self.accounts,
            desk=self.desk,
            books=self.books,
        )

    @property
    def people(self) -> Accounts:
        """The accounts of a world that has some."""
        assert self.accounts is not None
        return self.accounts

    async def person(self, name: str, role: Role = Role.TRADER) -> User:
        """An account with this role, whose password is `PASSWORD`. There is an admin before there is anybody else."""
        if role is not Role.ADMIN and await self.people.store.count_users() == 0:
            await self.person("keeper", Role.ADMIN)
        fields: dict[str, Any] = {"email": None, "password": PASSWORD, "code": None, "place": Place("192.0.2.1")}
        user = await self.people.users.register(username=name, by_owner=True, **fields)
        return user if user.role is role else await self.people.users.set_standing(user, role, active=True)

    async def bearer(self, user: User) -> dict[str, str]:
        """Headers with an access token."""
        grant = await self.people.grant(user, Place("192.0.2.1"))
        return {"Authorization": f"Bearer {grant.access_token}"}

    @asynccontextmanager
    async def client(self, *, owner: bool = False) -> AsyncIterator[TestClient[web.Request, web.Application]]:
        """A client of the running application; `owner`: one that bears the owner's token."""
        headers = OWNER if owner else None
        async with TestClient(TestServer(self.build()), headers=headers) as client:
            yield client


@asynccontextmanager
async def world(
    folder: Path, *, played: bool = True, clock: Clock | None = None, on: MarketStore | None = None, **given: Any
) -> AsyncIterator[World]:
    """A world on a manual clock that stands 50 ms after the end of `play`; `on`: an open store, else one of its own."""
    settings = test_settings(data_dir=folder, **given)
    async with sqlite_store(folder, settings) if on is None else nullcontext(on) as store:
        made = World(settings=settings, clock=clock or ManualClock(START_MS + 10_050), store=store)
        if played:
            play(made.watch)
            made.slot.put(made.watch)
            await made.books.begin(made.watch.bus.publish, made.watch.marker)
            await made.desk.begin(made.watch.bus.publish)
        try:
            yield made
        finally:
            if made.accounts is not None:
                await made.accounts.aclose()


def ticks(start: int, step: int) -> Iterator[int]:
    """start, start + step, ..."""
    while True:
        yield start
        start += step
