"""Rolling sums of all symbols at once, in constant time per step, and exact.

Three things keep the rounding of add-and-subtract from showing. Prices are summed as deviations from an anchor per symbol. A
second set of sums only ever adds; after as many steps as the window is long it IS the window's sum, and replaces the first
(re-summing without a spike). And when what is left of a sum is tiny against what it once held, so that cancellation shows, that
symbol is summed anew from the ring before the value is given out (`shaky`).

The second set takes over at bucket numbers that the window's length divides. So three windows after any start the sums are the
same to the last bit, whenever the start was: a replay says what live said.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .ring import ALL, F8, PRICE, RETURN, TRADES, VOLUME, BucketRing, Columns

REFERENCE_SQUARES, SQUARES, RETURN_SQUARES, VOLUMES, NOTIONALS, TAKER_BUYS, COUNTS = range(7)
DEVIATIONS, WEIGHTED, RETURNS, REFERENCE, CROSS = range(7, 12)
WATCHED = slice(REFERENCE_SQUARES, NOTIONALS + 1)
"""Rows of the sums. The watched ones are sums of things that are never negative: what is left of them against their peak tells
how much rounding they carry."""
_SHAKY = 1e-4


class Sums:
    """Sums over the newest `length` closed buckets of a ring, and over the returns between them."""

    def __init__(self, ring: BucketRing, length: int, reference: int | None) -> None:
        self._ring = ring
        self._length = length
        self._reference = reference
        width = ring.symbols
        self.rows = 0
        self.unclean = 0
        self.sums = np.zeros((12, width))
        self.anchor = np.full(width, np.nan)
        self.known = np.zeros(width)
        """Buckets with a price, with a weight, with a return; seen at all (price or gap); with a gap."""
        self.weights = np.zeros(width)
        self.returns = np.zeros(width)
        self.seen = np.zeros(width)
        self.gaps = np.zeros(width)
        self._joint = np.zeros((3, width))
        self._joint_peak = np.zeros(width)
        self._excluded_rows = 0
        self._peak = np.zeros((5, width))
        self._scratch = np.zeros((2, 12, width))
        self._floor = np.zeros((5, width))
        self._head: F8 | None = None
        self._fresh = np.zeros((12, width))
        self._fresh_anchor = self.anchor
        self._turn = 0
        self._anchored = False
        self._end = ring.end
        self.restart()

    @property
    def start(self) -> int:
        """Number of the oldest bucket."""
        return self._end - self.rows

    @property
    def is_clean(self) -> bool:
        return not self.unclean

    def restart(self) -> None:
        """Start from what the ring holds."""
        self._end = self._ring.end
        self.rows = min(self._length, self._end - self._ring.first)
        self._turn = 0
        self.rebuild(ALL)

    # One step

    def head(self, cells: F8, *, clean: bool) -> F8:
        """All sums with one more bucket (12, symbols): the caller's to keep, never to write."""
        added = self._scratch[0]
        self._price_terms(cells, added, clean=clean)
        self._return_terms(cells, added, clean=clean)
        total: F8 = self.sums + added
        total[WEIGHTED] += (self.rows + 1) * added[DEVIATIONS]
        self._head = total
        return total

    def _price_terms(self, cells: F8, out: F8, *, clean: bool) -> None:
        """What the prices and trades of one bucket add to the sums."""
        np.subtract(cells[PRICE], self.anchor, out=out[DEVIATIONS])
        if not clean:
            np.copyto(out[DEVIATIONS], 0.0, where=np.isnan(out[DEVIATIONS]))
        np.square(out[DEVIATIONS], out=out[SQUARES])
        out[WEIGHTED] = 0.0
        out[VOLUMES : COUNTS + 1] = cells[VOLUME : TRADES + 1]

    def _return_terms(self, cells: F8, out: F8, *, clean: bool) -> None:
        out[RETURNS] = cells[RETURN]
        if not clean:
            np.copyto(out[RETURNS], 0.0, where=np.isnan(out[RETURNS]))
        self._relate(out, cells, clean=clean)

    def _relate(self, out: F8, cells: F8, *, clean: bool) -> None:
        """The terms of returns, alone and with the reference's."""
        np.square(out[RETURNS], out=out[RETURN_SQUARES])
        other = np.nan if self._reference is None else float(cells[RETURN, self._reference])
        if other != other:
            out[REFERENCE:] = 0.0
            out[REFERENCE_SQUARES] = 0.0
            return
        out[REFERENCE] = other
        out[REFERENCE_SQUARES] = other * other
        if not clean:
            missing = np.isnan(cells[RETURN])
            out[REFERENCE, missing] = out[REFERENCE_SQUARES, missing] = 0.0
        np.multiply(out[RETURNS], other, out=out[CROSS])

    def push(self, *, at_hand: bool = False) -> None:
        """The ring has one bucket more; `at_hand`: it is the one that `head` was last asked about."""
        ring, number = self._ring, self._end
        self._end += 1
        cells, clean = ring.row(number), ring.is_clean(number)
        if not self._anchored:
            self._anchor(cells[PRICE])
            at_hand = False
        total = self._head if at_hand and self._head is not None else self.head(cells, clean=clean)
        self._head = None
        full = self.rows == self._length
        if self.unclean or not clean or not full:
            self._count(number, full=full)
        np.maximum(self._peak, total[WATCHED], out=self._peak)
        if full:
            np.subtract(total, self._leave(number - self._length, total), out=self.sums)
            self._renew(cells, self._scratch[0], clean=clean)
        else:
            np.copyto(self.sums, total)
            self.rows += 1
        self.unclean += not clean

    def _anchor(self, price: F8) -> None:
        missing = np.isnan(self.anchor)
        self.anchor = np.where(missing, price, self.anchor)
        self._fresh_anchor = np.where(np.isnan(self._fresh_anchor), price, self._fresh_anchor)
        self._anchored = not np.isnan(self.anchor).any() and not np.isnan(self._fresh_anchor).any()

    def _leave(self, number: int, total: F8) -> F8:
        """What the oldest bucket takes with it, and the return of the next one, which is the oldest now and has nothing before
        it. All weights become one less."""
        ring = self._ring
        gone: F8 = self._scratch[1]
        self._price_terms(ring.row(number), gone, clean=ring.is_clean(number))
        self._return_terms(ring.row(number + 1), gone, clean=ring.is_clean(number + 1))
        gone[WEIGHTED] = total[DEVIATIONS]
        self.unclean -= not ring.is_clean(number)
        return gone

    def _count(self, number: int, *, full: bool) -> None:
        """Bookkeeping of what is known; skipped while everything is."""
        ring = self._ring
        known = ~np.isnan(ring.row(number)[PRICE])
        if full:
            self.weights += self._length * known - self.known
        else:
            self.weights += (self.rows + 1) * known
        self._tally(number, 1)
        if self.rows:  # the oldest bucket's return is never inside
            self._tally_return(number, 1)
        if full:
            self._tally(number - self._length, -1)
            self._tally_return(number - self._length + 1, -1)

    def _tally(self, number: int, sign: int) -> None:
        known = ~np.isnan(self._ring.row(number)[PRICE])
        gap = self._ring.gap[number % self._ring.rows] > 0
        self.known += sign * known
        self.gaps += sign * gap
        self.seen += sign * (known | gap)

    def _tally_return(self, number: int, sign: int) -> None:
        value = self._ring.row(number)[RETURN]
        if self._reference is not None:
            self._tally_joint(number, value, sign)
        self.returns += sign * ~np.isnan(value)

    def _tally_joint(self, number: int, value: F8, sign: int) -> None:
        """Returns at times at which the reference has one too; kept apart only while they differ from all returns."""
        if np.isnan(value[self._reference]):
            if not self._excluded_rows:
                self._join(ALL, number - self.rows + 1, number)
            self._excluded_rows += sign
        elif self._excluded_rows:
            self._joint += sign * _one_return(value)
            np.maximum(self._joint_peak, self._joint[2], out=self._joint_peak)

    def _join(self, columns: Columns, first: int, end: int) -> None:
        """Sum the joint returns of a span anew from the ring."""
        self._joint[:, columns] = 0.0
        if end > first and self._reference is not None:
            values = self._ring.column(first, end, RETURN, columns)
            other = self._ring.column(first, end, RETURN, np.array([self._reference]))
            both = ~np.isnan(values) & ~np.isnan(other)
            values = np.where(both, values, 0.0)
            self._joint[0, columns] = both.sum(axis=0)
            self._joint[1, columns] = values.sum(axis=0)
            self._joint[2, columns] = np.square(values).sum(axis=0)
        self._joint_peak[columns] = self._joint[2, columns]

    def joint(self, total: F8, counts: F8, head: F8) -> F8:
        """Count, sum and squares of the returns at times at which the reference has one, with the head's, (3, symbols).

        `total` and `counts` are those of all returns with the head's, `head` is the head's return.
        """
        lost = self._reference is not None and bool(np.isnan(head[self._reference]))
        if not self._excluded_rows:
            closed = np.stack([self.returns, self.sums[RETURNS], self.sums[RETURN_SQUARES]])
            return closed if lost else np.stack([counts, total[RETURNS], total[RETURN_SQUARES]])
        shaky = np.flatnonzero(self._joint[2] < _SHAKY * self._joint_peak)
        if len(shaky):
            self._join(shaky, self.start + 1, self._end)
        return self._joint.copy() if lost else self._joint + _one_return(head)

    def _renew(self, cells: F8, added: F8, *, clean: bool) -> None:
        """Feed the sums that only add; where a turn ends they take over, and begin anew."""
        self._turn += 1
        deviation = cells[PRICE] - self._fresh_anchor
        if not clean:
            np.copyto(deviation, 0.0, where=np.isnan(deviation))
        np.square(deviation, out=added[SQUARES])
        added[DEVIATIONS] = deviation
        np.multiply(deviation, self._turn, out=added[WEIGHTED])
        self._fresh += added
        if self._end % self._length == 0:
            if self._turn == self._length:
                self._take_over()
            self._fresh = np.zeros_like(self._fresh)
            self._fresh_anchor = cells[PRICE].copy()
            self._anchored = clean
            self._turn = 0

    def _take_over(self) -> None:
        oldest = self._ring.row(self.start)
        clean = self._ring.is_clean(self.start)
        extra = np.zeros_like(self._fresh)
        extra[RETURNS] = oldest[RETURN]
        np.copyto(extra[RETURNS], 0.0, where=np.isnan(extra[RETURNS]))
        self._relate(extra, oldest, clean=clean)
        self.sums, self.anchor = self._fresh - extra, self._fresh_anchor
        self._peak = self._fresh[WATCHED].copy()
        if self._excluded_rows:
            self._join(ALL, self.start + 1, self._end)

    # Exactness

    def shaky(self, left: F8, counts: F8) -> NDArray[np.intp]:
        """Symbols whose sums must be built anew: `left` (5, symbols) of the watched sums is tiny against their peaks."""
        low = left < np.multiply(self._peak, _SHAKY, out=self._floor)
        if not low.any():
            return np.empty(0, np.intp)
        low[VOLUMES:] &= counts > 0.5
        return np.flatnonzero(low.any(axis=0))

    def rebuild(self, columns: Columns, *, amended: bool = True) -> None:
        """Sum anew from the ring, for some symbols. `amended`: their buckets changed, so the sums that only add are made anew
        too, and what the others have in common with the reference, if it is one of them."""
        first, end = self.start, self._end
        self._head = None
        self.unclean = self._ring.unclean(first, end)
        if amended and self._reference is not None and not isinstance(columns, slice) and self._reference in columns:
            if self.unclean or self._excluded_rows or self._ring.unclean(end - self._turn, end):
                columns = ALL
            elif end > first:
                self._relate_anew(self.sums, first + 1, end)
                self._relate_anew(self._fresh, end - self._turn, end)
        prices = self._ring.column(first, end, PRICE, columns)
        known = ~np.isnan(prices)
        self._recount(first, end, known, columns)
        self.anchor = _replaced(self.anchor, columns, anchors(prices, known))
        self.sums[:, columns] = self._summed(first, end, self.anchor, columns, skip_first=True)
        self._peak[:, columns] = self.sums[WATCHED, columns]
        if amended:
            self._fresh_anchor = _replaced(self._fresh_anchor, columns, self.anchor[columns])
            self._fresh[:, columns] = self._summed(end - self._turn, end, self._fresh_anchor, columns, skip_first=False)
        self._anchored = not np.isnan(self.anchor).any() and not np.isnan(self._fresh_anchor).any()

    def _relate_anew(self, sums: F8, first: int, end: int) -> None:
        """The sums with the reference's returns over a span in which everything is known, for all symbols."""
        sums[REFERENCE] = sums[REFERENCE_SQUARES] = sums[CROSS] = 0.0
        for returns in self._ring.views(first, end, RETURN):
            other = returns[:, self._reference].copy()
            sums[REFERENCE] += other.sum()
            sums[REFERENCE_SQUARES] += np.square(other).sum()
            sums[CROSS] += np.einsum("i,ij->j", other, returns)

    def _recount(self, first: int, end: int, known: NDArray[np.bool_], columns: Columns) -> None:
        gaps = self._ring.gaps(first, end, columns) if end > first else known
        self.known[columns] = known.sum(axis=0)
        self.weights[columns] = np.arange(1.0, len(known) + 1) @ known
        self.gaps[columns] = gaps.sum(axis=0)
        self.seen[columns] = (known | gaps).sum(axis=0)

    def _summed(self, first: int, end: int, anchor: F8, columns: Columns, *, skip_first: bool) -> F8:
        """The twelve sums over a span; `skip_first`: without the return of its first bucket."""
        width = len(anchor[columns])
        out = np.zeros((12, width))
        if end > first:
            block = self._ring.block(first, end, columns)
            deviation = np.nan_to_num(block[:, PRICE] - anchor[columns], copy=False, nan=0.0)
            out[SQUARES], out[DEVIATIONS] = np.square(deviation).sum(axis=0), deviation.sum(axis=0)
            out[WEIGHTED] = np.arange(1.0, end - first + 1) @ deviation
            out[VOLUMES : COUNTS + 1] = block[:, VOLUME : TRADES + 1].sum(axis=0)
            self._sum_returns(out, block[:, RETURN], first, end, columns, skip_first=skip_first)
        elif skip_first:
            self.returns[columns] = 0.0
            self._excluded_rows = 0
        return out

    def _sum_returns(self, out: F8, returns: F8, first: int, end: int, columns: Columns, *, skip_first: bool) -> None:
        if skip_first:
            returns[0] = np.nan
        there = ~np.isnan(returns)
        value = np.where(there, returns, 0.0)
        out[RETURNS], out[RETURN_SQUARES] = value.sum(axis=0), np.square(value).sum(axis=0)
        other = np.full((end - first, 1), np.nan)
        if self._reference is not None:
            other = self._ring.column(first, end, RETURN, np.array([self._reference]))
        lost = np.isnan(other)
        other = np.where(lost, 0.0, other)
        both = there & ~lost
        out[REFERENCE], out[REFERENCE_SQUARES] = (other * both).sum(axis=0), (np.square(other) * both).sum(axis=0)
        out[CROSS] = (other * value).sum(axis=0)
        if skip_first:
            self.returns[columns] = there.sum(axis=0)
            self._excluded_rows = int(lost[1:].sum()) if self._reference is not None else 0
            if self._excluded_rows:
                self._join(columns, first + 1, end)


def _one_return(value: F8) -> F8:
    """Count, sum and squares of one return per symbol."""
    known = ~np.isnan(value)
    value = np.where(known, value, 0.0)
    return np.stack([known.astype(np.float64), value, value * value])


def anchors(prices: F8, known: NDArray[np.bool_]) -> F8:
    """Per symbol the mean of the known prices, or exactly the price where it never moved; NaN where none is known."""
    with np.errstate(all="ignore"):
        mean: F8 = np.where(known, prices, 0.0).sum(axis=0) / known.sum(axis=0)
    if not len(prices):
        return mean
    top = np.fmax.reduce(prices, axis=0)
    centre: F8 = np.where(top == np.fmin.reduce(prices, axis=0), top, mean)
    return centre


def _replaced(values: F8, columns: Columns, new: F8) -> F8:
    out = values.copy()
    out[columns] = new
    return out
