"""What DATABASE_URL says."""

from __future__ import annotations

import pytest

from marketwatch.errors import ConfigError
from marketwatch.store.postgres_dsn import parse_dsn


def test_dsn_password_is_not_shown() -> None:
    dsn = parse_dsn("postgresql://ann:secret@db.example:5433/market?sslmode=require")
    assert dsn.where == "db.example/market"
    assert (dsn.statement_cache_size, dsn.pooled, dsn.write_every_s) == (100, False, 2.0)
    assert dsn.url == "postgresql://ann:secret@db.example:5433/market?sslmode=require"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@ep-cool-name-pooler.eu-central-1.aws.neon.tech/neondb",
        "postgresql://u:p@host:6432/db",
        "postgresql://u:p@host/db?pgbouncer=true",
        "postgresql://u:p@host/db?statement_cache_size=0",
    ],
)
def test_dsn_of_a_pooler_turns_prepared_statements_off(url: str) -> None:
    assert parse_dsn(url).pooled
    assert "pgbouncer" not in parse_dsn(url).url


def test_dsn_parameters_that_asyncpg_does_not_know_are_taken_out() -> None:
    dsn = parse_dsn("postgresql://u:p@h/db?channel_binding=require&write_every_s=300&sslmode=require")
    assert dsn.url == "postgresql://u:p@h/db?sslmode=require"
    assert dsn.write_every_s == 300.0


@pytest.mark.parametrize("tail", ["?write_every_s=0", "?statement_cache_size=many", "?statement_cache_size=-1"])
def test_dsn_impossible_parameter_is_refused_in_a_sentence(tail: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        parse_dsn(f"postgresql://u:p@h/db{tail}")


def test_dsn_impossible_port_is_refused() -> None:
    with pytest.raises(ConfigError):
        parse_dsn("postgresql://u:p@h:port/db")
