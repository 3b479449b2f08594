"""Writes that wait on disk while the database is away: records of `length, crc32, zstd(msgpack)`, oldest first.

Bounded in bytes, of mode 0600, locked by one process. A record that a crash left torn at the end is cut off when the file is
opened. The file is emptied when its last record was written to the database; records that were already written when the
process died are written again, which changes nothing, since every write is an upsert.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
import zstandard

from ..errors import StoreError
from ..model.alerts import Alert, Notification, Pin, Rule
from ..model.market import Candle, Gap, Instrument, QuietSpan, Samples, Trade, Whale
from ..ports import WriteBatch
from .lock import WriterLock

_HEAD = struct.Struct("<II")
_FLOATS = ("open", "high", "low", "price", "volume", "notional", "taker_buy_volume", "bid", "ask")
_WHOLES = ("trades", "first_id", "last_id")
_MOST_RECORD = 1 << 30


class _Step(msgspec.Struct, array_like=True):
    """A `Samples` step; `columns` are the bytes of its arrays."""

    time_ms: int
    sample_ms: int
    symbols: int
    columns: list[bytes]
    gap: bytes
    revised: bytes | None


class _Record(msgspec.Struct, array_like=True):
    """A batch. `symbols` holds each list of symbols once."""

    symbols: list[tuple[str, ...]]
    steps: list[_Step]
    instruments: list[Instrument]
    trades: list[Trade]
    whales: list[Whale]
    candles: list[Candle]
    venue_candles: list[Candle]
    gaps: list[Gap]
    rules: list[Rule] = []
    alerts: list[Alert] = []
    notifications: list[Notification] = []
    pins: list[Pin] = []
    quiet: list[QuietSpan] = []


_decoder = msgspec.msgpack.Decoder(_Record)


def encode(batch: WriteBatch) -> bytes:
    """Everything of the batch but the running totals, which the next ones replace anyway."""
    symbols: list[tuple[str, ...]] = []
    steps = [_step(step, symbols) for step in batch.samples]
    record = _Record(
        symbols, steps, batch.instruments, batch.trades, batch.whales, batch.candles, batch.venue_candles, batch.gaps,
        batch.rules, batch.alerts, batch.notifications, batch.pins, batch.quiet,
    )  # fmt: skip
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(record))


def _step(step: Samples, symbols: list[tuple[str, ...]]) -> _Step:
    if not symbols or symbols[-1] != step.symbols:
        symbols.append(step.symbols)
    columns = [np.asarray(getattr(step, name), np.float64).tobytes() for name in _FLOATS]
    columns += [np.asarray(getattr(step, name), np.int64).tobytes() for name in _WHOLES]
    revised = None if step.revised is None else np.asarray(step.revised, np.int64).tobytes()
    gap = np.asarray(step.gap, np.bool_).tobytes()
    return _Step(step.time_ms, step.sample_ms, len(symbols) - 1, columns, gap, revised)


def decode(data: bytes) -> WriteBatch:
    """The batch again. Raises ValueError."""
    try:
        record = _decoder.decode(zstandard.ZstdDecompressor().decompress(data, max_output_size=_MOST_RECORD))
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from error
    return WriteBatch(
        instruments=record.instruments,
        samples=[_samples(step, record.symbols[step.symbols]) for step in record.steps],
        trades=record.trades,
        whales=record.whales,
        candles=record.candles,
        gaps=record.gaps,
        venue_candles=record.venue_candles,
        rules=record.rules,
        alerts=record.alerts,
        notifications=record.notifications,
        pins=record.pins,
        quiet=record.quiet,
    )


def _samples(step: _Step, symbols: tuple[str, ...]) -> Samples:
    columns: dict[str, Any] = {name: np.frombuffer(data, np.float64) for name, data in zip(_FLOATS, step.columns, strict=False)}
    tail = step.columns[len(_FLOATS) :]
    columns |= {name: np.frombuffer(data, np.int64) for name, data in zip(_WHOLES, tail, strict=True)}
    return Samples(
        time_ms=step.time_ms,
        sample_ms=step.sample_ms,
        symbols=symbols,
        gap=np.frombuffer(step.gap, np.bool_),
        revised=None if step.revised is None else np.frombuffer(step.revised, np.intp),
        **columns,
    )


M = TypeVar("M", bound=Callable[..., Any])


def _alone(method: M) -> M:
    """One thread at a time."""

    @wraps(method)
    def guarded(self: Spool, *values: Any) -> Any:
        with self._one:
            return method(self, *values)

    return cast("M", guarded)


class Spool:
    """A queue of batches in a file. Its methods block: call them on a thread. Raises StoreError when the disk refuses."""

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._lock = WriterLock(path.with_name(path.name + ".lock"))
        self._file: FileIO | None = None
        self._one = threading.RLock()
        self._read_at = 0
        self._next_at = 0
        self._end = 0
        self.damaged = 0

    @property
    def bytes(self) -> int:
        """Bytes that wait."""
        return self._end - self._read_at

    @_alone
    def open(self) -> bool:
        """Take over what an earlier process left; False when another process uses the file."""
        if self._file is not None:
            return True
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._lock.acquire():
                return False
            self._file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
            self._end = self._sound_end(self._file)
            self._file.truncate(self._end)
        except OSError as error:
            raise self._refused(error) from error
        return True

    def _sound_end(self, file: FileIO) -> int:
        size = os.fstat(file.fileno()).st_size
        position = 0
        while position + _HEAD.size <= size:
            file.seek(position)
            length, _ = _HEAD.unpack(file.read(_HEAD.size))
            if position + _HEAD.size + length > size:
                break
            position += _HEAD.size + length
        return position

    def has_room(self) -> bool:
        return self._end < self._most_bytes

    @_alone
    def append(self, batch: WriteBatch) -> bool:
        """Keep `batch`; False when there is no room, or another process has the file."""
        if not self.open() or not self.has_room():
            return False
        assert self._file is not None
        data = encode(batch)
        try:
            record = memoryview(_HEAD.pack(len(data), zlib.crc32(data)) + data)
            self._file.seek(self._end)
            while record:
                record = record[self._file.write(record) :]
        except OSError as error:
            with suppress(OSError):  # What is left of the record is written over by the next one.
                self._file.truncate(self._end)
            raise self._refused(error) from error
        self._end += _HEAD.size + len(data)
        return True

    @_alone
    def first(self) -> WriteBatch | None:
        """The oldest batch, None when there is none. It stays until `drop_first`. A record that cannot be read is skipped."""
        if self._file is None and (not self.path.exists() or not self.open()):
            return None
        assert self._file is not None
        while self._read_at < self._end:
            try:
                self._file.seek(self._read_at)
                length, checksum = _HEAD.unpack(self._file.read(_HEAD.size))
                data = self._file.read(length)
            except (OSError, struct.error) as error:
                raise self._refused(error) from error
            self._next_at = self._read_at + _HEAD.size + length
            try:
                if zlib.crc32(data) != checksum:
                    raise ValueError("checksum")
                return decode(data)
            except ValueError:
                self.damaged += 1
                self.drop_first()
        return None

    @_alone
    def drop_first(self) -> None:
        """The batch that `first` answered is in the database."""
        self._read_at = self._next_at
        if self._file is not None and self._read_at >= self._end:
            with suppress(OSError):  # What stays is written over, or once more into the database by the next start.
                self._file.truncate(0)
            self._read_at = self._next_at = self._end = 0

    @_alone
    def close(self) -> None:
        """Leave the file to the next process; remove it when nothing waits in it."""
        if self._file is None:
            return
        empty = self.bytes == 0
        self._file.close()
        self._file = None
        if empty:
            self.path.unlink(missing_ok=True)
        self._lock.release()

    def _refused(self, error: Exception) -> StoreError:
        return StoreError(f"The spool file {str(self.path)!r} cannot be used: {error}.")
