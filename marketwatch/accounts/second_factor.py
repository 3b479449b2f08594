"""Switching the second factor on and off."""

from __future__ import annotations

from ..clock import Clock
from ..errors import Conflict, InvalidRequest
from ..model.accounts import User
from .ports import AccountStore
from .secret import hash_secret
from .totp import matching_step, new_recovery_codes, new_totp_secret, recovery_text


class SecondFactor:
    """Enrols in two steps: a secret for the authenticator, which counts once a code of it was given."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def begin(self, user: User) -> str:
        """The secret to enter into an authenticator. Raises Conflict where there is a second factor already."""
        if user.second_factor:
            raise Conflict("There is a second factor already; switch it off first.")
        secret = new_totp_secret()
        await self._store.set_totp(user.user_id, secret, confirmed=False, step=0)
        return secret

    async def confirm(self, user: User, code: str) -> list[str]:
        """From now on signing in takes a code; answers the recovery codes. Raises InvalidRequest, Conflict."""
        if user.second_factor or user.totp_secret is None:
            raise Conflict("No second factor waits to be confirmed; begin anew.")
        step = matching_step(user.totp_secret, code, self._clock.now_ms())
        if step is None:
            raise InvalidRequest(
                "The code is wrong; check that the clock of the device is right, and enter the newest code.", [{"field": "otp"}]
            )
        await self._store.set_totp(user.user_id, user.totp_secret, confirmed=True, step=step)
        return await self.new_codes(user)

    async def new_codes(self, user: User) -> list[str]:
        """Recovery codes in the place of the former ones."""
        codes = new_recovery_codes()
        await self._store.put_recovery_codes(user.user_id, [hash_secret(recovery_text(code)) for code in codes])
        return codes

    async def codes_left(self, user: User) -> int:
        return await self._store.recovery_codes_left(user.user_id)

    async def end(self, user: User) -> None:
        """Signing in takes the password alone."""
        await self._store.set_totp(user.user_id, None, confirmed=False, step=0)
