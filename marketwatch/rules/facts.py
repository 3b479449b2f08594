"""What the program knows about itself, as columns or single numbers. Unknown is NaN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from ..model.system import FeedStatus
from ..state import LiveState
from .frame import Frame
from .truth import F8


def fact(name: str, frame: Frame) -> F8:
    """A system term at a tick: over all symbols, or one number (shape ()) where it is the same for all."""
    if name == "data_age":
        return frame.data_age_s()
    if name == "gaps":
        counts = Counter(gap.symbol for gap in frame.state.open_gaps())
        return np.array([float(counts[symbol]) for symbol in frame.table.symbols])
    value = _ONE[name](frame.state)
    return np.asarray(np.nan if value is None else float(value))


def _feed(read: Callable[[FeedStatus], float | None]) -> Callable[[LiveState], float | None]:
    """The worst of all feeds; unknown without any."""

    def worst(state: LiveState) -> float | None:
        values = [value for status in state.feeds.values() if (value := read(status)) is not None]
        return max(values, key=abs, default=None)

    return worst


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000.0


def _store_lag(state: LiveState) -> float | None:
    writer = state.writer
    if writer is None:
        return None
    if not writer.depth and not writer.spool_bytes:
        return 0.0
    if writer.last_write_ms is None or state.last_received_ms is None:
        return None
    return max(0.0, (state.last_received_ms - writer.last_write_ms) / 1000.0)


_ONE: dict[str, Callable[[LiveState], float | None]] = {
    "feed_lag": _feed(lambda status: _seconds(status.latency_ms)),
    "clock_offset": _feed(lambda status: _seconds(status.clock_offset_ms)),
    "reconnects": _feed(lambda status: status.reconnects),
    "rejected": _feed(lambda status: sum(status.rejected.values())),
    "store_lag": _store_lag,
    "store_depth": lambda state: None if state.writer is None else state.writer.depth,
    "store_dropped": lambda state: None if state.writer is None else state.writer.dropped,
}
