"""What was not seen: outages of the whole feed, and gaps of single symbols, in event time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..model.market import Gap, GapState
from ..model.system import FeedState

_MOST_GAPS = 10_000


class Outages:
    """Answers which symbols a step of event time cannot know about. Everything that is over is forgotten."""

    def __init__(self, index: Mapping[str, int]) -> None:
        self._index = index
        self._gaps: dict[str, Gap] = {}
        self._spans: list[tuple[int, int]] = []
        self._live = False
        self._down_ms: int | None = None
        self.ending = False

    def on_state(self, state: FeedState, event_ms: int) -> None:
        """A feed that was live and is not any more is down from `event_ms` until the first event after it is live again."""
        if state is FeedState.LIVE:
            self._live = True
            self.ending = self._down_ms is not None
        elif self._live:
            self.ending = False
            if self._down_ms is None:
                self._down_ms = event_ms

    def end(self, time_ms: int) -> None:
        """The first event after an outage has this time."""
        if self._down_ms is not None:
            self.add(self._down_ms, time_ms)
        self._down_ms, self.ending = None, False

    def add(self, from_ms: int, to_ms: int) -> None:
        """Nothing of `[from_ms, to_ms)` was seen."""
        self._spans.append((from_ms, to_ms))

    def on_gap(self, gap: Gap) -> None:
        self._gaps.pop(gap.gap_id, None)
        if self.is_lost(gap):
            self._gaps[gap.gap_id] = gap
        while len(self._gaps) > _MOST_GAPS:
            del self._gaps[next(iter(self._gaps))]

    @staticmethod
    def is_lost(gap: Gap) -> bool:
        return gap.state is not GapState.CLOSED

    @staticmethod
    def overlaps(gap: Gap, start_ms: int, end_ms: int) -> bool:
        return gap.from_ms < end_ms and gap.to_ms >= start_ms

    def mark(self, gaps: NDArray[np.bool_], start_ms: int, end_ms: int) -> bool:
        """Set `gaps` where the step `[start_ms, end_ms)` cannot be known; true when the whole feed was down."""
        down = self._down_ms is not None and start_ms >= self._down_ms
        down = down or any(first <= start_ms and end_ms <= last for first, last in self._spans)
        if down:
            gaps[:] = True
        for gap in self._gaps.values():
            if self.overlaps(gap, start_ms, end_ms):
                gaps[self._index[gap.symbol]] = True
        self._forget(end_ms)
        return down

    def _forget(self, end_ms: int) -> None:
        if self._spans:
            self._spans = [span for span in self._spans if span[1] > end_ms]
        if self._gaps:
            self._gaps = {key: gap for key, gap in self._gaps.items() if gap.to_ms >= end_ms}
