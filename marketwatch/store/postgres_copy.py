"""Sample rows as the bytes of a binary COPY, made column by column: no Python object per value."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rows import SAMPLE_COLUMNS, SampleRows

EPOCH_MS = 946_684_800_000
"""PostgreSQL counts time from 2000-01-01."""

_HEAD = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_TAIL = b"\xff\xff"
_TYPES = {
    "symbol_id": ">i4", "time": ">i8", "sample_ms": ">i4", "trades": ">i8", "first_id": ">i8", "last_id": ">i8", "gap": "u1",
}  # fmt: skip


def encode_samples(rows: SampleRows, ids: NDArray[np.int64]) -> bytes:
    """`ids` are the rows' symbol ids. NaN becomes NULL: its length is -1 and its bytes are left out."""
    columns: dict[str, Any] = {**rows._asdict(), "symbol_id": ids, "time": (rows.time - EPOCH_MS) * 1000}
    count = len(rows)
    widths = [np.dtype(_TYPES.get(name, ">f8")).itemsize for name in SAMPLE_COLUMNS]
    cells = np.zeros((count, 2 + sum(widths) + 4 * len(widths)), np.uint8)
    kept = np.ones(cells.shape, np.bool_)
    cells[:, 1] = len(SAMPLE_COLUMNS)
    at = 2
    for name, width in zip(SAMPLE_COLUMNS, widths, strict=True):
        column = columns[name]
        lengths = np.full(count, width, ">i4")
        if name not in _TYPES:
            unknown = np.isnan(column)
            lengths[unknown] = -1
            kept[unknown, at + 4 : at + 4 + width] = False
        cells[:, at : at + 4] = lengths.view(np.uint8).reshape(count, 4)
        values = np.ascontiguousarray(column, np.dtype(_TYPES.get(name, ">f8")))
        cells[:, at + 4 : at + 4 + width] = values.view(np.uint8).reshape(count, width)
        at += 4 + width
    return _HEAD + cells[kept].tobytes() + _TAIL
