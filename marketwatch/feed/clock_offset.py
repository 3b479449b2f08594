"""The venue's clock as seen from here: how far the local clock is off, how late data comes, what time it is over there."""

from __future__ import annotations

from collections import deque

_WINDOW_S = 60.0
_LATENCY_S = 5.0
_MOST = 600
_LOW_SHARE = 20
"""The estimate is the fifth percentile of receipt minus event time: near the minimum, deaf to a few wrong frames."""
_FASTER = 5
"""So many frames in a row below the estimate bring it down at once (a venue that is played faster than time)."""


class ClockOffset:
    """Estimates from pairs (monotonic receipt, event time) of the last minute.

    It works on the monotonic clock, so that a step of the wall clock by an hour moves neither `venue_ms` nor latencies. A
    constant network delay cannot be told from an offset and is part of it.
    """

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self._offset: float | None = None
        self._last_pulse = 0
        self._below = 0

    def saw(self, event_ms: int, monotonic_s: float) -> None:
        """A frame with event time `event_ms` was just received."""
        difference = monotonic_s * 1000.0 - event_ms
        self._pairs.append((monotonic_s, difference))
        if self._offset is None or len(self._pairs) < _LOW_SHARE:
            self._estimate(monotonic_s)
        self._below = self._below + 1 if self._offset is not None and difference < self._offset - 1.0 else 0
        if self._below >= _FASTER:
            self._offset = sorted(pair[1] for pair in list(self._pairs)[-_FASTER:])[_FASTER // 2]
            self._below = 0

    def _estimate(self, monotonic_s: float) -> None:
        while self._pairs and self._pairs[0][0] < monotonic_s - _WINDOW_S:
            self._pairs.popleft()
        if self._pairs:
            ordered = sorted(difference for _, difference in self._pairs)
            share = 2 if len(ordered) < _LOW_SHARE else _LOW_SHARE
            self._offset = ordered[len(ordered) // share]

    def refresh(self, monotonic_s: float) -> None:
        """Estimate anew; about once a second."""
        if self._pairs and self._pairs[-1][0] >= monotonic_s - _WINDOW_S:
            self._estimate(monotonic_s)

    def venue_ms(self, monotonic_s: float) -> int | None:
        """Event time that has been reached by now; never goes back. None before the first dated frame."""
        if self._offset is None:
            return None
        self._last_pulse = max(self._last_pulse, int(monotonic_s * 1000.0 - self._offset))
        return self._last_pulse

    def offset_ms(self, now_ms: int, monotonic_s: float) -> float | None:
        """Local wall clock minus the venue's clock."""
        if self._offset is None:
            return None
        return now_ms - (monotonic_s * 1000.0 - self._offset)

    def latency_ms(self, monotonic_s: float) -> float | None:
        """Median of receipt minus event time over the last five seconds, after the offset. None without data."""
        if self._offset is None:
            return None
        recent = sorted(difference for at, difference in self._pairs if at >= monotonic_s - _LATENCY_S)
        return max(0.0, recent[len(recent) // 2] - self._offset) if recent else None
