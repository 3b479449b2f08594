"""How a portfolio did: equity along time, time-weighted and money-weighted return, and the figures that follow.

Everything is computed at cuts: the ends of the steps (00:00 UTC for days), the moment of every flow over the border, and now.
The value at a cut is that just before it, so a flow never counts as a gain. With V(k) the value before cut k and F(k) its flow,

    growth(k) = V(k + 1) / (V(k) + F(k))          index = product of growths          TWR = index at the end - 1

as the Global Investment Performance Standards ask for (cut at every external flow). Where nothing was at work, growth is 1. A
cut whose value is unknown is left out: the flows of such a stretch count at its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.portfolio import Flow
from ..model.valuation import EquityCurve, Performance, Ratios
from . import returns as figures
from .history import PriceGrid
from .ledger import Ledger

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
_DUST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A portfolio at its cuts. `flow`: at the cut, not yet part of `value` and `invested`. `step`: whether a cut ends a step of
    the grid."""

    time_ms: I8
    step: NDArray[np.bool_]
    value: F8
    flow: F8
    invested: F8
    index: F8
    benchmark: F8
    missing: tuple[str, ...]


def performance(
    ledger: Ledger, grid: PriceGrid, *, now_ms: int, now_value: float | None = None, benchmark: str = "BTC"
) -> Performance | None:
    """Everything since the first transaction; None without one. Takes some milliseconds a thousand transactions: use a thread.

    `grid` holds daily closes of all that was ever held and of `benchmark`, from the day before the first transaction on.
    `now_value`: the value of now at the market; without it the last close counts. Drawdown and ratios are those of the index,
    which is the equity cleared of money that was paid in or taken out.
    """
    if not ledger.trail:
        return None
    one = course(ledger, grid, from_ms=ledger.moves[0].time_ms, now_ms=now_ms, now_value=now_value, benchmark=benchmark)
    daily = _step_returns(one)
    curve = curve_of(one, grid.step_ms)
    known = one.index[np.isfinite(one.index)]
    fall = figures.drawdowns(curve.index[np.isfinite(curve.index)])
    return Performance(
        as_of_ms=now_ms,
        curve=curve,
        ratios=_ratios(*daily),
        twr_pct=100 * (float(known[-1]) - 1.0) if np.isfinite(one.value[-1]) else None,
        xirr_pct=_xirr(one),
        max_drawdown_pct=100 * float(fall.min()) if len(fall) else None,
        benchmark_pct=_held(one, grid, benchmark),
        missing=one.missing,
    )


def course(
    ledger: Ledger, grid: PriceGrid, *, from_ms: int, now_ms: int, now_value: float | None = None, benchmark: str = "BTC"
) -> Course:
    """The portfolio at the ends of the grid's steps and at its flows, from `from_ms` until now.

    Raises ValueError when the grid lacks an asset that moved.
    """
    move_ms, moved, amounts = ledger.trail.columns()
    flows = ledger.flows[:]
    flow_ms = np.array([one.time_ms for one in flows], np.int64)
    start = from_ms - from_ms % grid.step_ms
    steps = np.arange(start, now_ms + 1, grid.step_ms, dtype=np.int64)
    inside = (flow_ms >= start) & (flow_ms <= now_ms)
    cuts = np.unique(np.concatenate([steps, flow_ms[inside], [now_ms + 1]]))
    prices = grid.at(cuts)
    column = {asset: at for at, asset in enumerate(grid.assets)}
    if lacking := ledger.trail.names.keys() - column.keys() - ledger.par:
        raise ValueError(f"The price grid lacks {', '.join(sorted(lacking))}.")
    known = np.array([column.get(name, -1) for name in ledger.trail.names], np.int64)[moved]
    value, missing = _values(*_held_at(cuts, move_ms, known, amounts, grid.assets, ledger.par), prices, grid.assets)
    if now_value is not None:
        value[-1] = now_value
    places = np.searchsorted(cuts, flow_ms)
    paid = _amounts(flows, prices, column, np.minimum(places, len(cuts) - 1))
    flow = np.bincount(places[inside], weights=paid[inside], minlength=len(cuts)).astype(np.float64)
    line = prices[:, column[benchmark]] if benchmark in column else np.full(len(cuts), np.nan)
    before = float(np.nansum(paid[flow_ms < start]))
    invested = before + np.concatenate([[0.0], np.nan_to_num(flow, nan=0.0).cumsum()[:-1]])
    ends = np.isin(cuts, steps)
    return Course(cuts, ends, value, flow, invested, _index(value, flow), _benchmark(flow, line), tuple(sorted(missing)))


def _held_at(
    cuts: I8, move_ms: I8, assets: NDArray[np.int64], amounts: F8, names: tuple[str, ...], par: frozenset[str]
) -> tuple[F8, F8]:
    """Quantities before each cut: float64 (cuts, assets), and cash. What moves at a cut is not yet in it."""
    width = len(names)
    rows = np.searchsorted(cuts, move_ms, side="right")
    inside = rows < len(cuts)
    rows, assets, amounts = rows[inside], assets[inside], amounts[inside]
    coins = np.array([name not in par for name in names] + [False], np.bool_)
    coin = coins[assets]
    cells = np.bincount(rows[coin] * width + assets[coin], weights=amounts[coin], minlength=len(cuts) * width)
    held = cells.reshape(len(cuts), width).cumsum(axis=0) if width else np.zeros((len(cuts), 0))
    held[np.abs(held) < _DUST * np.abs(held).max(axis=0, initial=0.0)] = 0.0
    cash = np.bincount(rows[~coin], weights=amounts[~coin], minlength=len(cuts)).cumsum()
    return held, cash


def _values(held: F8, cash: F8, prices: F8, names: tuple[str, ...]) -> tuple[F8, set[str]]:
    """Value at each cut, NaN where a price is missing, and whose."""
    worth = held * prices
    unknown = np.isnan(prices)
    worth[unknown & (held == 0.0)] = 0.0
    lacking = (unknown & (held != 0.0)).any(axis=0)
    return cash + worth.sum(axis=1), {name for name, lacks in zip(names, lacking.tolist(), strict=True) if lacks}


def _amounts(flows: Sequence[Flow], prices: F8, column: dict[str, int], places: NDArray[np.intp]) -> F8:
    """What each flow was worth: as entered, else at the market."""
    found = np.array([np.nan if one.value is None else float(one.value) for one in flows])
    for at in np.flatnonzero(np.isnan(found)).tolist():
        flow = flows[at]
        asset = column.get(flow.asset)
        found[at] = np.nan if asset is None else float(flow.quantity) * prices[places[at], asset]
    return found


def _index(value: F8, flow: F8) -> F8:
    """Growth of one unit until each cut; NaN where the value is unknown."""
    known = np.flatnonzero(np.isfinite(value))
    index: F8 = np.full(len(value), np.nan)
    if not len(known):
        return index
    paid = np.concatenate([[0.0], np.nan_to_num(flow, nan=0.0).cumsum()])
    at, then = known[:-1], known[1:]
    base = value[at] + paid[then] - paid[at]
    blind = np.concatenate([[0], np.isnan(flow).cumsum()])
    sound = (base > 1e-9) & (blind[then] == blind[at])
    growth = np.ones(len(at))
    growth[sound] = np.maximum(value[then][sound] / base[sound], 0.0)
    index[known] = np.concatenate([[1.0], growth.cumprod()])
    return index


def _benchmark(flow: F8, price: F8) -> F8:
    """What the flows would be worth before each cut, had each of them bought the benchmark at its price then."""
    with np.errstate(invalid="ignore", divide="ignore"):
        units = np.where(flow == 0.0, 0.0, flow / price).cumsum()
    return np.concatenate([[0.0], units[:-1]]) * np.where(units == 0.0, 1.0, price)


def _step_returns(one: Course) -> tuple[F8, I8]:
    """Returns of whole steps at whose beginning something was at work and both ends are known, with their ends in ms."""
    at = np.flatnonzero(one.step)
    index, value, time_ms = one.index[at], one.value[at], one.time_ms[at]
    sound = np.isfinite(index[1:]) & np.isfinite(index[:-1]) & (value[:-1] > 1e-9) & (index[:-1] > 0)
    found: F8 = index[1:][sound] / index[:-1][sound] - 1.0
    return found, time_ms[1:][sound]


def _ratios(returns: F8, time_ms: I8) -> Ratios:
    best, worst = (int(returns.argmax()), int(returns.argmin())) if len(returns) else (0, 0)
    grown, spread = figures.cagr(returns), figures.volatility(returns)
    return Ratios(
        periods=len(returns),
        insufficient=len(returns) < figures.FEW,
        volatility_pct=None if spread is None else 100 * spread,
        sharpe=figures.sharpe(returns),
        sortino=figures.sortino(returns),
        cagr_pct=None if grown is None else 100 * grown,
        calmar=figures.calmar(returns),
        best_pct=100 * float(returns[best]) if len(returns) else None,
        worst_pct=100 * float(returns[worst]) if len(returns) else None,
        best_ms=int(time_ms[best]) if len(returns) else None,
        worst_ms=int(time_ms[worst]) if len(returns) else None,
    )


def _xirr(one: Course) -> float | None:
    if not np.isfinite(one.value[-1]) or np.isnan(one.flow).any():
        return None
    paid = np.flatnonzero(one.flow)
    times = np.concatenate([one.time_ms[paid], one.time_ms[-1:]])
    rate = figures.xirr(times, np.concatenate([-one.flow[paid], one.value[-1:]]))
    return None if rate is None else 100 * rate


def _held(one: Course, grid: PriceGrid, benchmark: str) -> float | None:
    """Per cent that the benchmark gained since the first day."""
    if benchmark not in grid.assets:
        return None
    line = grid.at(one.time_ms[[0, -1]])[:, grid.assets.index(benchmark)]
    grown = 100 * (float(line[1] / line[0]) - 1.0)
    return grown if np.isfinite(grown) else None


def curve_of(one: Course, step_ms: int) -> EquityCurve:
    """The course at the ends of the steps and now."""
    at = np.flatnonzero(one.step | (np.arange(len(one.step)) == len(one.step) - 1))
    index = one.index[at]
    known = np.isfinite(index)
    fall = np.full(len(index), np.nan)
    fall[known] = 100 * figures.drawdowns(index[known])
    return EquityCurve(step_ms, one.time_ms[at], one.value[at], one.invested[at], index, fall, one.benchmark[at])
