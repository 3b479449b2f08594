"""What every WebSocket of ours has in common: who may open it, signs of life, slow readers, and its end.

One task per connection reads; whoever has something to say writes to all of them in a task of its own.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from ..clock import Clock
from ..errors import RequestError, Unavailable
from .envelope import iso
from .holders import HOLDERS

_MAX_MESSAGE = 4_096
_FULL_BYTES = 65_536
_JUNK_FRAMES = 120


class Forbidden(RequestError):
    """A page of another site must not open our sockets."""

    code = "FORBIDDEN"
    status = 403


class Connection:
    """One open socket. `full_since`: since when it takes nothing, None when it can take more."""

    __slots__ = ("frames", "full_since", "heard_at", "request", "socket")

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, now: float) -> None:
        self.request = request
        self.socket = socket
        self.heard_at = now
        self.full_since: float | None = None
        self.frames = 0

    @property
    def full(self) -> bool:
        transport = self.request.transport
        return transport is not None and transport.get_write_buffer_size() > _FULL_BYTES

    def abort(self) -> None:
        transport = self.request.transport
        if transport is not None:
            transport.abort()


C = TypeVar("C", bound=Connection)


class Sockets(Generic[C]):
    """All open sockets of one kind. A slow one is conflated: it gets the newest once it reads again, or is cut.

    `heartbeat_s`: a heartbeat message and a ping go out so often; `silence_s`: who has sent nothing, not even a pong, for so
    long is closed; `slow_s`: how long a socket may be full. `says`: what these sockets send, for who asks them for more.
    """

    says = ""

    def __init__(
        self,
        *,
        clock: Clock,
        max_clients: int,
        heartbeat_s: float = 30.0,
        silence_s: float = 90.0,
        slow_s: float = 12.0,
    ) -> None:
        self._clock = clock
        self._max_clients = max_clients
        self._heartbeat_s = heartbeat_s
        self._silence_s = silence_s
        self._slow_s = slow_s
        self._open: dict[C, None] = {}
        self._closing = False
        self._work: set[asyncio.Task[None]] = set()

    @property
    def clients(self) -> int:
        """Open sockets."""
        return len(self._open)

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; it is waited for at the end."""
        task = asyncio.create_task(work, name="ws:work")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _has_room(self, connection: C) -> bool:
        """Whether a socket can take more; one that cannot is noted as full."""
        if connection.full:
            connection.full_since = connection.full_since or self._clock.monotonic()
            return False
        connection.full_since = None
        return True

    async def _send(self, connection: C, text: str) -> bool:
        """Write without waiting for the reader; False when the socket has gone."""
        try:
            async with asyncio.timeout(self._slow_s):
                await connection.socket.send_str(text)
        except (ConnectionError, RuntimeError):
            return False
        except TimeoutError:
            connection.abort()
            return False
        return True

    async def run(self, every_s: float = 1.0) -> None:
        """Heartbeats, and the end of sockets that are silent or full for too long, until cancelled."""
        beat_at = self._clock.monotonic() + self._heartbeat_s
        while True:
            await self._clock.sleep(min(every_s, self._heartbeat_s))
            now = self._clock.monotonic()
            beat = now >= beat_at
            beat_at = now + self._heartbeat_s if beat else beat_at
            for connection in list(self._open):
                await self._look_after(connection, now, beat)

    async def _look_after(self, connection: C, now: float, beat: bool) -> None:
        if connection.full_since is not None and now - connection.full_since >= self._slow_s:
            connection.abort()
        elif now - connection.heard_at >= self._silence_s:
            connection.heard_at = math.inf
            self._end(connection, WSCloseCode.POLICY_VIOLATION, b"silent for too long")
        elif beat and not connection.full:
            text = msgspec.json.encode({"type": "heartbeat", "timestamp": iso(self._clock.now_ms())}).decode()
            if await self._send(connection, text):
                await _ping(connection)

    def _check(self, request: web.Request) -> None:
        """Refuse pages of other sites, and whoever comes when all places are taken. Raises Forbidden, Unavailable."""
        _check_origin(request)
        if self._closing or len(self._open) >= self._max_clients:
            raise Unavailable("All places for live streams are taken; try again in a few seconds.")

    @asynccontextmanager
    async def _held(self, request: web.Request, connection: C) -> AsyncIterator[None]:
        """`connection` is open, until its session ends or the block is left."""
        over = b"the session has ended; sign in again"
        self._open[connection] = None
        request.app[HOLDERS].hold(request, connection, lambda: self._end(connection, WSCloseCode.POLICY_VIOLATION, over))
        try:
            yield
        finally:
            self._open.pop(connection, None)
            request.app[HOLDERS].let_go(connection)
            if not connection.socket.closed:
                await close(connection, WSCloseCode.GOING_AWAY, b"")

    def _end(self, connection: C, code: int, reason: bytes) -> None:
        """Close it without waiting."""
        self._keep(close(connection, code, reason))

    async def _read(self, connection: C) -> None:
        """Take notice of life, answer pings and `{"type":"ping"}`, tell who sends anything else, cut who does not stop."""
        async for message in connection.socket:
            connection.heard_at = self._clock.monotonic()
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            if message.type is not WSMsgType.PONG:
                connection.frames += 1
            if connection.frames > _JUNK_FRAMES:
                await close(connection, WSCloseCode.POLICY_VIOLATION, b"too many messages")
                return
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            if not await self._send(connection, _reply(message.data, self.says)):
                return

    async def aclose(self) -> None:
        """Close all sockets; who comes later is refused."""
        self._closing = True
        await asyncio.gather(*(close(one, WSCloseCode.GOING_AWAY, b"the server stops") for one in list(self._open)))
        await asyncio.gather(*self._work, return_exceptions=True)


async def opened(request: web.Request) -> web.WebSocketResponse:
    """The answer to a request for a socket, sent."""
    socket = web.WebSocketResponse(autoping=False, max_msg_size=_MAX_MESSAGE, compress=False, timeout=2.0)
    await socket.prepare(request)
    return socket


def is_upgrade(request: web.Request) -> bool:
    """Whether the client speaks WebSocket at all."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def close(connection: Connection, code: int, reason: bytes) -> None:
    """Close properly within two seconds, else by force: a peer that keeps streaming must not hold us."""
    try:
        async with asyncio.timeout(2.0):
            await connection.socket.close(code=code, message=reason)
    except (TimeoutError, ConnectionError, RuntimeError):
        connection.abort()


async def _ping(connection: Connection) -> None:
    try:
        await connection.socket.ping()
    except (ConnectionError, RuntimeError):
        connection.abort()


def _reply(data: Any, says: str) -> str:
    """What a message of the client is answered with."""
    try:
        asked = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        asked = {}
    if asked.get("type") == "ping":
        return '{"type":"pong"}'
    sentence = f'This socket only sends {says}; the one message it understands is {{"type":"ping"}}.'
    return msgspec.json.encode({"type": "error", "error": {"code": "INVALID_REQUEST", "message": sentence}}).decode()


def _check_origin(request: web.Request) -> None:
    """A browser names the page's origin: it must be ours. Programs send none."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower():
        raise Forbidden(f'The page at "{origin[:100]}" may not open sockets here.')
