"""Sessions: who is signed in where. A browser holds a cookie, a program a family of refresh tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..clock import Clock
from ..errors import Unauthorized
from ..model.accounts import RefreshToken, Session
from .ports import AccountStore
from .secret import hash_secret, new_id, new_secret

IDLE_S = 7 * 86_400
LONGEST_S = 30 * 86_400
REFRESH_S = 7 * 86_400
_AGENT = 200


class Place(NamedTuple):
    """Where a request came from: its address, and what the browser or program calls itself."""

    address: str
    agent: str = ""


class Sessions:
    """Begins, finds, lists and ends sessions. `on_end` is told of the user whose sessions changed."""

    def __init__(self, store: AccountStore, clock: Clock, *, on_end: Callable[[str], None]) -> None:
        self._store = store
        self._clock = clock
        self._on_end = on_end

    async def begin(self, user_id: str, place: Place) -> tuple[Session, str]:
        """A browser's session and the secret for its cookie. Idle sessions end after a week, all of them after thirty days."""
        secret = new_secret()
        session = self._new(user_id, "browser", hash_secret(secret), place)
        await self._store.add_session(session)
        return session, secret

    async def begin_family(self, user_id: str, place: Place) -> tuple[Session, str]:
        """A program's session and its first refresh token."""
        session = self._new(user_id, "api", None, place)
        secret, token = self._refresh(session)
        await self._store.add_session(session, token)
        return session, secret

    async def refresh(self, secret: str) -> tuple[Session, str]:
        """The session of a refresh token and the token that follows it. Raises Unauthorized.

        A token that comes a second time was stolen, or its successor was: the whole family ends.
        """
        now_ms = self._clock.now_ms()
        token = await self._store.refresh_token(hash_secret(secret))
        session = await self._store.session(token.session_id) if token is not None else None
        if token is None or session is None or token.expires_ms <= now_ms or session.expires_ms <= now_ms:
            raise Unauthorized("The refresh token is not known, or has expired; log in again.")
        following, successor = self._refresh(session)
        if token.used_ms is not None or not await self._store.rotate(token.token_hash, now_ms, successor):
            await self.end(session)
            raise RefreshReused(session)
        await self._store.touch_session(session.session_id, now_ms, session.address)
        return session, following

    async def of_user(self, user_id: str) -> list[Session]:
        """Newest first; those that are over are left out."""
        return [one for one in await self._store.sessions_of(user_id) if self.is_open(one)]

    async def find(self, user_id: str, session_id: str) -> Session | None:
        """The open session of this very user."""
        session = await self._store.session(session_id)
        return session if session is not None and session.user_id == user_id and self.is_open(session) else None

    async def of_refresh_token(self, secret: str) -> Session | None:
        """The open session whose refresh token this is, used or not."""
        token = await self._store.refresh_token(hash_secret(secret))
        session = await self._store.session(token.session_id) if token is not None else None
        return session if session is not None and self.is_open(session) else None

    def is_open(self, session: Session) -> bool:
        """It is not over, and was not idle for too long."""
        now_ms = self._clock.now_ms()
        return now_ms < session.expires_ms and (session.kind != "browser" or now_ms - session.seen_ms < IDLE_S * 1000)

    async def end(self, session: Session) -> None:
        await self._store.end_session(session.session_id)
        self._on_end(session.user_id)

    async def end_all(self, user_id: str, *, but: str = "") -> int:
        """End all sessions of a user but one; answers how many."""
        ended = await self._store.end_sessions_of(user_id, but=but)
        self._on_end(user_id)
        return ended

    async def sweep(self) -> int:
        """Forget what is over."""
        return await self._store.drop_ended(self._clock.now_ms(), IDLE_S * 1000)

    def _new(self, user_id: str, kind: str, token_hash: str | None, place: Place) -> Session:
        now_ms = self._clock.now_ms()
        agent = "".join(letter for letter in place.agent if letter.isprintable())[:_AGENT]
        until_ms = now_ms + LONGEST_S * 1000
        return Session(new_id("s"), user_id, kind, token_hash, now_ms, now_ms, until_ms, place.address, agent)

    def _refresh(self, session: Session) -> tuple[str, RefreshToken]:
        secret = new_secret("mwr_")
        now_ms = self._clock.now_ms()
        until_ms = min(now_ms + REFRESH_S * 1000, session.expires_ms)
        return secret, RefreshToken(hash_secret(secret), session.session_id, now_ms, until_ms)


class RefreshReused(Unauthorized):
    """A refresh token came a second time; its session has been ended."""

    def __init__(self, session: Session) -> None:
        super().__init__("The refresh token was used before, so its session was ended; log in again.")
        self.session = session
