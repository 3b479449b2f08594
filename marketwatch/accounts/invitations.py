"""Invitations: a link that lets one person register."""

from __future__ import annotations

from ..clock import Clock
from ..model.accounts import Invitation, Role
from .ports import AccountStore
from .secret import hash_secret, new_id, new_secret

GOOD_S = 7 * 86_400


class Invitations:
    """Makes and finds invitations. The code itself is shown once."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._first: str | None = None

    async def make(self, invited_by: str, role: Role, email: str | None = None) -> tuple[Invitation, str]:
        """An invitation for a week and its code."""
        now_ms, code = self._clock.now_ms(), new_secret()
        made = Invitation(new_id("i"), hash_secret(code), role, email, invited_by, now_ms, now_ms + GOOD_S * 1000)
        await self._store.add_invitation(made)
        return made, code

    async def first(self) -> str | None:
        """The code by which the first account, an admin, is made until the end of the program; None where there is one."""
        if await self._store.count_users():
            return None
        self._first = self._first or new_secret()
        return self._first

    def is_first(self, code: str) -> bool:
        """Whether `code` is the one of `first`."""
        return self._first is not None and hash_secret(code) == hash_secret(self._first)

    async def open(self, code: str) -> Invitation | None:
        """The invitation with this code, as long as it can be used."""
        found = await self._store.invitation(hash_secret(code))
        return found if found is not None and self.is_open(found) else None

    def is_open(self, invitation: Invitation) -> bool:
        return invitation.used_ms is None and self._clock.now_ms() < invitation.expires_ms

    async def all(self) -> list[Invitation]:
        return await self._store.invitations()

    async def drop(self, invitation_id: str) -> bool:
        """False where it was used, or is not there."""
        return await self._store.drop_invitation(invitation_id)
