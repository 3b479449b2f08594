"""Indicators over arrays of one symbol, oldest first: what the analytics API computes from candles.

Conventions are TA-Lib's unless said otherwise: the answer has the length of the input, NaN until enough values were seen, and
an unknown (NaN) input makes every value whose span touches it unknown. Windows are counts of values; one outside `1..len` gives
NaN throughout. Nothing raises for numbers; two columns of different length raise ValueError.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]


def _column(values: ArrayLike) -> F8:
    return np.asarray(values, np.float64).reshape(-1)


def _rolling(values: F8, n: int) -> F8:
    """Windows of `n` values (len - n + 1, n); empty where there are none."""
    return sliding_window_view(values, n) if 0 < n <= len(values) else np.empty((0, max(n, 1)))


def _late(values: F8, length: int) -> F8:
    """Put `values` at the end of `length` places, NaN before."""
    out = np.full(length, np.nan)
    if len(values):
        out[length - len(values) :] = values
    return out


def _paired(*columns: ArrayLike) -> tuple[F8, ...]:
    arrays = tuple(_column(column) for column in columns)
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(
            f"The columns have {' and '.join(str(len(array)) for array in arrays)} values; they must have the same."
        )
    return arrays


def sma(values: ArrayLike, n: int) -> F8:
    """Mean of the last `n` values (TA-Lib SMA)."""
    column = _column(values)
    return _late(_rolling(column, n).mean(axis=1) if 0 < n <= len(column) else column[:0], len(column))


def ema(values: ArrayLike, n: int) -> F8:
    """Exponential average, k = 2 / (n + 1), seeded with the mean of the first `n` values (TA-Lib EMA).

    Leading unknown values are passed over, so that an EMA of an EMA works; one in between makes the rest unknown.
    """
    column = _column(values)
    return _smoothed(column, n, 2.0 / (n + 1.0)) if n > 0 else np.full(len(column), np.nan)


def _smoothed(column: F8, n: int, k: float) -> F8:
    out = np.full(len(column), np.nan)
    known = np.flatnonzero(~np.isnan(column))
    if n < 1 or not len(known) or known[0] + n > len(column):
        return out
    first = int(known[0]) + n - 1
    value = float(column[first - n + 1 : first + 1].mean())
    out[first] = value
    for at, price in enumerate(column[first + 1 :].tolist(), first + 1):
        value = k * price + (1.0 - k) * value
        out[at] = value
    return out


def wma(values: ArrayLike, n: int) -> F8:
    """Linearly weighted mean of the last `n` values, the newest with weight `n` (TA-Lib WMA)."""
    column = _column(values)
    if not 0 < n <= len(column):
        return np.full(len(column), np.nan)
    weights = np.arange(1.0, n + 1.0)
    return _late(_rolling(column, n) @ weights / weights.sum(), len(column))


def vwap(price: ArrayLike, volume: ArrayLike, n: int) -> F8:
    """Sum of price x volume over sum of volume, over the last `n` values; NaN where nothing traded."""
    prices, volumes = _paired(price, volume)
    if not 0 < n <= len(prices):
        return np.full(len(prices), np.nan)
    total = _rolling(volumes, n).sum(axis=1)
    value = _rolling(prices * volumes, n).sum(axis=1)
    with np.errstate(all="ignore"):
        return _late(np.where(total > 0.0, value / total, np.nan), len(prices))


def stddev(values: ArrayLike, n: int) -> F8:
    """Population deviation of the last `n` values (TA-Lib STDDEV)."""
    column = _column(values)
    return _late(_rolling(column, n).std(axis=1) if 0 < n <= len(column) else column[:0], len(column))


def bollinger(values: ArrayLike, n: int = 20, width: float = 2.0) -> tuple[F8, F8, F8]:
    """Upper, middle and lower band: SMA plus and minus `width` population deviations (TA-Lib BBANDS)."""
    middle, spread = sma(values, n), width * stddev(values, n)
    return middle + spread, middle, middle - spread


def log_returns(close: ArrayLike) -> F8:
    """ln(close / close before), one value fewer than the input; NaN at prices that are not positive."""
    column = _column(close)
    with np.errstate(all="ignore"):
        returns: F8 = np.log(column[1:] / column[:-1])
    return np.where(np.isfinite(returns), returns, np.nan)


def realized_vol(close: ArrayLike, bars_per_year: float) -> float:
    """Sample deviation (ddof 1) of log returns, annualised, per cent; over the known returns, NaN for fewer than two."""
    known = log_returns(close)
    known = known[~np.isnan(known)]
    return float(100.0 * known.std(ddof=1) * np.sqrt(bars_per_year)) if len(known) > 1 else np.nan


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson correlation of the pairs in which both are known, within [-1, 1]; NaN when one of them never moves."""
    x, y = _both(a, b)
    if len(x) < 2 or _still(x) or _still(y):
        return np.nan
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def beta(a: ArrayLike, b: ArrayLike) -> float:
    """Slope of `a` on `b` over the pairs in which both are known; NaN when `b` never moves."""
    x, y = _both(a, b)
    if len(x) < 2 or _still(y):
        return np.nan
    y = y - y.mean()
    return float((x @ y) / (y @ y))


def _both(a: ArrayLike, b: ArrayLike) -> tuple[F8, F8]:
    x, y = _paired(a, b)
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _still(values: F8) -> bool:
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def drawdown(values: ArrayLike) -> F8:
    """Per cent below the highest value so far: 100 x (value / running maximum - 1), never above 0."""
    column = _column(values)
    with np.errstate(all="ignore"):
        return 100.0 * (column / np.fmax.accumulate(column) - 1.0) if len(column) else column


def max_drawdown(values: ArrayLike) -> float:
    """The worst fall from a peak to a later trough, per cent, <= 0; NaN for fewer than two known values."""
    falls = drawdown(values)
    return float(np.nanmin(falls)) if np.count_nonzero(~np.isnan(falls)) > 1 else np.nan


def rsi(values: ArrayLike, n: int = 14) -> F8:
    """Relative strength index with Wilder smoothing (TA-Lib RSI); 0 when nothing moved, as there."""
    column = _column(values)
    moves = np.diff(column)
    up = _smoothed(np.where(moves > 0, moves, np.where(np.isnan(moves), np.nan, 0.0)), n, 1.0 / max(n, 1))
    down = _smoothed(np.where(moves < 0, -moves, np.where(np.isnan(moves), np.nan, 0.0)), n, 1.0 / max(n, 1))
    with np.errstate(all="ignore"):
        strength = np.where(up + down == 0.0, 0.0, 100.0 * up / (up + down))
    return _late(strength, len(column))


def true_range(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> F8:
    """The larger of today's range and the distances to yesterday's close; NaN at the first bar (TA-Lib TRANGE)."""
    highs, lows, closes = _paired(high, low, close)
    if not len(closes):
        return closes
    before = closes[:-1]
    ranges = np.maximum(highs[1:] - lows[1:], np.maximum(np.abs(highs[1:] - before), np.abs(lows[1:] - before)))
    return _late(ranges, len(closes))


def atr(high: ArrayLike, low: ArrayLike, close: ArrayLike, n: int = 14) -> F8:
    """Average true range with Wilder smoothing, seeded with the mean of the first `n` true ranges (TA-Lib ATR)."""
    return _smoothed(true_range(high, low, close), n, 1.0 / max(n, 1))


def macd(values: ArrayLike, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[F8, F8, F8]:
    """EMA(fast) - EMA(slow), its EMA(signal), and their difference. Each EMA has its own seed, unlike TA-Lib's MACD, which
    starts the fast one late; the two agree after about 100 values (this is the commonly published form)."""
    line = ema(values, fast) - ema(values, slow)
    trigger = ema(line, signal)
    return line, trigger, line - trigger
