"""`/admin/people/{user_id}`: one person: a link for a forgotten password, no second factor any more, the end of the account."""

from __future__ import annotations

from aiohttp import web

from ...errors import InvalidRequest, RequestError
from ...model.accounts import User
from ..api.desk import DESK
from ..api.leaving import expel
from ..api.passwords import PAGE, make_link
from ..api.people import reset_totp
from ..callers import visit_of
from ..contexts.accounts import PersonPage, Shown, person_view
from ..forms import field, read_form
from ..guard import allow
from ..keys import RENDERER
from .admin import link_to, zone_of

routes = web.RouteTableDef()
_PATH = "/admin/people/{user_id}"
_SAID = {"reset": "The second factor is off; signing in takes the password alone."}


def _page(request: web.Request, user: User, *, shown: Shown | None = None, error: RequestError | None = None) -> web.Response:
    context = PersonPage(
        person=person_view(user, zone_of(request)),
        has_password=user.password_hash is not None,
        own=user.user_id == visit_of(request).caller.user_id,
        shown=shown or Shown(),
        mistake=str(error or ""),
        said=_SAID.get(request.query.get("done", ""), "") if error is None and shown is None else "",
    )
    status = error.status if error is not None else 200
    return request.app[RENDERER].page(request, "person.html", context, status=status)


def _gone_to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


@routes.get(_PATH, allow_head=False)
@allow("admin", accounts=True, person=True)
async def show(request: web.Request) -> web.Response:
    """The page."""
    return _page(request, await visit_of(request).accounts.users.find(request.match_info["user_id"]))


@routes.post(_PATH)
@allow("admin", accounts=True, person=True)
async def change(request: web.Request) -> web.Response:
    """One of the forms of the page; a link is shown this one time."""
    form = await read_form(request)
    visit, act = visit_of(request), field(form, "act")
    user = await visit.accounts.users.find(request.match_info["user_id"])
    try:
        if act == "link":
            _, code = await make_link(visit, user)
            return _page(request, user, shown=Shown(link=link_to(request, f"{PAGE}?code={code}")))
        if act == "reset":
            await reset_totp(visit, user.user_id)
            return _gone_to(f"/admin/people/{user.user_id}?done=reset")
        if act != "delete":
            raise InvalidRequest("The form must say what is to be done: link, reset or delete.")
        if user.user_id == visit.caller.user_id:
            raise InvalidRequest("This is your own account: delete it at /profile, with your password.")
        await expel(request.app[DESK], visit, user, field(form, "confirm"))
    except RequestError as error:
        return _page(request, user, error=error)
    return _gone_to("/admin?done=deleted#people")
