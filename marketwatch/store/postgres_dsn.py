"""What `DATABASE_URL` says about a PostgreSQL database, beside what asyncpg reads itself."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ..errors import ConfigError

_UNKNOWN_TO_ASYNCPG = frozenset({"channel_binding", "gssencmode", "sslnegotiation"})
_WRITE_EVERY_S = 2.0


class Dsn(NamedTuple):
    """`url` for asyncpg; `where` for people, without the password; `statement_cache_size` is 0 behind a pooler."""

    url: str
    where: str
    statement_cache_size: int
    write_every_s: float

    @property
    def pooled(self) -> bool:
        """Behind a pooler a session cannot be counted upon: no prepared statements, no lock that lasts."""
        return self.statement_cache_size == 0


def parse_dsn(url: str) -> Dsn:
    """Our own parameters are `statement_cache_size` (0 for a pooler that does not announce itself by its name) and
    `write_every_s` (how often is written: a long pause lets a database that sleeps by itself sleep). Raises ConfigError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        pooled = "pooler" in host or port == 6432 or parameters.pop("pgbouncer", "") in ("true", "1")
        cache = int(parameters.pop("statement_cache_size", "0" if pooled else "100"))
        every = float(parameters.pop("write_every_s", _WRITE_EVERY_S))
        if cache < 0 or not 0.1 <= every <= 3600:
            raise ValueError("statement_cache_size must not be negative and write_every_s must lie between 0.1 and 3600")
    except ValueError as error:
        raise ConfigError(f"DATABASE_URL cannot be read: {error}.") from None
    rest = urlencode({name: value for name, value in parameters.items() if name not in _UNKNOWN_TO_ASYNCPG}, quote_via=quote)
    where = f"{host or parameters.get('host', 'localhost')}{parts.path or '/'}"
    return Dsn(urlunsplit(parts._replace(query=rest)), where, cache, every)
