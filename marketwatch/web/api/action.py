"""An action is declared once: method, path, body, answer. Handler, guard and OpenAPI follow from it.

What an `Endpoint` is to reading, this is to changing: admins and the owner may call it, unless `role` says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import msgspec
from aiohttp import web

from ...errors import InvalidRequest
from ..callers import visit_of
from ..envelope import success
from ..guard import RoleName, declare_on
from ..owning import portfolio_owner
from ..snapshot import json_answer
from .desk import DESK
from .endpoint import Handler, Parameters
from .reader import reader_of

Q = TypeVar("Q", bound=msgspec.Struct)
_HANDLER_S = 30.0


@dataclass(frozen=True, slots=True)
class Action(Generic[Q]):
    """`method path`. The fields of `query` are the parts of the path; `body` is the type of the JSON body, None without one.

    `answer(desk, query, body)` makes the data of the envelope, of the type `data`; `status` goes with it. `operation` is the
    operation's id. `role`: who may call it. `accounts`: it is about accounts, and the answer is told of the `Visit` as well;
    `person`: no API key may call it.
    """

    method: str
    path: str
    summary: str
    query: type[Q]
    body: Any
    data: Any
    answer: Callable[..., Awaitable[Any]]
    tag: str
    operation: str
    status: int = 200
    description: str = ""
    role: RoleName = "admin"
    accounts: bool = False
    person: bool = False
    budget: str = "data"
    conflicts: bool = False
    """It may answer 409."""
    owned: bool = False
    """It is about what a person owns: `answer` is told who it is."""
    asked: bool = False
    """`answer` is told who asks, "" for a guest."""
    reader: bool = False
    """`answer` is told the `Reader`, who may know the authors of some rules."""
    max_bytes: int | None = None
    """A longer body than other routes take."""
    from_csv: Callable[[bytes], Any] | None = None
    """Makes the body from a body of text/csv, which is taken as well."""

    def handler(self) -> Handler:
        """The aiohttp handler."""
        parameters = Parameters(self.query)
        decoder = None if self.body is None else msgspec.json.Decoder(self.body)

        async def handle(request: web.Request) -> web.StreamResponse:
            desk = request.app[DESK]
            query = parameters.parse(request)
            body = None if decoder is None else await self._body(request, decoder)
            async with asyncio.timeout(_HANDLER_S):
                more: tuple[Any, ...] = (visit_of(request),) if self.accounts else ()
                more = (portfolio_owner(request),) if self.owned or self.asked else more
                more = (*more, await reader_of(request)) if self.reader else more
                data = await self.answer(desk, query, body, *more)
            return json_answer(success(data, now_ms=desk.clock.now_ms(), source=desk.source), status=self.status)

        handle_any = cast("Any", handle)
        handle_any.budget, handle_any.label = self.budget, self.path
        if self.max_bytes is not None:
            handle_any.max_bytes = self.max_bytes
        declare_on(handle_any, "viewer" if self.owned else self.role, accounts=self.accounts, person=self.person)
        return handle

    async def _body(self, request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
        csv = self.from_csv is not None and request.content_type == "text/csv"
        if not csv and request.content_type != "application/json":
            wanted = "application/json" if self.from_csv is None else "application/json or text/csv"
            raise web.HTTPUnsupportedMediaType(reason=f"the body must be {wanted}")
        wide = request if self.max_bytes is None else request.clone(client_max_size=self.max_bytes)
        data = await wide.read()
        return self.from_csv(data) if csv and self.from_csv is not None else read_body(data, decoder)


def read_body(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The body as its type. Raises InvalidRequest with the place of the mistake."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body cannot be taken: {str(error)[:200]}.") from None
