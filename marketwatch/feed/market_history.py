"""The demo market's past: 30 days of one-hour and 25 hours of one-minute candles that end exactly where the live path begins.

The last day and the hour before it are one path in steps of ten seconds, so one-minute, five-minute and one-hour candles of
that span agree; the days before are a path in steps of five minutes. Both are made backwards from the live start price.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.market import Candle
from .market_listings import Listing

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
YEAR_S = 365 * 86_400
MARKET_VOLATILITY = 0.36
_FINE_MS = 10_000
_COARSE_MS = 300_000

Matrix = NDArray[np.float64]


class Bars(NamedTuple):
    """Candles of all symbols: `time_ms` of shape (bars,), the columns of shape (symbols, bars), oldest first."""

    interval_ms: int
    time_ms: NDArray[np.int64]
    open: Matrix
    high: Matrix
    low: Matrix
    close: Matrix
    volume: Matrix
    quote_volume: Matrix
    trades: Matrix
    taker_buy_volume: Matrix

    def candles(self, row: int, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        """Candles of one symbol with open times in [from_ms, to_ms)."""
        first, last = (int(np.searchsorted(self.time_ms, edge)) for edge in (from_ms, to_ms))
        columns = [column[row, first:last].tolist() for column in self[2:]]
        times = self.time_ms[first:last].tolist()
        return [
            Candle(symbol, interval, t, o, h, lo, c, v, q, int(n), b)
            for t, o, h, lo, c, v, q, n, b in zip(times, *columns, strict=True)
        ]

    def since(self, from_ms: int) -> Bars:
        """The bars with open times from `from_ms` on."""
        first = int(np.searchsorted(self.time_ms, from_ms))
        return Bars(self.interval_ms, self.time_ms[first:], *(column[:, first:] for column in self[2:]))


def seasonality(time_ms: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """How busy the hour of the day is, around 1: the peak is at 15:00 UTC, the low at 03:00."""
    hours = (np.asarray(time_ms) % DAY) / HOUR
    return np.asarray(1.0 + 0.38 * np.cos(2 * np.pi * (hours - 15.0) / 24.0))


def split_risk(listings: Sequence[Listing]) -> tuple[Matrix, Matrix]:
    """Volatility per root year that a pair shares with the market, and its own, in the order of the pairs."""
    total = np.array([listing.volatility for listing in listings])
    shared = np.minimum(np.array([listing.beta for listing in listings]) * MARKET_VOLATILITY, 0.9 * total)
    return shared, np.sqrt(total**2 - shared**2)


def past(listings: Sequence[Listing], start_ms: int, rng: np.random.Generator) -> tuple[Bars, Bars]:
    """One-minute and one-hour bars that end at `start_ms` (a whole minute). The running hour is not among the hours."""
    fine_from = (start_ms - DAY) // HOUR * HOUR
    coarse_from = fine_from - 29 * DAY
    end = np.log([listing.price for listing in listings])
    fine = _path_back(listings, end, fine_from, start_ms, _FINE_MS, rng)
    coarse = _path_back(listings, fine[:, 0], coarse_from, fine_from, _COARSE_MS, rng)
    minutes = _bars(listings, fine, fine_from, _FINE_MS, MINUTE, rng)
    old_hours = _bars(listings, coarse, coarse_from, _COARSE_MS, HOUR, rng)
    return minutes, joined(old_hours, merged(minutes, HOUR))


def _path_back(
    listings: Sequence[Listing], end: Matrix, from_ms: int, to_ms: int, step_ms: int, rng: np.random.Generator
) -> Matrix:
    """Log prices on the edges of the steps in [from_ms, to_ms], shape (symbols, steps + 1), whose last column is `end`."""
    steps = (to_ms - from_ms) // step_ms
    times = from_ms + step_ms * np.arange(steps, dtype=np.int64)
    temper = _temper(steps, step_ms, rng) * np.sqrt(seasonality(times))
    market = rng.standard_normal(steps) * temper
    market += (rng.random(steps) < step_ms / (5 * HOUR)) * rng.standard_normal(steps) * 4.0 * np.sqrt(300_000 / step_ms) / 2
    shared, own = split_risk(listings)
    noise = rng.standard_normal((len(listings), steps)) * temper
    scale = np.sqrt(step_ms / 1000 / YEAR_S)
    returns = np.asarray(scale * (shared[:, None] * market + own[:, None] * noise))
    back = np.cumsum(returns[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([end[:, None] - back, end[:, None]], axis=1)


def _temper(steps: int, step_ms: int, rng: np.random.Generator) -> Matrix:
    """A slowly changing factor on volatility, around 1: the logarithm is a stationary autoregression of two hours' memory."""
    keep = float(np.exp(-step_ms / (2 * HOUR)))
    shocks = rng.standard_normal(steps) * 0.4 * np.sqrt(1 - keep**2)
    level, path = 0.0, np.empty(steps)
    for index, shock in enumerate(shocks.tolist()):
        level = keep * level + shock
        path[index] = level
    return np.exp(path - 0.16)


def _bars(
    listings: Sequence[Listing], path: Matrix, from_ms: int, step_ms: int, interval_ms: int, rng: np.random.Generator
) -> Bars:
    """Cut a path into bars and give each a volume that fits its range and its hour."""
    per_bar = interval_ms // step_ms
    tick = np.array([listing.tick for listing in listings])[:, None]
    edges = np.round(np.round(np.exp(path) / tick) * tick, 8)
    count = (path.shape[1] - 1) // per_bar
    inside = edges[:, :-1].reshape(len(listings), count, per_bar)
    opens, closes = inside[:, :, 0], edges[:, per_bar::per_bar]
    high, low = _with_wicks(np.maximum(inside.max(axis=2), closes), np.minimum(inside.min(axis=2), closes), tick, rng)
    times = from_ms + interval_ms * np.arange(count, dtype=np.int64)
    usual = np.array([listing.volatility for listing in listings])[:, None] * np.sqrt(interval_ms / 1000 / YEAR_S)
    busy = 0.5 + 0.9 * np.minimum(4.0, (high - low) / closes / usual / 1.6)
    busy = busy * np.exp(0.3 * rng.standard_normal(busy.shape)) * seasonality(times)
    expected = np.array([listing.rate for listing in listings])[:, None] * interval_ms / 1000
    trades = rng.poisson(expected * busy).astype(np.float64)
    usd = np.array([listing.trade_usd / listing.quote_usd for listing in listings])[:, None]
    middle = (opens + high + low + closes) / 4
    volume = trades * usd * np.exp(0.2 * rng.standard_normal(busy.shape)) / middle
    lot = np.array([listing.lot for listing in listings])[:, None]
    volume = np.round(np.round(volume / lot) * lot, 8)
    lean = np.clip(0.5 + 0.08 * np.sign(closes - opens) + 0.05 * rng.standard_normal(busy.shape), 0.05, 0.95)
    return Bars(interval_ms, times, opens, high, low, closes, volume, volume * middle, trades, volume * lean)


def _with_wicks(high: Matrix, low: Matrix, tick: Matrix, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Between its few points a path swings further: about a sixth of the bar's range beyond it at either end."""
    reach = (high - low) / 6
    up, down = rng.exponential(size=high.shape) * reach, rng.exponential(size=high.shape) * reach
    up, down = np.minimum(up, high * 0.02), np.minimum(down, low * 0.02)
    above: Matrix = np.round(high + np.floor(up / tick) * tick, 8)
    below: Matrix = np.round(np.maximum(low - np.floor(down / tick) * tick, tick), 8).astype(np.float64)
    return above, below


def merged(bars: Bars, interval_ms: int) -> Bars:
    """Whole bars of a longer interval out of shorter ones; what does not fill an interval at either end is left out."""
    per_bar = interval_ms // bars.interval_ms
    skip = int(-bars.time_ms[0] // bars.interval_ms % per_bar) if len(bars.time_ms) else 0
    count = max(0, (len(bars.time_ms) - skip) // per_bar)
    cut = slice(skip, skip + count * per_bar)
    shape = (bars.open.shape[0], count, per_bar)
    blocks = [column[:, cut].reshape(shape) for column in bars[2:]]
    opens, highs, lows, closes, *sums = blocks
    return Bars(
        interval_ms,
        bars.time_ms[cut][::per_bar],
        opens[:, :, 0],
        highs.max(axis=2),
        lows.min(axis=2),
        closes[:, :, -1],
        *(column.sum(axis=2) for column in sums),
    )


def joined(older: Bars, newer: Bars) -> Bars:
    """One after the other; both of one interval and of the same pairs."""
    columns = [np.concatenate([a, b], axis=1) for a, b in zip(older[2:], newer[2:], strict=True)]
    return Bars(older.interval_ms, np.concatenate([older.time_ms, newer.time_ms]), *columns)
