"""Steps of the books in SQLite, on the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..portfolio.amounts import plain
from .books import Step, Unmet
from .queries import sqlite_queries


def commit(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """All steps in one transaction. Raises Unmet; then nothing has changed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps:
            rows = [_bound(row) for row in step.rows]
            changed = connection.executemany(sqlite_queries()[step.query], rows).rowcount if rows else 0
            if step.once and changed != 1:
                raise Unmet(f"{step.query} changed {changed} rows.")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _bound(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Decimals as text."""
    return tuple(plain(value) if isinstance(value, Decimal) else value for value in row)
