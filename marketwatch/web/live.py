"""The living pages: twice a second, render what changed for channels that have clients, once, and hand it to the hub."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, unquote

from aiohttp import web

from ..clock import Clock
from ..ports import MarketStore
from ..telemetry import get_logger
from ..watch import Watch, WatchSlot
from . import format as fmt
from .alert_history import AlertHistory
from .api.desk import Desk
from .contexts.alerts import Query
from .contexts.bell import bell_of, count_of
from .contexts.frame import ClockView, bar_state, market_now_ms, notice_views
from .live_alerts import AlertsChannel
from .live_book import PREFIX as BOOK_PREFIX
from .live_book import BookChannel
from .live_channel import Channel
from .live_overview import OverviewChannel
from .live_screen import MOST_CHANNELS, ScreenChannel
from .live_screen import PREFIX as SCREEN_PREFIX
from .live_status import StatusChannel
from .live_symbol import SymbolChannel
from .render import Renderer
from .sse import Hub
from .vitals import Vitals

log = get_logger(__name__)
TICK_S = 0.5
_KEEP_TICKS = 40
_ALERTS, _AUTHORED = "alerts", "authored alerts"


def alerts_channel(query: Query, *, authors: bool = False) -> str:
    """The channel of the alerts page with these filters; `authors`: for admins, who are told who wrote a rule."""
    return "/".join((_AUTHORED if authors else _ALERTS, *(quote(part, safe="") for part in query)))


class Live:
    """Owns the channels of the pages. `tick` does one round; `run` does it for ever.

    A page carries the tick at which it was rendered in the address of its stream, so that a client that connects gets what
    changed in between and nothing else.
    """

    def __init__(self, *, hub: Hub, slot: WatchSlot, renderer: Renderer, clock: Clock, store: MarketStore) -> None:
        self._hub = hub
        self._slot = slot
        self._renderer = renderer
        self._clock = clock
        self._generation = slot.generation
        self.vitals = Vitals(clock=clock, store=store, hub=hub, settings=renderer.settings)
        self._overview = OverviewChannel(renderer)
        self._status = StatusChannel(renderer, self.vitals)
        self._symbols: dict[str, SymbolChannel] = {}
        self._alerts: dict[str, AlertsChannel] = {}
        self.history = AlertHistory(store=store, slot=slot)
        self._books: dict[str, BookChannel] = {}
        self._screens: dict[str, ScreenChannel] = {}
        self.desk: Desk | None = None
        """Where books and screener are, for the channels of portfolios and screens."""
        self._failing = ""
        self.ticks = 0

    async def run(self) -> None:
        """Tick until cancelled; a failing tick is counted, logged once per episode, and does not end the stream."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_ticking(), name="web:live:ticks")
            group.create_task(self._keep_asking(), name="web:live:vitals")

    async def _keep_ticking(self) -> None:
        due = self._clock.monotonic()
        while True:
            started = self._clock.monotonic()
            self.vitals.loop_lag_ms = max(0.0, 1000.0 * (started - due))
            self._try_tick()
            took = self._clock.monotonic() - started
            self.vitals.render_ms = 1000.0 * took
            pause = max(0.05, TICK_S - took)
            due = self._clock.monotonic() + pause
            await self._clock.sleep(pause)

    def _try_tick(self) -> None:
        try:
            self.tick()
            self._failing = ""
        except Exception as error:
            self.vitals.render_failures += 1
            if self._failing != repr(error):
                self._failing = repr(error)
                log.error("live_tick_failed", exc_info=error)

    async def _keep_asking(self) -> None:
        """The store's statistics, while somebody looks at the status page."""
        while True:
            await self._clock.sleep(5.0)
            if self._hub.has_clients(self._status.name):
                await self.vitals.refresh()

    def tick(self) -> None:
        """One round over all channels."""
        self.ticks += 1
        watch = self._watch()
        if watch is None:
            return
        for channel in self._channels():
            wanted = self._hub.has_clients(channel.name)
            if wanted or self.ticks - channel.used_tick < _KEEP_TICKS:
                self._update(channel, watch)
                payload = channel.take()
                if wanted and payload:
                    self._hub.publish(channel.name, payload)
            else:
                channel.forget()
                self._symbols.pop(channel.name, None)
                self._alerts.pop(channel.name, None)
                self._books.pop(channel.name, None)
                self._screens.pop(channel.name, None)

    def _watch(self) -> Watch | None:
        """The watch of the moment; another one than last time means that nothing remembered is true any more."""
        if self._generation != self._slot.generation:
            self._generation = self._slot.generation
            self._overview.forget()
            self._status.forget()
            self._symbols = {name: channel for name, channel in self._symbols.items() if self._is_watched(channel.symbol)}
            for channel in self._symbols.values():
                channel.forget()
            for other in (*self._alerts.values(), *self._books.values(), *self._screens.values()):
                other.forget()
        return self._slot.current

    def _is_watched(self, symbol: str) -> bool:
        return self._slot.current is not None and symbol in self._slot.current.instruments

    def _channels(self) -> list[Channel]:
        several = (self._symbols, self._alerts, self._books, self._screens)
        return [self._overview, self._status, *(channel for kind in several for channel in kind.values())]

    def _update(self, channel: Channel, watch: Watch) -> None:
        now_ms = market_now_ms(watch, self._clock)
        second = now_ms // 1000 * 1000
        clock = ClockView(fmt.clock_time(second), second, f"{self._renderer.boot}-{self._generation}")
        channel.put("bar", "fragments/_bar.html", bar_state(watch, now_ms), self.ticks)
        channel.put("clock", "fragments/_clock.html", clock, self.ticks)
        channel.put("bell", "fragments/_bell.html", bell_of(watch, now_ms), self.ticks)
        channel.put("count", "fragments/_count.html", count_of(watch, now_ms), self.ticks)
        channel.put("notices", "fragments/_notices.html", notice_views(watch), self.ticks)
        channel.update(watch, now_ms, self.ticks)

    def stream_address(self, name: str, path: str = "") -> str:
        """Where the page that is being rendered now gets its updates from; `path` where that is not the channel's name."""
        self._bring_up(name)
        address = f"/stream/{path or name}"
        return f"{address}{'&' if '?' in address else '?'}since={self._renderer.boot}.{self._generation}.{self.ticks}"

    def has_room(self, name: str) -> bool:
        """Whether another screen may be streamed, or this one is."""
        return name in self._screens or len(self._screens) < MOST_CHANNELS

    def since(self, name: str, since: str) -> bytes | None:
        """What a client needs that has the page as of `since`; everything when that is not of this start or this market."""
        channel = self._bring_up(name)
        prefix, _, tick = since.rpartition(".")
        same = prefix == f"{self._renderer.boot}.{self._generation}" and tick.isascii() and tick.isdigit() and len(tick) < 12
        return channel.since(int(tick) if same else -1) or None

    def _bring_up(self, name: str) -> Channel:
        watch = self._watch()
        channel = self._channel(name)
        if watch is not None:
            channel.used_tick = self.ticks
            self._update(channel, watch)
        return channel

    def _channel(self, name: str) -> Channel:
        """`overview`, `status`, `symbol/NAME` or `alerts/...`; the caller has checked the symbol and the filters."""
        if name.startswith((_ALERTS + "/", _AUTHORED + "/")):
            return self._alerts_channel(name)
        if name.startswith(BOOK_PREFIX):
            return self._book_channel(name)
        if name.startswith(SCREEN_PREFIX):
            return self._screen_channel(name)
        if name in (self._overview.name, self._status.name):
            return self._overview if name == self._overview.name else self._status
        channel = self._symbols.get(name)
        if channel is None:
            channel = self._symbols[name] = SymbolChannel(unquote(name.partition("/")[2]), name, self._renderer, self.history)
        return channel

    def _book_channel(self, name: str) -> Channel:
        channel = self._books.get(name)
        if channel is None:
            assert self.desk is not None
            channel = self._books[name] = BookChannel(name, self._renderer, self.desk)
        return channel

    def _screen_channel(self, name: str) -> Channel:
        channel = self._screens.get(name)
        if channel is None:
            assert self.desk is not None
            channel = self._screens[name] = ScreenChannel(name, self._renderer, self.desk)
        return channel

    def _alerts_channel(self, name: str) -> Channel:
        channel = self._alerts.get(name)
        if channel is None:
            query = Query(*(unquote(part) for part in name.split("/")[1:]))
            authored, desk = name.startswith(_AUTHORED), self.desk
            authors = (lambda: desk.authors) if authored and desk is not None else _nobody
            channel = self._alerts[name] = AlertsChannel(query, name, self._renderer, self.history, authors)
        return channel


def _nobody() -> None:
    """No author is told."""


LIVE: web.AppKey[Live] = web.AppKey("live")
