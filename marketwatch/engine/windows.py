"""Rolling windows: every metric of one window for all symbols at once, in constant time per step.

A window of `length` buckets is `length - 1` closed ones and the head: the newest sample, or on a coarse grid the bucket that is
still open. Values are always closed state + head, so a coarse window moves with every sample and counts nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import WINDOW_METRICS, Window, WindowState
from .averages import Ema
from .extremes import BOTTOM, CREST, SLIDE, TOP, Extremes
from .ring import F8, PRICE, RETURN, BucketRing, Columns
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
    WATCHED,
    WEIGHTED,
    Sums,
)

YEAR_MS = 365 * 86_400_000
_ROW = {metric: row for row, metric in enumerate(WINDOW_METRICS)}
_NOISE = 1e-12
"""A sum of squared deviations below this share of the sum of squares is rounding, not variation."""
Number = F8 | float


@dataclass(slots=True)
class Head:
    """The newest bucket of a grid, not yet in its ring. `summary` as in `extremes`, `elapsed_ms` of it is over."""

    cells: F8
    gap: NDArray[np.int32]
    summary: F8
    elapsed_ms: int
    clean: bool


class RollingWindow:
    """All window metrics of one window. Keep it in step: `values` at each tick, `push` after a bucket went into the ring."""

    def __init__(self, window: Window, ring: BucketRing, *, reference: int | None, revisable: int) -> None:
        self.window = window
        self._ring = ring
        self._reference = reference
        self._closed = window.length - 1
        self._sums = Sums(ring, self._closed, reference)
        self._extremes = Extremes(ring, self._closed)
        self._ema = Ema(ring, window.length, revisable=revisable)
        self._oldest = np.full(ring.symbols, -1, np.int64)
        self._annual = 100.0 * (YEAR_MS / window.grid_ms) ** 0.5

    def restart(self) -> None:
        """Start from what the ring holds."""
        self._sums.restart()
        self._extremes.restart()
        self._ema.restart()
        self._oldest[:] = -1

    def push(self, summary: F8 | None = None) -> None:
        """The ring has one bucket more; `summary` as in `extremes`, where it is at hand."""
        self._sums.push()
        self._extremes.push(summary)
        self._ema.push()

    def rebuild(self, columns: Columns, changed: int) -> None:
        """Buckets from `changed` on were amended for some symbols."""
        self._sums.rebuild(columns)
        self._extremes.rebuild(columns)
        self._ema.rebuild(columns, changed)
        self._oldest[columns] = -1

    # Values

    def values(self, head: Head) -> F8:
        """The metrics, (len(WINDOW_METRICS), symbols), NaN where unknown. Anything over fewer than two prices is unknown."""
        out = np.empty((len(WINDOW_METRICS), self._ring.symbols))
        self._moments(out, head)
        self._ranges(out, head)
        out[_ROW["ema"]] = self._ema.peek(head.cells[PRICE], clean=head.clean)
        few = self._counts(head)[0] < 2
        if np.any(few):
            out[:, few] = np.nan
        return out

    def _counts(self, head: Head) -> tuple[Number, Number, Number]:
        """Known prices, weights of them, returns; plain numbers while everything is known."""
        sums, rows = self._sums, self._sums.rows + 1
        if head.clean and sums.is_clean:
            return float(rows), rows * (rows + 1) / 2.0, float(rows - 1)
        known = ~np.isnan(head.cells[PRICE])
        return sums.known + known, sums.weights + rows * known, sums.returns + ~np.isnan(head.cells[RETURN])

    def _moments(self, out: F8, head: Head) -> None:
        counts, weights, returns = self._counts(head)
        total, deviation, left = self._totals(head, counts, returns)
        shaky = self._sums.shaky(left, total[COUNTS])
        if len(shaky):
            self._sums.rebuild(shaky)
            total, deviation, left = self._totals(head, counts, returns)
        self._prices(out, head, deviation, total[DEVIATIONS] / counts, np.maximum(left[SQUARES], 0.0) / counts)
        np.add(self._sums.anchor, total[WEIGHTED] / weights, out=out[_ROW["wma"]])
        self._flows(out, head, total)
        self._returns(out, total, returns, left[RETURN_SQUARES], head)

    def _totals(self, head: Head, counts: Number, returns: Number) -> tuple[F8, F8, F8]:
        """The sums with the head (12, symbols), the head's deviation, and the watched sums without their mean."""
        total, deviation = self._sums.head(head.cells, clean=head.clean)
        left = total[WATCHED].copy()
        left[SQUARES] -= total[DEVIATIONS] * (total[DEVIATIONS] / counts)
        left[RETURN_SQUARES] = _variation(total[RETURN_SQUARES], total[RETURNS], returns)
        return total, deviation, left

    def _prices(self, out: F8, head: Head, deviation: F8, mean: F8, variance: F8) -> None:
        sma, std = out[_ROW["sma"]], out[_ROW["price_std"]]
        np.add(self._sums.anchor, mean, out=sma)
        np.sqrt(variance, out=std)
        np.divide(std, sma, out=out[_ROW["volatility"]])
        out[_ROW["volatility"]] *= 100.0
        np.subtract(deviation, mean, out=out[_ROW["zscore"]])
        out[_ROW["zscore"]] /= np.where(std > 0.0, std, np.nan)
        if not head.clean:
            out[_ROW["zscore"], np.isnan(head.cells[PRICE])] = np.nan

    def _flows(self, out: F8, head: Head, total: F8) -> None:
        """What traded. Sums that are nothing but rounding (no trade in the window) are set right."""
        traded = total[COUNTS] > 0.5
        volume = out[_ROW["volume"]]
        np.multiply(total[VOLUMES], traded, out=volume)
        np.divide(total[NOTIONALS], volume, out=out[_ROW["vwap"]])
        np.divide(total[TAKER_BUYS], volume, out=out[_ROW["buy_ratio"]])
        np.clip(out[_ROW["buy_ratio"]], 0.0, 1.0, out=out[_ROW["buy_ratio"]])
        out[_ROW["vwap"], ~traded] = np.nan
        out[_ROW["buy_ratio"], ~traded] = np.nan
        np.divide(np.rint(total[COUNTS]), self._seconds(head), out=out[_ROW["trade_rate"]])

    def _seconds(self, head: Head) -> Number:
        """Time that was seen."""
        grid_s = self.window.grid_ms / 1000.0
        if head.clean and self._sums.is_clean:
            return self._sums.rows * grid_s + head.elapsed_ms / 1000.0
        known: F8 = self._sums.known * grid_s + ~np.isnan(head.cells[PRICE]) * (head.elapsed_ms / 1000.0)
        return known

    def _returns(self, out: F8, total: F8, counts: Number, variation: F8, head: Head) -> None:
        divisor = np.maximum(counts - 1.0, 0.0)
        np.sqrt(variation / divisor, out=out[_ROW["realized_vol"]])
        out[_ROW["realized_vol"]] *= self._annual
        out[_ROW["realized_vol"], np.broadcast_to(divisor < 1.0, variation.shape)] = np.nan
        self._correlate(out, total, counts, variation, head)

    def _correlate(self, out: F8, total: F8, counts: Number, variation: F8, head: Head) -> None:
        """Pearson correlation and slope against the reference, over times at which both returns are known."""
        correlation, beta = out[_ROW["correlation"]], out[_ROW["beta"]]
        if self._reference is None:
            correlation[:] = beta[:] = np.nan
            return
        own, both = total[RETURNS], counts
        if not (head.clean and self._sums.is_clean):
            both, own, squares = self._sums.joint(total, np.asarray(counts), head.cells[RETURN])
            variation = _variation(squares, own, both)
        mean = total[REFERENCE] / both
        shared = total[CROSS] - own * mean
        theirs = _variation(total[REFERENCE_SQUARES], total[REFERENCE], both)
        theirs = np.where((theirs > 0.0) & (both > 1.5), theirs, np.nan)
        np.divide(shared, theirs, out=beta)
        np.divide(shared, np.sqrt(np.where(variation > 0.0, variation, np.nan) * theirs), out=correlation)
        np.clip(correlation, -1.0, 1.0, out=correlation)

    def _ranges(self, out: F8, head: Head) -> None:
        summary = self._extremes.with_head(head.summary)
        out[_ROW["high"]] = summary[TOP]
        np.negative(summary[BOTTOM], out=out[_ROW["low"]])
        price = head.cells[PRICE]
        _per_cent(price, summary[CREST], out[_ROW["drawdown"]])
        np.subtract(-1.0, summary[SLIDE], out=out[_ROW["max_drawdown"]])
        out[_ROW["max_drawdown"]] *= 100.0
        _per_cent(price, self._oldest_price(price), out[_ROW["change"]])

    def _oldest_price(self, newest: F8) -> F8:
        """The oldest known price of the window. Where the oldest bucket has none, the next that has is looked up once."""
        sums = self._sums
        if not sums.rows:
            return newest
        oldest: F8 = self._ring.row(sums.start)[PRICE]
        if sums.is_clean or not np.isnan(oldest).any():
            return oldest
        oldest = oldest.copy()
        missing = np.flatnonzero(np.isnan(oldest))
        search = missing[(self._oldest[missing] < sums.start) & (sums.known[missing] > 0)]
        if len(search):
            prices = self._ring.column(sums.start, sums.start + sums.rows, PRICE, search)
            self._oldest[search] = sums.start + np.argmax(~np.isnan(prices), axis=0)
        found = missing[self._oldest[missing] >= sums.start]
        oldest[found] = self._ring.cells[self._oldest[found] % self._ring.rows, PRICE, found]
        return oldest

    # State

    def state(self, head: Head, stale: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """`WindowState` bits and the number of buckets with a price."""
        sums, width = self._sums, self._ring.symbols
        bits = stale * np.uint8(WindowState.STALE)
        if head.clean and sums.is_clean:
            short = 0 if sums.rows + 1 >= self.window.length else int(WindowState.WARMUP)
            return bits | np.uint8(short), np.full(width, sums.rows + 1, np.int64)
        known, gap = ~np.isnan(head.cells[PRICE]), head.gap > 0
        bits |= (sums.seen + (known | gap) < self.window.length) * np.uint8(WindowState.WARMUP)
        bits |= (sums.gaps + gap > 0) * np.uint8(WindowState.GAP)
        return bits, (sums.known + known).astype(np.int64)


def _variation(squares: F8, total: F8, counts: Number) -> F8:
    """Sum of squared deviations from the mean; exactly 0 where it is only rounding."""
    left: F8 = squares - total * (total / counts)
    np.copyto(left, 0.0, where=left <= _NOISE * squares)
    return left


def _per_cent(value: F8, base: F8, out: F8) -> None:
    np.divide(value, base, out=out)
    out -= 1.0
    out *= 100.0
