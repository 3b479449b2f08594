"""The only door to the wall clock. Everything else is handed a `Clock`."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Time for whoever needs it: UTC milliseconds to date things, monotonic seconds to measure ages."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is advanced: replay and tests run on it."""

    def __init__(self, start_ms: int = 0) -> None:
        self._now_us = start_ms * 1000
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._now_us // 1000

    def monotonic(self) -> float:
        return self._now_us / 1_000_000

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due = self._now_us + round(seconds * 1_000_000)
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._order), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking sleepers in the order in which they are due."""
        target = self._now_us + round(seconds * 1_000_000)
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, waiter = heapq.heappop(self._sleepers)
            self._now_us = max(self._now_us, due)
            if not waiter.done():
                waiter.set_result(None)
            for _ in range(3):
                await asyncio.sleep(0)
        self.move_to(target // 1000)
        await asyncio.sleep(0)

    def move_to(self, now_ms: int) -> None:
        """Set the time without waking anybody; never moves back."""
        self._now_us = max(self._now_us, now_ms * 1000)
