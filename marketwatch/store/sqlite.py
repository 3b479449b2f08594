"""The embedded store: SQLite through one writer's thread that also checkpoints, and read-only readers on their own threads."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ..clock import Clock
from ..errors import StoreDamaged, StoreReadOnly, StoreUnavailable
from ..model.system import Level, Notice
from ..ports import StoreProfile, StoreStats, WriteBatch
from ..resources import resource_dir
from . import sqlite_file
from .blocks import Hour
from .lock import WriterLock
from .migrate import Migration, load_migrations, migrate_sqlite, schema_version_sqlite
from .portable import Progress
from .queries import sqlite_queries
from .reads import Bulk, Reads, Step
from .sqlite_copy import dump, refill
from .sqlite_keep import Keeper, measure
from .sqlite_steps import run_steps
from .sqlite_write import SqliteWriter

T = TypeVar("T")
_READERS = 2


class SqliteStore(Reads):
    """MarketStore in a file of mode 0600.

    An answered write is committed: it survives the death of this process at any moment (after a loss of power the newest
    commits may be missing, none of them halfway). One process writes; a second one on the same file opens it for reading, and
    takes over by itself when it writes after the first has gone. A damaged file is moved aside and a notice says so.
    """

    def __init__(self, path: Path, *, clock: Clock, throw_away: bool = False, migrations: Path | None = None) -> None:
        super().__init__()
        self.path = path
        self._clock = clock
        self._throw_away = throw_away
        self._migrations: list[Migration] = load_migrations(migrations or resource_dir("migrations"), "sqlite")
        self._lock = WriterLock(path.with_name(path.name + ".lock"))
        self._notices: list[Notice] = []
        self._suspect = False
        self._checked = True
        self._version = 0
        self._connection: sqlite3.Connection | None = None
        self._writer: SqliteWriter | None = None
        self._write_thread: ThreadPoolExecutor | None = None
        self._read_threads: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []

    @property
    def profile(self) -> StoreProfile:
        reason = None
        if self._write_thread is not None and self._writer is None:
            reason = f"Another marketwatch (process {self._lock.owner()}) writes {str(self.path)!r}; this one only reads it."
        return StoreProfile("sqlite", 1.0, None if self._throw_away else f"sqlite-{self.path.absolute()}", reason)

    def take_notices(self) -> list[Notice]:
        """What happened to the database since the last call, for the person at the screen."""
        taken, self._notices = self._notices, []
        return taken

    async def open(self) -> None:
        """Check, connect, migrate. Raises MigrationError or StoreUnavailable; damage is moved aside, not raised."""
        if self._write_thread is not None:
            return
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._read_threads = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")
        try:
            await self._on_writer(self._open)
        except BaseException:
            await self.close()
            raise

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._lock.acquire():
                self._open_writer()
            elif self.path.exists():
                self._version = self._reader_version()
            else:
                raise StoreUnavailable(f"Another process (id {self._lock.owner()}) is making {str(self.path)!r}; try again.")
        except OSError as error:
            raise StoreUnavailable(f"The database {str(self.path)!r} cannot be opened: {error}.") from error

    def _reader_version(self) -> int:
        connection = sqlite_file.connect_reader(self.path)
        try:
            return schema_version_sqlite(connection, self._migrations)
        finally:
            connection.close()

    def _open_writer(self) -> None:
        try:
            if self._suspect:
                raise StoreDamaged(f"The database {str(self.path)!r} was found damaged while it was in use.")
            self._checked = sqlite_file.check(self.path, self._clock)
            self._connect()
        except StoreDamaged as damage:
            self._set_aside(damage)
            self._connect()
        except sqlite3.DatabaseError as error:
            damage_found = sqlite_file.translate(error, self.path)
            if not isinstance(damage_found, StoreDamaged):
                raise
            self._set_aside(damage_found)
            self._connect()

    def _connect(self) -> None:
        connection = sqlite_file.connect_writer(self.path, durable=not self._throw_away)
        try:
            self._version = migrate_sqlite(connection, self._migrations)
        except BaseException:
            connection.close()
            raise
        self._connection, self._writer = connection, SqliteWriter(connection)

    def _set_aside(self, damage: StoreDamaged) -> None:
        target = sqlite_file.move_aside(self.path, self._clock.now_ms())
        self._suspect, self._ids, self._quotes = False, {}, {}
        message = (
            f"{damage} It was moved aside to {target.name!r} in the same folder and a fresh database was begun; what the old "
            "one held is no longer shown. Restore a backup, or repair the moved file with the sqlite3 program's .recover."
        )
        self._notices.append(Notice("store-damaged", Level.CRITICAL, message, self._clock.now_ms()))

    async def close(self) -> None:
        """Close all connections and give up the lock; what was written stays (unless the store is a throw-away one)."""
        write, read, self._write_thread, self._read_threads = self._write_thread, self._read_threads, None, None
        if read is not None:
            await asyncio.to_thread(read.shutdown)
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        self._local = threading.local()
        if write is not None:
            await asyncio.get_running_loop().run_in_executor(write, self._close)
            await asyncio.to_thread(write.shutdown)

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):  # an ordinary close: a disk that is full must not keep it from ending
                self._connection.execute("PRAGMA optimize")
            self._connection.close()
        self._connection = self._writer = None
        if self._throw_away and self._lock.held:
            self._throw()
        self._lock.release()

    def _throw(self) -> None:
        for suffix in ("", "-wal", "-shm", ".lock"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        with suppress(OSError):  # not empty: somebody keeps other things there
            self.path.parent.rmdir()

    async def _on_writer(self, work: Callable[[], T]) -> T:
        if self._write_thread is None:
            raise StoreUnavailable(f"The database {str(self.path)!r} is not open.")
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, self._guarded, work)

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (sqlite3.Error, OverflowError, ValueError) as error:
            failure = sqlite_file.translate(error, self.path)
            if isinstance(failure, StoreDamaged):
                self._suspect = True
            raise failure from error

    def _own(self) -> SqliteWriter:
        """The writer; takes over from a process that has ended. Raises StoreReadOnly. On the writer's thread only."""
        if self._writer is None:
            reason = self.profile.read_only
            if not self._lock.acquire():
                raise StoreReadOnly(reason or "")
            self._open_writer()
            message = f"The other marketwatch has gone; this one writes {str(self.path)!r} now."
            self._notices.append(Notice("store-read-only", Level.INFO, message, self._clock.now_ms(), over=True))
        assert self._writer is not None
        return self._writer

    def _own_connection(self) -> sqlite3.Connection:
        self._own()
        assert self._connection is not None
        return self._connection

    async def ping(self) -> None:
        """Commit one page. Raises StoreUnavailable, StoreReadOnly."""
        number = self._clock.now_ms() % 2**31
        await self._on_writer(lambda: self._own_connection().execute(f"PRAGMA user_version = {number}"))

    async def write(self, batch: WriteBatch) -> None:
        await self._on_writer(lambda: self._own().write(batch))

    async def _pack(self, hour: Hour) -> None:
        await self._on_writer(lambda: self._own().pack(hour))

    async def _change(self, query: str, *values: Any) -> int:
        def change() -> int:
            return self._own_connection().execute(sqlite_queries()[query], values).rowcount

        return await self._on_writer(change)

    async def changes(self, steps: Sequence[Step | Bulk]) -> bool:
        return await self._on_writer(lambda: run_steps(self._own_connection(), steps))

    async def _rows(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        return await self._read(lambda connection: connection.execute(sqlite_queries()[query], values).fetchall())

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._read_threads is None:
            raise StoreUnavailable(f"The database {str(self.path)!r} is not open.")
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._guarded, lambda: work(self._reader()))

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite_file.connect_reader(self.path)
            self._readers.append(connection)
        return connection

    async def retain(self, *, now_ms: int, days: float, max_bytes: int) -> int:
        """Delete the oldest samples and trades beyond age or size, in short transactions between which others may write."""
        keeper = Keeper(cutoff_ms=now_ms - round(days * 86_400_000), max_bytes=max_bytes)
        while not keeper.done:
            await self._on_writer(lambda: keeper.step(self._own_connection()))
        return keeper.deleted

    async def stats(self) -> StoreStats:
        size, rows, oldest, newest = await self._read(lambda connection: measure(connection, self._clock))
        details = [] if self._checked else ["too large to be checked whole at the start"]
        details += [self.profile.read_only] if self.profile.read_only else []
        return StoreStats("sqlite", str(self.path), size, rows, self._version, oldest, newest, "; ".join(details))

    async def backup(self, out: Path, progress: Progress | None = None) -> int:
        """All tables as of one moment into `out` (see `portable`); answers the number of rows. Others go on writing."""
        return await asyncio.to_thread(self._guarded, lambda: dump(self.path, out, self._version, self._clock, progress))

    async def restore(self, file: Path, *, force: bool = False, progress: Progress | None = None) -> int:
        """A backup into this database, all of it or nothing. Into one that holds data only with `force`, replacing it."""
        rows = await self._on_writer(lambda: refill(self._own_connection(), file, self._version, force, progress))
        await self._on_writer(self._forget)
        return rows

    def _forget(self) -> None:
        self._ids, self._quotes = {}, {}
        if self._connection is not None:
            self._writer = SqliteWriter(self._connection)
