"""Accounts around a real SQLite store and a manual clock, with quick hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketwatch.accounts.accounts import Accounts
from marketwatch.accounts.outside import KeySource
from marketwatch.accounts.sessions import Place
from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.model.accounts import User
from marketwatch.store.accounts import StoredAccounts
from marketwatch.store.sqlite import SqliteStore

START_MS = 1_763_683_200_000
SECRET = "a secret of the tests that is long enough"
PASSWORD = "correct battery staple"
PLACE = Place("192.0.2.1", "Firefox")
ELSEWHERE = Place("198.51.100.7", "curl")
ROUNDS = 4


@dataclass
class Town:
    """Accounts with everything that a test may want to touch."""

    accounts: Accounts
    clock: ManualClock
    database: SqliteStore

    async def person(self, name: str = "ada", **given: Any) -> User:
        """Somebody who registers from `PLACE`."""
        fields: dict[str, Any] = {"email": None, "password": PASSWORD, "code": None, "place": PLACE, **given}
        return await self.accounts.users.register(username=name, **fields)


@asynccontextmanager
async def town(folder: Path, *, mode: str = "open", keys: KeySource | None = None, **given: Any) -> AsyncIterator[Town]:
    """A town whose clock stands at `START_MS`."""
    clock = ManualClock(START_MS)
    database = SqliteStore(folder / "accounts.db", clock=clock)
    await database.open()
    settings = Settings.of(accounts=mode, data_dir=folder, **given)
    store = StoredAccounts(database)
    accounts = Accounts(store=store, settings=settings, clock=clock, secret=SECRET, keys=keys, rounds=ROUNDS)
    try:
        yield Town(accounts, clock, database)
    finally:
        await accounts.aclose()
        await database.close()
