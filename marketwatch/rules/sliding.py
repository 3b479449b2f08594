"""Sliding windows over long columns, vectorised and exact.

Sums and extremes of windows come from those of windows half as long: a few passes over the column, and nothing is ever
subtracted, so nothing cancels. For the rest a column is cut into blocks as long as the window. A window is then the end of one
block and the beginning of the next, so a forward and a backward running value inside the blocks give every window with one
step (van Herk's way for extremes). Long columns are worked on in pieces that stay in the processor's cache. Windows at the
beginning are as long as there are values. NaN is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .moments import added, back, blocks, flat, half, window_moments
from .truth import F8

_PIECE = 131_072
Kernel = Callable[..., tuple[F8, ...]]


class Moments(NamedTuple):
    """Known values in the window, their mean, the sum of their squared deviations, and, where it is asked for, the newest value
    minus the mean."""

    known: F8
    mean: F8
    squares: F8
    away: F8 | None = None


class Slide(NamedTuple):
    """Highest value, lowest value, and the smallest ratio of a value to an earlier one."""

    crest: F8
    dip: F8
    ratio: F8


def sums(column: F8, length: int) -> F8:
    """Sum of the known values of each window; 0 without any."""
    return _pieces(_sums, length, column)[0]


def highest(column: F8, length: int) -> F8:
    """Highest known value of each window, NaN without any."""
    return _pieces(_highest, length, column)[0]


def lowest(column: F8, length: int) -> F8:
    """Lowest known value of each window, NaN without any."""
    return -highest(-column, length)


def moments(column: F8, length: int, *, newest: bool = False) -> Moments:
    """Count, mean and squared deviations of the known values of each window; `newest`: and how far the last one is away."""
    return Moments(*window_moments(length, column, newest=newest))


def weighted(column: F8, length: int) -> tuple[F8, F8]:
    """Sum of the weights of the known values (1 for the oldest place of the window), and their weighted mean."""
    weights, mean = _pieces(_weighted, length, column)
    return weights, mean


def slides(peak: F8, trough: F8, fall: F8, length: int) -> Slide:
    """Of buckets with their own peak, trough, and smallest ratio of a value to an earlier one inside."""
    return Slide(*_pieces(_slides, length, peak, trough, fall))


def _pieces(kernel: Kernel, length: int, *columns: F8) -> tuple[F8, ...]:
    """Run a kernel piece by piece; each piece sees one window's length before its own beginning."""
    size = len(columns[0])
    step = length * max(1, _PIECE // length)
    if size <= step + length:
        return kernel(length, *columns)
    found: list[tuple[F8, ...]] = []
    for start in range(0, size, step):
        seen = max(0, start - length)
        found.append(tuple(part[start - seen :] for part in kernel(length, *(one[seen : start + step] for one in columns))))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _join(forward: F8, backward: F8, join: Callable[[F8, F8], F8]) -> F8:
    """Every window, in place of `forward`: it ends in a block and begins in the one before, or is the whole block."""
    join(forward[1:, :-1], backward[:-1, 1:], out=forward[1:, :-1])  # type: ignore[call-arg]
    return forward


def _sums(length: int, column: F8) -> tuple[F8]:
    whole = np.zeros(len(column) + length - 1)
    np.copyto(whole[length - 1 :], column, where=~np.isnan(column))
    total, _ = added(whole, length, (np.empty_like(whole), np.empty_like(whole)))
    return (total[: len(column)],)


def _highest(length: int, column: F8) -> tuple[F8]:
    """The highest of two values, of four, eight, and so on; the last two parts overlap."""
    found, room, other, width = column, np.empty_like(column), np.empty_like(column), 1
    while width < min(length, len(column)):
        more = min(width, length - width)
        np.fmax(found[more:], found[: len(found) - more], out=room[more:])
        room[:more] = found[:more]
        found, room, other, width = room, other, room, width + more
    return (found.copy() if found is column else found,)


def _weighted(length: int, column: F8) -> tuple[F8, F8]:
    size, block = len(column), blocks(column, length)
    place = np.arange(float(length))
    there = ~np.isnan(block)
    with np.errstate(all="ignore"):
        ahead = half(block, backward=False, clean=False)
        shift = np.broadcast_to(length - place, block.shape).copy()
        shift[0] = 1.0
        deviation = np.where(there, ahead.deviation, 0.0)
        weights = np.cumsum(there * place, axis=1) + shift * ahead.known
        total = np.cumsum(deviation * place, axis=1) + shift * ahead.total
        anchor = np.array(np.broadcast_to(ahead.anchor, block.shape))
        behind = half(block, backward=True, clean=False)
        deviation = np.where(there, behind.deviation, 0.0)
        late = (slice(1, None), slice(None, -1))
        more = (back(there * place, np.cumsum))[:-1, 1:] - place[:-1] * behind.known[:-1, 1:]
        sums = (back(deviation * place, np.cumsum))[:-1, 1:] - place[:-1] * behind.total[:-1, 1:]
        here = np.where(np.isnan(anchor[late]), behind.anchor[:-1], anchor[late])
        weights[late] += more
        total[late] += sums + np.where(more == 0, 0.0, (behind.anchor[:-1] - here) * more)
        anchor[late] = here
        return flat(weights, size), flat(anchor + total / weights, size)


def _slides(length: int, peak: F8, trough: F8, fall: F8) -> tuple[F8, F8, F8]:
    size = len(peak)
    tops, dips, falls = (blocks(column, length) for column in (peak, trough, fall))
    up, down = np.fmax.accumulate, np.fmin.accumulate
    with np.errstate(all="ignore"):
        crest, dip, ratio = up(tops, axis=1), down(dips, axis=1), falls.copy()
        ratio[:, 1:] = np.fmin(falls[:, 1:], dips[:, 1:] / crest[:, :-1])
        ratio = down(ratio, axis=1)
        crests, lows, ratios = back(tops, up), back(dips, down), falls.copy()
        ratios[:, :-1] = np.fmin(falls[:, :-1], lows[:, 1:] / tops[:, :-1])
        across = dip[1:, :-1] / crests[:-1, 1:]
        ratio = _join(ratio, back(ratios, down), np.fmin)
        np.fmin(ratio[1:, :-1], across, out=ratio[1:, :-1])
        crest, dip = _join(crest, crests, np.fmax), _join(dip, lows, np.fmin)
    return flat(crest, size), flat(dip, size), flat(ratio, size)
