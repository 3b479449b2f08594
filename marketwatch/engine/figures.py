"""The metrics of one window at one step, each computed when it is first read, from numbers that nothing changes any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import WINDOW_METRICS
from .extremes import BOTTOM, CREST, SLIDE, TOP
from .ring import F8
from .sums import (
    COUNTS,
    CROSS,
    DEVIATIONS,
    NOTIONALS,
    REFERENCE,
    REFERENCE_SQUARES,
    RETURN_SQUARES,
    RETURNS,
    SQUARES,
    TAKER_BUYS,
    VOLUMES,
    WEIGHTED,
)

_NOISE = 1e-12
"""A sum of squared deviations below this share of the sum of squares is rounding, not variation."""
Number = F8 | float
Columns = dict[str, F8]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What the windows' sums came to at one step, the newest price included. Rows of `total` and `left` as in `sums`, of
    `summary` as in `extremes`; `left` are the watched sums without their mean. `joint`: count, sum and squares of the returns
    at times at which the reference has one too; None where those are all returns, `has_reference` false where it has none."""

    price: F8
    oldest: F8
    anchor: F8
    ema: F8
    total: F8
    left: F8
    summary: F8
    counts: Number
    weights: Number
    returns: Number
    seconds: Number
    joint: F8 | None
    has_reference: bool
    annual: float


class Figures(Mapping[str, F8]):
    """Metric to column, NaN where unknown. Anything over fewer than two prices is unknown. Reading changes no value."""

    __slots__ = ("_columns", "_few", "_moment")

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._columns: Columns = {}
        few = np.asarray(moment.counts) < 2
        self._few: NDArray[np.bool_] | None = np.broadcast_to(few, moment.price.shape) if few.any() else None

    def __iter__(self) -> Iterator[str]:
        return iter(WINDOW_METRICS)

    def __len__(self) -> int:
        return len(WINDOW_METRICS)

    def __getitem__(self, metric: str) -> F8:
        found = self._columns.get(metric)
        if found is not None:
            return found
        compute = _COMPUTE[metric]
        with np.errstate(all="ignore"):  # unknown is NaN all the way
            columns = compute(self._moment)
        for name, column in columns.items():
            if self._few is not None:
                column[self._few] = np.nan
            self._columns[name] = column
        return self._columns[metric]


def _prices(at: Moment) -> Columns:
    mean = at.total[DEVIATIONS] / at.counts
    sma = at.anchor + mean
    std = np.sqrt(np.maximum(at.left[SQUARES], 0.0) / at.counts)
    zscore = at.price - at.anchor
    zscore -= mean
    zscore /= np.where(std > 0.0, std, np.nan)
    volatility = std / sma
    volatility *= 100.0
    return {"sma": sma, "price_std": std, "volatility": volatility, "zscore": zscore}


def _volume(at: Moment) -> Columns:
    """Sums that are nothing but rounding (no trade in the window) are set right."""
    return {"volume": at.total[VOLUMES] * (at.total[COUNTS] > 0.5)}


def _vwap(at: Moment) -> Columns:
    return {"vwap": _share(at.total[NOTIONALS], at.total[VOLUMES], at.total[COUNTS])}


def _buy_ratio(at: Moment) -> Columns:
    ratio = _share(at.total[TAKER_BUYS], at.total[VOLUMES], at.total[COUNTS])
    return {"buy_ratio": np.clip(ratio, 0.0, 1.0, out=ratio)}


def _realized(at: Moment) -> Columns:
    divisor = np.maximum(at.returns - 1.0, 0.0)
    volatility = np.sqrt(at.left[RETURN_SQUARES] / divisor)
    volatility *= at.annual
    volatility[np.broadcast_to(divisor < 1.0, volatility.shape)] = np.nan
    return {"realized_vol": volatility}


def _correlate(at: Moment) -> Columns:
    """Pearson correlation and slope against the reference, over times at which both returns are known."""
    if not at.has_reference:
        return {"correlation": np.full_like(at.price, np.nan), "beta": np.full_like(at.price, np.nan)}
    total = at.total
    own, both, squares = (total[RETURNS], at.returns, None) if at.joint is None else (at.joint[1], at.joint[0], at.joint[2])
    own_variation = at.left[RETURN_SQUARES] if squares is None else variation(squares, own, both)
    shared = total[CROSS] - own * (total[REFERENCE] / both)
    theirs = variation(total[REFERENCE_SQUARES], total[REFERENCE], both)
    theirs = np.where((theirs > 0.0) & (np.asarray(both) > 1.5), theirs, np.nan)
    correlation = shared / np.sqrt(np.where(own_variation > 0.0, own_variation, np.nan) * theirs)
    return {"correlation": np.clip(correlation, -1.0, 1.0, out=correlation), "beta": shared / theirs}


def variation(squares: F8, total: F8, counts: Number) -> F8:
    """Sum of squared deviations from the mean; exactly 0 where it is only rounding."""
    left: F8 = squares - total * (total / counts)
    np.copyto(left, 0.0, where=left <= _NOISE * squares)
    return left


def _share(part: F8, whole: F8, trades: F8) -> F8:
    """One sum of the window's trades over another, unknown without a trade."""
    out: F8 = part / whole
    idle = trades <= 0.5
    if idle.any():
        out[idle] = np.nan
    return out


def _per_cent(value: F8, base: F8) -> F8:
    out: F8 = value / base
    out -= 1.0
    out *= 100.0
    return out


_COMPUTE: dict[str, Callable[[Moment], Columns]] = {
    **dict.fromkeys(("sma", "price_std", "volatility", "zscore"), _prices),
    **dict.fromkeys(("correlation", "beta"), _correlate),
    "realized_vol": _realized,
    "volume": _volume,
    "vwap": _vwap,
    "buy_ratio": _buy_ratio,
    "trade_rate": lambda at: {"trade_rate": np.rint(at.total[COUNTS]) / at.seconds},
    "wma": lambda at: {"wma": at.anchor + at.total[WEIGHTED] / at.weights},
    "ema": lambda at: {"ema": at.ema.copy()},
    "high": lambda at: {"high": at.summary[TOP].copy()},
    "low": lambda at: {"low": np.negative(at.summary[BOTTOM])},
    "drawdown": lambda at: {"drawdown": _per_cent(at.price, at.summary[CREST])},
    "max_drawdown": lambda at: {"max_drawdown": (-1.0 - at.summary[SLIDE]) * 100.0},
    "change": lambda at: {"change": _per_cent(at.price, at.oldest)},
}
