"""A clock that runs N times faster than the wall, so that minutes of a venue pass in seconds of a test."""

from __future__ import annotations

import asyncio
import time


class ScaledClock:
    """Fulfils `marketwatch.clock.Clock`. Sleeps and the monotonic time run at `speed`; `leap_to` moves the date alone."""

    def __init__(self, *, start_ms: int, speed: float = 1.0) -> None:
        self.speed = speed
        self._start_ms = start_ms
        self._origin = time.monotonic()

    def now_ms(self) -> int:
        return self._start_ms + int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return (time.monotonic() - self._origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    def leap_to(self, now_ms: int) -> None:
        """Set the date forward to `now_ms`; the monotonic time does not notice. Never moves back."""
        self._start_ms += max(0, now_ms - self.now_ms())

    def set_speed(self, speed: float) -> None:
        """Go on at another speed from the present moment; both times stay continuous."""
        passed = self.monotonic()
        self.speed = speed
        self._origin = time.monotonic() - passed / speed
