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
    np.fmax(out[SLIDE], later[DIP] / earlier[CREST], out=out[SLIDE])
    return out


def suffixes(runs: F8) -> F8:
    """Of summaries in order of time (m, 5, k): for each the summary of it and all that follow."""
    backwards = np.fmax.accumulate(runs[::-1, :SLIDE], axis=0)[::-1]
    out = np.empty_like(runs)
    out[:, :SLIDE] = backwards
    out[:, SLIDE] = runs[:, SLIDE]
    if len(runs) > 1:
        np.fmax(out[:-1, SLIDE], backwards[1:, DIP] / runs[:-1, CREST], out=out[:-1, SLIDE])
    out[:, SLIDE] = np.fmax.accumulate(out[::-1, SLIDE], axis=0)[::-1]
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
        self._oldest = np.full((self._block, 5, width), np.nan)
        self._front = np.full((self._capacity, 5, width), np.nan)
        self._recent = self._tail = self._middle = self._unknown
        self.restart()

    def restart(self) -> None:
        """Start from what the ring holds."""
        self._end = self._ring.end
        self._start = max(self._ring.first, self._end - self._length)
        self._turned = self._end // self._block - 1
        self.rebuild(ALL)

    def with_head(self, head: F8) -> F8:
        """The summary of the closed buckets and one more; `head` is that bucket's summary."""
        newest = combine(self._tail, head)
        return combine(combine(self._before(), self._middle), newest)

    def push(self) -> None:
        """The ring has one bucket more."""
        number, self._end = self._end, self._end + 1
        fresh = summaries(self._ring.row(number), coarse=self._ring.coarse)
        self._tail = combine(self._tail, fresh)
        if self._end % self._block == 0:
            self._finish_block(number // self._block)
        if self._end - self._start > self._length:
            self._start += 1
            if self._start % self._block == 0:
                self._enter_block()

    def _before(self) -> F8:
        """What is left of the oldest block; nothing when the oldest block is the unfinished one."""
        block = self._start // self._block
        if block == self._end // self._block:
            return self._unknown
        row: F8 = self._oldest[self._start - block * self._block]
        return row

    def _finish_block(self, block: int) -> None:
        self._whole[block % self._capacity] = self._tail
        if block == self._start // self._block:
            self._load_oldest(ALL)
        else:
            self._recent = combine(self._recent, self._tail)
            self._join()
        self._tail = self._unknown

    def _enter_block(self) -> None:
        """The oldest block is used up: the next one takes its place."""
        if self._start // self._block > self._turned:
            self._turned = self._end // self._block - 1
            self._recent = self._unknown
            self._turn(ALL)
        self._load_oldest(ALL)
        self._join()

    def _load_oldest(self, columns: Columns) -> None:
        """Suffix summaries of the oldest block, from the ring; rows before the window are never looked at."""
        first = self._start // self._block * self._block
        start = max(self._start, first)
        self._oldest[start - first :, :, columns] = self._suffixes(start, first + self._block, columns)

    def _suffixes(self, start: int, end: int, columns: Columns) -> F8:
        return suffixes(summaries(self._ring.block(start, end, columns), coarse=self._ring.coarse))

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
        size, oldest, newest = self._block, self._start // self._block, self._end // self._block
        recent, tail = self._recent.copy(), self._tail.copy()
        recent[:, columns] = np.nan
        for block in range(oldest, newest):
            start = max(self._start, block * size)
            runs = self._suffixes(start, (block + 1) * size, columns)
            self._whole[block % self._capacity][:, columns] = runs[0]
            if block == oldest:
                self._oldest[start - block * size :, :, columns] = runs
            elif block > self._turned:
                recent[:, columns] = combine(recent[:, columns], runs[0])
        tail[:, columns] = np.nan
        if self._end > max(self._start, newest * size):
            tail[:, columns] = self._suffixes(max(self._start, newest * size), self._end, columns)[0]
        self._recent, self._tail = recent, tail
        self._turn(columns)
        self._join()
