"""Backup and restore of a SQLite database through the portable file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..clock import Clock
from ..errors import StoreError
from .portable import TABLES, BackupWriter, Progress, check_backup, grouped, read_backup
from .sqlite_file import connect_reader
from .table import Table

_ROWS_AT_ONCE = 5_000


def dump(path: Path, out: Path, schema: int, clock: Clock, progress: Progress | None) -> int:
    """All tables, as of one moment, through a read-only connection of its own; answers the number of rows."""
    connection = connect_reader(path)
    try:
        writer = BackupWriter(out, schema=schema, now_ms=clock.now_ms(), progress=progress)
        try:
            connection.execute("BEGIN")
            for table in TABLES:
                _dump_table(connection, table, writer)
            return writer.finish()
        except BaseException:
            writer.abandon()
            raise
    finally:
        connection.close()


def _dump_table(connection: sqlite3.Connection, table: Table, writer: BackupWriter) -> None:
    writer.begin(table)
    cursor = connection.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")  # noqa: S608
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        writer.put(rows)


def refill(connection: sqlite3.Connection, file: Path, schema: int, force: bool, progress: Progress | None) -> int:
    """Replace all tables by the backup's, in one transaction. Raises StoreError; then nothing has changed."""
    check_backup(file, schema)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not force:
            _refuse_data(connection)
        connection.execute("DELETE FROM sample_blocks")
        for table in TABLES:
            connection.execute(f"DELETE FROM {table.name}")  # noqa: S608
        done = 0
        for table, rows in grouped(read_backup(file, schema)):
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})", rows)  # noqa: S608
            done += len(rows)
            if progress is not None:
                progress(done)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return done


def _refuse_data(connection: sqlite3.Connection) -> None:
    for table in TABLES:
        if connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() is not None:  # noqa: S608
            raise StoreError(
                f"The database holds data already (in {table.name}); restoring replaces it and must be asked for with --force."
            )
