"""Steps of the books in PostgreSQL, inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .books import Step, Unmet
from .queries import queries


async def run(connection: Any, steps: Sequence[Step]) -> None:
    """All steps, in the caller's transaction. Raises Unmet, which rolls it back."""
    for step in steps:
        query = queries()[step.query]
        if step.once:
            changed = int((await connection.execute(query, *step.rows[0])).rsplit(" ", 1)[-1])
            if changed != 1:
                raise Unmet(f"{step.query} changed {changed} rows.")
        elif step.rows:
            await connection.executemany(query, step.rows)
