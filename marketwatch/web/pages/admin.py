"""`/admin`: people, invitations, budgets, settings, the audit log."""

from __future__ import annotations

from typing import get_args

from aiohttp import web

from ...errors import InvalidRequest, RequestError
from ...model.accounts import Role
from ..api.desk import DESK
from ..api.people import RoleWord, invite, set_standing, withdraw
from ..api.settings import told
from ..callers import preferences_of, visit_of
from ..contexts.accounts import ROLES, AdminPage, Shown, audit_view, invitation_view, person_view
from ..contexts.settings import budget_view, setting_view
from ..forms import field, read_form
from ..guard import allow
from ..headers import mark_of
from ..keys import RENDERER

routes = web.RouteTableDef()
_ENTRIES = 50
_LATEST = 2**53 - 1
_SAID = {"deleted": "The account was deleted, with all that was its own."}


async def _page(request: web.Request, *, shown: Shown | None = None, error: RequestError | None = None) -> web.Response:
    visit = visit_of(request)
    accounts = visit.accounts
    zone = zone_of(request)
    known = await told(request.app[DESK])
    before = request.query.get("before", "")
    entries = await accounts.store.audit_before(int(before) if before.isdecimal() and len(before) < 16 else _LATEST, _ENTRIES)
    context = AdminPage(
        people=tuple(person_view(user, zone) for user in await accounts.users.all()),
        roles=ROLES,
        invitations=tuple(
            invitation_view(one, zone, is_open=accounts.invitations.is_open(one)) for one in await accounts.invitations.all()
        ),
        audit=tuple(audit_view(entry, zone) for entry in entries),
        older=f"/admin?before={entries[-1].sequence}#audit" if entries and entries[-1].sequence > 1 else "",
        settings=tuple(setting_view(row) for row in known.settings),
        budgets=tuple(budget_view(row) for row in known.budgets),
        shown=shown or Shown(),
        mistake=str(error or ""),
        said=_SAID.get(request.query.get("done", ""), "") if error is None and shown is None else "",
    )
    status = error.status if error is not None else 200
    return request.app[RENDERER].page(request, "admin.html", context, status=status)


def zone_of(request: web.Request) -> str:
    """The time zone in which the sender likes to read."""
    likes = preferences_of(request)
    return likes.time_zone if likes is not None else "UTC"


def link_to(request: web.Request, path: str) -> str:
    """The address of a path of this server, as the sender reached it."""
    return f"{'https' if mark_of(request).secure else request.scheme}://{request.host}{path}"


def _done(place: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/admin#{place}", "Cache-Control": "no-store"})


def _role(text: str) -> Role:
    if text not in get_args(RoleWord):
        raise InvalidRequest(f'The role "{text[:20]}" is not known; it must be one of {", ".join(ROLES)}.')
    return Role(text)


@routes.get("/admin", allow_head=False)
@allow("admin", accounts=True, person=True)
async def show(request: web.Request) -> web.Response:
    """The page; `before` leads to older entries of the audit log."""
    return await _page(request)


@routes.post("/admin/people")
@allow("admin", accounts=True, person=True)
async def people(request: web.Request) -> web.Response:
    """Another role for somebody, on or off."""
    form = await read_form(request)
    visit, user_id = visit_of(request), field(form, "user_id")
    try:
        await set_standing(visit, user_id, _role(field(form, "role")), active=field(form, "active") == "on")
    except RequestError as error:
        return await _page(request, error=error)
    return _done("people")


@routes.post("/admin/invitations")
@allow("admin", accounts=True, person=True)
async def invitations(request: web.Request) -> web.Response:
    """A new invitation, whose link is shown this one time, or the end of one."""
    form = await read_form(request)
    visit = visit_of(request)
    try:
        if field(form, "invitation_id"):
            await withdraw(visit, field(form, "invitation_id"))
            return _done("invitations")
        _, code = await invite(visit, _role(field(form, "role")), field(form, "email") or None)
    except RequestError as error:
        return await _page(request, error=error)
    return await _page(request, shown=Shown(invitation=link_to(request, f"/register?invite={code}")))
