"""Mean and squared deviations of sliding windows.

Two ways. Where everything is known, a stretch is summed as deviations from its own mean, and the squares of each window's
mean are subtracted. What is left is compared with what it was taken from: where cancellation would show, the stretch is done
the exact way. That one cuts a column into blocks as long as the window and joins the end of one with the beginning of the next
by Chan's formula; nothing is subtracted there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .truth import F8

_PIECE = 262_144
_STRETCH = 1024
_LEFT = 1e-6
"""Squared deviations of a window below this share of those from the stretch's mean are not trusted to subtraction: its rounding
would show in the tenth digit."""


def blocks(column: F8, length: int) -> F8:
    """(blocks, length), filled up at the end by what is unknown."""
    size = len(column)
    missing = -size % length
    if not missing:
        return column.reshape(-1, length)
    whole = np.full(size + missing, np.nan)
    whole[:size] = column
    return whole.reshape(-1, length)


def back(values: F8, accumulate: Callable[..., F8]) -> F8:
    """Running values from the end of each block."""
    return accumulate(values[:, ::-1], axis=1)[:, ::-1]


def flat(values: F8, size: int) -> F8:
    return values.reshape(-1)[:size]


class Half(NamedTuple):
    """Running values of one direction, as deviations from an anchor per block: count, sum, mean, squared deviations."""

    anchor: F8
    deviation: F8
    known: F8
    total: F8
    mean: F8
    squares: F8


def half(block: F8, *, backward: bool, clean: bool) -> Half:
    """Running values of every block, from its end or from its beginning. `clean`: nothing in it is unknown."""
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
        known = back(there, np.cumsum).astype(np.float64) if backward else np.cumsum(there, axis=1, dtype=np.float64)
    square = np.square(summed)
    total = back(summed, np.cumsum) if backward else np.cumsum(summed, axis=1)
    squares = back(square, np.cumsum) if backward else np.cumsum(square, axis=1)
    mean = total / known
    return Half(anchor, deviation, known, total, mean, np.maximum(squares - total * mean, 0.0))


def window_moments(length: int, column: F8, *, newest: bool = False) -> tuple[F8, ...]:
    """Count, mean, squared deviations, and with `newest` how far the newest value is from the mean. The first `length` values
    have nothing before them."""
    column = np.ascontiguousarray(column)
    found = tuple(np.empty(len(column)) for _ in range(4 if newest else 3))
    _put(found, 0, _exact(length, column[:length]))
    stretch = max(_STRETCH, 4 * length)
    most = max(1, _PIECE // stretch) * stretch
    at = length
    while at < len(column):
        width = min(stretch, len(column) - at)
        end = at + min(most, len(column) - at) // width * width
        span = column[at - length : end]
        if length > 1 and np.isfinite(span.sum()):
            found[0][at:end] = length
            _even(length, span[1:], tuple(one[at:end].reshape(-1, width) for one in found[1:]))
        else:
            _put(found, at, tuple(one[length:] for one in _exact(length, span)))
        at = end
    return found


def _put(found: tuple[F8, ...], at: int, values: tuple[F8, ...]) -> None:
    """Write those of the values that are wished for."""
    for whole, part in zip(found, values, strict=False):
        whole[at : at + len(part)] = part


def _even(length: int, column: F8, found: tuple[F8, ...]) -> None:
    """Fill `found` (mean, squared deviations, perhaps newest minus mean), each (rows, width): a row is a stretch of windows,
    and the first of all begins with the first value of `column`.

    All rows are worked on as one long one, which is several times as fast; sums that reach into the next row are nobody's.
    """
    rows, width = found[0].shape
    stride = column.strides[0]
    spans = np.ndarray((rows, length - 1 + width), np.float64, column, strides=(width * stride, stride))
    anchor = spans.mean(axis=1, keepdims=True)
    deviation = spans - anchor

    def windows(flat: NDArray[Any]) -> NDArray[Any]:
        return flat.reshape(rows, -1)[:, :width]

    values = deviation.reshape(-1)
    one, two, three = (np.empty(len(values)) for _ in range(3))
    with np.errstate(all="ignore"):  # of what is nobody's
        total, mean = added(values, length, (one, two))
        np.divide(total, length, out=mean)
        np.add(windows(mean), anchor, out=found[0])
        if len(found) == 3:
            np.subtract(deviation[:, length - 1 :], windows(mean), out=found[2])
        total *= mean
        np.square(values, out=values)
        whole, _ = added(values, length, (mean, three))
        np.subtract(whole, total, out=total)
        whole *= _LEFT
        found[1][:] = windows(total)
        doubtful = np.flatnonzero(windows(total < whole).any(axis=1))
    if len(doubtful):
        for result, exact in zip(found, _exact(length, spans[doubtful].reshape(-1))[1:], strict=False):
            result[doubtful] = exact.reshape(len(doubtful), -1)[:, length - 1 :]


def added(values: F8, length: int, rooms: tuple[F8, F8]) -> tuple[F8, F8]:
    """The sum of every `length` values, at the place of the first of them, from sums of fewer: nothing is subtracted. The last
    `length - 1` places are nobody's.

    `rooms`: two arrays like `values` to work in; the first of the answer holds the sums, the other is free again.
    """
    found, width = values, 1
    room, other = rooms
    if length == 1:
        other[:] = values
    for twice in _doubled(length):
        more = (found if twice else values)[width:]
        found = np.add(found[: len(more)], more, out=room[: len(more)])
        width, room, other = 2 * width if twice else width + 1, other, room
    return other, room


def _doubled(length: int) -> Iterator[bool]:
    """How sums of `length` values come from single ones: add a sum to itself (True), or one more value to it."""
    for bit in f"{length:b}"[1:]:
        yield True
        if bit == "1":
            yield False


def _exact(length: int, column: F8) -> tuple[F8, ...]:
    size, block = len(column), blocks(column, length)
    with np.errstate(all="ignore"):
        clean = bool(np.isfinite(block.sum()))
        ahead = half(block, backward=False, clean=clean)
        known = np.array(np.broadcast_to(ahead.known, block.shape))
        mean, squares = ahead.mean, ahead.squares
        if len(block) > 1 and length > 1:
            _chan(half(block, backward=True, clean=clean), known, mean, squares, ahead.anchor, clean=clean)
        away = ahead.deviation - mean
        mean += ahead.anchor
    return flat(known, size), flat(mean, size), flat(squares, size), flat(away, size)


def _chan(behind: Half, known: F8, mean: F8, squares: F8, anchor: F8, *, clean: bool) -> None:
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
