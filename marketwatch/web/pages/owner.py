"""`/owner`: becoming the owner by a ticket or the token, and leaving again."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

from aiohttp import web

from ...accounts.owner import COOKIE_S
from ...accounts.preferences import CURRENCIES, Preferences, symbols_of, write_preferences
from ...errors import InvalidRequest
from ..callers import LIKES, preferences_of
from ..contexts.owner import OwnerPage
from ..forms import field, read_form
from ..guard import OWNER, anyone, is_owner, owner_only
from ..headers import mark_of
from ..keys import RENDERER
from ..paths import own_path

routes = web.RouteTableDef()
_YEAR_S = 31_536_000
_USED = "This link was used already, or is older than a day. Each start of the program prints a new one."
_WRONG = "This is not the owner's token."


def _page(
    request: web.Request, mistake: str = "", back: str = "/", status: int = 200, *, currency: str = "", symbols: str = ""
) -> web.Response:
    owner = request.app[OWNER]
    kept = request.query.get("kept") == "yes" and not mistake
    context = OwnerPage(
        is_owner(request), owner.possible, owner.why, owner.place, own_path(back), mistake, currency, symbols, kept=kept
    )  # fmt: skip
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
        likes = preferences_of(request) if is_owner(request) else None
        if likes is None:
            return _page(request, back=back)
        return _page(request, back=back, currency=likes.currency, symbols=", ".join(likes.symbols))
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


@routes.post("/owner/preferences")
@owner_only
async def prefer(request: web.Request) -> web.Response:
    """Keeps in a cookie what the owner likes to see."""
    form = await read_form(request)
    currency, symbols = field(form, "currency"), field(form, "symbols")
    try:
        wanted = await _preferences(currency, symbols)
    except InvalidRequest as error:
        return _page(request, str(error), status=400, currency=currency, symbols=symbols)
    answer = web.Response(status=303, headers={"Location": "/owner?kept=yes", "Cache-Control": "no-store"})
    secure = mark_of(request).secure
    answer.set_cookie(LIKES, quote(wanted), max_age=_YEAR_S, httponly=True, samesite="Lax", secure=secure, path="/")
    return answer


async def _preferences(currency: str, symbols: str) -> str:
    """Raises InvalidRequest."""
    if currency not in CURRENCIES:
        raise InvalidRequest(f'The currency "{currency[:20]}" is not one of those of the form.', [{"field": "currency"}])
    wanted: Any = {"currency": currency, "symbols": symbols_of(symbols)}
    return await write_preferences(Preferences(**wanted))


@routes.post("/owner/leave")
@anyone
async def leave(request: web.Request) -> web.Response:
    """Ends being the owner in this browser."""
    answer = web.Response(status=303, headers={"Location": "/owner", "Cache-Control": "no-store"})
    answer.del_cookie(request.app[OWNER].cookie_name, path="/")
    return answer


cast("Any", sign_in).budget = "sign-in"
