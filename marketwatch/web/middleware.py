"""The one middleware: marks the request, checks host, rate, body and who asks, times the answer, and maps errors to answers.

One function instead of five, because each further one costs every hot answer a coroutine. The order of the checks is the
order of the lines of `Gate.handle`.
"""

from __future__ import annotations

import asyncio
import html
import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import hdrs, web

from ..clock import Clock
from ..config import Settings
from ..errors import InvalidRequest, RequestError, StoreError, StoreUnavailable, TooMany, Unauthorized
from ..model.accounts import GUEST
from ..telemetry import Telemetry, get_logger
from . import render
from .callers import ACCOUNTS, CALLER, caller_of
from .envelope import STATUS_CODES, failure
from .guard import SAFE, Guard
from .headers import MARK, Mark, RequestIds, mark_of
from .hosts import HostList
from .limits import Budgets, client_address
from .snapshot import Encoded, json_answer

log = get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY_BYTES = 65_536
_SEND_S = 60.0
_STATIC_LIMIT = 6_000
_SIGN_IN_LIMIT = 5
_JSON_PLACES = ("/api", "/stream", "/ws", "/healthz", "/readyz", "/metrics")
_HEADERS = {503: {"Retry-After": "5"}, 401: {"WWW-Authenticate": 'Bearer realm="marketwatch"'}}
_PROBES = ("/healthz", "/readyz", "/metrics")
_BUDGETS = (("/static/", "static"), ("/stream/", "data"), ("/api/", "data"), ("/ws/", "data"))
_TITLES = {
    401: "This is for the owner",
    403: "This was not done",
    404: "There is no such page",
    405: "This cannot be done here",
    429: "Too many requests",
    500: "Something went wrong",
}


class TooManyRequests(TooMany):
    """The client has used up its minute."""

    def __init__(self, limit: int, budget: str, wait_s: float, whose: str) -> None:
        seconds = max(1, math.ceil(wait_s))
        super().__init__(
            f"More than {limit} requests a minute came from this {whose}; the next one is welcome in {seconds} s.",
            seconds,
            [{"budget": budget, "limit": limit, "retry_after_s": seconds}],
        )


class Gate:
    """What stands before every route. One per application."""

    def __init__(self, *, settings: Settings, clock: Clock, telemetry: Telemetry, guard: Guard) -> None:
        self._guard = guard
        self._cors = bool(settings.cors)
        self._hosts = HostList(bound=settings.host, allowed=settings.allowed_hosts)
        self._hops = settings.trusted_hops
        self._limits = {"general": settings.rate_limit, "data": settings.rate_limit_data, "static": _STATIC_LIMIT}
        self._limits["sign-in"] = _SIGN_IN_LIMIT
        self._limits["static"] = max(_STATIC_LIMIT, settings.rate_limit_data)
        self.budgets = Budgets(self._limits)
        self._clock = clock
        self._telemetry = telemetry
        self._ids = RequestIds()
        self._reported: dict[str, float] = {}

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer `request` by `handler`, whatever happens in it."""
        started = self._clock.monotonic()
        peer = self._mark(request)
        try:
            self._check_host(request)
            if hdrs.COOKIE in request.headers or hdrs.AUTHORIZATION in request.headers:
                await self._identify(request, handler, peer, started)
            else:
                self._check_rate(request, handler, peer, started)
            if self._cors and request.method == "OPTIONS" and mark_of(request).allow:
                return await self._preflight(request)
            if request.can_read_body and (request.content_length or 0) > _most_bytes(handler):
                raise web.HTTPRequestEntityTooLarge(_most_bytes(handler), request.content_length or 0)
            self._guard.check(request, handler)
            answer = await handler(request)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if request.writer.output_size:
                self._report(request, error)
                raise ConnectionResetError("The answer broke off.") from error
            answer = self._failed(request, error)
        if request.method not in SAFE and caller_of(request) is not GUEST:
            await self._guard.note(request, handler, answer.status)
        whole = isinstance(answer, Encoded | web.Response)
        took = self._clock.monotonic() - started if whole else 0.0
        self._telemetry.http.observe(_label(request, handler), answer.status, took)
        if not isinstance(answer, Encoded) and not answer.prepared:
            await _send(request, answer)
        return answer

    def _mark(self, request: web.Request) -> str:
        """Give the request its id, and find out whose it is."""
        peername: Any = request._transport_peername
        peer = peername[0] if isinstance(peername, tuple) else "local"
        secure = request._transport_sslcontext is not None
        if self._hops:
            headers = request.headers
            peer = client_address(peer, headers.getall(hdrs.X_FORWARDED_FOR, ()), self._hops)
            secure = secure or headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower() == "https"
        allow = self._guard.allowed_origin(request) if self._cors else ""
        request[MARK] = Mark(self._ids.next(), peer, secure, allow)
        return peer

    async def _identify(self, request: web.Request, handler: Handler, peer: str, now: float) -> None:
        """Who asks. Somebody who is known has limits of their own; what is not known yet counts against its address before
        the database is asked."""
        callers = self._guard.callers
        caller = callers.at_once(request)
        known = caller is not None and caller.has_account
        self._check_rate(request, handler, f"user {caller.user_id}" if known and caller is not None else peer, now)
        request[CALLER] = caller or await callers.find(request)

    async def _preflight(self, request: web.Request) -> web.StreamResponse:
        """A browser asks whether a page of another origin may call the API."""
        allowed = {
            "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
            "Access-Control-Max-Age": "600",
        }
        answer = web.Response(status=204, headers=allowed)
        await _send(request, answer)
        return answer

    def _check_host(self, request: web.Request) -> None:
        host = request.headers.get(hdrs.HOST, "")
        absolute = not request.raw_path.startswith("/") and request.raw_path != "*"
        if (host in self._hosts and (not absolute or request.host in self._hosts)) or request.raw_path == "/healthz":
            return
        self._telemetry.bad_requests.labels("host").inc()
        shown = (request.host if absolute else host)[:100]
        raise InvalidRequest(
            f'The Host header was "{shown}", under which nothing is served here. Use the address that the program was started '
            "with, or add the name to MARKETWATCH_ALLOWED_HOSTS."
        )

    def _check_rate(self, request: web.Request, handler: Handler, client: str, now: float) -> None:
        budget = getattr(handler, "budget", None) or _budget(request)
        wait = self.budgets.take(budget, client, now)
        if wait:
            self._telemetry.rate_limited.labels(budget).inc()
            raise TooManyRequests(self._limits[budget], budget, wait, "account" if client.startswith("user ") else "address")

    def _failed(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """The answer to a request whose handler raised."""
        if isinstance(error, web.HTTPException) and error.status < 400:
            return _redirect(error)
        if isinstance(error, Unauthorized) and _is_page(request):
            return web.Response(status=303, headers={"Location": login_address(request), "Cache-Control": "no-store"})
        status, code, message, details, headers = _described(request, error)
        if status == 500:
            self._report(request, error)
        if request.path.startswith(_JSON_PLACES):
            return json_answer(failure(code, message, details), status=status, headers=headers)
        return self._page(request, status, message, headers)

    def _page(self, request: web.Request, status: int, sentence: str, headers: dict[str, str]) -> web.Response:
        title = _TITLES.get(status) or HTTPStatus(status).phrase
        try:
            answer = render.error_page(request, status, title, sentence)
        except Exception as error:
            self._report(request, error)
            text = (
                f"<!doctype html><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1><p>{html.escape(sentence)}</p>"
            )
            answer = web.Response(text=text, status=status, content_type="text/html")
        answer.headers.update(headers)
        return answer

    def _report(self, request: web.Request, error: Exception) -> None:
        """Count an unexpected failure each time; log it once a minute and place."""
        place = _label(request, None)
        self._telemetry.errors.labels(place).inc()
        episode = f"{place}:{type(error).__name__}"
        now = self._clock.monotonic()
        if now - self._reported.get(episode, -math.inf) > 60.0:
            self._reported[episode] = now
            log.error("request_failed", route=place, request_id=mark_of(request).request_id, exc_info=error)


def middleware(gate: Gate) -> Any:
    """`gate` in the form that aiohttp takes."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await gate.handle(request, handler)

    return handle


def _is_page(request: web.Request) -> bool:
    """Somebody wants to see a page for which they must sign in, and can."""
    asked = request.method == "GET" and not request.path.startswith(_JSON_PLACES) and "HX-Request" not in request.headers
    return asked and request.app[ACCOUNTS] is not None


def login_address(request: web.Request) -> str:
    """Where to sign in, and then come back to here."""
    return f"/login?back={quote(request.path_qs, safe='')}"


def _budget(request: web.Request) -> str:
    """Which limit a request counts against. Streams and what pages ask for as one types are data; probes are free."""
    path = request.raw_path
    for prefix, budget in _BUDGETS:
        if path.startswith(prefix):
            return budget
    if path.partition("?")[0] in _PROBES:
        return "free"
    return "data" if "HX-Request" in request.headers else "general"


def _most_bytes(handler: Any) -> int:
    """How long a body may be: a few routes take longer ones than the others."""
    return int(getattr(handler, "max_bytes", MAX_BODY_BYTES))


def _label(request: web.Request, handler: Handler | None) -> str:
    """The pattern of the route, for metrics."""
    known: str | None = getattr(handler, "label", None)
    if known is not None:
        return known
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def _redirect(error: web.HTTPException) -> web.Response:
    answer = web.Response(status=error.status)
    for name in (hdrs.LOCATION, hdrs.SET_COOKIE):
        if name in error.headers:
            answer.headers[name] = error.headers[name]
    return answer


Described = tuple[int, str, str, list[dict[str, Any]], dict[str, str]]


def _described(request: web.Request, error: Exception) -> Described:
    """Status, code, sentence, details and headers of the answer to an error."""
    if isinstance(error, TooMany):
        return 429, error.code, str(error), error.details, {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, RequestError):
        return error.status, error.code, str(error), error.details, _HEADERS.get(error.status, {})
    if isinstance(error, StoreUnavailable | TimeoutError):
        sentence = "The database does not answer now; live prices go on. Try again in a moment."
        return 503, "UNAVAILABLE", sentence, [], {"Retry-After": "5"}
    if isinstance(error, web.HTTPException):
        return _described_http(request, error)
    sentence = f"An unexpected failure ended this request. Its id is {mark_of(request).request_id}; the log says more."
    if isinstance(error, StoreError):
        sentence = f"The database failed while this was read. The request's id is {mark_of(request).request_id}."
    return 500, "INTERNAL_ERROR", sentence, [], {}


def _described_http(request: web.Request, error: web.HTTPException) -> Described:
    path = request.path if len(request.path) <= 100 else request.path[:97] + "..."
    code = STATUS_CODES.get(error.status, "INVALID_REQUEST" if error.status < 500 else "INTERNAL_ERROR")
    headers: dict[str, str] = {}
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        headers["Allow"] = allowed
        return 405, code, f'{error.method[:20]} is not possible for "{path}"; it takes {allowed}.', [], headers
    if error.status == 404:
        return 404, code, f'There is nothing at "{path}".', [], headers
    if error.status == 413:
        return 413, code, f"The body is larger than {_most_bytes(request.match_info.handler)} bytes.", [], headers
    return error.status, code, f"The request was refused: {error.reason}.", [], headers


async def _send(request: web.Request, answer: web.StreamResponse) -> None:
    """Write the answer, but not for ever: a client that does not read is cut."""
    try:
        async with asyncio.timeout(_SEND_S):
            await answer.prepare(request)
            await answer.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("The client did not read its answer.") from None


class ProtocolNoise(logging.Filter):
    """Counts what aiohttp says about requests that are not HTTP, instead of a traceback in the log for each of them."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._bad = telemetry.bad_requests.labels("malformed")

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ != "aiohttp.http_exceptions":
            return record.levelno >= logging.WARNING
        self._bad.inc()
        return False
