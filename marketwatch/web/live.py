"""The living pages: twice a second, render what changed for channels that have clients, once, and hand it to the hub."""

from __future__ import annotations

from aiohttp import web

from ..clock import Clock
from ..ports import MarketStore
from ..telemetry import get_logger
from ..watch import Watch, WatchSlot
from . import format as fmt
from .contexts.frame import ClockView, bar_state, market_now_ms, notice_views
from .live_channel import Channel
from .live_overview import OverviewChannel
from .render import Renderer
from .sse import Hub

log = get_logger(__name__)
TICK_S = 0.5
_KEEP_TICKS = 40


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
        self._store = store
        self._generation = slot.generation
        self._overview = OverviewChannel(renderer)
        self._failing = ""
        self.ticks = 0
        self.failures = 0
        self.last_tick_ms = 0.0

    async def run(self) -> None:
        """Tick until cancelled; a failing tick is counted, logged once per episode, and does not end the stream."""
        while True:
            started = self._clock.monotonic()
            try:
                self.tick()
                self._failing = ""
            except Exception as error:
                self.failures += 1
                if self._failing != repr(error):
                    self._failing = repr(error)
                    log.error("live_tick_failed", exc_info=error)
            took = self._clock.monotonic() - started
            self.last_tick_ms = 1000.0 * took
            await self._clock.sleep(max(0.05, TICK_S - took))

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

    def _watch(self) -> Watch | None:
        """The watch of the moment; another one than last time means that nothing remembered is true any more."""
        if self._generation != self._slot.generation:
            self._generation = self._slot.generation
            for channel in self._channels():
                channel.forget()
        return self._slot.current

    def _channels(self) -> list[Channel]:
        return [self._overview]

    def _update(self, channel: Channel, watch: Watch) -> None:
        now_ms = market_now_ms(watch, self._clock)
        boot = f"{self._renderer.boot}-{self._slot.generation}"
        second = now_ms // 1000 * 1000
        channel.put("bar", "fragments/_bar.html", bar_state(watch, now_ms), self.ticks)
        channel.put("clock", "fragments/_clock.html", ClockView(fmt.clock_time(second), second, boot), self.ticks)
        channel.put("notices", "fragments/_notices.html", notice_views(watch), self.ticks)
        if isinstance(channel, OverviewChannel):
            channel.update(watch, now_ms, self.ticks)

    def stream_address(self, name: str) -> str:
        """Where the page that is being rendered now gets its updates from."""
        channel = self._channel(name)
        watch = self._watch()
        if watch is not None:
            channel.used_tick = self.ticks
            self._update(channel, watch)
        return f"/stream/{name}?since={self._renderer.boot}.{self._generation}.{self.ticks}"

    def _channel(self, name: str) -> Channel:
        return self._overview

    def since(self, name: str, since: str) -> bytes | None:
        """What a client needs that has the page as of `since`; everything when that is not of this start or this market."""
        watch = self._watch()
        if watch is None:
            return None
        channel = self._channel(name)
        channel.used_tick = self.ticks
        self._update(channel, watch)
        prefix, _, tick = since.rpartition(".")
        same = prefix == f"{self._renderer.boot}.{self._generation}" and tick.isdigit() and len(tick) < 12
        return channel.since(int(tick) if same else -1) or None


LIVE: web.AppKey[Live] = web.AppKey("live")
