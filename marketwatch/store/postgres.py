"""The store in PostgreSQL, through asyncpg: one connection that writes and holds the writer's lock, a small pool that reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from ..clock import Clock
from ..errors import StoreError, StoreReadOnly, StoreUnavailable
from ..model.system import Level, Notice
from ..ports import StoreProfile, StoreStats, WriteBatch
from ..resources import resource_dir
from .blocks import Hour
from .migrate import load_migrations
from .portable import Progress
from .postgres_backup import dump, refill
from .postgres_copy import EPOCH_MS
from .postgres_dsn import parse_dsn
from .postgres_errors import FOREIGN, translate
from .postgres_keep import measure, retain
from .postgres_schema import migrate_postgres, schema_version_postgres, storage_detail
from .postgres_write import PostgresBatch, Written
from .queries import queries
from .reads import Bulk, Reads, Step

T = TypeVar("T")

WRITER_LOCK = 0x6D77_0002
_READERS = 4
_CONNECT_S = 5.0
_ACQUIRE_S = 5.0
_READ_S = 10.0
_WRITE_S = 20.0
_FIRST_S = 15.0
_LEAVE_S = 2.0
_LONG_S = 3600.0


class _NothingChanged(StoreError):
    """A step that must change a row changed none: the transaction is undone."""


async def set_codecs(connection: Any) -> None:
    """`timestamptz` as milliseconds since the epoch, without a datetime in between."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda time_ms: ((time_ms - EPOCH_MS) * 1000,),
        decoder=lambda value: value[0] // 1000 + EPOCH_MS,
        format="tuple",
    )


async def _as_it_is(_connection: Any) -> None:
    """Readers leave nothing behind in a session, so that its reset (a round trip for each reading) is not needed."""


class PostgresStore(Reads):
    """MarketStore in PostgreSQL. An answered write is committed, as durably as the server's `synchronous_commit` says.

    The connection that writes holds an advisory lock: a second process on the same database reads only, and takes over by
    itself when it writes after the first has gone. Behind a pooler a lock cannot last, so there is none; since every write is
    an upsert, two writers do no harm there. A server that is asleep gets 15 s for the first connection.
    """

    def __init__(self, url: str, *, clock: Clock, migrations: Path | None = None, first_s: float = _FIRST_S) -> None:
        super().__init__()
        self._dsn = parse_dsn(url)
        self._clock = clock
        self._first_s = first_s
        self._migrations = load_migrations(migrations or resource_dir("migrations"), "postgres")
        self._pool: Any = None
        self._writer: Any = None
        self._written = Written()
        self._one_writes = asyncio.Lock()
        self._read_only: str | None = None
        self._notices: list[Notice] = []
        self._version = 0
        self._detail = ""

    @property
    def profile(self) -> StoreProfile:
        return StoreProfile("postgresql", self._dsn.write_every_s, f"postgresql-{self._dsn.where}", self._read_only)

    def take_notices(self) -> list[Notice]:
        """What happened to the database since the last call, for the person at the screen."""
        taken, self._notices = self._notices, []
        return taken

    async def open(self) -> None:
        """Connect, take the writer's lock, migrate. Raises StoreUnavailable after 15 s, StoreError for a wrong password."""
        if self._pool is not None:
            return
        try:
            await self._first_connection()
            async with self._guarded():
                self._pool = await asyncpg.create_pool(
                    self._dsn.url,
                    min_size=0,
                    max_size=_READERS,
                    init=set_codecs,
                    reset=_as_it_is,
                    max_inactive_connection_lifetime=60.0,
                    **self._connect_options(_READ_S),
                )
        except BaseException:
            await self.close()
            raise

    async def _first_connection(self) -> None:
        deadline = self._clock.monotonic() + self._first_s
        pause_s = 0.2
        while True:
            try:
                async with self._one_writes, self._guarded():
                    await self._connect_first()
                return
            except StoreUnavailable:
                if self._clock.monotonic() + pause_s > deadline:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(2.0, 2 * pause_s)

    def _connect_options(self, command_s: float) -> dict[str, Any]:
        return {
            "timeout": _CONNECT_S,
            "command_timeout": command_s,
            "statement_cache_size": self._dsn.statement_cache_size,
            "server_settings": {"application_name": "marketwatch"},
        }

    async def _connect_first(self) -> None:
        """The writer's connection with its lock and a schema that is up to date; without the lock a look at the schema."""
        connection = await asyncpg.connect(self._dsn.url, **self._connect_options(_WRITE_S))
        try:
            await set_codecs(connection)
            if await self._lock(connection):
                self._version = await migrate_postgres(connection, self._migrations)
                self._detail = await storage_detail(connection)
                self._writer, connection = connection, None
            else:
                self._version = await schema_version_postgres(connection, self._migrations)
                self._detail = await storage_detail(connection)
        finally:
            if connection is not None:
                connection.terminate()

    async def _lock(self, connection: Any) -> bool:
        if self._dsn.pooled or await connection.fetchval("SELECT pg_try_advisory_lock($1)", WRITER_LOCK):
            if self._read_only is not None:
                message = f"The other marketwatch has gone; this one writes {self._dsn.where} now."
                self._notices.append(Notice("store-read-only", Level.INFO, message, self._clock.now_ms(), over=True))
            self._read_only = None
            return True
        self._read_only = f"Another marketwatch writes the database {self._dsn.where}; this one only reads it."
        return False

    async def close(self) -> None:
        """Close all connections, within a few seconds even when the server does not answer."""
        pool, self._pool = self._pool, None
        writer, self._writer = self._writer, None
        for end in [writer] if writer is not None else []:
            await self._leave(end)
        if pool is not None:
            await self._leave(pool)

    async def _leave(self, owner: Any) -> None:
        try:
            await asyncio.wait_for(owner.close(), _LEAVE_S)
        except (*FOREIGN, asyncio.CancelledError):
            owner.terminate()

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """Foreign errors become ours; after a connection error the pool's connections are not used again."""
        try:
            yield
        except StoreError:
            raise
        except FOREIGN as error:
            failure = translate(error, self._dsn.where)
            if isinstance(failure, StoreUnavailable) and self._pool is not None:
                with suppress(asyncpg.InterfaceError):  # the pool is being closed
                    await self._pool.expire_connections()
            raise failure from error

    # Writing

    async def _own(self) -> Any:
        """The connection that writes, made anew when it was lost. Raises StoreReadOnly. Under `_one_writes` only."""
        if self._writer is None or self._writer.is_closed():
            self._writer = None
            self._written = Written()
            await self._connect_first()
        if self._writer is None:
            raise StoreReadOnly(self._read_only or "")
        return self._writer

    async def _transaction(self, work: Callable[[Any], Awaitable[T]], seconds: float = _WRITE_S) -> T:
        """`work` in one transaction on the writer's connection. A connection whose state is not known is thrown away."""
        async with self._one_writes, self._guarded():
            try:
                async with asyncio.timeout(seconds):
                    connection = await self._own()
                    async with connection.transaction():
                        return await work(connection)
            except BaseException as error:
                if self._writer is not None and not isinstance(error, StoreError) and _uncertain(error):
                    self._writer.terminate()
                    self._writer = None
                raise

    async def ping(self) -> None:
        """Commit one row. Raises StoreUnavailable, StoreReadOnly."""

        async def probe(connection: Any) -> None:
            await connection.execute("UPDATE schema_migrations SET name = name WHERE version = $1", self._version)

        await self._transaction(probe, _ACQUIRE_S)

    async def write(self, batch: WriteBatch) -> None:
        async def put(connection: Any) -> Written:
            written = self._written.copy()
            await PostgresBatch(connection, written, partitioned="partition" in self._detail).put(batch)
            return written

        self._written = await self._transaction(put)

    async def _pack(self, hour: Hour) -> None:
        async def pack(connection: Any) -> None:
            await PostgresBatch(connection, self._written, partitioned=False).pack(hour)

        await self._transaction(pack)
        if self._written.frontier is not None:
            self._written.frontier.packed(hour)

    async def _change(self, query: str, *values: Any) -> int:
        async def change(connection: Any) -> int:
            return int((await connection.execute(queries()[query], *values)).rsplit(" ", 1)[-1])

        return await self._transaction(change)

    async def changes(self, steps: Sequence[Step | Bulk]) -> bool:
        async def run(connection: Any) -> None:
            for step in steps:
                if isinstance(step, Bulk):
                    await connection.executemany(queries()[step.query], step.rows)
                    continue
                status = await connection.execute(queries()[step.query], *step.values)
                if step.must and int(status.rsplit(" ", 1)[-1]) == 0:
                    raise _NothingChanged

        try:
            await self._transaction(run)
        except _NothingChanged:
            return False
        return True

    # Reading

    async def _rows(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        async with self._reading() as connection:
            found: Sequence[Sequence[Any]] = await connection.fetch(queries()[query], *values)
            return found

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        if self._pool is None:
            raise StoreUnavailable(f"The database {self._dsn.where} is not open.")
        async with self._guarded():
            connection = await self._pool.acquire(timeout=_ACQUIRE_S)
            try:
                yield connection
            except (OSError, TimeoutError, asyncio.CancelledError, asyncpg.InterfaceError):
                connection.terminate()
                raise
            finally:
                await self._pool.release(connection, timeout=_LEAVE_S)

    async def retain(self, *, now_ms: int, days: float, max_bytes: int) -> int:
        """Samples and trades beyond the age; then the oldest whole days of samples while the tables are larger than
        `max_bytes` (the newest day always stays, since PostgreSQL gives back space by whole partitions only)."""
        cutoff = now_ms - round(days * 86_400_000)
        deleted, gone = await self._transaction(lambda connection: retain(connection, cutoff, max_bytes), _LONG_S)
        self._written.days -= gone
        return deleted

    async def stats(self) -> StoreStats:
        async with self._reading() as connection:
            size, rows, oldest, newest = await measure(connection)
        detail = "; ".join(part for part in (self._detail, self._read_only or "") if part)
        return StoreStats("postgresql", self._dsn.where, size, rows, self._version, oldest, newest, detail)

    async def backup(self, out: Path, progress: Progress | None = None) -> int:
        """All tables as of one moment into `out` (see `portable`); answers the number of rows. Others go on writing."""
        async with self._guarded():
            connection = await asyncpg.connect(self._dsn.url, **self._connect_options(_LONG_S))
            try:
                await set_codecs(connection)
                return await dump(connection, out, self._version, self._clock, progress)
            finally:
                connection.terminate()

    async def restore(self, file: Path, *, force: bool = False, progress: Progress | None = None) -> int:
        """A backup into this database, all of it or nothing. Into one that holds data only with `force`, replacing it."""
        partitioned = "partition" in self._detail
        rows = await self._transaction(
            lambda connection: refill(connection, file, self._version, force, progress, partitioned=partitioned), _LONG_S
        )
        self._written, self._ids, self._quotes = Written(), {}, {}
        return rows


def _uncertain(error: BaseException) -> bool:
    """Whether the connection may be out of step: anything but an answer of the server to a statement."""
    return not isinstance(error, asyncpg.PostgresError) or isinstance(translate(error, ""), StoreUnavailable)
