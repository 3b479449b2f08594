"""Whether the program can do its work now: what `/readyz` and the status page tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from aiohttp import web

from ..clock import Clock
from ..config import Settings
from ..errors import StoreError
from ..model.system import FeedState
from ..ports import MarketStore
from ..telemetry import Telemetry
from ..watch import Watch, WatchSlot

_PING_KEPT_S = 5.0
_PING_S = 4.0


class HasDead(Protocol):
    """Whoever owns the tasks: the names of those that died, with the reason."""

    @property
    def dead(self) -> Mapping[str, str]: ...


class Readiness:
    """Finds the reasons for which the program cannot do its work now; none means ready.

    The answer of the database is kept for some seconds, so that probing often does not load it.
    """

    def __init__(
        self,
        *,
        slot: WatchSlot,
        store: MarketStore,
        settings: Settings,
        clock: Clock,
        telemetry: Telemetry,
        tasks: HasDead | None,
    ) -> None:
        self._slot = slot
        self._store = store
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._tasks = tasks
        self._pinged_at: float | None = None
        self._store_reason: str | None = None
        self._pinging = asyncio.Lock()

    async def reasons(self) -> list[str]:
        """Sentences, one for each thing that is not as it must be."""
        found = [f"The task {name} has ended: {why}." for name, why in (self._tasks.dead if self._tasks else {}).items()]
        watch = self._slot.current
        if watch is None:
            found.append(f"No market is open yet. {self._slot.waiting}")
        else:
            found.extend(self._feed_reasons(watch))
        store = await self._store_answer()
        return [*found, store] if store else found

    def _feed_reasons(self, watch: Watch) -> Iterable[str]:
        now = self._clock.now_ms()
        for venue, status in watch.state.feeds.items():
            if status.state in (FeedState.RECONNECTING, FeedState.FORBIDDEN, FeedState.CONNECTING):
                yield f"The feed of {venue} is {status.state.value}. {status.detail}".strip()
            elif status.state is FeedState.STALE:
                yield f"The feed of {venue} has sent nothing for {_seconds(now, status.last_data_ms)}."
        if not watch.state.feeds:
            yield f"The feed of {watch.venue} has not reported yet."

    async def _store_answer(self) -> str | None:
        """The reason why the database cannot be written to, None when it can; asked at most every few seconds."""
        async with self._pinging:
            now = self._clock.monotonic()
            if self._pinged_at is None or now - self._pinged_at >= _PING_KEPT_S:
                self._store_reason = await self._ping()
                self._pinged_at = self._clock.monotonic()
        return self._store_reason

    async def _ping(self) -> str | None:
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(_PING_S):
                await self._store.ping()
        except TimeoutError:
            return f"The database has not answered for {_PING_S:.0f} s."
        except StoreError as error:
            return f"The database cannot be written to: {error}"
        self._telemetry.store_ping.observe(self._clock.monotonic() - started)
        return None


def _seconds(now_ms: int, then_ms: int | None) -> str:
    return "an unknown time" if then_ms is None else f"{max(0, now_ms - then_ms) / 1000:.0f} s"


READINESS: web.AppKey[Readiness] = web.AppKey("readiness", Readiness)
