"""Binance's request weight: how much may be asked a minute, and the pauses that the venue demands."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from ..clock import Clock

BUDGET = 6000
SHARE = 0.5
"""Stay below half of what the venue allows an address: others may share it."""
MINUTE_S = 60.0
MAX_PAUSE_S = 3 * 86_400.0


class WeightBudget:
    """Request weight over a sliding minute: our own sum, or the venue's count (header) where that is higher."""

    def __init__(self, clock: Clock, *, limit: int = BUDGET) -> None:
        self._clock = clock
        self._limit = limit
        self._spent: deque[tuple[float, int]] = deque()
        self._told = (0.0, 0)
        self._closed_until = 0.0

    @property
    def used(self) -> int:
        """Weight of the last minute."""
        now = self._clock.monotonic()
        while self._spent and self._spent[0][0] <= now - MINUTE_S:
            self._spent.popleft()
        told_at, told = self._told
        return max(sum(weight for _, weight in self._spent), told if told_at > now - MINUTE_S else 0)

    async def acquire(self, weight: int, *, share: float = SHARE) -> None:
        """Wait until `weight` fits below `share` of the limit and no pause is on."""
        while True:
            now = self._clock.monotonic()
            pause = self._closed_until - now
            if pause <= 0 and self.used + weight <= self._limit * share:
                self._spent.append((now, weight))
                return
            await self._clock.sleep(max(0.05, min(pause, 5.0)) if pause > 0 else 0.5)

    def told(self, used: int) -> None:
        """The venue's own count for the running minute."""
        self._told = (self._clock.monotonic(), used)

    def pause(self, seconds: float) -> None:
        """Nobody asks anything for `seconds`."""
        self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)


def retry_after_s(headers: Mapping[str, str], otherwise: float) -> float:
    """Seconds of a `Retry-After` header, at most the venue's longest ban of three days; `otherwise` where it says nothing."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return otherwise
    return min(max(seconds, 0.1), MAX_PAUSE_S) if seconds == seconds else otherwise
