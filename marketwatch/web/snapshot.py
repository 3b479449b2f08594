"""Answers encoded once: the same bytes for everyone who asks the same thing between two changes of the market."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from ..clock import Clock
from ..model.alerts import Alerts, Rules
from ..model.market import Gap, Quotes, Staleness, Tickers, Trades, Whales
from ..model.metrics import MetricTable
from ..model.system import FeedStatus, Notice
from ..watch import WatchSlot
from .envelope import http_date
from .headers import SECURITY_BLOCK, Mark, mark_of

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

_SEND_S = 10.0
_FRESH_S = 0.5
_CHANGES: tuple[type, ...] = (Trades, Quotes, Tickers, Staleness, FeedStatus, MetricTable, Gap, Whales, Notice, Alerts, Rules)


class Encoded(web.StreamResponse):
    """A whole answer as bytes, written in one piece below aiohttp's header machinery. For keep-alive HTTP/1.1 GETs only."""

    def __init__(self, head: bytes, body: bytes, status: int = 200) -> None:
        self._status = status
        self._keep_alive = True
        self._parts = (head, body)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The client has gone.")
        head, body = self._parts
        transport.write(b"".join((head, mark_of(request).block, body)))
        if request.protocol.writing_paused:
            await drained(request)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None

    @property
    def prepared(self) -> bool:
        return True


async def drained(request: web.BaseRequest) -> None:
    """Wait until the client has read; one that does not is cut. Raises ConnectionResetError then."""
    try:
        async with asyncio.timeout(_SEND_S):
            await request.writer.drain()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("The client did not read its answer.") from None


class Page:
    """One cached answer: body, entity tag, and the head of the usual answer as bytes."""

    __slots__ = ("body", "head", "made_at", "tag", "unchanged", "version")

    def __init__(self, body: bytes, *, tag: str, version: int, made_at: float, date: str) -> None:
        self.body = body
        self.tag = tag
        self.version = version
        self.made_at = made_at
        common = f"ETag: {tag}\r\nCache-Control: no-cache\r\nDate: {date}\r\n".encode()
        self.head = b"".join(
            (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n",
                f"Content-Length: {len(body)}\r\n".encode(),
                common,
                SECURITY_BLOCK,
            )
        )
        self.unchanged = b"HTTP/1.1 304 Not Modified\r\n" + common + SECURITY_BLOCK

    def answer(self, request: web.Request) -> web.StreamResponse:
        """The answer to `request`: 304 when the client holds this very state."""
        wanted = request.headers.get(hdrs.IF_NONE_MATCH)
        known = wanted is not None and self.tag in wanted
        if request.method == "GET" and request.version == (1, 1) and request.keep_alive:
            return Encoded(self.unchanged, b"", 304) if known else Encoded(self.head, self.body)
        return json_answer(b"" if known else self.body, status=304 if known else 200, tag=self.tag)


def json_answer(
    body: bytes, *, status: int = 200, tag: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    """A JSON answer through aiohttp's own response."""
    answer = web.Response(body=body or None, status=status, headers=headers)
    if status != 304:
        answer.headers[hdrs.CONTENT_TYPE] = "application/json; charset=utf-8"
    answer.headers[hdrs.CACHE_CONTROL] = "no-cache" if tag else "no-store"
    if tag:
        answer.headers[hdrs.ETAG] = tag
    return answer


class Snapshot:
    """Holds encoded answers by request target until the market moves or half a second has passed, within fixed bounds.

    It counts a version up at every batch of the watch of the moment, so an answer is never older than the newest trade; the
    half second keeps ages and staleness honest on a quiet market.
    """

    def __init__(self, *, slot: WatchSlot, clock: Clock, max_entries: int = 1024, max_bytes: int = 16_000_000) -> None:
        self._slot = slot
        self._clock = clock
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._bytes = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._generation = -1
        self._serial = 0
        self._boot = f"{clock.now_ms():x}"
        self.version = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, target: str) -> Page | None:
        """The answer for a request target (path with query) if it is still true."""
        if self._slot.generation != self._generation:
            self._follow()
        page = self._pages.get(target)
        if page is None or page.version != self.version or self._clock.monotonic() - page.made_at > _FRESH_S:
            self.misses += 1
            return None
        self.hits += 1
        return page

    def put(self, target: str, body: bytes, *, version: int) -> Page:
        """Keep `body` for `target`. `version` is what `self.version` was before the answer was made."""
        self._serial += 1
        page = Page(
            body,
            tag=f'W/"{self._boot}-{self._serial:x}"',
            version=version,
            made_at=self._clock.monotonic(),
            date=http_date(self._clock.now_ms()),
        )
        former = self._pages.pop(target, None)
        self._bytes += len(body) - (len(former.body) if former else 0)
        self._pages[target] = page
        while len(self._pages) > 1 and (len(self._pages) > self._max_entries or self._bytes > self._max_bytes):
            self._bytes -= len(self._pages.popitem(last=False)[1].body)
        return page

    def _follow(self) -> None:
        """Listen to the watch that is in the slot now."""
        self._generation = self._slot.generation
        self.version += 1
        watch = self._slot.current
        if watch is not None:
            for kind in _CHANGES:
                watch.bus.subscribe(kind, self._changed, name="snapshot")

    def _changed(self, _event: Any) -> None:
        self.version += 1


__all__ = ("Encoded", "Mark", "Page", "Snapshot", "drained", "json_answer")
