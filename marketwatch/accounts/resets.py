"""A forgotten password: a link of an admin, by which somebody sets another one."""

from __future__ import annotations

from ..clock import Clock
from ..errors import Conflict, Forbidden
from ..model.accounts import PasswordReset, User
from .audit import Audit
from .delays import Delays
from .passwords import Passwords, check_password
from .ports import AccountStore
from .secret import hash_secret, new_secret
from .sessions import Place, Sessions

GOOD_S = 3600
_STRANGER = "unknown link"


class Resets:
    """Makes links and sets passwords by them. The code itself is shown once; a newer one ends the one before."""

    def __init__(
        self,
        *,
        store: AccountStore,
        passwords: Passwords,
        sessions: Sessions,
        delays: Delays,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._sessions = sessions
        self._delays = delays
        self._audit = audit
        self._clock = clock

    async def make(self, user: User, made_by: str) -> tuple[PasswordReset, str]:
        """A link for an hour, as what is kept of it, and its code. Raises Conflict where there is no password to forget."""
        if user.password_hash is None:
            raise Conflict(f"{user.username} signs in through their identity provider and has no password here.")
        if not user.active:
            raise Conflict(f"The account of {user.username} is switched off; switch it on first.")
        now_ms, code = self._clock.now_ms(), new_secret()
        made = PasswordReset(user.user_id, hash_secret(code), made_by, now_ms, now_ms + GOOD_S * 1000)
        await self._store.add_reset(made)
        return made, code

    async def whose(self, code: str) -> User | None:
        """Whose password this code may set at this moment."""
        found = await self._open(code)
        return None if found is None else found[1]

    async def use(self, code: str, password: str, place: Place) -> User:
        """Another password; everybody who was signed in with the account is out, and a second factor stays.

        Raises InvalidRequest for a password that is not taken, Forbidden for a code that is no good, TooMany.
        """
        key = hash_secret(code)
        self._delays.check(key, place.address)
        found = await self._open(code)
        if found is None:
            raise await self._refused(key, place)
        reset, user = found
        check_password(password, user.username, user.email)
        if not await self._store.use_reset(reset, self._clock.now_ms(), await self._passwords.hash(password)):
            raise await self._refused(key, place)
        await self._sessions.end_all(user.user_id)
        await self._audit.note(user.username, "set forgotten password", user.user_id, address=place.address)
        return user

    async def _open(self, code: str) -> tuple[PasswordReset, User] | None:
        reset = await self._store.reset(hash_secret(code))
        if reset is None or self._clock.now_ms() >= reset.expires_ms:
            return None
        user = await self._store.user(reset.user_id)
        return (reset, user) if user is not None and user.active and user.password_hash is not None else None

    async def _refused(self, key: str, place: Place) -> Forbidden:
        self._delays.failed(key, place.address)
        await self._audit.note(_STRANGER, "set forgotten password", result="refused", address=place.address)
        return Forbidden("This link is used, over or not known; ask an admin for another one.")
