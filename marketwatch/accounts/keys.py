"""API keys: what a program of somebody shows instead of a password."""

from __future__ import annotations

from collections.abc import Iterable

from ..clock import Clock
from ..errors import Conflict, InvalidRequest
from ..model.accounts import ApiKey, Scope
from .ports import AccountStore
from .secret import hash_secret, new_id, new_secret

PREFIX = "mwk_"
MOST = 50
_HINT = 9
_DAY_MS = 86_400_000


class ApiKeys:
    """Makes, finds and deletes keys. The key itself is shown once."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def make(self, user_id: str, name: str, scopes: Iterable[Scope], days: int | None = None) -> tuple[ApiKey, str]:
        """A key and its text, good for `days` or until it is deleted. Raises InvalidRequest, Conflict."""
        name = name.strip()
        chosen = tuple(scope for scope in Scope if scope in set(scopes))
        if not 1 <= len(name) <= 60 or not name.isprintable():
            raise InvalidRequest("The name of a key has 1 to 60 printable characters.", [{"field": "name"}])
        if not chosen:
            raise InvalidRequest("A key needs at least one scope: read, write or admin.", [{"field": "scopes"}])
        if len(await self._store.api_keys_of(user_id)) >= MOST:
            raise Conflict(f"There are {MOST} keys already, which are the most; delete one first.")
        now_ms, secret = self._clock.now_ms(), new_secret(PREFIX)
        until_ms = None if days is None else now_ms + days * _DAY_MS
        key = ApiKey(new_id("k"), user_id, name, hash_secret(secret), secret[:_HINT], chosen, now_ms, until_ms)
        await self._store.add_api_key(key)
        return key, secret

    async def of_user(self, user_id: str) -> list[ApiKey]:
        return await self._store.api_keys_of(user_id)

    async def drop(self, user_id: str, key_id: str) -> bool:
        """False where the user has no such key."""
        return await self._store.drop_api_key(user_id, key_id)
