"""Rolling maximum, minimum and maximum drawdown of all symbols at once, in constant time per step.

A summary of a run of buckets is a matrix (5, symbols): highest trade, peak price, minus lowest trade, minus trough price, minus
the smallest ratio of a price to an earlier one. All five combine by `fmax` (NaN is unknown), plus the one ratio that spans two
runs. The window is cut into blocks of about sqrt(length) buckets: suffix summaries inside the oldest block, suffix summaries
over the whole blocks that were there at the last turn, one running summary of later whole blocks, one of the newest, unfinished
block. It is the two-stack queue on two levels, so the work of turning a stack is a square root, not the window.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from .ring import ALL, F8, FALL, HIGH, LOW, PEAK, PRICE, TROUGH, BucketRing, Columns

TOP, CREST, BOTTOM, DIP, SLIDE = range(5)


def summaries(cells: F8, *, coarse: bool) -> F8:
    """Summary of each bucket: (..., fields, k) to (..., 5, k)."""
    out = np.empty((*cells.shape[:-2], 5, cells.shape[-1]))
    out[..., TOP, :] = cells[..., HIGH, :]
    np.negative(cells[..., LOW, :], out=out[..., BOTTOM, :])
    if coarse:
        out[..., CREST, :] = cells[..., PEAK, :]
        np.negative(cells[..., TROUGH, :], out=out[..., DIP, :])
        np.negative(cells[..., FALL, :], out=out[..., SLIDE, :])
    else:
        out[..., CREST, :] = cells[..., PRICE, :]
        np.negative(cells[..., PRICE, :], out=out[..., DIP, :])
        np.divide(out[..., DIP, :], out[..., CREST, :], out=out[..., SLIDE, :])
    return out


def combine(earlier: F8, later: F8) -> F8:
    """The summary of two runs of buckets, one after the other."""
    out = np.fmax(earlier, later)
    slide = later[DIP] / earlier[CREST]
    np.fmax(out[SLIDE], slide, out=out[SLIDE])
    return out


class Extremes:
    """Summary of the newest `length` closed buckets of a ring (fewer while it fills)."""

    def __init__(self, ring: BucketRing, length: int) -> None:
        self._ring = ring
        self._length = length
        self._block = max(1, isqrt(length))
        self._capacity = length // self._block + 3
        width = ring.symbols
        self._unknown = np.full((5, width), np.nan)
        self._whole = np.full((self._capacity, 5, width), np.nan)
        self._front = np.full((self._capacity, 5, width), np.nan)
        self._oldest = np.full((self._block, 5, width), np.nan)
        self._coming = np.full((self._block, 5, width), np.nan)
        self._ready = self._block
        self._recent = self._tail = self._middle = self._tail_and_head = self._unknown
        self._head: F8 | None = None
        self.restart()

    def restart(self) -> None:
        """Start from what the ring holds."""
        self._end = self._ring.end
        self._start = max(self._ring.first, self._end - self._length)
        self._turned = self._end // self._block - 1
        self._ready = self._block
        self.rebuild(ALL)

    def with_head(self, head: F8) -> F8:
        """The summary of the closed buckets and one more; `head` is that bucket's summary."""
        block = self._start // self._block
        middle = self._middle
        if block != self._end // self._block:
            middle = combine(self._oldest[self._start - block * self._block], middle)
        self._head, self._tail_and_head = head, combine(self._tail, head)
        return combine(middle, self._tail_and_head)

    def push(self, summary: F8 | None = None) -> None:
        """The ring has one bucket more; `summary` is its summary where that is at hand."""
        number, self._end = self._end, self._end + 1
        if summary is not None and summary is self._head:
            self._tail = self._tail_and_head
        else:
            self._tail = combine(self._tail, self._summary(number, ALL) if summary is None else summary)
        if self._end % self._block == 0:
            self._finish_block(number // self._block)
        if self._end - self._start > self._length:
            self._start += 1
            if self._start % self._block == 0:
                self._enter_block()
            self._prepare()

    def _summary(self, number: int, columns: Columns) -> F8:
        return summaries(self._ring.row(number)[:, columns], coarse=self._ring.coarse)

    def _finish_block(self, block: int) -> None:
        self._whole[block % self._capacity] = self._tail
        if block == self._start // self._block:
            self._load(self._oldest, block, self._start - block * self._block, ALL)
        else:
            self._recent = combine(self._recent, self._tail)
            self._join()
        self._tail = self._unknown

    def _enter_block(self) -> None:
        """The oldest block is used up: the next one takes its place."""
        block = self._start // self._block
        if block > self._turned:
            self._turned = self._end // self._block - 1
            self._recent = self._unknown
            self._turn(ALL)
        if self._ready:
            self._load(self._coming, block, 0, ALL)
        self._oldest, self._coming = self._coming, self._oldest
        self._ready = self._block
        self._join()

    def _prepare(self) -> None:
        """While the oldest block is used up row by row, build the next one's suffix summaries, one a step: no spike."""
        size, block = self._block, self._start // self._block + 1
        wanted = size - 1 - self._start % size
        if (block + 1) * size > self._end:
            return
        while self._ready > wanted:
            self._ready -= 1
            self._extend(self._coming, block, self._ready, ALL)

    def _load(self, into: F8, block: int, first: int, columns: Columns) -> None:
        """Suffix summaries of a block from its row `first` on."""
        for row in range(self._block - 1, first - 1, -1):
            self._extend(into, block, row, columns)

    def _extend(self, into: F8, block: int, row: int, columns: Columns) -> None:
        """One suffix summary, from the one after it."""
        own = self._summary(block * self._block + row, columns)
        into[row][:, columns] = own if row == self._block - 1 else combine(own, into[row + 1][:, columns])

    def _turn(self, columns: Columns) -> None:
        """Suffix summaries over the whole blocks after the oldest, up to the newest there was when the stack was turned."""
        later: F8 | None = None
        for block in range(self._turned, self._start // self._block, -1):
            own = self._whole[block % self._capacity][:, columns]
            later = own if later is None else combine(own, later)
            self._front[block % self._capacity][:, columns] = later

    def _join(self) -> None:
        """What lies between the oldest and the newest block."""
        after = self._start // self._block + 1
        self._middle = combine(self._front[after % self._capacity], self._recent) if after <= self._turned else self._recent

    def rebuild(self, columns: Columns) -> None:
        """Compute anew from the ring, for some symbols."""
        self._head = None
        size, oldest, newest = self._block, self._start // self._block, self._end // self._block
        recent = self._recent.copy()
        recent[:, columns] = np.nan
        for block in range(oldest, newest):
            own = self._run(max(self._start, block * size), (block + 1) * size, columns)
            self._whole[block % self._capacity][:, columns] = own
            if block > max(oldest, self._turned):
                recent[:, columns] = combine(recent[:, columns], own)
        if oldest < newest:
            self._load(self._oldest, oldest, self._start - oldest * size, columns)
        if self._ready < size:
            self._load(self._coming, oldest + 1, self._ready, columns)
        tail = self._tail.copy()
        tail[:, columns] = self._run(max(self._start, newest * size), self._end, columns)
        self._recent, self._tail = recent, tail
        self._turn(columns)
        self._join()

    def _run(self, first: int, end: int, columns: Columns) -> F8:
        """Summary of a run of buckets of the ring."""
        out = self._unknown[:, columns]
        for number in range(first, end):
            out = combine(out, self._summary(number, columns))
        return out
