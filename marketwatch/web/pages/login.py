"""`/login`, `/register`, `/logout`: beginning and ending a browser's session."""

from __future__ import annotations

from typing import Any, cast

from aiohttp import web

from ...accounts.preferences import read_preferences
from ...accounts.sessions import LONGEST_S
from ...errors import RequestError, TooMany
from ...model.accounts import Rank, User
from ..callers import session_cookie, visit_of
from ..contexts.accounts import LoginPage, RegisterPage
from ..forms import field, read_form
from ..guard import OWNER, allow
from ..headers import mark_of
from ..keys import RENDERER
from ..paths import own_path

routes = web.RouteTableDef()
_YEAR_S = 31_536_000
_SAID = {
    "deleted": "Your account was deleted, with all that was its own.",
    "password": "Your new password is set; sign in with it.",
}


def _login_page(
    request: web.Request, *, back: str, name: str = "", ticket: str = "", error: RequestError | None = None
) -> web.Response:
    visit = visit_of(request)
    said = _SAID.get(request.query.get("done", ""), "") if error is None else ""
    context = LoginPage(own_path(back), name, ticket, str(error or ""), visit.accounts.users.open_to_all, said)
    return _shown(request, "login.html", context, error)


def _shown(request: web.Request, template: str, context: object, error: RequestError | None) -> web.Response:
    answer = request.app[RENDERER].page(request, template, context, status=error.status if error is not None else 200)
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


async def _welcome(request: web.Request, user: User, back: str) -> web.Response:
    """Back to where somebody came from, signed in, with the theme that they like."""
    visit = visit_of(request)
    _, secret = await visit.accounts.sessions.begin(user.user_id, visit.place)
    answer = web.Response(status=303, headers={"Location": own_path(back), "Cache-Control": "no-store"})
    secure = mark_of(request).secure
    name = session_cookie(request.app[OWNER], secure=secure)
    answer.set_cookie(name, secret, max_age=LONGEST_S, httponly=True, samesite="Lax", secure=secure, path="/")
    theme = read_preferences(user.preferences).theme
    if theme != "auto":
        answer.set_cookie("theme", theme, max_age=_YEAR_S, samesite="Lax", path="/")
    return answer


@routes.get("/login", allow_head=False)
@allow("anyone", accounts=True)
async def show(request: web.Request) -> web.Response:
    """The form."""
    return _login_page(request, back=request.query.get("back", "/"))


@routes.post("/login")
@allow("anyone", accounts=True)
async def login(request: web.Request) -> web.Response:
    """Name and password; with a second factor the code is asked for next."""
    form = await read_form(request)
    name, back = field(form, "username"), field(form, "back")
    visit = visit_of(request)
    try:
        user = await visit.accounts.sign_in.password(name, field(form, "password"), visit.place)
        if user.second_factor:
            return _login_page(request, back=back, name=name, ticket=visit.accounts.sign_in.new_ticket(user))
        await visit.accounts.sign_in.done(user, visit.place)
    except RequestError as error:
        return _login_page(request, back=back, name=name, error=error)
    return await _welcome(request, user, back)


@routes.post("/login/code")
@allow("anyone", accounts=True)
async def code(request: web.Request) -> web.Response:
    """The code of the second factor."""
    form = await read_form(request)
    ticket, back = field(form, "ticket"), field(form, "back")
    visit = visit_of(request)
    sign_in = visit.accounts.sign_in
    user = await sign_in.of_ticket(ticket)
    if user is None:
        return _login_page(request, back=back, error=RequestError("That took too long; sign in once more."))
    try:
        await sign_in.code(user, field(form, "otp"), visit.place)
        await sign_in.done(user, visit.place)
    except RequestError as error:
        return _login_page(request, back=back, name=user.username, ticket=ticket, error=error)
    sign_in.end_ticket(ticket)
    return await _welcome(request, user, back)


@routes.post("/logout")
@allow("anyone", accounts=True)
async def logout(request: web.Request) -> web.Response:
    """Ends the session of this browser."""
    visit = visit_of(request)
    caller = visit.caller
    session = await visit.accounts.sessions.find(caller.user_id, caller.session_id) if caller.session_id else None
    if session is not None:
        await visit.accounts.sessions.end(session)
        await visit.accounts.audit.note(caller.name, "log out", caller.user_id, address=visit.place.address)
    return farewell(request, "/login")


def farewell(request: web.Request, where: str) -> web.Response:
    """To another page, without the cookie of the session."""
    answer = web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
    secure = mark_of(request).secure
    answer.del_cookie(session_cookie(request.app[OWNER], secure=secure), path="/", secure=secure)
    return answer


async def _register_page(
    request: web.Request, *, invite: str, name: str = "", email: str = "", error: RequestError | None = None
) -> web.Response:
    visit = visit_of(request)
    first = await visit.accounts.store.count_users() == 0
    needs_link = not visit.accounts.users.open_to_all and not (first and visit.caller.rank is Rank.OWNER)
    barred = ""
    if needs_link and not invite:
        barred = (
            "The first account is made by the link that the program printed when it started."
            if first
            else "Registering needs an invitation here: ask an admin for a link."
        )
    return _shown(request, "register.html", RegisterPage(invite, name, email, str(error or ""), first, barred), error)


@routes.get("/register", allow_head=False)
@allow("anyone", accounts=True)
async def show_register(request: web.Request) -> web.Response:
    """The form; `invite` is the code of an invitation."""
    return await _register_page(request, invite=request.query.get("invite", "")[:200])


@routes.post("/register")
@allow("anyone", accounts=True)
async def register(request: web.Request) -> web.Response:
    """A new account, which is signed in at once."""
    form = await read_form(request)
    invite, name, email = field(form, "invite"), field(form, "username"), field(form, "email")
    visit = visit_of(request)
    try:
        user = await visit.accounts.users.register(
            username=name,
            email=email or None,
            password=field(form, "password"),
            code=invite or None,
            place=visit.place,
            by_owner=visit.caller.rank is Rank.OWNER,
        )
    except RequestError as error:
        return await _register_page(request, invite=invite, name=name, email=email, error=error)
    return await _welcome(request, user, "/profile")


for handler in (login, code, register):
    cast("Any", handler).budget = "sign-in"
