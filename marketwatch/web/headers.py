"""Headers that every answer carries, and the mark that a request bears through its life."""

from __future__ import annotations

import itertools
import os
from typing import NamedTuple

from aiohttp import web

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
    "Server": "marketwatch",
}
HSTS = "max-age=31536000"
SECURITY_BLOCK = "".join(f"{name}: {value}\r\n" for name, value in SECURITY.items()).encode()


class Mark(NamedTuple):
    """What the outermost middleware found out about a request: its id, its client, whether it came over TLS.

    `allow`: the origin of a page elsewhere that may read the answer, "" for none.
    """

    request_id: str
    client: str
    secure: bool
    allow: str = ""

    @property
    def block(self) -> bytes:
        """The last header lines of an answer and the empty line."""
        secure = f"Strict-Transport-Security: {HSTS}\r\n" if self.secure else ""
        allow = f"Access-Control-Allow-Origin: {self.allow}\r\nVary: Origin\r\n" if self.allow else ""
        return f"{secure}{allow}X-Request-Id: {self.request_id}\r\n\r\n".encode()


MARK: web.RequestKey[Mark] = web.RequestKey("mark", Mark)
_UNMARKED = Mark("-", "", False)


def mark_of(request: web.BaseRequest) -> Mark:
    """The mark of a request; an empty one before the middleware has seen it."""
    mark: Mark = request.get(MARK, _UNMARKED)
    return mark


class RequestIds:
    """Ids that are unique over restarts: a random part of the process and a running number."""

    def __init__(self) -> None:
        self._prefix = os.urandom(4).hex()
        self._number = itertools.count(1)

    def next(self) -> str:
        """A new id, such as `9f1c02ab-1a`."""
        return f"{self._prefix}-{next(self._number):x}"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare`: the security headers, unless the route has set its own."""
    headers = response.headers
    for name, value in SECURITY.items():
        headers.setdefault(name, value)
    headers["Server"] = SECURITY["Server"]
    mark = mark_of(request)
    headers["X-Request-Id"] = mark.request_id
    if mark.allow:
        headers["Access-Control-Allow-Origin"] = mark.allow
        headers["Vary"] = f"{headers['Vary']}, Origin" if "Vary" in headers else "Origin"
    if mark.secure:
        headers.setdefault("Strict-Transport-Security", HSTS)
