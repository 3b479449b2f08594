"""Fixtures of the contract tests."""

from collections.abc import Iterator

import pytest

from tests.kit.databases import drop_database, make_store, new_database, postgres_server, postgres_url

__all__ = ("make_store", "postgres_server", "postgres_url")


@pytest.fixture
def other_postgres_url(postgres_server: str) -> Iterator[str]:
    """A second fresh database."""
    url = new_database(postgres_server)
    yield url
    drop_database(postgres_server, url)
