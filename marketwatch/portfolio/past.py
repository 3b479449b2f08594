"""The past of a portfolio over a span: equity by hour or by day, drawdown, and the same money in the benchmark.

Where a candle is missing for something that was held, the value is unknown: a gap in the line, which is named, and never a
value that is carried on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..model.valuation import Blank, Past
from .history import PriceGrid
from .ledger import Ledger
from .performance import Course, course, curve_of

F8 = NDArray[np.float64]


def past(
    ledger: Ledger,
    grid: PriceGrid,
    *,
    from_ms: int,
    now_ms: int,
    now_value: float | None = None,
    now_price: float | None = None,
    benchmark: str = "BTC",
) -> Past | None:
    """From the step of `from_ms` (or of the first transaction) until now; None for a ledger in which nothing moved.

    `grid` reaches from the step before `from_ms` on, and holds all that was ever held and `benchmark`. `now_value` and
    `now_price`: what portfolio and benchmark are worth at the market; without them the last closes count. Index, drawdown and
    return begin at the first known value; the benchmark gets that value, and every flow from then on. Use a thread.
    """
    if not ledger.trail:
        return None
    begin_ms = max(from_ms, ledger.moves[0].time_ms)
    one = course(ledger, grid, from_ms=begin_ms, now_ms=now_ms, now_value=now_value, benchmark=benchmark)
    price = _prices(one, grid, benchmark, now_price)
    known = np.flatnonzero(np.isfinite(one.value))
    curve = curve_of(replace(one, benchmark=_instead(one, known, price)), grid.step_ms)
    fall = curve.drawdown[np.isfinite(curve.drawdown)]
    ended = len(known) > 0 and known[-1] == len(one.value) - 1
    return Past(
        as_of_ms=now_ms,
        curve=curve,
        twr_pct=100 * (float(one.index[-1]) - 1.0) if ended else None,
        benchmark_pct=_grown(price, known) if ended else None,
        max_drawdown_pct=float(fall.min()) if len(fall) else None,
        blanks=tuple(_blanks(curve.time_ms, np.isfinite(curve.equity))),
        missing=one.missing,
    )


def _prices(one: Course, grid: PriceGrid, benchmark: str, now_price: float | None) -> F8:
    """The benchmark's price at every cut."""
    if benchmark not in grid.assets:
        return np.full(len(one.time_ms), np.nan)
    found = grid.at(one.time_ms)[:, grid.assets.index(benchmark)]
    if now_price is not None:
        found[-1] = now_price
    return found


def _instead(one: Course, known: NDArray[np.intp], price: F8) -> F8:
    """The first known value and all flows from then on, held in the benchmark. Unknown before, and where a price is missing."""
    found: F8 = np.full(len(price), np.nan)
    if not len(known):
        return found
    first = int(known[0])
    paid = one.flow[first:].copy()
    paid[0] += one.value[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        units = np.where(paid == 0.0, 0.0, paid / price[first:]).cumsum()
    found[first] = one.value[first]
    found[first + 1 :] = units[:-1] * np.where(units[:-1] == 0.0, 1.0, price[first + 1 :])
    return found


def _grown(price: F8, known: NDArray[np.intp]) -> float | None:
    """Per cent by which the benchmark grew between the first known value and now."""
    grown = 100 * (float(price[-1] / price[known[0]]) - 1.0)
    return grown if np.isfinite(grown) else None


def _blanks(time_ms: NDArray[np.int64], known: NDArray[np.bool_]) -> list[Blank]:
    """Spans between two known values with unknown ones in between."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(np.int8)))
    last = len(time_ms) - 1
    return [
        Blank(int(time_ms[max(0, begin - 1)]), int(time_ms[min(last, end)]))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
