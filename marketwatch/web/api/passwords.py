"""Forgotten passwords: an admin makes a link, and whoever has it sets another password."""

from __future__ import annotations

from typing import Any

import msgspec

from ...model.accounts import PasswordReset, User
from ..callers import Visit
from ..envelope import iso
from .action import Action
from .credentials import Done
from .desk import Desk
from .market import NoQuery
from .people import admins
from .users import Text, UserQuery, opened

PAGE = "/reset"


class ResetAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code of the link, and the new password."""

    code: Text
    password: Text


class ResetRow(msgspec.Struct, frozen=True):
    """`path` on this server leads to setting another password, once; the code is shown this one time."""

    code: str
    path: str
    user_id: str
    expires_at: str


async def make_link(visit: Visit, user: User) -> tuple[PasswordReset, str]:
    """What is kept of a link, and its code. Raises Conflict."""
    made, code = await visit.accounts.resets.make(user, visit.caller.user_id)
    await visit.accounts.audit.note(visit.caller.name, "make password link", user.user_id, address=visit.place.address)
    return made, code


async def _make_link(_desk: Desk, query: UserQuery, _body: None, visit: Visit) -> ResetRow:
    made, code = await make_link(visit, await visit.accounts.users.find(query.user_id))
    return ResetRow(code, f"{PAGE}?code={code}", made.user_id, iso(made.expires_ms))


async def _reset(_desk: Desk, _query: NoQuery, body: ResetAsk, visit: Visit) -> Done:
    await visit.accounts.resets.use(body.code, body.password, visit.place)
    return Done()


ACTIONS: tuple[Action[Any], ...] = (
    opened("reset", "Set a forgotten password by a link", ResetAsk, Done, _reset, budget="sign-in"),
    admins(
        "POST", "/api/users/{user_id}/reset", "Make a link for a forgotten password", UserQuery, None, ResetRow, _make_link,
        "make_reset", status=201, conflicts=True,
    ),
)  # fmt: skip
