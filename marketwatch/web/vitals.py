"""The program's own pulse for the status page: store, memory, loop lag, clients."""

from __future__ import annotations

import asyncio
import platform

from .. import __version__
from ..clock import Clock
from ..config import Settings
from ..errors import StoreError
from ..model.market import Gap
from ..ports import MarketStore
from ..watch import Watch
from .contexts.deliveries import delivery_box
from .contexts.status import BoxView, HealthView, Process, StoreFacts, data_box, process_box, store_box, writer_box
from .readiness import Readiness
from .resident import resident_bytes
from .sse import Hub

_STORE_EVERY_S = 5.0
_STORE_WAIT_S = 2.0
_DAY_MS = 86_400_000
_MOST_GAPS = 200


class Vitals:
    """Measures when asked. The store is asked at most every five seconds and never waited for longer than two."""

    def __init__(self, *, clock: Clock, store: MarketStore, hub: Hub, settings: Settings) -> None:
        self._clock = clock
        self._store = store
        self._hub = hub
        self._settings = settings
        self._started = clock.monotonic()
        self._asked_at: float | None = None
        self._facts = StoreFacts(None, "The database has not been asked yet.")
        self._stored_gaps: list[Gap] = []
        self.readiness: Readiness | None = None
        self.health = HealthView(None)
        self.loop_lag_ms: float | None = None
        self.render_ms = 0.0
        self.render_failures = 0

    async def refresh(self) -> None:
        """Ask store and probes unless that was done a moment ago."""
        now = self._clock.monotonic()
        if self._asked_at is not None and now - self._asked_at < _STORE_EVERY_S:
            return
        self._asked_at = now
        if self.readiness is not None:
            self.health = HealthView(tuple(await self.readiness.reasons()))
        try:
            async with asyncio.timeout(_STORE_WAIT_S):
                self._facts = StoreFacts(await self._store.stats(), "")
                self._stored_gaps = await self._store.gaps(from_ms=self._clock.now_ms() - _DAY_MS, limit=_MOST_GAPS)
        except TimeoutError:
            self._facts = StoreFacts(None, f"The database has not answered within {_STORE_WAIT_S:.0f} s.")
        except StoreError as error:
            self._facts = StoreFacts(None, str(error))

    def gaps(self, watch: Watch | None) -> list[Gap]:
        """Gaps of the last day from the store, each as the watch knows it where it does."""
        known = {gap.gap_id: gap for gap in self._stored_gaps} | (watch.state.gaps if watch is not None else {})
        return list(known.values())

    def boxes(self, watch: Watch | None) -> tuple[BoxView, ...]:
        """The boxes of the status page; without a market only store and program."""
        store, process = store_box(self._facts), process_box(self._process())
        if watch is None:
            return (store, process)
        writer, delivery = writer_box(watch.state.writer, self._clock.now_ms()), delivery_box(watch.state.delivery)
        return (data_box(watch, self._settings), store, writer, delivery, process)

    def _process(self) -> Process:
        return Process(
            version=__version__,
            python=platform.python_version(),
            uptime_ms=1000.0 * (self._clock.monotonic() - self._started),
            memory_bytes=resident_bytes(),
            loop_lag_ms=self.loop_lag_ms,
            clients=self._hub.clients,
            slow_clients=self._hub.slow_clients,
            render_ms=self.render_ms,
            render_failures=self.render_failures,
        )
