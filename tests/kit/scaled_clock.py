"""A clock that runs N times faster than the wall, so that minutes of a venue pass in seconds of a test."""

from __future__ import annotations

import asyncio
import time

MOST_STEP_S = 0.4


class ScaledClock:
    """Fulfils `marketwatch.clock.Clock`. Sleeps and the monotonic time run at `speed`; `leap_to` moves the date alone.

    With `steady` time passes in steps of at most 0.4 s between two looks at it: when the machine stalls, this clock stalls too
    and nobody concludes that the venue fell silent. Somebody has to look often; the fake venue does.
    """

    def __init__(self, *, start_ms: int, speed: float = 1.0, steady: bool = True) -> None:
        self.speed = speed
        self.steady = steady
        self._start_ms = start_ms
        self._passed_s = 0.0
        self._looked = time.monotonic()

    def now_ms(self) -> int:
        return self._start_ms + int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        now = time.monotonic()
        step = (now - self._looked) * self.speed
        self._looked = now
        self._passed_s += min(step, MOST_STEP_S) if self.steady else step
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        due = self.monotonic() + seconds
        await asyncio.sleep(seconds / self.speed)
        while (left := due - self.monotonic()) > 0:
            await asyncio.sleep(left / self.speed)

    def leap_to(self, now_ms: int) -> None:
        """Set the date forward to `now_ms`; the monotonic time does not notice. Never moves back."""
        self._start_ms += max(0, now_ms - self.now_ms())

    def set_speed(self, speed: float) -> None:
        """Go on at another speed from the present moment; both times stay continuous."""
        self.monotonic()
        self.speed = speed
