"""Who holds a stream or a socket open: their sessions are looked at once a minute, and with one its streams end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..clock import Clock
from ..errors import StoreError
from ..model.accounts import Caller
from .callers import caller_of

RECHECK_S = 60.0
Close = Callable[[], Any]


class Holders:
    """Open streams of people with an account. Streams of guests and of the owner are not in here and cost nothing."""

    def __init__(self, accounts: Any) -> None:
        self._accounts = accounts
        self._open: dict[object, tuple[Caller, Close]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def hold(self, request: web.BaseRequest, key: object, close: Close) -> None:
        """`key` is open for the sender of `request`, until `let_go` or `close`."""
        caller = caller_of(request)
        if self._accounts is not None and caller.has_account:
            self._open[key] = (caller, close)

    def let_go(self, key: object) -> None:
        """It has ended by itself; harmless for what is not held."""
        self._open.pop(key, None)

    async def recheck(self) -> int:
        """Close what belongs to nobody any more; answers how many."""
        closed = 0
        for caller in {caller for caller, _ in self._open.values()}:
            try:
                if await self._accounts.identities.still(caller):
                    continue
            except StoreError:
                continue
            for key, (holder, close) in list(self._open.items()):
                if holder == caller:
                    self._open.pop(key, None)
                    close()
                    closed += 1
        return closed

    def leave(self, user_id: str) -> None:
        """Close everything of somebody whose account is gone."""
        for key, (holder, close) in list(self._open.items()):
            if holder.user_id == user_id:
                self._open.pop(key, None)
                close()

    async def run(self, clock: Clock) -> None:
        """Look once a minute until cancelled."""
        while True:
            await clock.sleep(RECHECK_S)
            await self.recheck()


HOLDERS: web.AppKey[Holders] = web.AppKey("holders", Holders)
