"""Statistics of an expression over its own past, across all symbols, tick by tick.

A window is cut into at most 360 steps of the sample grid or a coarser one: `derived_grid` says which. A step's value is the
last one in it. The window is its closed steps and the newest, still open one, so the statistic moves with every tick.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .truth import F8, Knowledge

MOST_STEPS = 360
_GRIDS_MS = (
    1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 14_400_000, 86_400_000,
    172_800_000,
)  # fmt: skip
_STILL = 1e-9
"""A deviation below this share of the mean is rounding, not variation."""


def derived_grid(span_ms: int, sample_ms: int) -> tuple[int, int]:
    """(grid in ms, steps) of a window: the sample grid where 360 steps of it reach, else the next coarser that does."""
    grids = [sample_ms, *(grid for grid in _GRIDS_MS if grid > sample_ms and grid % sample_ms == 0)]
    grid = next((one for one in grids if -(-span_ms // one) <= MOST_STEPS), grids[-1])
    return grid, max(2, -(-span_ms // grid))


class Moments(NamedTuple):
    """Of the closed steps of a window: known values, their mean, sum of squared deviations, highest and lowest."""

    known: F8
    mean: F8
    squares: F8
    top: F8
    bottom: F8


def moments(block: F8) -> Moments:
    """Of (steps, symbols)."""
    known = ~np.isnan(block)
    count = known.sum(axis=0).astype(np.float64)
    with np.errstate(all="ignore"):
        mean = np.where(known, block, 0.0).sum(axis=0) / count
        squares = np.where(known, np.square(block - mean), 0.0).sum(axis=0)
    empty = np.full((1, block.shape[1]), np.nan)
    whole = np.concatenate([empty, block])
    return Moments(count, mean, squares, np.fmax.reduce(whole), np.fmin.reduce(whole))


def statistic(name: str, closed: Moments, oldest: F8, head: F8, steps: F8 | int, length: int, knowledge: Knowledge) -> F8:
    """The statistic with the open step `head`; `steps` of the window were seen so far. NaN where unknown."""
    there = ~np.isnan(head)
    count = closed.known + there
    least = 2.0 if knowledge.warming else max(2.0, knowledge.least_filled * length)
    full = (count >= least) & (knowledge.warming | (np.asarray(steps) >= length))
    with np.errstate(all="ignore"):
        out = _values(name, closed, oldest, head, count)
        out[~(full & np.isfinite(out))] = np.nan
    return out


def _values(name: str, closed: Moments, oldest: F8, head: F8, count: F8) -> F8:
    if name == "lag":
        return np.array(oldest, copy=True)
    if name == "change":
        return 100.0 * (head / oldest - 1.0)
    if name == "highest":
        return np.fmax(closed.top, head)
    if name == "lowest":
        return np.fmin(closed.bottom, head)
    mean, deviation = spread(closed, head, count)
    if name == "sma":
        return mean
    return deviation if name == "stdev" else (head - mean) / np.where(deviation > 0.0, deviation, np.nan)


def spread(closed: Moments, head: F8, count: F8) -> tuple[F8, F8]:
    """Mean and population deviation with one more value (Chan's way of joining two samples)."""
    some = closed.known > 0
    base = np.where(some, closed.mean, head)
    away = np.where(np.isnan(head), 0.0, head - base)
    mean = base + away / count
    squares = np.where(some, closed.squares, 0.0) + np.square(away) * closed.known / count
    deviation = np.sqrt(squares / count)
    return mean, np.where(deviation <= _STILL * np.abs(mean), 0.0, deviation)


class DerivedRing:
    """The past of one expression: float64 (steps - 1, symbols), bounded."""

    def __init__(self, name: str, span_ms: int, *, sample_ms: int, symbols: int, knowledge: Knowledge) -> None:
        self.name = name
        self.grid_ms, self.length = derived_grid(span_ms, sample_ms)
        self._sample_ms = sample_ms
        self._knowledge = knowledge
        self._ring = np.full((self.length - 1, symbols), np.nan)
        self._closed = moments(self._ring[:0])
        self._head = np.full(symbols, np.nan)
        self._number = -1
        self._steps = 0

    def take(self, value: F8, end_ms: int) -> F8:
        """The statistic at a tick that ends at `end_ms`, with the expression's value there."""
        number = (end_ms - self._sample_ms) // self.grid_ms
        if self._steps == 0:
            self._steps, self._number = 1, number
        elif number > self._number:
            self._roll(number - self._number)
            self._number = number
        self._head = np.broadcast_to(value, self._head.shape)
        oldest = self._ring[(self._number) % len(self._ring)]
        return statistic(self.name, self._closed, oldest, self._head, self._steps, self.length, self._knowledge)

    def _roll(self, passed: int) -> None:
        """Close the open step; steps that were left out are unknown."""
        rows = len(self._ring)
        self._ring[self._number % rows] = self._head
        for skipped in range(1, min(passed, rows + 1)):
            self._ring[(self._number + skipped) % rows] = np.nan
        self._steps += passed
        self._closed = moments(self._ring)
