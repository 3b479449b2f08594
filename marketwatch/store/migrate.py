"""The migration runner: what is pending, and how SQLite applies it. PostgreSQL's half is in `postgres_schema.py`.

Files are `migrations/NNNN_name.sql` for both databases, or `NNNN_name.sqlite.sql` and `NNNN_name.postgres.sql` where they
must differ. Applied files are remembered with a checksum. Everything pending is applied in one transaction under a lock, so
two starters are safe and a failing file leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import MigrationError

_FILE = re.compile(r"(\d{4})_(\w+?)(?:\.(sqlite|postgres))?\.sql")

CREATE_TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL)"
)
SELECT_APPLIED = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"


class Migration(NamedTuple):
    """One step of the schema, for one kind of database."""

    version: int
    name: str
    sql: str
    checksum: str


class Applied(NamedTuple):
    """A row of `schema_migrations`."""

    version: int
    name: str
    checksum: str


def load_migrations(folder: Path, kind: str) -> list[Migration]:
    """The steps for `kind` ("sqlite" or "postgres"), in order. Raises MigrationError on a number that is used twice."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"The migration {path.name!r} is not named like 0001_name.sql.")
        if match[3] not in (None, kind):
            continue
        version, sql = int(match[1]), path.read_text("utf-8")
        if version in found:
            raise MigrationError(f"Two migrations have the number {version}: {found[version].name!r} and {match[2]!r}.")
        found[version] = Migration(version, match[2], sql, hashlib.sha256(sql.encode()).hexdigest())
    return [found[version] for version in sorted(found)]


def pending(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    """What is still to be applied. Raises MigrationError when the database is newer or an applied file was changed."""
    known = {step.version: step for step in migrations}
    for row in applied:
        step = known.get(row.version)
        if step is None:
            raise MigrationError(
                f"The database is newer than this program: it has migration {row.version} ({row.name!r}), which this program "
                "does not know. Start the newer program, or restore a backup that was made with this one."
            )
        if step.checksum != row.checksum:
            raise MigrationError(
                f"Migration {row.version} ({row.name!r}) was changed after it had been applied. Put the original file back and "
                "write the change as a new migration."
            )
    done = {row.version for row in applied}
    return [step for step in migrations if step.version not in done]


def statements(script: str) -> Iterator[str]:
    """The single statements of a SQLite script. Raises MigrationError when the last one is not complete."""
    buffer = ""
    for part in re.split(r"(?<=;)", script):
        buffer += part
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
    if any(line.strip() and not line.strip().startswith("--") for line in buffer.splitlines()):
        raise MigrationError(f"A migration ends in the middle of a statement: {buffer.strip()[:80]!r}.")


def migrate_sqlite(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> int:
    """Bring the database to the newest schema and answer its version. `connection` must be in autocommit mode.

    Never `executescript`: it commits first, and a failing file would leave its first half behind.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(CREATE_TABLE)
        applied = [Applied(*row) for row in connection.execute(SELECT_APPLIED)]
        for step in pending(migrations, applied):
            _apply(connection, step)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return migrations[-1].version if migrations else 0


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    try:
        for statement in statements(step.sql):
            connection.execute(statement)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_READONLY"):
            raise
        raise MigrationError(f"Migration {step.version} ({step.name!r}) failed and nothing of it was kept: {error}.") from error
    connection.execute("INSERT INTO schema_migrations VALUES (?, ?, ?)", (step.version, step.name, step.checksum))


def schema_version_sqlite(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> int:
    """The version of a database that may only be read. Raises MigrationError when it cannot be read by this program."""
    applied = [Applied(*row) for row in connection.execute(SELECT_APPLIED)]
    if pending(migrations, applied):
        raise MigrationError(
            "The database has an older schema than this program; let the program that writes it migrate it first."
        )
    return applied[-1].version if applied else 0
