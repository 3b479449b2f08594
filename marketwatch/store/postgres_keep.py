"""Retention and measures of a PostgreSQL database."""

from __future__ import annotations

from typing import Any

from .postgres_schema import DAY_MS, partitions
from .queries import queries
from .rows import END_MS, FIRST_MS, MOST_QUIET
from .spans import by_symbol, free_spans

_TABLES = (
    "samples", "prints", "bars", "gaps", "quiet_spans", "symbols", "trade_aggregates", "metrics", "alert_rules", "alerts",
    "outbox", "pins", "rule_removals", "silences", "portfolios", "portfolio_transactions", "watchlists", "watchlist_items",
    "screens",
)  # fmt: skip
_SPARED = {"samples": "", "prints": " AND NOT is_whale"}
Pinned = dict[int, list[tuple[int, int]]]
_PUBLIC = {"prints": "trades", "bars": "candles"}
_COUNTED = 200_000

_SIZE = (
    "SELECT COALESCE(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c WHERE c.oid IN "
    "(SELECT to_regclass(name) FROM unnest($1::text[]) name UNION ALL SELECT inhrelid FROM pg_inherits "
    "WHERE inhparent = to_regclass('samples'))"
)
_BLOCKS_SIZE = "SELECT COALESCE(sum(octet_length(data)), 0)::bigint FROM sample_blocks"
"""What is in it: a table gives back nothing when rows are deleted, it fills the room again."""
_HYPERTABLE_SIZE = "SELECT COALESCE(hypertable_size('samples'), 0)"


async def _size(connection: Any) -> int:
    size = int(await connection.fetchval(_SIZE, list(_TABLES)))
    size += int(await connection.fetchval(_BLOCKS_SIZE))
    if await _is_hypertable(connection):
        size += int(await connection.fetchval(_HYPERTABLE_SIZE))
    return size


async def _is_hypertable(connection: Any) -> bool:
    kind = await connection.fetchval("SELECT relkind::text FROM pg_class WHERE oid = to_regclass('samples')")
    return bool(kind != "p")


async def measure(connection: Any) -> tuple[int, dict[str, int], int | None, int | None]:
    """Bytes, rows per table (above 200,000 as the planner estimates them), oldest and newest sample."""
    rows = {_PUBLIC.get(table, table): await _count(connection, table) for table in _TABLES}
    oldest, newest = await connection.fetchrow(queries()["sample_span"])
    return await _size(connection), rows, oldest, newest


async def _count(connection: Any, table: str) -> int:
    counted = int(await connection.fetchval(f"SELECT count(*) FROM (SELECT FROM {table} LIMIT {_COUNTED}) few"))  # noqa: S608
    if counted < _COUNTED:
        return counted
    estimate = await connection.fetchval(
        "SELECT sum(GREATEST(reltuples, 0))::bigint FROM pg_class WHERE oid = to_regclass($1) "
        "OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass($1))",
        table,
    )
    return max(counted, int(estimate or 0))


async def retain(connection: Any, cutoff_ms: int, max_bytes: int) -> tuple[int, set[int]]:
    """Deleted rows, and the days whose partitions are gone. What is pinned stays; packed hours go with the cut-off."""
    await connection.execute(queries()["drop_old_blocks"], cutoff_ms)
    await connection.execute(queries()["drop_old_quiet"], cutoff_ms, MOST_QUIET)
    pinned = by_symbol(await connection.fetch(queries()["pinned_spans"], END_MS))
    deleted, gone = await _drop_days(connection, cutoff_ms, max_bytes, pinned)
    deleted += await _delete(connection, "samples", pinned, cutoff_ms)
    deleted += await _delete(connection, "prints", pinned, cutoff_ms)
    return deleted, gone


async def _delete(connection: Any, table: str, pinned: Pinned, to_ms: int, from_ms: int = FIRST_MS) -> int:
    """Rows of the span: of symbols without a pin in one statement, of each other symbol what lies between its pins."""
    chosen = f"DELETE FROM {table} WHERE time >= $1 AND time < $2" + _SPARED[table]  # noqa: S608
    deleted = _count_of(await connection.execute(f"{chosen} AND symbol_id <> ALL($3::int[])", from_ms, to_ms, list(pinned)))
    for symbol_id, spans in pinned.items():
        for start, end in free_spans(spans, to_ms):
            if end > from_ms:
                answer = await connection.execute(f"{chosen} AND symbol_id = $3", max(start, from_ms), end, symbol_id)
                deleted += _count_of(answer)
    return deleted


def _count_of(answer: str) -> int:
    return int(answer.rsplit(" ", 1)[-1])


async def _drop_days(connection: Any, cutoff_ms: int, max_bytes: int, pinned: Pinned) -> tuple[int, set[int]]:
    spans = [span for found in pinned.values() for span in found]
    if await _is_hypertable(connection):
        oldest = min([cutoff_ms, *(from_ms for from_ms, _ in spans)])
        await connection.execute("SELECT drop_chunks('samples', older_than => $1::timestamptz)", oldest)
        return 0, set()
    gone: set[int] = set()
    emptied = deleted = 0
    filled = [
        (day, name)
        for day, name in await partitions(connection)
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})")  # noqa: S608
    ]
    for day, name in filled:
        start, end = day * DAY_MS, (day + 1) * DAY_MS
        if end > cutoff_ms and (len(filled) - len(gone) - emptied <= 1 or await _size(connection) <= max_bytes):
            break
        await connection.execute(queries()["drop_old_blocks"], end)
        await connection.execute(queries()["drop_old_quiet"], end, MOST_QUIET)
        if any(from_ms < end and to_ms > start for from_ms, to_ms in spans):
            deleted += await _delete(connection, "samples", pinned, end, start)
            emptied += 1
            continue
        deleted += int(await connection.fetchval(f"SELECT count(*) FROM {name}"))  # noqa: S608
        await connection.execute(f"DROP TABLE {name}")
        gone.add(day)
    return deleted, gone
