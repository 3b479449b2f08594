"""A column of numbers as bytes that numpy reads back at the speed of memory, exactly as it was.

Little-endian, after a head of 32 bytes: version, kind, width, exponent, count, exceptions, base, crc32 of the rest::

    constant   base: one value for the whole column, as the bits of a float64 or an int64
    range      base and the step between neighbours (int64)
    whole      count unsigned integers of `width` bytes, each `base` more
    decimal    the same, divided by 10 ** exponent; then the places (uint32) and values (float64) of the exceptions
    raw        count float64

Prices and quantities of a venue are decimal fractions: most columns take one to four bytes a value.
"""

from __future__ import annotations

import struct
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
VERSION = 1
HEAD = struct.Struct("<BBBbIIqI8x")
CONSTANT, RANGE, WHOLE, DECIMAL, RAW, CONSTANT_FLOAT = range(6)
_MOST_DECIMALS = 9
_EXACT = 2.0**53
_SPARE = 64
"""One value in so many may be an exception."""


def pack_whole(column: I8) -> bytes:
    """An int64 column."""
    steps = np.diff(column)
    if not len(steps) or (steps == steps[0]).all():
        step = int(steps[0]) if len(steps) else 0
        return _framed(RANGE if step else CONSTANT, 0, 0, len(column), 0, int(column[0]), struct.pack("<q", step))
    base, width, body = _offsets(column)
    return _framed(WHOLE, width, 0, len(column), 0, base, body)


def pack_floats(column: F8) -> bytes:
    """A float64 column; NaN is a value like others."""
    if (column == column[0]).all() or np.isnan(column).all():
        bits = int(column[:1].astype("<f8").view("<i8")[0])
        return _framed(CONSTANT_FLOAT, 0, 0, len(column), 0, bits, b"")
    for exponent in range(_MOST_DECIMALS + 1):
        packed = _decimal(column, exponent)
        if packed is not None:
            return packed
    return _framed(RAW, 8, 0, len(column), 0, 0, column.astype("<f8").tobytes())


def _decimal(column: F8, exponent: int) -> bytes | None:
    """None where too many values are no whole multiples of 10 ** -exponent, or lie too far apart."""
    scale = 10.0**exponent
    with np.errstate(all="ignore"):
        scaled = np.rint(column * scale)
        fits = (scaled / scale == column) & (np.abs(scaled) < _EXACT)
    odd = np.flatnonzero(~fits)
    if len(odd) * _SPARE > len(column):
        return None
    whole = np.where(fits, scaled, scaled[np.argmax(fits)]).astype(np.int64)
    base, width, body = _offsets(whole)
    if width > 4:
        return None
    body += odd.astype("<u4").tobytes() + column[odd].astype("<f8").tobytes()
    return _framed(DECIMAL, width, exponent, len(column), len(odd), base, body)


def _offsets(column: I8) -> tuple[int, int, bytes]:
    base, top = int(column.min()), int(column.max())
    width = next(width for width in (1, 2, 4, 8) if top - base < 1 << (8 * width))
    return base, width, (column - base).astype(f"<u{width}").tobytes()


def _framed(kind: int, width: int, exponent: int, count: int, odd: int, base: int, body: bytes) -> bytes:
    return HEAD.pack(VERSION, kind, width, exponent, count, odd, base, crc32(body)) + body
