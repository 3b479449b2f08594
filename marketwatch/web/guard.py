"""Who may call a route. Every route declares a role; `Guard.check` stands before every handler.

::

    anyone    everybody, whatever the method: it changes nothing, or nothing but the caller's own cookie
    guest     everybody where guests may look, else whoever is signed in
    viewer    whoever has an account: what is their own
    trader    traders and admins
    admin     admins: what is everybody's, and other people
    owner     the owner of the program alone

A route that declares nothing is the guests' to read and the owner's to change. The owner may what an admin may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from aiohttp import hdrs, web
from yarl import URL

from ..accounts.owner import Owner
from ..config import Settings
from ..errors import Forbidden, MarketwatchError, NotFound, StoreError, Unauthorized
from ..model.accounts import GUEST, Caller, Rank, Scope, Way
from ..telemetry import get_logger
from .callers import ACCOUNTS, CALLER, Callers, caller_of, why_not
from .headers import mark_of

F = TypeVar("F", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])
RoleName = Literal["anyone", "guest", "viewer", "trader", "admin", "owner"]
RANK_OF: dict[str, Rank] = {
    "anyone": Rank.GUEST,
    "guest": Rank.VIEWER,
    "viewer": Rank.VIEWER,
    "trader": Rank.TRADER,
    "admin": Rank.ADMIN,
    "owner": Rank.OWNER,
}
OWNER: web.AppKey[Owner] = web.AppKey("owner", Owner)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})
log = get_logger(__name__)


def allow(role: RoleName, *, accounts: bool = False, person: bool = False) -> Callable[[F], F]:
    """Declares who may call a handler. `accounts`: there is nothing here without accounts; `person`: not for API keys."""

    def declare(handler: F) -> F:
        declare_on(handler, role, accounts=accounts, person=person)
        return handler

    return declare


def declare_on(handler: Any, role: str, *, accounts: bool = False, person: bool = False) -> None:
    """What `allow` does, for handlers that are made."""
    handler.guard, handler.needs_accounts, handler.by_person = role, accounts, person


def anyone(handler: F) -> F:
    """Everyone may call `handler`, whatever its method: it changes nothing, or nothing but the caller's own cookie."""
    return allow("anyone")(handler)


def owner_only(handler: F) -> F:
    """Only the owner may call `handler`, even to read."""
    return allow("owner")(handler)


def is_owner(request: web.Request) -> bool:
    """The request comes from the owner: by cookie or by token."""
    return caller_of(request).rank is Rank.OWNER


def rank_of(request: web.Request) -> Rank:
    """How far the sender of the request may go."""
    return caller_of(request).rank


class Guard:
    """What stands before every handler. `open_roles`: what everybody may read without saying who they are."""

    def __init__(self, *, settings: Settings, owner: Owner, accounts: Any) -> None:
        self._owner = owner
        self._accounts = accounts
        self._origins = frozenset(settings.cors)
        self.callers = Callers(owner, accounts)
        looks = accounts is None or settings.guests
        self.open_roles = frozenset({"anyone", "guest"} if looks else {"anyone"})

    def allowed_origin(self, request: web.Request) -> str:
        """The origin of a page elsewhere that may call the API, "" for any other."""
        origin = request.headers.get(hdrs.ORIGIN, "") if self._origins else ""
        return origin if origin.lower() in self._origins and request.path.startswith("/api/") else ""

    def wanted(self, request: web.Request, handler: Any) -> str:
        """The role that a route takes."""
        declared: str | None = getattr(handler, "guard", None)
        return declared or ("guest" if request.method in SAFE else "owner")

    def check(self, request: web.Request, handler: Any) -> None:
        """Let `request` pass to `handler`. Raises Unauthorized, Forbidden, NotFound; StoreUnavailable where the database
        cannot say who asks."""
        safe = request.method in SAFE
        wanted = self.wanted(request, handler)
        needs_accounts = getattr(handler, "needs_accounts", False)
        if safe and wanted in self.open_roles and not needs_accounts:
            return
        if request.match_info.http_exception is not None:
            return
        caller = caller_of(request)
        if not safe and (caller is GUEST or caller.by_cookie):
            self._check_origin(request, strict=wanted not in self.open_roles)
        if wanted not in self.open_roles:
            self._check_rank(request, caller, wanted)
            _check_key(caller, wanted, handler, safe=safe)
        if needs_accounts and self._accounts is None:
            raise NotFound("This program runs without accounts: its owner alone signs in, at /owner.")

    def _check_rank(self, request: web.Request, caller: Caller, wanted: str) -> None:
        if caller.rank >= RANK_OF[wanted]:
            return
        if caller is not GUEST:
            needed = "the owner of the program" if wanted == "owner" else f"the role {wanted}"
            raise Forbidden(f"Your role {caller.rank.name.lower()} is not enough: this takes {needed}.")
        raise why_not(request) or self._refused()

    def _refused(self) -> MarketwatchError:
        owner = self._owner
        if self._accounts is not None:
            return Unauthorized(
                "This is for people with an account: sign in at /login, or send `Authorization: Bearer <token>` with an access "
                "token or an API key."
            )
        if not owner.possible:
            return Unauthorized(f"Nobody can change anything here. {owner.why}")
        return Unauthorized(
            "Only the owner of this program may do this: sign in at /owner, or send `Authorization: Bearer <token>`."
        )

    def _check_origin(self, request: web.Request, *, strict: bool) -> None:
        """Browsers say from where a request comes; a page of another origin may change nothing here.

        `strict`: a request that says nothing is refused too, for every browser says it and a script has the token. A page
        that the settings list may call the API, where it has no cookie.
        """
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get(hdrs.ORIGIN)
        if caller_of(request) is GUEST and self.allowed_origin(request):
            return
        if site is not None:
            ours = site in _OURS
        elif origin is not None:
            ours = _is_here(origin, request)
        else:
            ours = not strict or not request.cookies
        if not ours:
            raise Forbidden(
                "This was sent from a page of another site, so nothing was changed. Open the page here and try again."
            )

    async def note(self, request: web.Request, handler: Any, status: int) -> None:
        """Put a change by somebody, or their failed try, into the audit log. Routes of accounts say it in better words
        themselves."""
        caller = caller_of(request)
        wanted = self.wanted(request, handler)
        if self._accounts is None or caller is GUEST or wanted == "anyone" or getattr(handler, "needs_accounts", False):
            return
        label = getattr(handler, "label", None) or request.match_info.route.resource
        action = f"{request.method} {getattr(label, 'canonical', label) or request.path}"
        result = "ok" if status < 400 else f"refused: {status}"
        try:
            await self._accounts.audit.note(caller.name, action, request.path, result=result, address=mark_of(request).client)
        except StoreError as error:
            log.error("audit_not_written", action=action, reason=str(error))


def _check_key(caller: Caller, wanted: str, handler: Any, *, safe: bool) -> None:
    """An API key may what its scopes say, and never change the account that it belongs to."""
    if caller.way is not Way.API_KEY:
        return
    if getattr(handler, "by_person", False):
        raise Forbidden("An API key may not do this: sign in with name and password.")
    needed = {Scope.READ if safe else Scope.WRITE} | ({Scope.ADMIN} if wanted in ("admin", "owner") else set())
    missing = sorted(needed - caller.scopes)
    if missing:
        raise Forbidden(f"This API key lacks the scope {missing[0]}; make another one at /profile.")


def _is_here(origin: str, request: web.Request) -> bool:
    """Whether an Origin header names the address that was asked."""
    try:
        named = URL(origin)
        asked = URL(f"{named.scheme}://{request.headers.get(hdrs.HOST, '')}")
        return named.scheme in ("http", "https") and (named.host, named.port) == (asked.host, asked.port)
    except ValueError:
        return False


__all__ = ("ACCOUNTS", "CALLER", "OWNER", "Guard", "allow", "anyone", "is_owner", "owner_only", "rank_of")
