"""The end of an account: what is its own goes from the database and from everything that runs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import msgspec

from ...errors import Forbidden, InvalidRequest
from ...model.accounts import Rank, User, Way
from ..callers import Visit
from .action import Action
from .credentials import Done
from .desk import Desk
from .users import ME, Text, UserQuery, own_account, personal


class LeavingAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm`: the user name of the account. For one's own also `password`, and `otp` where there is a second factor."""

    confirm: Text
    password: Text = ""
    otp: Text = ""


async def leave(desk: Desk, visit: Visit, user: User, ask: LeavingAsk) -> None:
    """Delete one's own account. Raises InvalidRequest, Unauthorized, TooMany, Conflict for the last admin."""
    _check_name(user, ask.confirm)
    if user.password_hash is not None:
        await visit.accounts.sign_in.confirm_password(user, ask.password, visit.place)
    elif visit.caller.way is not Way.OUTSIDE:
        raise Forbidden("This account signs in through its identity provider: send a token of that to delete it.")
    if user.second_factor:
        await visit.accounts.sign_in.code(user, ask.otp, visit.place)
    await _end(desk, visit, user, "ok")


async def expel(desk: Desk, visit: Visit, user: User, confirm: str) -> None:
    """Delete somebody else's account. Raises InvalidRequest, Conflict for the last admin."""
    _check_name(user, confirm)
    await _end(desk, visit, user, f"ok: {user.username}, by an admin")


def _check_name(user: User, confirm: str) -> None:
    if confirm.strip().casefold() != user.username.casefold():
        raise InvalidRequest(
            f'To delete the account "{user.username}", its name must be entered as the confirmation; it was "{confirm[:40]}".',
            [{"field": "confirm"}],
        )


async def _end(desk: Desk, visit: Visit, user: User, result: str) -> None:
    """One transaction, while nobody writes what it deletes; then the parts that run forget the person."""
    accounts = visit.accounts
    async with AsyncExitStack() as stack:
        stack.enter_context(accounts.identities.leaving(user.user_id))
        if desk.rules is not None:
            await stack.enter_async_context(desk.rules.leaving())
        if desk.bookkeeping is not None:
            await stack.enter_async_context(desk.bookkeeping.leaving(user.user_id))
        await accounts.users.delete(user)
    desk.forget(user.user_id)
    await accounts.audit.note(visit.caller.name, "delete account", user.user_id, result=result, address=visit.place.address)


async def _delete(desk: Desk, query: UserQuery, body: LeavingAsk, visit: Visit) -> Done:
    caller = visit.caller
    if caller.rank >= Rank.ADMIN and query.user_id not in (ME, caller.user_id):
        await expel(desk, visit, await visit.accounts.users.find(query.user_id), body.confirm)
    else:
        await leave(desk, visit, await own_account(visit, query.user_id), body)
    return Done()


ACTIONS: tuple[Action[Any], ...] = (
    personal(
        "DELETE", "/api/users/{user_id}", "Delete an account", UserQuery, LeavingAsk, Done, _delete, "delete_user",
        conflicts=True,
        description="One's own, or as an admin somebody else's, with all that belongs to it; nothing of it comes back.",
    ),
)  # fmt: skip
