"""Durable facts: SQLite by default, PostgreSQL by setting, one set of queries."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..clock import Clock, SystemClock
from ..config import Settings
from ..errors import ConfigError
from ..ports import DurableStore

DEFAULT_FILE = "marketwatch.db"


def open_store(settings: Settings, *, clock: Clock | None = None, throw_away: bool = False) -> DurableStore:
    """The store that `DATABASE_URL` names, not opened yet: SQLite in the data directory when it is empty.

    `throw_away`: the file is deleted when the store is closed. Raises ConfigError for a URL that names no database we know.
    """
    url = settings.database_url
    clock = clock or SystemClock()
    if url.startswith(("postgresql://", "postgres://", "postgresql+asyncpg://")):
        from .postgres import PostgresStore

        return PostgresStore(url.replace("postgresql+asyncpg://", "postgresql://", 1), clock=clock)
    from .sqlite import SqliteStore

    return SqliteStore(sqlite_path(url, settings.data_dir), clock=clock, throw_away=throw_away)


def sqlite_path(url: str, data_dir: Path) -> Path:
    """The file that `sqlite:///relative`, `sqlite:////absolute` or an empty URL names. Raises ConfigError."""
    if not url:
        return data_dir / DEFAULT_FILE
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2 or parts.path.endswith("/"):
        raise ConfigError(
            f"DATABASE_URL begins with {(parts.scheme + '://') if parts.scheme else url[:12]!r}; it must be "
            "postgresql://user:password@host/name or sqlite:///path/to/file.db."
        )
    return Path(unquote(parts.path[1:])).expanduser()


__all__ = ("DEFAULT_FILE", "open_store", "sqlite_path")
