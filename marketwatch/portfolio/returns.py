"""Figures over returns. Plain functions of float64 arrays; per cents are for those who show them.

Formulas, with r the returns of N equal periods and A periods a year (365 for days):

- mean and deviation: m = sum(r) / N, s = sqrt(sum((r - m)^2) / (N - 1))
- volatility = s * sqrt(A)
- Sharpe (1994, without a riskless rate) = m / s * sqrt(A)
- Sortino (Sortino and Price 1994, target 0, over ALL N) = m / sqrt(sum(min(r, 0)^2) / N) * sqrt(A)
- CAGR = (product(1 + r))^(A / N) - 1
- drawdown = index / running maximum - 1, where the index begins at 1 BEFORE the first return
- Calmar (Young 1991) = CAGR / |worst drawdown|
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyxirr
from numpy.typing import NDArray

F8 = NDArray[np.float64]
YEAR = 365
FEW = 30
"""With fewer periods, figures say nothing."""


def volatility(returns: F8, periods: int = YEAR) -> float | None:
    """Annualised deviation (ddof 1); None with fewer than two returns."""
    return float(np.std(returns, ddof=1) * np.sqrt(periods)) if len(returns) > 1 else None


def sharpe(returns: F8, periods: int = YEAR) -> float | None:
    """None without variation."""
    deviation = np.std(returns, ddof=1) if len(returns) > 1 else 0.0
    return float(np.mean(returns) / deviation * np.sqrt(periods)) if deviation > 1e-15 else None


def sortino(returns: F8, periods: int = YEAR) -> float | None:
    """None without a loss."""
    if not len(returns):
        return None
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))
    return float(np.mean(returns) / downside * np.sqrt(periods)) if downside > 1e-15 else None


def total(returns: F8) -> float | None:
    """Growth over all periods."""
    return float(np.prod(1.0 + returns) - 1.0) if len(returns) else None


def cagr(returns: F8, periods: int = YEAR) -> float | None:
    """Growth a year; None without returns or where it overflows."""
    if not len(returns):
        return None
    with np.errstate(over="ignore"):
        grown = float(np.prod(1.0 + returns) ** (periods / len(returns)) - 1.0)
    return grown if np.isfinite(grown) else None


def drawdowns(index: F8) -> F8:
    """How far each value lies below the highest until then, the starting capital of 1 included; never above 0."""
    if not len(index):
        return index
    return index / np.maximum(np.maximum.accumulate(index), 1.0) - 1.0


def max_drawdown(returns: F8) -> float | None:
    """The worst fall, never above 0; None without returns."""
    index: F8 = (1.0 + returns).cumprod()
    return float(drawdowns(index).min()) if len(returns) else None


def calmar(returns: F8, periods: int = YEAR) -> float | None:
    """None without a fall."""
    grown, worst = cagr(returns, periods), max_drawdown(returns)
    return None if grown is None or worst is None or worst > -1e-15 else grown / abs(worst)


def xirr(time_ms: NDArray[np.int64], amounts: F8) -> float | None:
    """Money-weighted return a year, Act/365: the rate at which sum(amount / (1 + rate)^(days / 365)) = 0.

    `amounts`: what the investor paid is negative, what came back (the value at the end) is positive. Days count, not hours.
    None where not both signs occur or no rate is found. Solved by pyxirr.
    """
    days, place = np.unique(time_ms // 86_400_000, return_inverse=True)
    sums = np.bincount(place, weights=amounts, minlength=len(days))
    if len(days) < 2 or not (sums > 0).any() or not (sums < 0).any():
        return None
    dates = [date.fromordinal(_EPOCH + int(day)) for day in days]
    rate = pyxirr.xirr(dates, sums.tolist(), silent=True)
    return float(rate) if rate is not None and np.isfinite(rate) else None


_EPOCH = date(1970, 1, 1).toordinal()
