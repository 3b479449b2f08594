"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.clients import Client
from tests.kit.databases import own_postgres, postgres_server, postgres_url
from tests.kit.watches import World, world

__all__ = ("own_postgres", "postgres_server", "postgres_url")


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    """The application around a played watch; a module may have another one of this name."""
    async with world(tmp_path) as found:
        yield found


@pytest.fixture
async def client(request: pytest.FixtureRequest, made: World) -> AsyncIterator[Client]:
    """A client of `made`: a guest, in a module that says `BY_OWNER = True` the owner."""
    async with made.client(owner=getattr(request.module, "BY_OWNER", False)) as found:
        yield found
