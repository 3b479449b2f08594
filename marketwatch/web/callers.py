"""Who sends a request: the owner, somebody with an account, or a guest. Found once, before the handler, and kept with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from aiohttp import hdrs, web

from ..accounts.owner import Owner
from ..accounts.preferences import Preferences, read_preferences
from ..accounts.sessions import Place
from ..errors import MarketwatchError, Unauthorized
from ..model.accounts import GUEST, OWNER_ID, Caller, Rank, Way
from .headers import mark_of

if TYPE_CHECKING:
    from ..accounts.accounts import Accounts

CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
WHY_NOT: web.RequestKey[MarketwatchError] = web.RequestKey("why_not", MarketwatchError)
"""Why the token or the session of a request made nobody of it."""
ACCOUNTS: web.AppKey[Accounts | None] = web.AppKey("accounts")
LIKES = "likes"
"""The cookie with the preferences of the owner of the program."""

_SCHEME = "bearer "
_MOST = 8192
_BY_TOKEN = Caller(OWNER_ID, "owner", Rank.OWNER, Way.OWNER_TOKEN)
_BY_COOKIE = Caller(OWNER_ID, "owner", Rank.OWNER, Way.OWNER_COOKIE)


class Visit(NamedTuple):
    """What an answer needs to know of the request behind it. `accounts`: the parts of the multi-user mode."""

    caller: Caller
    place: Place
    accounts: Accounts


def caller_of(request: web.BaseRequest) -> Caller:
    """Who sent the request."""
    found: Caller = request.get(CALLER, GUEST)
    return found


def preferences_of(request: web.BaseRequest) -> Preferences | None:
    """What the sender likes to see; the owner of the program, who has no account, keeps it in a cookie. None: unsaid."""
    caller = caller_of(request)
    if caller.has_account:
        return read_preferences(caller.preferences)
    kept = request.cookies.get(LIKES) if caller.rank is Rank.OWNER else None
    return read_preferences(unquote(kept[:_MOST])) if kept else None


def place_of(request: web.Request) -> Place:
    """Where it came from."""
    return Place(mark_of(request).client, request.headers.get(hdrs.USER_AGENT, ""))


def visit_of(request: web.Request) -> Visit:
    """Only for routes that need accounts: the guard has looked whether there are some."""
    accounts = request.app[ACCOUNTS]
    assert accounts is not None
    return Visit(caller_of(request), place_of(request), accounts)


def session_cookie(owner: Owner, *, secure: bool) -> str:
    """The name of the cookie of a session: bound to this host by the browser over TLS; on loopback with a name of its own for
    each program, which share the cookies of their address."""
    return "__Host-session" if secure else f"session_{owner.cookie_name.removeprefix('owner_')}"


class Callers:
    """Recognises the sender of a request by its Authorization header, else by its cookie."""

    def __init__(self, owner: Owner, accounts: Accounts | None) -> None:
        self._owner = owner
        self._accounts = accounts

    def at_once(self, request: web.Request) -> Caller | None:
        """Whoever is known without a question to the database; None where one is needed."""
        token = _bearer(request)
        if token is not None:
            if self._owner.knows_token(token):
                return _BY_TOKEN
            return self._accounts.identities.remembered(token) if self._accounts is not None else _nobody(request)
        cookie = request.cookies.get(self._owner.cookie_name)
        if cookie is not None and self._owner.knows_cookie(cookie):
            return _BY_COOKIE
        secret = self._secret(request)
        if secret is None or self._accounts is None:
            return GUEST
        return self._accounts.identities.remembered(secret)

    async def find(self, request: web.Request) -> Caller:
        """Ask the database. A token that is no good makes a guest, and the guard says why where that is not enough."""
        accounts = self._accounts
        if accounts is None:
            return GUEST
        address = mark_of(request).client
        token, secret = _bearer(request), self._secret(request)
        try:
            if token is not None:
                return await accounts.identities.by_bearer(token, address)
            found = await accounts.identities.by_cookie(secret, address) if secret is not None else None
        except MarketwatchError as error:
            request[WHY_NOT] = error
            return GUEST
        return found or GUEST

    def _secret(self, request: web.Request) -> str | None:
        secret = request.cookies.get(session_cookie(self._owner, secure=mark_of(request).secure))
        return secret if secret is not None and len(secret) <= 100 else None


def _bearer(request: web.Request) -> str | None:
    """The token of the Authorization header, which no page of another site can add. Any other scheme bears none."""
    given = request.headers.get(hdrs.AUTHORIZATION)
    if given is None:
        return None
    return given[len(_SCHEME) :].strip()[:_MOST] if given[: len(_SCHEME)].lower() == _SCHEME else ""


def _nobody(request: web.Request) -> Caller:
    request[WHY_NOT] = Unauthorized(
        "The token in the Authorization header is not the owner's; send `Authorization: Bearer <token>`."
    )
    return GUEST


def why_not(request: web.BaseRequest) -> MarketwatchError | None:
    """Why the sender of a request is a guest although it bears something."""
    error: MarketwatchError | None = request.get(WHY_NOT)
    return error
