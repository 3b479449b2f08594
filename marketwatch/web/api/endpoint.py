"""An endpoint is declared once: path, parameters, answer, errors. Handler, parameter parsing and OpenAPI follow from it."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar, cast, get_args

import msgspec
from aiohttp import web

from ...errors import InvalidRequest
from ...model.accounts import GUEST
from ..authors import NOBODY
from ..callers import caller_of, visit_of
from ..envelope import success
from ..guard import RoleName, declare_on
from ..owning import portfolio_owner
from ..snapshot import json_answer
from .desk import DESK
from .reader import reader_of

Q = TypeVar("Q", bound=msgspec.Struct)
_HANDLER_S = 10.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Q]):
    """`GET path`. The fields of `query` are its parameters: those named in the path, the others in the query string.

    `answer` makes the data of the envelope, of the type `data`, or is a coroutine function that does. `hot`: it depends on
    memory only, and the encoded answer may be shared until the market moves. `role`: who may call it. `accounts`: it is about
    accounts, and the answer is told of the `Visit` as well.
    """

    path: str
    summary: str
    query: type[Q]
    data: Any
    answer: Callable[..., Any]
    tag: str
    hot: bool = False
    description: str = ""
    operation: str = ""
    role: RoleName = "guest"
    accounts: bool = False
    person: bool = False
    owned: bool = False
    """It is about what a person owns: whoever has an account may ask, and `answer` is told who it is."""
    asked: bool = False
    """`answer` is told who asks, "" for a guest."""
    reader: bool = False
    """`answer` is told the `Reader`, who may know the authors of some rules; where it is `hot`, guests share their answer."""

    @property
    def name(self) -> str:
        """The operation's id: `market_price`, or what `operation` says."""
        if self.operation:
            return self.operation
        parts = [part for part in self.path.removeprefix("/api").split("/") if part and not part.startswith("{")]
        return "_".join(parts).replace("-", "_")

    def handler(self) -> Handler:
        """The aiohttp handler."""
        parameters = Parameters(self.query)
        handle = _hot(self, parameters) if self.hot else _plain(self, parameters)
        cast("Any", handle).budget = "data"
        cast("Any", handle).label = self.path
        declare_on(handle, "viewer" if self.owned else self.role, accounts=self.accounts, person=self.person)
        return handle


def _hot(endpoint: Endpoint[Q], parameters: Parameters[Q]) -> Handler:
    plain = _plain(endpoint, parameters)

    async def handle(request: web.Request) -> web.StreamResponse:
        desk = request.app[DESK]
        snapshot = desk.snapshot
        target = request.raw_path
        if endpoint.reader and caller_of(request) is not GUEST:
            return await plain(request)
        page = snapshot.get(target)
        if page is None:
            version = snapshot.version
            more = (NOBODY,) if endpoint.reader else ()
            data = endpoint.answer(desk, parameters.parse(request), *more)
            page = snapshot.put(target, success(data, now_ms=desk.clock.now_ms(), source=desk.source), version=version)
        return page.answer(request)

    return handle


def _plain(endpoint: Endpoint[Q], parameters: Parameters[Q]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        desk = request.app[DESK]
        more: tuple[Any, ...] = (visit_of(request),) if endpoint.accounts else ()
        more = (portfolio_owner(request),) if endpoint.owned or endpoint.asked else more
        more = (*more, await reader_of(request)) if endpoint.reader else more
        data = endpoint.answer(desk, parameters.parse(request), *more)
        if inspect.isawaitable(data):
            async with asyncio.timeout(_HANDLER_S):
                data = await data
        return json_answer(success(data, now_ms=desk.clock.now_ms(), source=desk.source))

    return handle


class Parameters(Generic[Q]):
    """Reads the fields of a struct from path and query string, strictly: every other name is refused."""

    def __init__(self, query: type[Q]) -> None:
        self._type = query
        self.fields = {field.encode_name: field for field in msgspec.structs.fields(query)}

    def parse(self, request: web.Request) -> Q:
        """The parameters of `request`. Raises InvalidRequest naming the bad one, its value and what it must be."""
        return self.read(request.match_info, request.query)

    def read(self, path: Mapping[str, str], query: Any) -> Q:
        """As `parse`, from the mapping of the path's parts and the multi-mapping of the query string."""
        given: dict[str, Any] = {}
        for name in query:
            if name not in self.fields or name in path:
                raise self._unknown(name, path)
            if name in given or len(query.getall(name)) > 1:
                raise InvalidRequest(f'The query parameter "{name}" was given more than once.', [{"parameter": name}])
            given[name] = self._convert(name, query[name], "query parameter")
        for name, text in path.items():
            given[name] = self._convert(name, text, "path parameter")
        return self._build(given)

    def _build(self, given: dict[str, Any]) -> Q:
        values = {self.fields[name].name: value for name, value in given.items()}
        for name, field in self.fields.items():
            if field.required and name not in given:
                hint = f" It must be {expected(field)}."
                raise InvalidRequest(f'The query parameter "{name}" is missing.{hint}', [{"parameter": name}])
        return self._type(**values)

    def _unknown(self, name: str, path: Mapping[str, str]) -> InvalidRequest:
        known = [field for field in self.fields if field not in path]
        shown = name if len(name) <= 64 else name[:61] + "..."
        close = get_close_matches(shown, known, n=1)
        listed = f"known here: {', '.join(known)}" if known else "this path takes none"
        hint = f'; did you mean "{close[0]}"?' if close else "."
        detail = {"parameter": shown, "known": known}
        return InvalidRequest(f'The query parameter "{shown}" is unknown; {listed}{hint}', [detail])

    def _convert(self, name: str, text: str, place: str) -> Any:
        field = self.fields[name]
        try:
            return _convert(text, field)
        except (msgspec.ValidationError, ValueError, OverflowError):
            shown = text if len(text) <= 100 else text[:97] + "..."
            sentence = f'The {place} "{name}" was "{shown}"; it must be {expected(field)}.'
            raise InvalidRequest(sentence, [{"parameter": name, "value": shown, "expected": expected(field)}]) from None


def _convert(text: str, field: msgspec.structs.FieldInfo) -> Any:
    extra = extra_of(field)
    if "read" in extra:
        return extra["read"](text)
    if "list" in extra:
        return msgspec.convert(text.split(","), field.type)
    if extra.get("number") and not _NUMBER.issuperset(text):
        raise ValueError
    value = msgspec.convert(text, field.type, strict=False)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError
    return value


_NUMBER = frozenset("0123456789+-.eE")


def extra_of(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    """What the annotation of a parameter says beyond its type: `expects`, `example`, how to read it, how to describe it."""
    for kind in (field.type, *get_args(field.type)):
        for meta in getattr(kind, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "expects" in meta.extra:
                return dict(meta.extra)
    return {}


def expected(field: msgspec.structs.FieldInfo) -> str:
    """What the values of a parameter must be, in words."""
    return str(extra_of(field).get("expects", "as documented at /api/docs"))
