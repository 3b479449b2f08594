"""The user's own database, held open whatever plays: where people have accounts, every request may ask it."""

from __future__ import annotations

from ..clock import Clock
from ..config import Settings
from ..errors import StoreError
from ..ports import DurableStore
from ..telemetry import get_logger
from . import open_store
from .accounts import StoredAccounts
from .reads import Reads
from .user_database import UserDatabase

_RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
log = get_logger(__name__)


class HomeStore:
    """Holds the store that `DATABASE_URL` names and lends it to the market of the moment and to `database`. Whoever needs it
    opens it first; it is closed once, at the end."""

    def __init__(self, settings: Settings, *, clock: Clock, database: UserDatabase) -> None:
        self.store: DurableStore = open_store(settings, clock=clock)
        self._clock = clock
        self._database = database

    @property
    def accounts(self) -> StoredAccounts:
        """Accounts in it. They raise StoreUnavailable until it is open."""
        assert isinstance(self.store, Reads)
        return StoredAccounts(self.store)

    async def open(self) -> DurableStore:
        """The store, open; harmless when it is. Raises StoreError."""
        async with self._database.changing():
            await self.store.open()
            self._database.use(self.store)
        return self.store

    async def keep_trying(self) -> None:
        """Open it, however long that takes."""
        attempt = 0
        while True:
            try:
                await self.open()
            except StoreError as error:
                log.warning("home_not_open", reason=str(error), attempt=attempt)
                await self._clock.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1
            else:
                return

    async def close(self) -> None:
        async with self._database.changing():
            self._database.use(None)
            await self.store.close()
