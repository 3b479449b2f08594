"""`/profile`: one's own account. Each form of it is a POST that leads back here, or shows something this one time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from ...accounts.preferences import CURRENCIES, Preferences, read_preferences, symbols_of, write_preferences
from ...errors import InvalidRequest, RequestError
from ...model.accounts import Scope, User
from ..api.credentials import begin_totp, confirm_totp, drop_key, end_totp, make_key
from ..api.desk import DESK
from ..api.leaving import LeavingAsk, leave
from ..api.users import change_password, end_session, own_account
from ..callers import Visit, visit_of
from ..contexts.accounts import Shown, profile_page
from ..forms import field, read_form
from ..guard import allow
from ..keys import RENDERER
from ..qr import qr_svg
from ..render import THEMES
from .login import farewell

routes = web.RouteTableDef()
_YEAR_S = 31_536_000
_SAID = {
    "profile": "Your name and address were changed.",
    "preferences": "Your preferences were kept.",
    "password": "Your password was changed, and you were signed out everywhere else.",
    "session": "That session has ended.",
    "others": "You were signed out everywhere else.",
    "key": "The key was deleted.",
    "off": "The second factor is off.",
}
Change = Callable[[Visit, User, Mapping[str, Any]], Awaitable[str | Shown]]


async def _page(
    request: web.Request, *, shown: Shown | None = None, error: RequestError | None = None, said: str = ""
) -> web.Response:
    visit = visit_of(request)
    accounts = visit.accounts
    user = await own_account(visit, "me")
    context = profile_page(
        user,
        read_preferences(user.preferences),
        sessions=await accounts.sessions.of_user(user.user_id),
        keys=await accounts.keys.of_user(user.user_id),
        codes_left=await accounts.second_factor.codes_left(user) if user.second_factor else 0,
        current=visit.caller.session_id,
        shown=shown or Shown(),
        mistake=str(error or ""),
        said=_SAID.get(said, ""),
    )
    status = error.status if error is not None else 200
    return request.app[RENDERER].page(request, "profile.html", context, status=status)


@routes.get("/profile", allow_head=False)
@allow("viewer", accounts=True, person=True)
async def show(request: web.Request) -> web.Response:
    """The page."""
    return await _page(request, said=request.query.get("done", ""))


async def _profile(visit: Visit, user: User, form: Mapping[str, Any]) -> str:
    await visit.accounts.users.set_profile(user, field(form, "username"), field(form, "email") or None)
    visit.accounts.identities.forget(user.user_id)
    await visit.accounts.audit.note(user.username, "change profile", user.user_id, address=visit.place.address)
    return "profile"


async def _preferences(visit: Visit, user: User, form: Mapping[str, Any]) -> str:
    theme, currency = field(form, "theme"), field(form, "currency")
    if theme not in THEMES or currency not in CURRENCIES:
        raise InvalidRequest("Theme and currency must be among those of the form.")
    zone = field(form, "time_zone").strip() or "UTC"
    wanted: Any = {"theme": theme, "currency": currency, "time_zone": zone[:64], "symbols": symbols_of(field(form, "symbols"))}
    await visit.accounts.store.set_preferences(user.user_id, await write_preferences(Preferences(**wanted)))
    visit.accounts.identities.forget(user.user_id)
    return "preferences"


async def _password(visit: Visit, user: User, form: Mapping[str, Any]) -> str:
    await change_password(visit, user, field(form, "password"), field(form, "new_password"))
    return "password"


async def _end_session(visit: Visit, user: User, form: Mapping[str, Any]) -> str:
    await end_session(visit, user, field(form, "session_id"))
    return "session"


async def _end_others(visit: Visit, user: User, _form: Mapping[str, Any]) -> str:
    await visit.accounts.sessions.end_all(user.user_id, but=visit.caller.session_id)
    await visit.accounts.audit.note(user.username, "end other sessions", user.user_id, address=visit.place.address)
    return "others"


async def _make_key(visit: Visit, user: User, form: Mapping[str, Any]) -> Shown:
    scopes = [scope for scope in Scope if field(form, f"scope_{scope}")]
    days = field(form, "days").strip()
    if days and not (days.isdecimal() and 1 <= int(days) <= 3650):
        raise InvalidRequest(f'The key was to be good for "{days[:20]}" days; it must be 1 to 3650, or nothing for ever.')
    _, text = await make_key(visit, user, field(form, "name"), scopes, int(days) if days else None)
    return Shown(key=text)


async def _drop_key(visit: Visit, user: User, form: Mapping[str, Any]) -> str:
    await drop_key(visit, user, field(form, "key_id"))
    return "key"


async def _begin(visit: Visit, user: User, form: Mapping[str, Any]) -> Shown:
    made = await begin_totp(visit, user, field(form, "password"))
    return Shown(secret=made.secret, svg=qr_svg(made.uri))


async def _confirm(visit: Visit, user: User, form: Mapping[str, Any]) -> Shown:
    return Shown(codes=tuple(await confirm_totp(visit, user, field(form, "otp"))))


async def _off(visit: Visit, user: User, form: Mapping[str, Any]) -> str:
    await end_totp(visit, user, field(form, "password"))
    return "off"


_CHANGES: dict[str, Change] = {
    "profile": _profile,
    "preferences": _preferences,
    "password": _password,
    "sessions/end": _end_session,
    "sessions/end-others": _end_others,
    "keys": _make_key,
    "keys/delete": _drop_key,
    "second-factor": _begin,
    "second-factor/confirm": _confirm,
    "second-factor/off": _off,
}


@routes.post("/profile/delete")
@allow("viewer", accounts=True, person=True)
async def delete(request: web.Request) -> web.Response:
    """The end of the account, and of the session."""
    visit = visit_of(request)
    user = await own_account(visit, "me")
    form = await read_form(request)
    ask = LeavingAsk(field(form, "confirm"), field(form, "password"), field(form, "otp"))
    try:
        await leave(request.app[DESK], visit, user, ask)
    except RequestError as error:
        return await _page(request, error=error)
    return farewell(request, "/login?done=deleted")


@routes.post("/profile/{change:.+}")
@allow("viewer", accounts=True, person=True)
async def change(request: web.Request) -> web.Response:
    """One of the forms of the page."""
    name = request.match_info["change"]
    if name not in _CHANGES:
        raise web.HTTPNotFound
    visit = visit_of(request)
    user = await own_account(visit, "me")
    form = await read_form(request)
    try:
        result = await _CHANGES[name](visit, user, form)
    except RequestError as error:
        again = Shown(secret=user.totp_secret or "", svg=_svg_again(user)) if name == "second-factor/confirm" else None
        return await _page(request, shown=again, error=error)
    if isinstance(result, Shown):
        return await _page(request, shown=result)
    answer = web.Response(status=303, headers={"Location": f"/profile?done={result}", "Cache-Control": "no-store"})
    if result == "preferences":
        answer.set_cookie("theme", field(form, "theme"), max_age=_YEAR_S, samesite="Lax", path="/")
    return answer


def _svg_again(user: User) -> str:
    from ...accounts.totp import provisioning_uri

    return qr_svg(provisioning_uri(user.totp_secret, user.username)) if user.totp_secret else ""
