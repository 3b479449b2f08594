"""When to try again: endless capped backoff with full jitter, inside the venue's limit of connection attempts."""

from __future__ import annotations

from collections import deque
from random import Random

CAP_S = 20.0
BASE_S = 0.25
DELIVERED_CAP_S = 4.0
RESET_AFTER_S = 60.0
ATTEMPTS = 280
ATTEMPTS_WINDOW_S = 300.0


class Backoff:
    """Delays before the next attempt: uniform in `[0, min(cap, base * 2**n)]`, so the first retry comes within half a second.

    Only a line that delivered data for 60 s resets `n`. A line that delivered for a shorter time counts as a step too but
    keeps the ceiling at 4 s, so that a line which is cut again and again is back within seconds; attempts that brought no
    data at all climb to the full cap of 20 s.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._steps = 0
        self._cap_s = CAP_S

    @property
    def steps(self) -> int:
        return self._steps

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        self._steps = min(self._steps + 1, 30)
        return self._random.uniform(0.0, min(self._cap_s, BASE_S * 2**self._steps))

    def ended(self, delivered_s: float) -> None:
        """An attempt is over; it delivered data for `delivered_s` (0: none)."""
        if delivered_s >= RESET_AFTER_S:
            self._steps = 0
        self._cap_s = DELIVERED_CAP_S if delivered_s > 0 else CAP_S


class Attempts:
    """Sliding window over the connection attempts of this process per address: below 300 in 5 minutes."""

    def __init__(self, *, most: int = ATTEMPTS, window_s: float = ATTEMPTS_WINDOW_S) -> None:
        self._most = most
        self._window_s = window_s
        self._at: dict[str, deque[float]] = {}

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until another attempt at `address` is allowed (0: now)."""
        times = self._at.setdefault(address, deque())
        while times and times[0] <= now - self._window_s:
            times.popleft()
        return 0.0 if len(times) < self._most else times[0] + self._window_s - now

    def spend(self, address: str, now: float) -> None:
        self._at.setdefault(address, deque()).append(now)
