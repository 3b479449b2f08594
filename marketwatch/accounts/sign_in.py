"""Signing in: name and password, then the second factor where there is one."""

from __future__ import annotations

from ..clock import Clock
from ..errors import Unauthorized
from ..model.accounts import User
from .audit import Audit
from .delays import Delays
from .passwords import Passwords
from .ports import AccountStore
from .secret import hash_secret, new_secret
from .sessions import Place
from .totp import matching_step, recovery_text

TICKET_S = 300
_MOST_TICKETS = 1_000
_TRIES = 5
_STRANGER = "unknown name"
"""In the log instead of a name that nobody has: people type passwords into the wrong field."""


class SecondFactorNeeded(Unauthorized):
    """The password is right; a code is missing."""

    def __init__(self) -> None:
        super().__init__(
            "This account has a second factor: send the code of the authenticator, or a recovery code, as `otp`.",
            [{"field": "otp", "needed": True}],
        )


class SignIn:
    """Says who somebody is. Every wrong try is counted against the account and the address, and noted in the audit log."""

    def __init__(self, *, store: AccountStore, passwords: Passwords, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._audit = audit
        self._clock = clock
        self.delays = Delays(clock)
        self._tickets: dict[str, tuple[str, int, int]] = {}

    async def whole(self, name: str, password: str, code: str | None, place: Place) -> User:
        """In one step, for programs. Raises Unauthorized, SecondFactorNeeded, TooMany."""
        user = await self.password(name, password, place)
        if user.second_factor:
            if not code:
                raise SecondFactorNeeded
            await self.code(user, code, place)
        await self.done(user, place)
        return user

    async def password(self, name: str, password: str, place: Place) -> User:
        """Whoever has this name, or this e-mail address, and this password. Raises Unauthorized, TooMany."""
        user = await self._store.user_named(name)
        key = user.user_id if user is not None else hash_secret(name.strip().casefold())
        self.delays.check(key, place.address)
        matches = await self._passwords.matches(password, user.password_hash if user is not None else None)
        if user is None or not matches or not user.active:
            self.delays.failed(key, place.address)
            who, whom = (user.username, user.user_id) if user is not None else (_STRANGER, "")
            await self._audit.note(who, "log in", whom, result="refused", address=place.address)
            raise Unauthorized("Name or password are wrong.")
        return user

    async def confirm_password(self, user: User, password: str, place: Place) -> None:
        """Before something that a borrowed session must not do. Raises Unauthorized, TooMany."""
        self.delays.check(user.user_id, place.address)
        if not await self._passwords.matches(password, user.password_hash):
            self.delays.failed(user.user_id, place.address)
            raise Unauthorized("The present password is wrong.", [{"field": "password"}])

    async def code(self, user: User, code: str, place: Place) -> None:
        """A code of the authenticator, or a recovery code; each counts once. Raises Unauthorized, TooMany."""
        self.delays.check(user.user_id, place.address)
        now_ms = self._clock.now_ms()
        step = matching_step(user.totp_secret or "", code, now_ms) if user.second_factor else None
        good = step is not None and await self._store.use_totp_step(user.user_id, step)
        text = recovery_text(code)
        if not good and text and await self._store.use_recovery_code(user.user_id, hash_secret(text), now_ms):
            good = True
            await self._audit.note(user.username, "use recovery code", user.user_id, address=place.address)
        if not good:
            self.delays.failed(user.user_id, place.address)
            await self._audit.note(user.username, "second factor", user.user_id, result="refused", address=place.address)
            raise Unauthorized("The code is wrong, or was used before; wait for the next one.", [{"field": "otp"}])

    async def done(self, user: User, place: Place) -> None:
        """Somebody is in."""
        self.delays.succeeded(user.user_id, place.address)
        await self._audit.note(user.username, "log in", user.user_id, address=place.address)

    def new_ticket(self, user: User) -> str:
        """Stands for a right password for five minutes and five tries, while a browser asks for the code."""
        ticket = new_secret()
        self._tickets[hash_secret(ticket)] = (user.user_id, self._clock.now_ms(), 0)
        while len(self._tickets) > _MOST_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        return ticket

    async def of_ticket(self, ticket: str) -> User | None:
        """Whose ticket this is; counts as a try."""
        key = hash_secret(ticket)
        user_id, made_ms, tries = self._tickets.pop(key, ("", 0, _TRIES))
        if tries >= _TRIES or self._clock.now_ms() - made_ms > TICKET_S * 1000:
            return None
        self._tickets[key] = (user_id, made_ms, tries + 1)
        user = await self._store.user(user_id)
        return user if user is not None and user.active else None

    def end_ticket(self, ticket: str) -> None:
        self._tickets.pop(hash_secret(ticket), None)
