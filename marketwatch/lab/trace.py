"""The line of a rule's metric for a chart: lowest, highest and last value of each candle, never an average."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..rules.truth import F8
from .question import DAY_MS, Question, single_comparison

_GRIDS = ((DAY_MS // 4, 60_000), (DAY_MS * 5 // 4, 300_000))
_COARSE_MS = 3_600_000


class Trace(NamedTuple):
    """`points`: start of the candle in ms, lowest, highest and last known value. Candles without a known value are left out."""

    symbol: str
    metric: str
    operator: str
    threshold: float
    grid_ms: int
    points: list[tuple[int, float, float, float]]


def grid_of(span_ms: int) -> int:
    """Length of a candle for a span: at most about 750 of them."""
    return next((grid for most, grid in _GRIDS if span_ms <= most), _COARSE_MS)


def traced(question: Question, symbol: str, values: F8, from_ms: int) -> Trace | None:
    """The line of a rule that is one comparison with a number; None for other rules. `values` from `from_ms` on."""
    single = single_comparison(question.program)
    if single is None or not len(values):
        return None
    node, threshold = single
    grid_ms = grid_of(question.to_ms - question.from_ms)
    first = from_ms // grid_ms
    edges = np.arange(first + 1, (from_ms + len(values) * question.sample_ms - 1) // grid_ms + 1)
    starts = np.append(0, -(-(edges * grid_ms - from_ms) // question.sample_ms))
    known = np.isfinite(values)
    if known.all():
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        newest = np.append(starts[1:], len(values)) - 1
    else:
        shown = np.where(known, values, np.nan)
        low, high = np.fmin.reduceat(shown, starts), np.fmax.reduceat(shown, starts)
        newest = np.maximum.reduceat(np.where(known, np.arange(len(values)), -1), starts)
    rows = zip([first * grid_ms, *(edges * grid_ms).tolist()], low.tolist(), high.tolist(), newest.tolist(), strict=True)
    points = [(at, bottom, top, float(values[last])) for at, bottom, top, last in rows if last >= 0]
    return Trace(symbol, node.left.key, node.operator, threshold, grid_ms, points)
