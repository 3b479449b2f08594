"""Who may call a route. Reading is open to everyone, changing something takes the owner and a page of our own.

A handler says otherwise by `@anyone` or `@owner_only`; `Guard.check` stands before every handler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from aiohttp import hdrs, web
from yarl import URL

from ..accounts.owner import Owner
from ..errors import Forbidden, Unauthorized

F = TypeVar("F", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])
OWNER: web.AppKey[Owner] = web.AppKey("owner", Owner)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})
_SCHEME = "bearer "


def anyone(handler: F) -> F:
    """Everyone may call `handler`, whatever its method: it changes nothing, or nothing but the caller's own cookie."""
    cast("Any", handler).guard = "anyone"
    return handler


def owner_only(handler: F) -> F:
    """Only the owner may call `handler`, even to read."""
    cast("Any", handler).guard = "owner"
    return handler


def has_token(request: web.Request) -> bool:
    """The request bears the owner's token in its header, which no page of another site can add."""
    given = request.headers.get(hdrs.AUTHORIZATION, "")
    return given[: len(_SCHEME)].lower() == _SCHEME and request.app[OWNER].knows_token(given[len(_SCHEME) :].strip())


def is_owner(request: web.Request) -> bool:
    """The request comes from the owner: by cookie or by token."""
    owner = request.app[OWNER]
    cookie = request.cookies.get(owner.cookie_name)
    return (cookie is not None and owner.knows_cookie(cookie)) or has_token(request)


def check(request: web.Request, handler: Any) -> None:
    """Let `request` pass to `handler`. Raises Unauthorized, Forbidden."""
    safe = request.method in SAFE
    wanted = getattr(handler, "guard", "anyone" if safe else "owner")
    if (safe and wanted == "anyone") or request.match_info.http_exception is not None:
        return
    if not safe and not has_token(request):
        _check_origin(request, strict=wanted == "owner")
    if wanted == "owner" and not is_owner(request):
        raise _refused(request)


def _refused(request: web.Request) -> Unauthorized:
    if hdrs.AUTHORIZATION in request.headers:
        return Unauthorized("The token in the Authorization header is not the owner's; send `Authorization: Bearer <token>`.")
    owner = request.app[OWNER]
    if not owner.possible:
        return Unauthorized(f"Nobody can change anything here. {owner.why}")
    return Unauthorized(
        "Only the owner of this program may do this: sign in at /owner, or send `Authorization: Bearer <token>`."
    )


def _check_origin(request: web.Request, *, strict: bool) -> None:
    """Browsers say from where a request comes; a page of another origin may change nothing here.

    `strict`: a request that says nothing is refused too, for every browser says it and a script has the token.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get(hdrs.ORIGIN)
    if site is not None:
        ours = site in _OURS
    elif origin is not None:
        ours = _is_here(origin, request)
    else:
        ours = not strict or not request.cookies
    if not ours:
        raise Forbidden("This was sent from a page of another site, so nothing was changed. Open the page here and try again.")


def _is_here(origin: str, request: web.Request) -> bool:
    """Whether an Origin header names the address that was asked."""
    try:
        named = URL(origin)
        asked = URL(f"{named.scheme}://{request.headers.get(hdrs.HOST, '')}")
        return named.scheme in ("http", "https") and (named.host, named.port) == (asked.host, asked.port)
    except ValueError:
        return False
