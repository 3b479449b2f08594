"""`/reset`: another password by the link of an admin, for who has forgotten theirs."""

from __future__ import annotations

from typing import Any, cast

from aiohttp import web

from ...errors import RequestError, TooMany
from ..callers import visit_of
from ..contexts.accounts import ResetPage
from ..forms import field, read_form
from ..guard import allow
from ..keys import RENDERER

routes = web.RouteTableDef()
_NO_GOOD = "This link is used, over or not known; ask an admin for another one."
_LONGEST = 200
_HIDDEN = {"Referrer-Policy": "strict-origin"}
"""The address holds the code, so that not even our own pages are told it; the origin stays, by which the guard knows them."""


async def _page(request: web.Request, code: str, error: RequestError | None = None) -> web.Response:
    user = await visit_of(request).accounts.resets.whose(code)
    status = 403 if user is None else 200 if error is None else error.status
    context = ResetPage(code, user.username if user is not None else "", str(error or ("" if user is not None else _NO_GOOD)))
    answer = request.app[RENDERER].page(request, "reset.html", context, status=status)
    answer.headers.update(_HIDDEN)
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


@routes.get("/reset", allow_head=False)
@allow("anyone", accounts=True)
async def show(request: web.Request) -> web.Response:
    """The form; `code` is that of the link."""
    return await _page(request, request.query.get("code", "")[:_LONGEST])


@routes.post("/reset")
@allow("anyone", accounts=True)
async def reset(request: web.Request) -> web.Response:
    """Sets the password; signing in with it comes next, with the second factor where there is one."""
    form = await read_form(request)
    code = field(form, "code")[:_LONGEST]
    visit = visit_of(request)
    try:
        await visit.accounts.resets.use(code, field(form, "password"), visit.place)
    except RequestError as error:
        return await _page(request, code, error)
    return web.Response(status=303, headers={"Location": "/login?done=password", "Cache-Control": "no-store"})


cast("Any", reset).budget = "sign-in"
