"""The user's own database, also while the demo market plays with a throw-away one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..clock import Clock
from ..config import Settings
from ..ports import DurableStore, MarketStore
from . import open_store
from .sqlite import SqliteStore


class UserDatabase:
    """Lends the user's database: the watch's own one where that is it, else one that is opened for each piece of work.

    It is not held open beside a demo market, so that another program may write it meanwhile; nothing of the market goes there.
    """

    def __init__(self, settings: Settings, *, clock: Clock, open_: Callable[..., DurableStore] = open_store) -> None:
        self._settings = settings
        self._clock = clock
        self._open = open_
        self._held: MarketStore | None = None
        self._turn = asyncio.Lock()

    @property
    def begun(self) -> bool:
        """Whether there may be anything in it: a SQLite file that is not there is empty."""
        if self._held is not None:
            return True
        store = self._open(self._settings, clock=self._clock)
        return not isinstance(store, SqliteStore) or store.path.exists()

    @property
    def at_hand(self) -> bool:
        """The watch has it open."""
        return self._held is not None

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """While the watch opens its store: nobody else has the database open in this process."""
        async with self._turn:
            yield

    def use(self, store: MarketStore | None) -> None:
        """The store of the watch from now on, which its owner opens and closes; None: the watch has another database."""
        self._held = store

    @asynccontextmanager
    async def reach(self) -> AsyncIterator[MarketStore]:
        """The open database for a moment, one piece of work at a time. Raises StoreError."""
        async with self._turn:
            if self._held is not None:
                yield self._held
                return
            store = self._open(self._settings, clock=self._clock)
            await store.open()
            try:
                yield store
            finally:
                await store.close()
