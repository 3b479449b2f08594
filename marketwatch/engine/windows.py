"""Rolling windows: every metric of one window for all symbols at once, in constant time per step.

A window of `length` buckets is `length - 1` closed ones and the head: the newest sample, or on a coarse grid the bucket that is
still open. Values are always closed state + head, so a coarse window moves with every sample and counts nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import Window, WindowState
from .averages import Ema
from .extremes import Extremes
from .figures import Figures, Moment, Number, variation
from .ring import F8, PRICE, RETURN, BucketRing, Columns
from .sums import COUNTS, DEVIATIONS, RETURN_SQUARES, RETURNS, SQUARES, WATCHED, Sums

YEAR_MS = 365 * 86_400_000


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
        self._sums.push(at_hand=summary is not None)
        self._extremes.push(summary)
        self._ema.push(at_hand=summary is not None)

    def follow(self) -> None:
        """The ring has one bucket more, and nobody reads the window before `catch_up`."""
        self._ema.push()

    def catch_up(self) -> None:
        """Start from what the ring holds, but for what remembers more than that."""
        self._sums.restart()
        self._extremes.restart()
        self._oldest[:] = -1

    def rebuild(self, columns: Columns, changed: int) -> None:
        """Buckets from `changed` on were amended for some symbols."""
        self._sums.rebuild(columns)
        self._extremes.rebuild(columns)
        self._ema.rebuild(columns, changed)
        self._oldest[columns] = -1

    # Values

    def values(self, head: Head) -> Figures:
        """The metrics as of now. What depends on state is settled here; later steps and readers change nothing of it."""
        sums, price = self._sums, head.cells[PRICE].copy()
        counts, weights, returns = self._counts(head)
        total, left = self._totals(head, counts, returns)
        shaky = sums.shaky(left, total[COUNTS])
        if len(shaky):
            sums.rebuild(shaky, amended=False)
            total, left = self._totals(head, counts, returns)
        joint = None
        if self._reference is not None and not (head.clean and sums.is_clean):
            joint = sums.joint(total, np.asarray(returns), head.cells[RETURN])
        return Figures(
            Moment(
                price=price, oldest=self._oldest_price(price), anchor=sums.anchor,
                ema=self._ema.peek(price, clean=head.clean), total=total, left=left,
                summary=self._extremes.with_head(head.summary), counts=counts, weights=weights, returns=returns,
                seconds=self._seconds(head), joint=joint, has_reference=self._reference is not None, annual=self._annual,
            )
        )  # fmt: skip

    def _counts(self, head: Head) -> tuple[Number, Number, Number]:
        """Known prices, weights of them, returns; plain numbers while everything is known."""
        sums, rows = self._sums, self._sums.rows + 1
        if head.clean and sums.is_clean:
            return float(rows), rows * (rows + 1) / 2.0, float(rows - 1)
        known = ~np.isnan(head.cells[PRICE])
        return sums.known + known, sums.weights + rows * known, sums.returns + ~np.isnan(head.cells[RETURN])

    def _totals(self, head: Head, counts: Number, returns: Number) -> tuple[F8, F8]:
        """The sums with the head (12, symbols), and the watched sums without their mean."""
        total = self._sums.head(head.cells, clean=head.clean)
        left = total[WATCHED].copy()
        left[SQUARES] -= total[DEVIATIONS] * (total[DEVIATIONS] / counts)
        left[RETURN_SQUARES] = variation(total[RETURN_SQUARES], total[RETURNS], returns)
        return total, left

    def _seconds(self, head: Head) -> Number:
        """Time that was seen."""
        grid_s = self.window.grid_ms / 1000.0
        if head.clean and self._sums.is_clean:
            return self._sums.rows * grid_s + head.elapsed_ms / 1000.0
        known: F8 = self._sums.known * grid_s + ~np.isnan(head.cells[PRICE]) * (head.elapsed_ms / 1000.0)
        return known

    def _oldest_price(self, newest: F8) -> F8:
        """The oldest known price of the window. Where the oldest bucket has none, the next that has is looked up once."""
        sums = self._sums
        if not sums.rows:
            return newest
        oldest: F8 = self._ring.row(sums.start)[PRICE]
        oldest = oldest.copy()
        if sums.is_clean or not np.isnan(oldest).any():
            return oldest
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
