"""From what a request bears to who sent it; remembered for some seconds, so that a page costs no question to the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from ..clock import Clock
from ..errors import Forbidden, StoreUnavailable, Unauthorized
from ..model.accounts import RANKS, ApiKey, Caller, Scope, Session, User, Way
from .keys import PREFIX
from .outside import Identity, OutsideTokens
from .ports import AccountStore
from .secret import hash_secret, new_id
from .sessions import Sessions
from .tokens import AccessTokens

TOUCH_S = 60.0
_TRUST_S = 10.0
_MOST = 20_000
Newcomer = Callable[[Identity, str], Awaitable[User]]


class Identities:
    """Recognises cookies, access tokens, API keys and outside tokens.

    What was found holds for ten seconds; `forget` ends that at once for a user, so that an end of a session or another role
    counts from the next request on. `newcomer` makes an account for an outside identity that has none yet, or raises.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        sessions: Sessions,
        tokens: AccessTokens,
        outside: OutsideTokens | None,
        newcomer: Newcomer,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._tokens = tokens
        self._outside = outside
        self._newcomer = newcomer
        self._clock = clock
        self._found: dict[str, tuple[Caller, float]] = {}
        self._touched: dict[str, float] = {}
        self._left: set[str] = set()

    def remembered(self, secret: str) -> Caller | None:
        """Whoever was found by this cookie or token a moment ago."""
        caller, until = self._found.get(hash_secret(secret), (None, 0.0))
        return caller if caller is not None and self._clock.monotonic() < until else None

    def forget(self, user_id: str) -> None:
        """Something about this user has changed."""
        for key in [key for key, (caller, _) in self._found.items() if caller.user_id == user_id]:
            del self._found[key]

    @contextmanager
    def leaving(self, user_id: str) -> Iterator[None]:
        """Around the deletion of an account: from its beginning on `has_left` is true, also of requests that are under way."""
        self._left.add(user_id)
        try:
            yield
        except BaseException:
            self._left.discard(user_id)
            raise
        finally:
            self.forget(user_id)

    def has_left(self, user_id: str) -> bool:
        """The account was deleted since the start of the program."""
        return user_id in self._left

    async def by_cookie(self, secret: str, address: str) -> Caller | None:
        """Whose browser this is; None where the session is over."""
        session = await self._store.session_of_token(hash_secret(secret))
        if session is None or not self._sessions.is_open(session):
            return None
        user = await self._store.user(session.user_id)
        if user is None or not user.active:
            return None
        await self._touch(session, address)
        return self._remember(secret, _caller(user, Way.SESSION, session_id=session.session_id))

    async def by_bearer(self, text: str, address: str) -> Caller:
        """Whose token or key this is. Raises Unauthorized, Forbidden, Unavailable."""
        if text.startswith(PREFIX):
            return await self._by_key(text)
        if self._outside is not None and self._outside.is_theirs(text):
            return await self._by_outside(self._outside, text, address)
        claims = self._tokens.read(text)
        session = await self._sessions.find(claims.user_id, claims.session_id)
        user = await self._store.user(claims.user_id) if session is not None else None
        if session is None or user is None or not user.active:
            raise Unauthorized("The session of this access token has ended; log in again.")
        await self._touch(session, address)
        caller = _caller(user, Way.ACCESS_TOKEN, session_id=session.session_id)
        return self._remember(text, caller, claims.expires_ms)

    async def _by_key(self, text: str) -> Caller:
        key = await self._store.api_key(hash_secret(text))
        user = await self._store.user(key.user_id) if key is not None and self._is_good(key) else None
        if key is None or user is None or not user.active:
            raise Unauthorized("The API key is not known, or has expired.")
        if self._is_due(key.key_id):
            await self._quietly(self._store.touch_api_key(key.key_id, self._clock.now_ms()))
        caller = _caller(user, Way.API_KEY, key_id=key.key_id, scopes=frozenset(key.scopes))
        return self._remember(text, caller, key.expires_ms)

    async def _by_outside(self, outside: OutsideTokens, text: str, address: str) -> Caller:
        identity = await outside.read(text)
        user = await self._store.user_outside(identity.outside) or await self._newcomer(identity, address)
        if not user.active:
            raise Forbidden("This account was switched off; ask an admin.")
        return self._remember(text, _caller(user, Way.OUTSIDE), identity.expires_ms)

    async def still(self, caller: Caller) -> bool:
        """Whether somebody who holds a stream is still who they were: the session open, the key there, the account on."""
        if not caller.has_account:
            return True
        user = await self._store.user(caller.user_id)
        if user is None or not user.active or RANKS[user.role] < caller.rank:
            return False
        if caller.session_id:
            return await self._sessions.find(caller.user_id, caller.session_id) is not None
        if caller.key_id:
            keys = await self._store.api_keys_of(caller.user_id)
            return any(key.key_id == caller.key_id and self._is_good(key) for key in keys)
        return True

    def _is_good(self, key: ApiKey) -> bool:
        return key.expires_ms is None or self._clock.now_ms() < key.expires_ms

    async def _touch(self, session: Session, address: str) -> None:
        if self._is_due(session.session_id):
            await self._quietly(self._store.touch_session(session.session_id, self._clock.now_ms(), address))

    def _is_due(self, name: str) -> bool:
        """Once a minute, for what is written only to be looked at."""
        now = self._clock.monotonic()
        if now - self._touched.get(name, -TOUCH_S) < TOUCH_S:
            return False
        self._touched.pop(name, None)
        self._touched[name] = now
        while len(self._touched) > _MOST:
            del self._touched[next(iter(self._touched))]
        return True

    @staticmethod
    async def _quietly(work: Awaitable[bool]) -> None:
        """A database that only reads now must not keep people out."""
        try:
            await work
        except StoreUnavailable:
            return

    def _remember(self, secret: str, caller: Caller, until_ms: int | None = None) -> Caller:
        """For ten seconds, but never beyond the end of what was shown."""
        left_s = _TRUST_S if until_ms is None else min(_TRUST_S, (until_ms - self._clock.now_ms()) / 1000)
        key = hash_secret(secret)
        self._found.pop(key, None)
        self._found[key] = (caller, self._clock.monotonic() + left_s)
        while len(self._found) > _MOST:
            del self._found[next(iter(self._found))]
        return caller


def _caller(user: User, way: Way, *, session_id: str = "", key_id: str = "", scopes: frozenset[Scope] = frozenset()) -> Caller:
    return Caller(user.user_id, user.username, RANKS[user.role], way, session_id, key_id, scopes, user.preferences)


def outside_name(identity: Identity) -> str:
    """A user name for an outside identity: its own where that fits, with random letters behind it so that it is free."""
    stem = "".join(letter for letter in identity.name if letter.isascii() and (letter.isalnum() or letter in "._-"))
    return f"{stem.lstrip('._-')[:20] or 'user'}-{new_id('').removeprefix('_')[:8]}"
