"""Fixtures of the integration tests."""

from tests.kit.databases import own_postgres, postgres_server, postgres_url

__all__ = ("own_postgres", "postgres_server", "postgres_url")
