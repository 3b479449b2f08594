"""Handing a rule over: `PUT /api/rules/{rule_id}/author`, and what the page does."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...errors import Forbidden, InvalidRequest
from ...model.accounts import Rank, Role, Scope, User, Way
from ...model.alerts import Rule
from ..authors import Reader
from ..callers import Visit
from .action import Action
from .alerts import RuleRow, rule_row
from .desk import Desk
from .rules import OneRule


class HandOver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to be its author: the name of an account that may write rules."""

    username: Annotated[str, Meta(min_length=1, max_length=100)]


async def hand_over(desk: Desk, rule_id: str, username: str, visit: Visit) -> Rule:
    """Make the account of this name the author of a rule. Raises Forbidden, NotFound, InvalidRequest, Conflict, Unavailable."""
    before = await desk.rule_desk.present(rule_id)
    try:
        check_may(before, visit)
        user = await _recipient(username, visit)
        made = await desk.rule_desk.hand_over(rule_id, user.user_id, author=before.owner_id)
    except Forbidden:
        await _note(rule_id, "refused: 403", visit)
        raise
    desk.authors = {**desk.authors, user.user_id: user.username}
    await _note(rule_id, f"ok: from {before.owner_id} to {made.owner_id}", visit)
    return made


def check_may(rule: Rule, visit: Visit) -> None:
    """An admin may, and its author. Raises Forbidden."""
    caller = visit.caller
    every = caller.rank >= Rank.ADMIN and (caller.way is not Way.API_KEY or Scope.ADMIN in caller.scopes)
    if not every and caller.user_id != rule.owner_id:
        raise Forbidden(f'Only an admin or its author hands the rule "{rule.name}" over.')


async def _recipient(username: str, visit: Visit) -> User:
    user = await visit.accounts.store.user_named(username.strip())
    if user is None or not user.active or user.role is not Role.ADMIN:
        message = f"{username.strip()[:40]!r} is not the name of an account that may write rules; name an admin."
        raise InvalidRequest(message, [{"field": "username", "column": 1, "message": message, "hint": ""}])
    return user


async def _note(rule_id: str, result: str, visit: Visit) -> None:
    await visit.accounts.audit.note(visit.caller.name, "hand over rule", rule_id, result=result, address=visit.place.address)


async def _put_author(desk: Desk, query: OneRule, body: HandOver, visit: Visit, reader: Reader) -> RuleRow:
    return rule_row(await hand_over(desk, query.rule_id, body.username, visit), reader)


ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "PUT", "/api/rules/{rule_id}/author", "Hand a rule over", OneRule, HandOver, RuleRow, _put_author, "alerts",
        "hand_over_rule", role="viewer", accounts=True, conflicts=True, reader=True,
        description="To another account that may write rules; by an admin, or by its author. Its version and its episodes "
        "stay. A rule about its author's own money is not handed over (403): it would look at somebody else's from then on.",
    ),
)  # fmt: skip
