"""`/alerts/rules/{rule_id}/author`: handing a rule over to another account."""

from __future__ import annotations

from aiohttp import web

from ...alerts.rule_desk import kept_by_author
from ...errors import Forbidden, InvalidRequest
from ...model.accounts import Role
from ...model.alerts import Rule
from ..api.desk import DESK
from ..api.reader import reader_of
from ..api.rule_author import check_may, hand_over
from ..callers import ACCOUNTS, Visit, visit_of
from ..contexts.rule_page import AuthorPage
from ..contexts.rule_words import rule_href
from ..guard import allow
from ..keys import RENDERER
from .portfolio import fields, goto

routes = web.RouteTableDef()
PATH = "/alerts/rules/{rule_id}/author"


def may_hand(request: web.Request, rule: Rule) -> bool:
    """Whether the sender may hand this rule over; whether it can be, the page says."""
    if request.app[ACCOUNTS] is None or rule.origin == "file":
        return False
    try:
        check_may(rule, visit_of(request))
    except Forbidden:
        return False
    return True


@routes.get(PATH)
@allow("viewer", accounts=True)
async def ask(request: web.Request) -> web.Response:
    """Asks to whom, and says what that means."""
    rule = await request.app[DESK].rule_desk.present(request.match_info["rule_id"])
    return await _page(request, rule, visit_of(request))


@routes.post(PATH)
@allow("viewer", accounts=True)
async def change(request: web.Request) -> web.Response:
    """Hands it over; the same page with what is wrong where it cannot."""
    desk, visit, rule_id = request.app[DESK], visit_of(request), request.match_info["rule_id"]
    username = (await fields(request, "username"))["username"]
    try:
        await hand_over(desk, rule_id, username, visit)
    except InvalidRequest as error:
        rule = await desk.rule_desk.present(rule_id)
        return await _page(request, rule, visit, username=username[:100], problem=str(error))
    return goto(rule_href(rule_id))


async def _page(request: web.Request, rule: Rule, visit: Visit, *, username: str = "", problem: str = "") -> web.Response:
    check_may(rule, visit)
    reader = await reader_of(request)
    people = await visit.accounts.users.all() if reader.every else []
    able = (one for one in people if one.active and one.role is Role.ADMIN and one.user_id != rule.owner_id)
    page = AuthorPage(
        rule=rule,
        address=rule_href(rule.rule_id),
        author=reader.says(rule),
        choices=tuple(sorted((one.username for one in able), key=str.casefold)),
        refusal=kept_by_author(rule),
        username=username,
        problem=problem,
    )
    return request.app[RENDERER].page(request, "rule_author.html", page, status=400 if problem else 200)
