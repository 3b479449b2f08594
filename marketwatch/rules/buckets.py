"""A history cut into buckets of one grid as the engine cuts it: closed ones, and at every step the one that is open."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from .history import History
from .truth import F8, Flags

Accumulate = Callable[..., F8]


class Buckets:
    """Steps of a history in buckets of `grid_ms`, a multiple of the sample step. Raises ValueError where it is none."""

    def __init__(self, history: History, grid_ms: int) -> None:
        if grid_ms % history.sample_ms:
            raise ValueError(f"A grid of {grid_ms} ms cannot be counted in steps of {history.sample_ms} ms.")
        self.history = history
        self.grid_ms = grid_ms
        self.per = grid_ms // history.sample_ms
        self.fine = self.per == 1
        self.first = history.from_ms // grid_ms
        self.lead = (history.from_ms - self.first * grid_ms) // history.sample_ms
        self.count = -(-(self.lead + len(history)) // self.per)

    def cut(self, column: F8, fill: float) -> F8:
        """(buckets, steps in a bucket), filled up at both ends."""
        if len(column) == self.count * self.per:
            return column.reshape(-1, self.per)
        whole = np.full(self.count * self.per, fill)
        whole[self.lead : self.lead + len(column)] = column
        return whole.reshape(-1, self.per)

    def flat(self, cells: F8) -> F8:
        """Back to one value per step."""
        return cells.reshape(-1)[self.lead : self.lead + len(self.history)]

    def running(self, column: F8, accumulate: Accumulate, fill: float) -> F8:
        """Accumulated inside each bucket: (buckets, steps); the last column holds the closed buckets."""
        return accumulate(self.cut(column, fill), axis=1)

    def spread(self, values: F8) -> F8:
        """At every step the value of its bucket."""
        if self.fine:
            return self.flat(values)
        cells = np.empty((self.count, self.per))
        cells[:] = values[:, np.newaxis]
        return self.flat(cells)

    def closing(self, column: F8) -> F8:
        """The last value of each closed bucket; NaN for the one that is open at the end."""
        values = np.full(self.count, np.nan)
        closed = column[self.per - 1 - self.lead :: self.per]
        values[: len(closed)] = closed
        return values

    def before(self, closed: F8, nothing: float) -> F8:
        """At every step the value of the bucket before the open one."""
        shifted = np.full(self.count, nothing)
        shifted[1:] = closed[:-1]
        return self.spread(shifted)

    @cached_property
    def number(self) -> F8:
        """At every step the place of its bucket, from 0."""
        return self.spread(np.arange(self.count, dtype=np.float64))

    @cached_property
    def elapsed_s(self) -> F8:
        """At every step how much of the open bucket is over."""
        inside = np.tile(np.arange(1.0, self.per + 1.0), self.count)
        return self.flat(inside * (self.history.sample_ms / 1000.0))

    @cached_property
    def prices(self) -> F8:
        """The last known price so far in each bucket: (buckets, steps)."""
        cells = self.cut(self.history.price, np.nan)
        return cells if self.history.clean else last_known(cells)

    @cached_property
    def missing(self) -> F8:
        """Whether something of the bucket is missing so far, 1 or 0: (buckets, steps). Before the first price nothing is."""
        history = self.history
        if not history.gap.any():
            nothing = np.zeros((self.count, self.per))
            nothing[0] = float(self.lead > 0)
            return nothing
        started = (
            np.ones(len(history), np.bool_)
            if history.started
            else np.logical_or.accumulate(~np.isnan(history.price))
            if len(history)
            else history.gap
        )
        gap: Flags = history.gap & started
        missing = self.running(gap.astype(np.float64), np.maximum.accumulate, 0.0)
        if self.lead:
            missing[0] = 1.0
        return missing

    @cached_property
    def returns(self) -> tuple[F8, F8]:
        """Log returns against the bucket before: of the closed buckets, and of the open one at every step."""
        closed = np.ascontiguousarray(self.prices[:, -1])
        earlier = np.full(self.count, np.nan)
        earlier[1:] = closed[:-1]
        return log_return(closed, earlier), log_return(self.flat(self.prices), self.before(closed, np.nan))


def log_return(price: F8, before: F8) -> F8:
    """ln(price / before)."""
    with np.errstate(all="ignore"):
        moved: F8 = np.log1p((price - before) / before)
    return moved


def last_known(cells: F8) -> F8:
    """Unknown values replaced by the last known one of the row."""
    if cells.shape[1] == 1:
        return cells
    known = ~np.isnan(cells)
    if known.all():
        return cells
    place = np.where(known, np.arange(cells.shape[1]), 0)
    np.maximum.accumulate(place, axis=1, out=place)
    return np.take_along_axis(cells, place, axis=1)
