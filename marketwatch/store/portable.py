"""The backup file, the same from and into both databases: JSON lines, compressed with zstandard.

::

    {"format": "marketwatch-backup", "version": 1, "schema": 2, "made_ms": ...}
    {"table": "symbols", "columns": ["symbol_id", ...]}
    [1, "BTCUSDT", ...]                     one line a row; times in ms, switches as true/false, unknown as null
    {"end": {"symbols": 8, "samples": 120, ...}}

The last line tells a whole file from a torn one. A file is read to its end before a database is touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import zstandard

from ..errors import StoreError
from ..portfolio.amounts import plain
from .account_tables import ACCOUNT_TABLES
from .book_tables import BOOK_TABLES
from .table import Table

FORMAT = "marketwatch-backup"
VERSION = 1
Progress = Callable[[int], None]
"""Called now and then with the number of rows done."""

_METRICS = (
    "price", "spread_bps", "sma", "ema", "wma", "vwap", "price_std", "volatility", "realized_vol", "drawdown", "max_drawdown",
    "change", "zscore", "high", "low", "volume", "trade_rate", "buy_ratio", "correlation", "beta",
)  # fmt: skip


TABLES: tuple[Table, ...] = (
    Table(
        "symbols",
        ("symbol_id", "symbol", "base", "quote", "tick_size", "lot_step", "trading", "listed"),
        frozenset({"trading", "listed"}),
        texts=frozenset({"symbol", "base", "quote", "tick_size", "lot_step"}),
    ),
    Table(
        "samples",
        (
            "symbol_id", "time", "sample_ms", "price", "open", "high", "low", "volume", "notional", "taker_buy_volume",
            "trades", "bid", "ask", "first_id", "last_id", "gap",
        ),
        frozenset({"gap"}),
        frozenset({"price", "open", "high", "low", "volume", "notional", "taker_buy_volume", "bid", "ask"}),
    ),
    Table(
        "prints",
        ("symbol_id", "time", "trade_id", "price", "quantity", "is_buyer_maker", "trades", "trade_value", "is_whale"),
        frozenset({"is_buyer_maker", "is_whale"}),
        frozenset({"price", "quantity", "trade_value"}),
    ),
    Table(
        "bars",
        (
            "symbol_id", "interval", "time", "open", "high", "low", "close", "volume", "quote_volume", "trades",
            "taker_buy_volume", "gap",
        ),
        frozenset({"gap"}),
        frozenset({"open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume"}),
        frozenset({"interval"}),
    ),
    Table(
        "gaps",
        ("gap_id", "venue", "symbol", "reason", "state", "from_time", "to_time", "from_id", "to_id", "refilled"),
        texts=frozenset({"gap_id", "venue", "symbol", "reason", "state"}),
    ),
    Table(
        "quiet_spans",
        ("symbol", "cause", "from_time", "to_time", "is_open", "venue"),
        frozenset({"is_open"}),
        texts=frozenset({"symbol", "cause", "venue"}),
    ),
    Table(
        "trade_aggregates",
        ("symbol", "moving_average", "trade_count", "total_volume", "updated_at"),
        floats=frozenset({"moving_average", "total_volume"}),
        texts=frozenset({"symbol"}),
    ),
    Table(
        "metrics",
        ("symbol", "metric_window", "updated_at", "state", *_METRICS),
        floats=frozenset(_METRICS),
        texts=frozenset({"symbol", "metric_window"}),
    ),
    Table(
        "alert_rules",
        (
            "rule_id", "version", "name", "expression", "symbols", "for_ms", "recover", "keep_firing_ms", "cooldown_ms",
            "repeat_ms", "severity", "channels", "enabled", "expires_at", "origin", "schedule", "intrabar", "note",
            "muted_until", "owner_id",
        ),
        frozenset({"enabled", "intrabar"}),
        texts=frozenset(
            {
                "rule_id", "name", "expression", "symbols", "recover", "severity", "channels", "origin", "schedule",
                "note", "owner_id",
            }
        ),
        later=(None, False, "", None, "owner"),
    ),
    Table("rule_removals", ("rule_id", "removed_at"), texts=frozenset({"rule_id"})),
    Table(
        "alerts",
        (
            "alert_id", "rule_id", "rule_version", "rule_name", "symbol", "metric", "threshold", "timestamp", "trigger_value",
            "state", "resolved_at", "severity", "late", "acknowledged_at", "context",
        ),
        frozenset({"late"}),
        frozenset({"threshold", "trigger_value"}),
        frozenset({"alert_id", "rule_id", "rule_name", "symbol", "metric", "state", "severity", "context"}),
    ),
    Table(
        "outbox",
        (
            "notification_id", "alert_id", "channel", "kind", "state", "attempts", "created_at", "last_error", "due_at",
            "sent_at",
        ),
        texts=frozenset({"notification_id", "alert_id", "channel", "kind", "state", "last_error"}),
        later=(None, None),
    ),
    Table(
        "silences",
        (
            "silence_id", "rule_id", "symbol", "severity", "starts_at", "ends_at", "comment", "who", "created_at", "ended_at",
            "remind",
        ),
        frozenset({"remind"}),
        texts=frozenset({"silence_id", "rule_id", "symbol", "severity", "comment", "who"}),
    ),
    Table("pins", ("alert_id", "symbol", "from_time", "to_time"), texts=frozenset({"alert_id", "symbol"})),
    *BOOK_TABLES,
    *ACCOUNT_TABLES,
)  # fmt: skip


class BackupWriter:
    """Writes a backup beside `out` and puts it in place when it is whole. Raises StoreError when the file cannot be written."""

    def __init__(self, out: Path, *, schema: int, now_ms: int, progress: Progress | None = None) -> None:
        self._out = out
        self._part = out.with_name(out.name + ".part")
        self._progress = progress
        self._counts: dict[str, int] = {}
        self.rows = 0
        try:
            raw = os.fdopen(os.open(self._part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb")
        except OSError as error:
            raise StoreError(f"The backup {str(out)!r} cannot be written: {error}.") from error
        self._file = zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=True)
        self._line({"format": FORMAT, "version": VERSION, "schema": schema, "made_ms": now_ms})

    def begin(self, table: Table) -> None:
        self._counts[table.name] = 0
        self._table = table
        self._switches = [index for index, name in enumerate(table.columns) if name in table.switches]
        self._decimals = [index for index, name in enumerate(table.columns) if name in table.decimals]
        self._line({"table": table.name, "columns": table.columns})

    def put(self, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of the table that was begun, in the order of its columns."""
        lines = bytearray()
        count = 0
        for row in rows:
            values = list(row)
            for index in self._switches:
                values[index] = bool(values[index])
            for index in self._decimals:
                values[index] = None if values[index] is None else plain(Decimal(values[index]))
            lines += orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)
            count += 1
        self._write(bytes(lines))
        self._counts[self._table.name] += count
        self.rows += count
        if self._progress is not None:
            self._progress(self.rows)

    def finish(self) -> int:
        self._line({"end": self._counts})
        try:
            self._file.close()  # type: ignore[no-untyped-call]
            self._part.replace(self._out)
        except OSError as error:
            raise StoreError(f"The backup {str(self._out)!r} cannot be written: {error}.") from error
        return self.rows

    def abandon(self) -> None:
        """Leave nothing behind."""
        try:
            self._file.close()  # type: ignore[no-untyped-call]
        except OSError:
            self._part.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    def _line(self, value: object) -> None:
        self._write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise StoreError(f"The backup {str(self._out)!r} cannot be written: {error}.") from error


def _lines(file: Path) -> Iterator[Any]:
    try:
        with file.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
            for line in io.BufferedReader(stream, 1 << 20):
                yield orjson.loads(line)
    except (OSError, zstandard.ZstdError, orjson.JSONDecodeError) as error:
        raise StoreError(f"The backup {str(file)!r} cannot be read: {error}.") from error


def read_backup(file: Path, schema: int) -> Iterator[tuple[Table, list[Any]]]:
    """The rows of a backup, in order. Raises StoreError when it is not one, is torn, or is newer than this program."""
    lines = _lines(file)
    _check_head(file, next(lines, None), schema)
    counts: dict[str, int] = {}
    table: Table | None = None
    types: tuple[tuple[type, ...], ...] = ()
    missing: list[Any] = []
    for line in lines:
        if table is not None and _fits(line, types) and table.sound(line):
            counts[table.name] += 1
            yield table, line + missing
        elif isinstance(line, dict) and (begun := _table_of(line)) is not None:
            table, missing = begun
            types = table.types()[: len(table.columns) - len(missing)]
            counts[table.name] = 0
        elif isinstance(line, dict) and line.get("end") == counts:
            return
        else:
            raise StoreError(f"The backup {str(file)!r} holds a line that does not belong there: {str(line)[:80]}.")
    raise StoreError(f"The backup {str(file)!r} is torn: its end is missing.")


def _fits(line: Any, types: tuple[tuple[type, ...], ...]) -> bool:
    return (
        isinstance(line, list)
        and len(line) == len(types)
        and all(type(v) in kinds for v, kinds in zip(line, types, strict=True))
    )


def _table_of(line: dict[str, Any]) -> tuple[Table, list[Any]] | None:
    """The table that begins here, and what its rows have to be completed with."""
    for table in TABLES:
        for missing in range(len(table.later) + 1):
            if line.get("table") == table.name and line.get("columns") == list(table.columns[: len(table.columns) - missing]):
                return table, list(table.later[len(table.later) - missing :])
    return None


def _check_head(file: Path, head: Any, schema: int) -> None:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise StoreError(f"{str(file)!r} is not a backup of marketwatch.")
    if head.get("version") != VERSION or not isinstance(head.get("schema"), int) or head["schema"] > schema:
        raise StoreError(
            f"The backup {str(file)!r} was made by a newer marketwatch (format {head.get('version')}, schema "
            f"{head.get('schema')}); this one knows format {VERSION} and schema {schema}."
        )


def check_backup(file: Path, schema: int) -> int:
    """Read the whole file; answers the number of rows. Raises StoreError."""
    return sum(1 for _ in read_backup(file, schema))


def grouped(rows: Iterable[tuple[Table, list[Any]]], size: int = 5_000) -> Iterator[tuple[Table, list[list[Any]]]]:
    """Consecutive rows of one table, at most `size` at a time."""
    held: Table | None = None
    group: list[list[Any]] = []
    for table, row in rows:
        if group and (table is not held or len(group) >= size):
            assert held is not None
            yield held, group
            group = []
        held = table
        group.append(row)
    if group and held is not None:
        yield held, group
