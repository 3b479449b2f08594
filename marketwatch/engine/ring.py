"""Rings of buckets: what a window needs of each step of its grid, as columns over all symbols."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Columns = NDArray[np.intp] | slice
ALL = slice(None)

PRICE, VOLUME, NOTIONAL, TAKER_BUY, TRADES, RETURN, HIGH, LOW, PEAK, TROUGH, FALL = range(11)
"""Rows of a bucket. RETURN is the log return against the bucket before. HIGH and LOW are of trades. PEAK, TROUGH and FALL (the
smallest ratio of a price to an earlier one) are of sample prices; only coarse grids have them, where a bucket holds many."""
FINE_FIELDS, COARSE_FIELDS = 8, 11
UNSEEN = 1 << 24
"""Added to a bucket's gap count when part of its span was never sampled."""


def log_return(price: F8, before: F8 | float) -> F8:
    """ln(price / before), exact also for the small moves of half a second."""
    moved: F8 = np.log1p((price - before) / before)
    return moved


class BucketRing:
    """Closed buckets `[first, end)` of one grid, by number (time // grid): float64 (rows, fields, symbols).

    Every number in the range has a row; unknown prices are NaN. `gap[row, symbol]` counts the missing steps inside a bucket.
    A row is `clean` when price and return of all symbols are known and nothing is missing: the fast case everywhere.
    """

    def __init__(self, rows: int, symbols: int, *, coarse: bool) -> None:
        self.rows = rows
        self.symbols = symbols
        self.coarse = coarse
        self.cells = np.empty((rows, COARSE_FIELDS if coarse else FINE_FIELDS, symbols))
        self.gap = np.zeros((rows, symbols), np.int32)
        self.clean = np.zeros(rows, np.bool_)
        self.first = self.end = 0
        self.begun = False

    def begin(self, number: int) -> None:
        """Empty; the next bucket will be this one."""
        self.first = self.end = number
        self.begun = True

    def grow(self, rows: int) -> None:
        """Room for more buckets; those held stay where their numbers say."""
        if rows <= self.rows:
            return
        numbers = np.arange(self.first, self.end)
        old, new = numbers % self.rows, numbers % rows
        for name in ("cells", "gap", "clean"):
            column = getattr(self, name)
            wide = np.zeros((rows, *column.shape[1:]), column.dtype)
            wide[new] = column[old]
            setattr(self, name, wide)
        self.rows = rows

    def append(self, cells: F8, gap: NDArray[np.int32], *, clean: bool | None = None) -> int:
        """Add the next bucket and answer its number. The oldest goes when the ring is full. `clean` where it is known."""
        number, row = self.end, self.end % self.rows
        self.cells[row] = cells
        self.gap[row] = gap
        self.end += 1
        self.first = max(self.first, self.end - self.rows)
        if clean is None:
            self.judge(number)
        else:
            self.clean[row] = clean
        return number

    def extend_back(self, number: int) -> None:
        """Make room for older buckets down to `number`, as far as the ring reaches: all unknown."""
        for older in range(self.first - 1, max(number, self.end - self.rows) - 1, -1):
            self.cells[older % self.rows] = np.nan
            self.cells[older % self.rows, VOLUME : TRADES + 1] = 0.0
            self.gap[older % self.rows] = 0
            self.clean[older % self.rows] = False
            self.first = older

    def judge(self, number: int) -> None:
        """Find out anew whether a bucket is clean. One sum finds any NaN (an infinity would be no price either)."""
        row = number % self.rows
        known = self.cells[row, PRICE].sum() + self.cells[row, RETURN].sum()
        self.clean[row] = bool(known == known) and not self.gap[row].any()

    def relate(self, number: int, columns: Columns) -> None:
        """Recompute the return of a bucket against the one before it."""
        if self.first <= number < self.end:
            before = self.cells[(number - 1) % self.rows, PRICE, columns] if number > self.first else np.nan
            cells = self.cells[number % self.rows]
            cells[RETURN, columns] = log_return(cells[PRICE, columns], before)
            self.judge(number)

    def relate_column(self, symbol: int) -> None:
        """Recompute all returns of one symbol. Whether the rows are clean has to be judged afterwards."""
        rows = np.arange(self.first, self.end) % self.rows
        prices = self.cells[rows, PRICE, symbol]
        self.cells[rows[:1], RETURN, symbol] = np.nan
        self.cells[rows[1:], RETURN, symbol] = log_return(prices[1:], prices[:-1])

    def row(self, number: int) -> F8:
        row: F8 = self.cells[number % self.rows]
        return row

    def is_clean(self, number: int) -> bool:
        return bool(self.clean[number % self.rows])

    def _slices(self, first: int, end: int) -> list[slice]:
        start, stop = first % self.rows, first % self.rows + end - first
        return [slice(start, stop)] if stop <= self.rows else [slice(start, self.rows), slice(0, stop - self.rows)]

    def unclean(self, first: int, end: int) -> int:
        """How many buckets of the span are not clean."""
        return sum(int(np.count_nonzero(~self.clean[part])) for part in self._slices(first, end))

    def views(self, first: int, end: int, field: int) -> list[F8]:
        """One field of a span for all symbols, in one or two parts, without a copy."""
        return [self.cells[part, field] for part in self._slices(first, end)]

    def block(self, first: int, end: int, columns: Columns) -> F8:
        """A copy of a span: (end - first, fields, columns)."""
        return np.concatenate([self.cells[part, :, columns] for part in self._slices(first, end)])

    def gaps(self, first: int, end: int, columns: Columns) -> NDArray[np.bool_]:
        """Where something is missing: (end - first, columns)."""
        return np.concatenate([self.gap[part, columns] for part in self._slices(first, end)]) > 0

    def column(self, first: int, end: int, field: int, columns: Columns) -> F8:
        """One field of a span: (end - first, columns)."""
        return np.concatenate([self.cells[part, field, columns] for part in self._slices(first, end)])
