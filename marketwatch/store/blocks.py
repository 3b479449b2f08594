"""Finished hours of samples, packed: one row per symbol, hour and column, made from the sample rows and nothing but a copy.

Whoever looks at a long span reads only the columns that it needs. An hour is packed once no late trade can amend it; an hour
that is amended all the same (a refill) is dropped in the same transaction, marked, and packed anew. Where there is no block
the rows serve.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ports import SampleColumns
from .packing import pack_floats, pack_whole
from .unpacking import count_of, unpack

HOUR_MS = 3_600_000
ROWS_AT_ONCE = 8_000
SETTLED_MS = 900_000
"""Hours that ended so long ago are finished."""

FIELDS = (
    "time_ms", "sample_ms", "price", "open", "high", "low", "volume", "notional", "taker_buy_volume", "trades", "bid", "ask",
    "gap",
)  # fmt: skip
"""The number of a field in the database is its place here: append only."""
MARK = -1
_WHOLE = {"time_ms", "sample_ms", "trades", "gap"}
_TYPES: dict[str, type[np.generic]] = {
    "time_ms": np.int64, "trades": np.int64, "gap": np.bool_, "first_id": np.int64, "last_id": np.int64,
}  # fmt: skip
_ALWAYS = ("time_ms", "sample_ms", "gap")
COLUMNS = ("time_ms", *FIELDS[2:], "first_id", "last_id")


class Hour(NamedTuple):
    """An hour of a symbol, by its start."""

    symbol_id: int
    from_ms: int


def hour_of(time_ms: int) -> int:
    """The start of the hour."""
    return time_ms // HOUR_MS * HOUR_MS


def encode(hour: Hour, found: SampleColumns) -> Iterator[tuple[int, int, int, int, bytes]]:
    """The rows of an hour that has samples: symbol, start, field, end, data."""
    size = len(found.time_ms)
    for number, name in enumerate(FIELDS):
        column: NDArray[Any] = np.full(size, found.sample_ms, np.int64) if name == "sample_ms" else getattr(found, name)
        data = pack_whole(column.astype(np.int64)) if name in _WHOLE else pack_floats(column)
        yield hour.symbol_id, hour.from_ms, number, hour.from_ms + HOUR_MS, data


def mark(hour: Hour) -> tuple[int, int, int, int, bytes]:
    """The row that says that an hour waits to be packed anew."""
    return hour.symbol_id, hour.from_ms, MARK, hour.from_ms + HOUR_MS, b""


def mask_of(columns: Collection[str]) -> int:
    """The fields to read for `columns`, as bits."""
    return sum(1 << number for number, name in enumerate(FIELDS) if name in columns or name in _ALWAYS)


def grouped(rows: Iterable[Sequence[Any]]) -> dict[int, dict[str, bytes]]:
    """Blocks by the start of their hour, oldest first, from the rows of the query `blocks`."""
    found: dict[int, dict[str, bytes]] = {}
    for time_ms, field, data in rows:
        found.setdefault(time_ms, {})[FIELDS[field]] = data
    return found


def holes(blocks: Iterable[int], from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """The parts of a span without a block, oldest first. `blocks`: starts of the hours that have one, oldest first."""
    start = from_ms
    for block in blocks:
        if block > start:
            yield start, block
        start = block + HOUR_MS
    if start < to_ms:
        yield start, to_ms


def joined(
    symbol: str, blocks: dict[int, dict[str, bytes]], rows: dict[int, SampleColumns], wanted: Collection[str]
) -> SampleColumns:
    """Blocks and decoded rows (by their start) as one; columns that are not wanted are unknown, and take no memory.

    Raises StoreError for a damaged block.
    """
    parts = sorted([*blocks, *rows])
    sizes = [count_of(blocks[at]["time_ms"]) if at in blocks else len(rows[at].time_ms) for at in parts]
    edges = [0, *accumulate(sizes)]
    columns: dict[str, NDArray[Any]] = {}
    for name in COLUMNS:
        kind = _TYPES.get(name, np.float64)
        if name not in wanted and name not in _ALWAYS:
            columns[name] = np.broadcast_to(np.array(np.nan if kind is np.float64 else 0, kind), edges[-1])
            continue
        out = columns[name] = np.empty(edges[-1], kind)
        for packed, places in groupby(range(len(parts)), lambda place: parts[place] in blocks):
            run = list(places)
            part = out[edges[run[0]] : edges[run[-1] + 1]]
            if packed:
                unpack([blocks[parts[place]][name] for place in run], part)
            else:
                np.concatenate([getattr(rows[parts[place]], name) for place in run], out=part)
    return SampleColumns(symbol, _sample_ms(parts, blocks, rows), **columns)


def _sample_ms(parts: Sequence[int], blocks: dict[int, dict[str, bytes]], rows: dict[int, SampleColumns]) -> int:
    """The newest row's."""
    for at in reversed(parts):
        if at in rows and rows[at].sample_ms:
            return rows[at].sample_ms
        if at in blocks:
            steps = np.empty(count_of(blocks[at]["sample_ms"]), np.int64)
            unpack([blocks[at]["sample_ms"]], steps)
            return int(steps[-1])
    return 0


def to_pack(amended: Iterable[Sequence[Any]], following: Iterable[Sequence[Any]], newest_ms: int) -> list[Hour]:
    """Hours to pack, oldest first, from the rows of `amended_hours` and `next_samples`."""
    settled = [Hour(symbol_id, time_ms) for symbol_id, time_ms in amended]
    settled += [
        Hour(symbol_id, hour_of(time_ms))
        for symbol_id, time_ms in following
        if time_ms is not None and hour_of(time_ms) + HOUR_MS + SETTLED_MS <= newest_ms
    ]
    return sorted(dict.fromkeys(settled), key=lambda hour: (hour.from_ms, hour.symbol_id))


class Frontier:
    """Up to where the hours of each symbol are packed, so that a write knows which of them it amends."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._ends = {symbol_id: end_ms for symbol_id, end_ms in rows if end_ms is not None}
        self._newest = max(self._ends.values(), default=-1)

    def packed(self, hour: Hour) -> None:
        end_ms = max(self._ends.get(hour.symbol_id, -1), hour.from_ms + HOUR_MS)
        self._ends[hour.symbol_id] = end_ms
        self._newest = max(self._newest, end_ms)

    def amended(self, ids: NDArray[np.int64], times: NDArray[np.int64]) -> list[Hour]:
        """Hours behind the frontier to which these rows belong."""
        old = np.flatnonzero(times < self._newest)
        if not len(old):
            return []
        pairs = np.unique(np.stack([ids[old], times[old] // HOUR_MS * HOUR_MS]), axis=1).T.tolist()
        return [Hour(one, at) for one, at in pairs if at < self._ends.get(one, -1)]
