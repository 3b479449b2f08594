"""Retention and measures of a SQLite database."""

from __future__ import annotations

import sqlite3
from collections import deque

from ..clock import Clock
from .queries import sqlite_queries
from .rows import FIRST_MS, MOST_QUIET
from .spans import by_symbol, free_spans

_ROWS_A_STEP = {"samples": 20_000, "prints": 20_000, "sample_blocks": 400}
_PAGES_A_STEP = 2_000
_COUNT_S = 0.2
_BYTES_A_ROW = 70
_SLACK = 0.02

_TABLES = (
    "samples", "prints", "bars", "gaps", "quiet_spans", "symbols", "trade_aggregates", "metrics", "alert_rules", "alerts",
    "outbox", "pins", "rule_removals", "silences", "portfolios", "portfolio_transactions", "watchlists", "watchlist_items",
    "screens",
)  # fmt: skip
_SPARED = {"samples": "", "sample_blocks": "", "prints": " AND NOT is_whale"}
_PUBLIC = {"prints": "trades", "bars": "candles"}


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes in use: pages of the file that are not free."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def sample_span(connection: sqlite3.Connection) -> tuple[int | None, int | None]:
    """Times of the oldest and the newest sample: one look at the ends of each symbol's rows."""
    row = connection.execute(sqlite_queries()["sample_span"]).fetchone()
    return row[0], row[1]


def measure(connection: sqlite3.Connection, clock: Clock) -> tuple[int, dict[str, int], int | None, int | None]:
    """Bytes, rows per table (estimated from the size where counting takes long), oldest and newest sample."""
    size = used_bytes(connection)
    rows = {_PUBLIC.get(table, table): _count(connection, table, size, clock) for table in _TABLES}
    return size, rows, *sample_span(connection)


def _count(connection: sqlite3.Connection, table: str, size: int, clock: Clock) -> int:
    deadline = clock.monotonic() + _COUNT_S
    connection.set_progress_handler(lambda: clock.monotonic() > deadline, 10_000)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_INTERRUPT":
            raise
        return size // _BYTES_A_ROW
    finally:
        connection.set_progress_handler(None, 0)


class Keeper:
    """Retention as a series of short steps, each one transaction of at most 20,000 rows (400 packed columns): first age, then
    size, then the freed pages are given back to the disk."""

    def __init__(self, *, cutoff_ms: int, max_bytes: int) -> None:
        self._cutoff_ms = cutoff_ms
        self._max_bytes = max_bytes
        self._work: deque[tuple[str, int, int, int]] | None = None
        self._vacuum = False
        self.deleted = 0
        self.done = False

    def step(self, connection: sqlite3.Connection) -> None:
        if self._vacuum:
            self._give_back(connection)
            return
        if self._work is None:
            self._work = self._plan(connection)
        if self._work:
            self._delete(connection, *self._work[0])
        elif not self._lower_for_size(connection):
            self._vacuum = True

    def _plan(self, connection: sqlite3.Connection) -> deque[tuple[str, int, int, int]]:
        """Table, symbol and span of what is to be deleted: everything before the cut-off but what is pinned."""
        connection.execute(sqlite_queries()["drop_old_quiet"], (self._cutoff_ms, MOST_QUIET))
        ids = [row[0] for row in connection.execute("SELECT symbol_id FROM symbols ORDER BY symbol_id")]
        pinned = by_symbol(connection.execute(sqlite_queries()["pinned_spans"], (self._cutoff_ms,)).fetchall())
        work = deque(("sample_blocks", symbol_id, FIRST_MS, self._cutoff_ms) for symbol_id in ids)
        work.extend(
            (table, symbol_id, from_ms, to_ms)
            for table in ("samples", "prints")
            for symbol_id in ids
            for from_ms, to_ms in free_spans(pinned.get(symbol_id, ()), self._cutoff_ms)
        )
        return work

    def _delete(self, connection: sqlite3.Connection, table: str, symbol_id: int, from_ms: int, to_ms: int) -> None:
        chosen = f"FROM {table} WHERE symbol_id = ?1 AND time >= ?2 AND time < ?3" + _SPARED[table]
        row = connection.execute(
            f"SELECT time {chosen} ORDER BY time LIMIT 1 OFFSET {_ROWS_A_STEP[table]}", (symbol_id, from_ms, to_ms)
        ).fetchone()
        boundary = to_ms if row is None else row[0] + 1
        deleted = connection.execute(f"DELETE {chosen}", (symbol_id, from_ms, boundary)).rowcount
        self.deleted += deleted if table != "sample_blocks" else 0
        if row is None and self._work:
            self._work.popleft()

    def _lower_for_size(self, connection: sqlite3.Connection) -> bool:
        """Move the cut-off on when the database is too large still; False when it fits, or when nothing is left to delete."""
        used = used_bytes(connection)
        oldest, newest = sample_span(connection)
        if used <= self._max_bytes or oldest is None or newest is None or self._cutoff_ms > newest:
            return False
        share = 1.0 - self._max_bytes / used + _SLACK
        self._cutoff_ms = max(self._cutoff_ms, oldest) + max(1, round((newest + 1 - oldest) * min(share, 1.0)))
        self._work = None
        return True

    def _give_back(self, connection: sqlite3.Connection) -> None:
        before = connection.execute("PRAGMA freelist_count").fetchone()[0]
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})").fetchall()
        left = connection.execute("PRAGMA freelist_count").fetchone()[0]
        self.done = left == 0 or left >= before
