"""Backup and restore of a PostgreSQL database through the portable file."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..errors import StoreError
from .portable import TABLES, BackupWriter, Progress, check_backup, grouped, read_backup
from .postgres_schema import day_of, make_partitions
from .table import Table

_ROWS_AT_ONCE = 5_000


async def dump(connection: Any, out: Path, schema: int, clock: Clock, progress: Progress | None) -> int:
    """All tables as of one moment; answers the number of rows."""
    writer = BackupWriter(out, schema=schema, now_ms=clock.now_ms(), progress=progress)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for table in TABLES:
                writer.begin(table)
                cursor = await connection.cursor(f"SELECT {', '.join(table.columns)} FROM {table.name}")  # noqa: S608
                while rows := await cursor.fetch(_ROWS_AT_ONCE):
                    await asyncio.to_thread(writer.put, rows)
        return await asyncio.to_thread(writer.finish)
    except BaseException:
        writer.abandon()
        raise


async def refill(connection: Any, file: Path, schema: int, force: bool, progress: Progress | None, *, partitioned: bool) -> int:
    """Replace all tables by the backup's, inside the caller's transaction. Raises StoreError."""
    await asyncio.to_thread(check_backup, file, schema)
    if not force:
        await _refuse_data(connection)
    await connection.execute(f"TRUNCATE sample_blocks, {', '.join(table.name for table in TABLES)}")
    done = 0
    days: set[int] = set()
    groups = grouped(read_backup(file, schema), _ROWS_AT_ONCE)
    while group := await asyncio.to_thread(lambda: list(islice(groups, 1))):
        table, rows = group[0]
        if partitioned and table.name == "samples":
            days = await make_partitions(connection, {day_of(row[1]) for row in rows}, days)
        await connection.copy_records_to_table(table.name, records=_typed(table, rows), columns=table.columns)
        done += len(rows)
        if progress is not None:
            progress(done)
    await connection.execute(
        "SELECT setval(pg_get_serial_sequence('symbols', 'symbol_id'), (SELECT COALESCE(max(symbol_id), 1) FROM symbols))"
    )
    return done


def _typed(table: Table, rows: list[list[Any]]) -> list[tuple[Any, ...]]:
    floats = [index for index, name in enumerate(table.columns) if name in table.floats]
    decimals = [index for index, name in enumerate(table.columns) if name in table.decimals]
    for row in rows:
        for index in decimals:
            row[index] = None if row[index] is None else Decimal(row[index])
        for index in floats:
            if row[index] is not None:
                row[index] = float(row[index])
    return [tuple(row) for row in rows]


async def _refuse_data(connection: Any) -> None:
    for table in TABLES:
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table.name})"):  # noqa: S608
            raise StoreError(f"The database holds data already (in {table.name}); restoring replaces it and needs force.")
