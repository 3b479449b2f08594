"""Retention and measures of a PostgreSQL database."""

from __future__ import annotations

from typing import Any

from .postgres_schema import DAY_MS, partitions
from .queries import queries

_TABLES = ("samples", "prints", "bars", "gaps", "symbols", "trade_aggregates", "metrics", "alert_rules", "alerts", "outbox")
_PUBLIC = {"prints": "trades", "bars": "candles"}
_COUNTED = 200_000

_SIZE = (
    "SELECT COALESCE(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c WHERE c.oid IN "
    "(SELECT to_regclass(name) FROM unnest($1::text[]) name UNION ALL SELECT inhrelid FROM pg_inherits "
    "WHERE inhparent = to_regclass('samples'))"
)
_HYPERTABLE_SIZE = "SELECT COALESCE(hypertable_size('samples'), 0)"


async def _size(connection: Any) -> int:
    size = int(await connection.fetchval(_SIZE, list(_TABLES)))
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
    """Deleted rows, and the days whose partitions are gone."""
    deleted, gone = await _drop_days(connection, cutoff_ms, max_bytes)
    deleted += await _delete(connection, "DELETE FROM samples WHERE time < $1", cutoff_ms)
    deleted += await _delete(connection, "DELETE FROM prints WHERE time < $1 AND NOT is_whale", cutoff_ms)
    return deleted, gone


async def _delete(connection: Any, statement: str, cutoff_ms: int) -> int:
    return int((await connection.execute(statement, cutoff_ms)).rsplit(" ", 1)[-1])


async def _drop_days(connection: Any, cutoff_ms: int, max_bytes: int) -> tuple[int, set[int]]:
    if await _is_hypertable(connection):
        await connection.execute("SELECT drop_chunks('samples', older_than => $1::timestamptz)", cutoff_ms)
        return 0, set()
    gone: set[int] = set()
    deleted = 0
    filled = [
        (day, name)
        for day, name in await partitions(connection)
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})")  # noqa: S608
    ]
    for day, name in filled:
        too_old = (day + 1) * DAY_MS <= cutoff_ms
        if not too_old and (len(filled) - len(gone) <= 1 or await _size(connection) <= max_bytes):
            break
        deleted += int(await connection.fetchval(f"SELECT count(*) FROM {name}"))  # noqa: S608
        await connection.execute(f"DROP TABLE {name}")
        gone.add(day)
    return deleted, gone
