"""Several named queries of SQLite in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..portfolio.amounts import plain
from .queries import sqlite_queries
from .reads import Bulk, Step


def run_steps(connection: sqlite3.Connection, steps: Sequence[Step | Bulk]) -> bool:
    """All of `steps` or nothing: see `Reads.changes`. `connection` must be in autocommit mode. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps:
            if isinstance(step, Bulk):
                connection.executemany(sqlite_queries()[step.query], map(_bound, step.rows))
            elif connection.execute(sqlite_queries()[step.query], step.values).rowcount == 0 and step.must:
                connection.execute("ROLLBACK")
                return False
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def _bound(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Exact numbers as text."""
    return tuple(plain(value) if isinstance(value, Decimal) else value for value in row)
