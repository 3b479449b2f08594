"""Everything about accounts, built around one store: what the pages and the API of accounts reach."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ..clock import Clock
from ..config import Settings
from ..errors import Conflict, Forbidden, Unauthorized
from ..model.accounts import Session, User
from ..telemetry import get_logger
from .audit import Audit
from .identity import Identities, outside_name
from .invitations import Invitations
from .kept import kept_secret
from .keys import ApiKeys
from .outside import Identity, KeySource, OutsideTokens
from .passwords import ROUNDS, Passwords
from .ports import AccountStore
from .resets import Resets
from .second_factor import SecondFactor
from .secret import new_id, new_secret
from .sessions import Place, RefreshReused, Sessions
from .sign_in import SignIn
from .tokens import ACCESS_S, AccessTokens
from .users import NEWCOMER, Users

FILE = "secret-key"
_SWEEP_S = 3600.0
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a program gets that logs in."""

    user_id: str
    access_token: str
    refresh_token: str
    expires_in: int = ACCESS_S
    token_type: str = "Bearer"  # noqa: S105


class Accounts:
    """The parts of the multi-user mode. `secret`: 32 bytes or more that sign access tokens."""

    def __init__(
        self,
        *,
        store: AccountStore,
        settings: Settings,
        clock: Clock,
        secret: str,
        keys: KeySource | None = None,
        rounds: int = ROUNDS,
    ) -> None:
        self.store = store
        self._clock = clock
        self.passwords = Passwords(rounds=rounds)
        self.audit = Audit(store, clock)
        self.tokens = AccessTokens(secret, clock=clock)
        self.sessions = Sessions(store, clock, on_end=self._forget)
        self.keys = ApiKeys(store, clock)
        self.invitations = Invitations(store, clock)
        self.second_factor = SecondFactor(store, clock)
        self.sign_in = SignIn(store=store, passwords=self.passwords, audit=self.audit, clock=clock)
        self.resets = Resets(
            store=store,
            passwords=self.passwords,
            sessions=self.sessions,
            delays=self.sign_in.delays,
            audit=self.audit,
            clock=clock,
        )
        self.users = Users(
            store=store,
            passwords=self.passwords,
            invitations=self.invitations,
            audit=self.audit,
            clock=clock,
            open_to_all=settings.accounts_mode == "open",
        )
        self.identities = Identities(
            store=store,
            sessions=self.sessions,
            tokens=self.tokens,
            outside=_outside(settings, keys, clock),
            newcomer=self._newcomer,
            clock=clock,
        )

    async def grant(self, user: User, place: Place) -> Grant:
        """Log a program in."""
        session, refresh = await self.sessions.begin_family(user.user_id, place)
        return self._grant(session, refresh)

    async def refresh(self, token: str, place: Place) -> Grant:
        """Fresh tokens for a refresh token, which is used up. Raises Unauthorized."""
        try:
            session, following = await self.sessions.refresh(token)
        except RefreshReused as reused:
            user_id = reused.session.user_id
            await self.audit.note(user_id, "refresh", user_id, result="refused: used before", address=place.address)
            raise
        user = await self.store.user(session.user_id)
        if user is None or not user.active:
            raise Unauthorized("This account was switched off; ask an admin.")
        return self._grant(session, following)

    def _grant(self, session: Session, refresh: str) -> Grant:
        return Grant(session.user_id, self.tokens.issue(session.user_id, session.session_id), refresh)

    async def _newcomer(self, identity: Identity, address: str) -> User:
        """An account for somebody whom the identity provider vouches for: by open registration, or where an invitation waits
        for their verified address. Raises Forbidden, Conflict."""
        now_ms = self._clock.now_ms()
        invitation = await self.store.invitation_for(identity.email, now_ms) if identity.email else None
        if invitation is None and not self.users.open_to_all:
            raise Forbidden("Nobody has invited this identity; ask an admin for an invitation to your e-mail address.")
        if invitation is None and await self.store.count_users() == 0:
            raise Forbidden("The first account is made by the link that the program printed when it started.")
        role = invitation.role if invitation is not None else NEWCOMER
        user = User(new_id("u"), outside_name(identity), identity.email, None, role, now_ms, outside=identity.outside)
        try:
            made = await self.users.add(user, invitation)
        except Conflict:
            found = await self.store.user_outside(identity.outside)
            if found is None:
                raise
            return found
        await self.audit.note(made.username, "register", made.user_id, result="ok: identity provider", address=address)
        return made

    def _forget(self, user_id: str) -> None:
        self.identities.forget(user_id)

    async def run(self) -> None:
        """Sweep ended sessions once an hour until cancelled."""
        while True:
            await self._clock.sleep(_SWEEP_S)
            try:
                await self.sessions.sweep()
            except Exception as error:
                log.warning("sessions_not_swept", reason=str(error))

    async def aclose(self) -> None:
        await asyncio.to_thread(self.passwords.close)


def _outside(settings: Settings, keys: KeySource | None, clock: Clock) -> OutsideTokens | None:
    if keys is None or not settings.oidc_issuer:
        return None
    return OutsideTokens(issuer=settings.oidc_issuer, audience=settings.oidc_audience, keys=keys, clock=clock)


def open_secret(settings: Settings) -> str:
    """What signs access tokens: `SECRET_KEY`, or what was made at the first start and is kept in the data directory. One that
    cannot be kept lasts until the end of the program."""
    if settings.secret_key:
        return settings.secret_key
    try:
        return kept_secret(Path(settings.data_dir) / FILE)
    except OSError:
        return new_secret()
