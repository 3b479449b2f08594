"""Packed columns back into numbers: the blocks of a column together, in as few steps as they allow.

Step by step, block by block, most of the time would go into calls; and two threads that hand the interpreter's lock to each
other in every one of them would mostly wait.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from .packing import CONSTANT, CONSTANT_FLOAT, DECIMAL, HEAD, RANGE, RAW, VERSION, WHOLE

_BEGINNING = HEAD.size + 8
_HEADS = np.dtype([
    ("version", "u1"), ("kind", "u1"), ("width", "u1"), ("exponent", "i1"), ("count", "<u4"), ("odd", "<u4"), ("base", "<i8"),
    ("checksum", "<u4"), ("spare", "V8"), ("step", "<i8"),
])  # fmt: skip
"""The head of a block, and what comes after it: of a range its step."""
_AT_ONCE = 1 << 16
"""Values that are decoded together: few enough to stay in the processor's cache."""
_ROW = 4096


def count_of(data: bytes) -> int:
    """How many values there are in a block."""
    return int(HEAD.unpack_from(data)[4])


def unpack(blocks: Sequence[bytes], out: NDArray[Any]) -> None:
    """Write the values of a column's blocks to `out`, of their length together. Raises StoreError for bytes that are not what
    was packed."""
    try:
        heads = _heads(blocks)
        places = [0, *np.cumsum(heads["count"], dtype=np.int64).tolist()]
        if places[-1] != len(out):
            raise ValueError(f"{places[-1]} values of {len(out)}")
        for first, end in _runs(heads, np.array(places)):
            _fill(blocks[first:end], heads[first:end], out[places[first] : places[end]])
    except (struct.error, ValueError, TypeError) as error:
        raise StoreError(f"A packed column of samples is damaged ({error}).") from error


def _heads(blocks: Sequence[bytes]) -> NDArray[np.void]:
    heads = np.frombuffer(b"".join([data[:_BEGINNING].ljust(_BEGINNING, b"\0") for data in blocks]), _HEADS)
    checksums = [crc32(memoryview(data)[HEAD.size :]) for data in blocks]
    bad = (heads["version"] != VERSION) | (heads["checksum"] != checksums)
    if bad.any():
        raise ValueError(f"block {int(np.argmax(bad))} of {len(blocks)}")
    return heads


def _runs(heads: NDArray[np.void], places: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Neighbours that can be decoded together: of one kind, and constants and ranges only where one goes on with the other."""
    kind, base, step = heads["kind"], heads["base"], np.where(heads["kind"] == RANGE, heads["step"], 0)
    apart = np.zeros(len(heads), np.bool_)
    for name in ("kind", "width", "exponent"):
        apart[1:] |= heads[name][1:] != heads[name][:-1]
    shut = np.isin(kind, (CONSTANT, CONSTANT_FLOAT, RANGE))[1:]
    goes_on = (base[1:] == base[:-1] + step[:-1] * heads["count"][:-1]) & (step[1:] == step[:-1])
    apart[1:] |= np.where(shut, ~goes_on, np.diff(places[:-1] // _AT_ONCE) > 0)
    return pairwise([0, *np.flatnonzero(apart).tolist(), len(heads)]) if len(heads) else pairwise([])


def _fill(blocks: Sequence[bytes], heads: NDArray[np.void], out: NDArray[Any]) -> None:
    kind, base, step = (int(heads[0][name]) for name in ("kind", "base", "step"))
    if kind == CONSTANT:
        out[:] = base
    elif kind == CONSTANT_FLOAT:
        out[:] = np.int64(base).view(np.float64)
    elif kind == RANGE:
        _fill_range(base, step, out)
    elif kind == RAW:
        out[:] = _bodies(blocks, heads, "<f8")
    elif kind in (WHOLE, DECIMAL):
        _fill_offsets(blocks, heads, out)
    else:
        raise ValueError(f"kind {kind}")


def _fill_range(base: int, step: int, out: NDArray[Any]) -> None:
    """Row by row, since making one long range keeps the interpreter's lock."""
    rows = len(out) // _ROW
    if rows:
        starts = base + step * _ROW * np.arange(rows)
        np.add(starts[:, np.newaxis], step * np.arange(_ROW), out=out[: rows * _ROW].reshape(rows, _ROW))
    rest = out[rows * _ROW :]
    rest[:] = base + step * np.arange(rows * _ROW, len(out))


def _bodies(blocks: Sequence[bytes], heads: NDArray[np.void], kind: str) -> NDArray[Any]:
    ends = (HEAD.size + heads["count"] * np.dtype(kind).itemsize).tolist()
    return np.frombuffer(b"".join([memoryview(data)[HEAD.size : end] for data, end in zip(blocks, ends, strict=True)]), kind)


def _fill_offsets(blocks: Sequence[bytes], heads: NDArray[np.void], out: NDArray[Any]) -> None:
    """Of unsigned integers above the base of their block, perhaps in units of a decimal place, but for exceptions."""
    width, exponent, counts = int(heads["width"][0]), int(heads["exponent"][0]), heads["count"]
    offsets, base = _bodies(blocks, heads, f"<u{width}"), heads["base"].astype(out.dtype)
    even = bool((counts == counts[0]).all())
    shape = (len(blocks), -1) if even else (-1,)
    bases = base[:, np.newaxis] if even else np.repeat(base, counts)
    np.add(offsets.reshape(shape), bases, out=out.reshape(shape), dtype=out.dtype, casting="unsafe")
    if exponent:
        out /= 10.0**exponent
    starts = np.cumsum(counts) - counts
    for number in np.flatnonzero(heads["odd"]).tolist():
        odd, at = int(heads["odd"][number]), HEAD.size + width * int(counts[number])
        places = np.frombuffer(blocks[number], "<u4", odd, at)
        out[int(starts[number]) :][places] = np.frombuffer(blocks[number], "<f8", odd, at + 4 * odd)
