"""Accounts: made, changed, given a role."""

from __future__ import annotations

import re

import msgspec

from ..clock import Clock
from ..errors import Conflict, Forbidden, InvalidRequest, NotFound
from ..model.accounts import Invitation, Role, User
from ..setting_values import mail_address
from .audit import Audit
from .invitations import Invitations
from .passwords import Passwords, check_password
from .ports import AccountStore
from .preferences import read_preferences
from .secret import new_id
from .sessions import Place

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,31}")
_NAME_WORDS = "2 to 32 letters, digits, dots, dashes and underscores, the first one a letter or digit"
NEWCOMER = Role.TRADER


def check_username(username: str) -> str:
    """The name as it is kept. Raises InvalidRequest."""
    name = username.strip()
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"The user name has {_NAME_WORDS}.", [{"field": "username"}])
    return name


def check_email(email: str | None) -> str | None:
    """The address as it is kept, None for none. Raises InvalidRequest."""
    try:
        return mail_address(email or "") or None
    except ValueError as error:
        raise InvalidRequest(f"The e-mail address must be {error}.", [{"field": "email"}]) from None


class Users:
    """Makes and changes accounts. `open_to_all`: whoever comes may register."""

    def __init__(
        self,
        *,
        store: AccountStore,
        passwords: Passwords,
        invitations: Invitations,
        audit: Audit,
        clock: Clock,
        open_to_all: bool,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._invitations = invitations
        self._audit = audit
        self._clock = clock
        self.open_to_all = open_to_all

    async def register(
        self, *, username: str, email: str | None, password: str, code: str | None, place: Place, by_owner: bool = False
    ) -> User:
        """A new account; the first one is an admin's. `code`: of an invitation, or of the start-up link.

        Raises InvalidRequest, Forbidden where this needs an invitation, Conflict where name or address are taken.
        """
        name, address = check_username(username), check_email(email)
        check_password(password, name, address)
        invitation = await self._entitled(code, address, by_owner)
        role = invitation.role if invitation is not None else NEWCOMER
        hashed = await self._passwords.hash(password)
        user = User(new_id("u"), name, address, hashed, role, self._clock.now_ms())
        made = await self.add(user, invitation)
        await self._audit.note(name, "register", made.user_id, address=place.address)
        return made

    async def _entitled(self, code: str | None, email: str | None, by_owner: bool) -> Invitation | None:
        """The invitation, None where none is needed. Raises Forbidden."""
        invitation = await self._invitations.open(code) if code else None
        if invitation is not None:
            if invitation.email is not None and invitation.email != (email or "").casefold():
                raise Forbidden("This invitation is for another e-mail address.")
            return invitation
        first = await self._store.count_users() == 0
        if self.open_to_all or (first and (by_owner or (code and self._invitations.is_first(code)))):
            return None
        if first:
            raise Forbidden(
                "The first account is made by the link that the program printed when it started, or by "
                "`python -m marketwatch user add`."
            )
        wrong = "This invitation is used, over or not known" if code else "Registering needs an invitation here"
        raise Forbidden(f"{wrong}; ask an admin for a link.")

    async def add(self, user: User, invitation: Invitation | None = None) -> User:
        """Keep a new account. Raises Conflict."""
        if not await self._store.add_user(user, invitation.invitation_id if invitation else None):
            raise Conflict("This user name or e-mail address is taken.", [{"field": "username"}])
        made = await self._store.user(user.user_id)
        return made or user

    async def find(self, user_id: str) -> User:
        """Raises NotFound."""
        user = await self._store.user(user_id)
        if user is None:
            raise NotFound(f'There is no account "{user_id[:40]}".')
        return user

    async def all(self) -> list[User]:
        return await self._store.users()

    async def all_preferences(self) -> list[tuple[str, str]]:
        """Of every account, by its id, as JSON."""
        return [(user.user_id, msgspec.json.encode(read_preferences(user.preferences)).decode()) for user in await self.all()]

    async def set_profile(self, user: User, username: str, email: str | None) -> User:
        """Raises InvalidRequest, Conflict."""
        if not await self._store.set_profile(user.user_id, check_username(username), check_email(email)):
            raise Conflict("This user name or e-mail address is taken.", [{"field": "username"}])
        return await self.find(user.user_id)

    async def set_password(self, user: User, password: str) -> None:
        """Raises InvalidRequest."""
        check_password(password, user.username, user.email)
        await self._store.set_password(user.user_id, await self._passwords.hash(password))

    async def delete(self, user: User) -> None:
        """The account and all that is its own. Raises Conflict for the last admin."""
        if not await self._store.drop_user(user.user_id, self._clock.now_ms()):
            await self.find(user.user_id)
            raise Conflict("This is the last admin, so the account cannot be deleted; make somebody else an admin first.")

    async def set_standing(self, user: User, role: Role, *, active: bool) -> User:
        """Another role, or none at all. Raises Conflict where no admin would be left."""
        if not await self._store.set_standing(user.user_id, role, active=active):
            raise Conflict("This is the last admin; make somebody else one first.")
        return await self.find(user.user_id)
