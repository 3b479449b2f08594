"""PostgreSQL's schema: migrations under a lock, TimescaleDB where it is installed, partitions by day where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from ..errors import MigrationError
from .migrate import CREATE_TABLE, SELECT_APPLIED, Applied, Migration, pending

MIGRATION_LOCK = 0x6D77_0001
DAY_MS = 86_400_000
_AHEAD_DAYS = 2


async def migrate_postgres(connection: Any, migrations: Sequence[Migration]) -> int:
    """Bring the database to the newest schema, in one transaction; answers its version. Two starters at once are safe."""
    await _timescale(connection)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
        await connection.execute(CREATE_TABLE)
        applied = [Applied(*row) for row in await connection.fetch(SELECT_APPLIED)]
        for step in pending(migrations, applied):
            await _apply(connection, step)
    return migrations[-1].version if migrations else 0


async def _apply(connection: Any, step: Migration) -> None:
    try:
        await connection.execute(step.sql)
    except (asyncpg.SyntaxOrAccessError, asyncpg.IntegrityConstraintViolationError, asyncpg.RaiseError) as error:
        message = f"Migration {step.version} ({step.name!r}) failed and nothing of it was kept: {error}."
        raise MigrationError(message) from error
    await connection.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3)", step.version, step.name, step.checksum)


async def _timescale(connection: Any) -> None:
    """Switch the extension on where the server has it; without the right to do so the native partitions serve."""
    known = "SELECT FROM pg_available_extensions WHERE name = 'timescaledb' AND installed_version IS NULL"
    if await connection.fetchrow(known) is None or await connection.fetchval("SELECT to_regclass('samples')") is not None:
        return
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except asyncpg.PostgresError:
        return


async def schema_version_postgres(connection: Any, migrations: Sequence[Migration]) -> int:
    """The version of a database that another process writes. Raises MigrationError when it cannot be read by this program."""
    try:
        applied = [Applied(*row) for row in await connection.fetch(SELECT_APPLIED)]
    except asyncpg.UndefinedTableError:
        applied = []
    if pending(migrations, applied):
        raise MigrationError("The database has an older schema than this program; let the one that writes it migrate it first.")
    return applied[-1].version if applied else 0


async def storage_detail(connection: Any) -> str:
    """How samples are laid out, in words for the status page."""
    version = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    kind = await connection.fetchval("SELECT relkind FROM pg_class WHERE oid = to_regclass('samples')")
    return "native partitions by day" if kind in ("p", b"p") else f"TimescaleDB {version}"


def day_of(time_ms: int) -> int:
    return time_ms // DAY_MS


def partition(day: int) -> str:
    """The name of a day's partition. Raises OverflowError beyond the year 9999."""
    return f"samples_{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day):%Y%m%d}"


async def make_partitions(connection: Any, days: Iterable[int], made: set[int]) -> set[int]:
    """Make the partitions of `days` and of the two days after the newest; answers those that exist now."""
    wanted = set(days)
    wanted |= {max(wanted) + ahead for ahead in range(1, _AHEAD_DAYS + 1)} if wanted else set()
    for day in sorted(wanted - made):
        start, end = (f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=d):%Y-%m-%d} 00:00:00+00" for d in (day, day + 1))
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {partition(day)} PARTITION OF samples FOR VALUES FROM ('{start}') TO ('{end}')"
        )
    return made | wanted


async def partitions(connection: Any) -> list[tuple[int, str]]:
    """(day, name) of the partitions there are, oldest first."""
    names = await connection.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = to_regclass('samples') AND c.relname ~ '^samples_[0-9]{8}$' ORDER BY c.relname"
    )
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [((datetime.strptime(name, "samples_%Y%m%d").replace(tzinfo=UTC) - epoch).days, name) for (name,) in names]
