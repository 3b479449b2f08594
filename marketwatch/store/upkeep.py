"""What a store needs now and then beside writing: old rows deleted, finished hours packed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..clock import Clock
from ..config import Settings
from ..errors import StoreError
from ..ports import MarketStore

_RETAIN_FIRST_S = 60.0
_RETAIN_S = 600.0
_PACK_FIRST_S = 30.0
_PACK_S = 60.0
_PACK_ON_S = 4.0
_HOURS_AT_ONCE = 8


class Upkeep:
    """Runs beside the writer of a session. A failure is told to `failed` and waits for the next time.

    `newest_ms` is the time of the newest sample of this session, 0 before there is one. Ages count from it, so that a recording
    of long ago is not deleted while it plays, and never from later than now, so that a venue's wrong clock deletes nothing.
    Without a new sample nothing is done.
    """

    def __init__(
        self,
        *,
        store: MarketStore,
        clock: Clock,
        settings: Settings,
        newest_ms: Callable[[], int],
        failed: Callable[[StoreError], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._newest_ms = newest_ms
        self._failed = failed

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._retain_on(), name="store-retention")
            group.create_task(self._pack_on(), name="store-packing")

    def _now_ms(self) -> int:
        """Where ages count from; 0 where nothing is to be done."""
        if self._store.profile.read_only is not None:
            return 0
        return min(self._newest_ms(), self._clock.now_ms())

    async def _retain_on(self) -> None:
        await self._clock.sleep(_RETAIN_FIRST_S)
        while True:
            await self._retain()
            await self._clock.sleep(_RETAIN_S)

    async def _retain(self) -> None:
        """Delete what is too old or too much."""
        now_ms = self._now_ms()
        if not now_ms:
            return
        most = round(self._settings.max_store_mb * 1_000_000)
        try:
            await self._store.retain(now_ms=now_ms, days=self._settings.retention_days, max_bytes=most)
        except StoreError as error:
            self._failed(error)

    async def _pack_on(self) -> None:
        """A few hours of samples at a time, so that the writer never waits long: eight take about a quarter of a second."""
        await self._clock.sleep(_PACK_FIRST_S)
        while True:
            packed = await self._pack()
            await self._clock.sleep(_PACK_ON_S if packed == _HOURS_AT_ONCE else _PACK_S)

    async def _pack(self) -> int:
        now_ms = self._now_ms()
        if not now_ms:
            return 0
        try:
            return await self._store.pack(newest_ms=now_ms, most=_HOURS_AT_ONCE)
        except StoreError as error:
            self._failed(error)
            return 0
