"""Sliding windows over long columns, vectorised and exact.

A column is cut into blocks as long as the window. A window is then the end of one block and the beginning of the next, so a
forward and a backward running sum (maximum, ...) inside the blocks give every window with one addition: nothing is ever
subtracted, so nothing cancels (van Herk's way for extremes, here for sums as well). Long columns are worked on in pieces that
stay in the processor's cache. Windows at the beginning are as long as there are values. NaN is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .truth import F8

_PIECE = 32_768
Kernel = Callable[..., tuple[F8, ...]]


class Moments(NamedTuple):
    """Known values in the window, their mean, the sum of their squared deviations, and the newest value minus the mean."""

    known: F8
    mean: F8
    squares: F8
    away: F8


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


def moments(column: F8, length: int) -> Moments:
    """Count, mean and squared deviations of the known values of each window."""
    return Moments(*_pieces(_moments, length, column))


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


def _blocks(column: F8, length: int) -> F8:
    """(blocks, length), filled up at the end by what is unknown."""
    size = len(column)
    missing = -size % length
    if not missing:
        return column.reshape(-1, length)
    whole = np.full(size + missing, np.nan)
    whole[:size] = column
    return whole.reshape(-1, length)


def _back(values: F8, accumulate: Callable[..., F8]) -> F8:
    """Running values from the end of each block."""
    return accumulate(values[:, ::-1], axis=1)[:, ::-1]


def _join(forward: F8, backward: F8, join: Callable[[F8, F8], F8]) -> F8:
    """Every window, in place of `forward`: it ends in a block and begins in the one before, or is the whole block."""
    join(forward[1:, :-1], backward[:-1, 1:], out=forward[1:, :-1])  # type: ignore[call-arg]
    return forward


def _flat(values: F8, size: int) -> F8:
    return values.reshape(-1)[:size]


def _sums(length: int, column: F8) -> tuple[F8]:
    block = np.nan_to_num(_blocks(column, length), nan=0.0)
    return (_flat(_join(np.cumsum(block, axis=1), _back(block, np.cumsum), np.add), len(column)),)


def _highest(length: int, column: F8) -> tuple[F8]:
    block, best = _blocks(column, length), np.fmax.accumulate
    return (_flat(_join(best(block, axis=1), _back(block, best), np.fmax), len(column)),)


class _Half(NamedTuple):
    """Running values of one direction, as deviations from an anchor per block: count, sum, mean, squared deviations."""

    anchor: F8
    deviation: F8
    known: F8
    total: F8
    mean: F8
    squares: F8


def _half(block: F8, *, backward: bool, clean: bool) -> _Half:
    width = block.shape[1]
    anchor = block[:, -1:] if backward else block[:, :1]
    if not clean:
        there = ~np.isnan(block)
        nearest = width - 1 - np.argmax(there[:, ::-1], axis=1) if backward else np.argmax(there, axis=1)
        anchor = block[np.arange(len(block)), nearest][:, None]
    deviation = block - anchor
    summed = deviation if clean else np.where(there, deviation, 0.0)
    known: F8 = np.arange(1.0, width + 1.0)[None, :: -1 if backward else 1]
    if not clean:
        known = _back(there, np.cumsum).astype(np.float64) if backward else np.cumsum(there, axis=1, dtype=np.float64)
    square = np.square(summed)
    total = _back(summed, np.cumsum) if backward else np.cumsum(summed, axis=1)
    squares = _back(square, np.cumsum) if backward else np.cumsum(square, axis=1)
    mean = total / known
    return _Half(anchor, deviation, known, total, mean, np.maximum(squares - total * mean, 0.0))


def _moments(length: int, column: F8) -> tuple[F8, ...]:
    """Count, mean, squared deviations, and how far the newest value is from the mean."""
    size, block = len(column), _blocks(column, length)
    with np.errstate(all="ignore"):
        clean = bool(np.isfinite(block.sum()))
        ahead = _half(block, backward=False, clean=clean)
        known = np.array(np.broadcast_to(ahead.known, block.shape))
        mean, squares = ahead.mean, ahead.squares
        if len(block) > 1 and length > 1:
            _chan(_half(block, backward=True, clean=clean), known, mean, squares, ahead.anchor, clean=clean)
        away = ahead.deviation - mean
        mean += ahead.anchor
    return _flat(known, size), _flat(mean, size), _flat(squares, size), _flat(away, size)


def _chan(behind: _Half, known: F8, mean: F8, squares: F8, anchor: F8, *, clean: bool) -> None:
    """Join the ends of the blocks before, in place (Chan's way of joining two samples). `mean` counts from `anchor`."""
    early, late = (slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))
    apart = behind.mean[early] - mean[late]
    apart += behind.anchor[:-1] - anchor[1:]
    if clean:
        length = known.shape[1]
        m = np.arange(1.0, length)
        share = (length - m) / length
        known[late] = length
        mean[late] += apart * share
        np.square(apart, out=apart)
        apart *= share * m
        apart += behind.squares[early]
        squares[late] += apart
        return
    n, m = behind.known[early], known[late].copy()
    total = n + m
    known[late] = total
    share = n / total
    both = behind.squares[early] + squares[late] + np.square(apart) * (share * m)
    missing = np.isnan(anchor[1:])
    others = behind.mean[early] + np.where(missing, behind.anchor[:-1], behind.anchor[:-1] - anchor[1:])
    np.copyto(anchor[1:], 0.0, where=missing)
    mean[late] = np.where(n == 0, mean[late], np.where(m == 0, others, mean[late] + apart * share))
    squares[late] = np.where(n == 0, squares[late], np.where(m == 0, behind.squares[early], both))


def _weighted(length: int, column: F8) -> tuple[F8, F8]:
    size, block = len(column), _blocks(column, length)
    place = np.arange(float(length))
    there = ~np.isnan(block)
    with np.errstate(all="ignore"):
        ahead = _half(block, backward=False, clean=False)
        shift = np.broadcast_to(length - place, block.shape).copy()
        shift[0] = 1.0
        deviation = np.where(there, ahead.deviation, 0.0)
        weights = np.cumsum(there * place, axis=1) + shift * ahead.known
        total = np.cumsum(deviation * place, axis=1) + shift * ahead.total
        anchor = np.array(np.broadcast_to(ahead.anchor, block.shape))
        behind = _half(block, backward=True, clean=False)
        deviation = np.where(there, behind.deviation, 0.0)
        late = (slice(1, None), slice(None, -1))
        more = (_back(there * place, np.cumsum))[:-1, 1:] - place[:-1] * behind.known[:-1, 1:]
        sums = (_back(deviation * place, np.cumsum))[:-1, 1:] - place[:-1] * behind.total[:-1, 1:]
        here = np.where(np.isnan(anchor[late]), behind.anchor[:-1], anchor[late])
        weights[late] += more
        total[late] += sums + np.where(more == 0, 0.0, (behind.anchor[:-1] - here) * more)
        anchor[late] = here
        return _flat(weights, size), _flat(anchor + total / weights, size)


def _slides(length: int, peak: F8, trough: F8, fall: F8) -> tuple[F8, F8, F8]:
    size = len(peak)
    tops, dips, falls = (_blocks(column, length) for column in (peak, trough, fall))
    up, down = np.fmax.accumulate, np.fmin.accumulate
    with np.errstate(all="ignore"):
        crest, dip, ratio = up(tops, axis=1), down(dips, axis=1), falls.copy()
        ratio[:, 1:] = np.fmin(falls[:, 1:], dips[:, 1:] / crest[:, :-1])
        ratio = down(ratio, axis=1)
        crests, lows, ratios = _back(tops, up), _back(dips, down), falls.copy()
        ratios[:, :-1] = np.fmin(falls[:, :-1], lows[:, 1:] / tops[:, :-1])
        across = dip[1:, :-1] / crests[:-1, 1:]
        ratio = _join(ratio, _back(ratios, down), np.fmin)
        np.fmin(ratio[1:, :-1], across, out=ratio[1:, :-1])
        crest, dip = _join(crest, crests, np.fmax), _join(dip, lows, np.fmin)
    return _flat(crest, size), _flat(dip, size), _flat(ratio, size)
