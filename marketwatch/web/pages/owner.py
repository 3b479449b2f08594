"""`/owner`: becoming the owner by a ticket or the token, and leaving again."""

from __future__ import annotations

from typing import Any, cast

from aiohttp import web

from ...accounts.owner import COOKIE_S
from ..contexts.owner import OwnerPage
from ..guard import OWNER, anyone, is_owner
from ..headers import mark_of
from ..keys import RENDERER
from ..paths import own_path

routes = web.RouteTableDef()
_USED = "This link was used already, or is older than a day. Each start of the program prints a new one."
_WRONG = "This is not the owner's token."


def _page(request: web.Request, mistake: str = "", back: str = "/", status: int = 200) -> web.Response:
    owner = request.app[OWNER]
    context = OwnerPage(is_owner(request), owner.possible, owner.why, owner.place, own_path(back), mistake)
    return request.app[RENDERER].page(request, "owner.html", context, status=status)


def _welcome(request: web.Request, back: str) -> web.Response:
    """Back to where somebody came from, as the owner."""
    owner = request.app[OWNER]
    answer = web.Response(status=303, headers={"Location": own_path(back), "Cache-Control": "no-store"})
    answer.set_cookie(
        owner.cookie_name,
        owner.new_cookie(),
        max_age=COOKIE_S,
        httponly=True,
        samesite="Lax",
        secure=mark_of(request).secure,
        path="/",
    )
    return answer


@routes.get("/owner", allow_head=False)
async def show(request: web.Request) -> web.Response:
    """With a good ticket the browser becomes the owner's; without one a form asks for the token."""
    back = request.query.get("back", "/")
    ticket = request.query.get("ticket")
    if ticket is None:
        return _page(request, back=back)
    if request.app[OWNER].redeem(ticket[:100]):
        return _welcome(request, back)
    return _page(request, "" if is_owner(request) else _USED, back)


@routes.post("/owner")
@anyone
async def sign_in(request: web.Request) -> web.Response:
    """Takes the token."""
    form = await request.post()
    token, back = form.get("token"), form.get("back")
    if isinstance(token, str) and request.app[OWNER].knows_token(token.strip()):
        return _welcome(request, str(back))
    return _page(request, _WRONG, str(back), status=401)


@routes.post("/owner/leave")
@anyone
async def leave(request: web.Request) -> web.Response:
    """Ends being the owner in this browser."""
    answer = web.Response(status=303, headers={"Location": "/owner", "Cache-Control": "no-store"})
    answer.del_cookie(request.app[OWNER].cookie_name, path="/")
    return answer


cast("Any", sign_in).budget = "sign-in"
