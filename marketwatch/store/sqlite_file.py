"""The SQLite file itself: one writer's lock, the check at start, moving a damaged file aside, connections, errors."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from ..clock import Clock
from ..errors import StoreDamaged, StoreError, StoreUnavailable

_MAGIC = b"SQLite format 3\x00"
_CHECK_S = 2.0
_PASSING = ("FULL", "IOERR", "BUSY", "LOCKED", "READONLY", "CANTOPEN", "PROTOCOL", "NOMEM", "PERM", "AUTH", "INTERRUPT")


def translate(error: Exception, path: Path) -> StoreError:
    """A failure of sqlite3 as one of ours. Disk full, locks and I/O pass; damage and wrong values do not."""
    name = str(getattr(error, "sqlite_errorname", "") or "").removeprefix("SQLITE_")
    if name.startswith(("CORRUPT", "NOTADB")):
        return StoreDamaged(f"The database {str(path)!r} is damaged: {error}.")
    if name.startswith("FULL"):
        return StoreUnavailable(f"The disk that holds the database {str(path)!r} is full; free some space.")
    if name.startswith(_PASSING):
        return StoreUnavailable(f"The database {str(path)!r} cannot be used now: {error}.")
    return StoreError(f"The database {str(path)!r} refused: {error}.")


def connect_writer(path: Path, *, durable: bool) -> sqlite3.Connection:
    """The one connection that writes and checkpoints, in autocommit mode.

    `synchronous=NORMAL` with the write-ahead log: a committed write survives the death of the process at any moment; a loss of
    power may take back the newest commits (never a part of one) and never damages the file.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA mmap_size = 0")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if durable else 'OFF'}")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cache_size = -8000")
    return connection


def check(path: Path, clock: Clock, seconds: float = _CHECK_S) -> bool:
    """Whether all of the file was checked within `seconds` (a large one may take longer: what was seen of it is sound).

    Raises StoreDamaged.
    """
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        if file.read(16) != _MAGIC:
            raise StoreDamaged(f"{str(path)!r} is not a SQLite database.")
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return _quick_check(connection, path, clock, clock.monotonic() + seconds)
    except sqlite3.Error as error:
        raise translate(error, path) from error
    finally:
        connection.close()


def _quick_check(connection: sqlite3.Connection, path: Path, clock: Clock, deadline: float) -> bool:
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    connection.set_progress_handler(lambda: clock.monotonic() > deadline, 20_000)
    try:
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            return False
        raise
    if answer is None or answer[0] != "ok":
        raise StoreDamaged(f"The database {str(path)!r} is damaged: {answer[0] if answer else 'the check said nothing'}.")
    return True


def move_aside(path: Path, now_ms: int) -> Path:
    """Rename a damaged database with its log, so that nothing of it is lost; answers the new path."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in ("", "-wal", "-shm"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    return target
