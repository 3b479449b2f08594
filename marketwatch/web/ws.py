"""`/ws/prices`: price updates over a WebSocket. One task per connection reads; a tick of the ticker writes to all of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from ..clock import Clock
from ..errors import InvalidRequest, RequestError, Unavailable
from .api.desk import Desk
from .api.endpoint import Parameters
from .api.market import CoinsQuery
from .api.ticker import PriceTicker
from .envelope import iso
from .holders import HOLDERS

MAX_COINS = 50
_MAX_MESSAGE = 4_096
_FULL_BYTES = 65_536
_JUNK_FRAMES = 120
_SLICE = 200
_parameters = Parameters(CoinsQuery)


class Forbidden(RequestError):
    """A page of another site must not open our sockets."""

    code = "FORBIDDEN"
    status = 403


class Connection:
    """One socket and the coins it wants; `waiting` are those whose newest price it has not been sent yet."""

    __slots__ = ("frames", "full_since", "heard_at", "request", "socket", "symbols", "waiting")

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, symbols: list[str], now: float) -> None:
        self.request = request
        self.socket = socket
        self.symbols = dict.fromkeys(symbols)
        self.waiting: dict[str, None] = {}
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


class PriceSockets:
    """All open price sockets. A slow one is conflated: it gets the newest price of each coin once it reads again, or is cut.

    `heartbeat_s`: a heartbeat message and a ping go out so often; `silence_s`: who has sent nothing, not even a pong, for so
    long is closed; `slow_s`: how long a socket may be full.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        clock: Clock,
        max_clients: int,
        heartbeat_s: float = 30.0,
        silence_s: float = 90.0,
        slow_s: float = 12.0,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._max_clients = max_clients
        self._heartbeat_s = heartbeat_s
        self._silence_s = silence_s
        self._slow_s = slow_s
        self._open: dict[Connection, None] = {}
        self._closing = False
        self._pushing: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def clients(self) -> int:
        """Open sockets."""
        return len(self._open)

    def on_tick(self, ticker: PriceTicker) -> None:
        """Send what moved, some hundred sockets at a time; a round that has not ended lets the next one wait."""
        if not self._open:
            return
        if ticker.switched:
            self._end_strangers()
        moved = dict.fromkeys(ticker.changed)
        for connection in self._open:
            wanted = connection.symbols
            connection.waiting.update(dict.fromkeys(symbol for symbol in moved if symbol in wanted))
        if self._pushing is None or self._pushing.done():
            self._pushing = self._keep(self._push(ticker))

    def _end_strangers(self) -> None:
        """Another market: sockets for coins that it does not have are closed, so that who reconnects is given its names."""
        watched = self._desk.watch.instruments
        for connection in self._open:
            if not all(symbol in watched for symbol in connection.symbols):
                self._keep(_close(connection, WSCloseCode.SERVICE_RESTART, b"the market has changed; connect again"))

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; it is waited for at the end."""
        task = asyncio.create_task(work, name="ws:work")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _push(self, ticker: PriceTicker) -> None:
        rest: Iterator[Connection] = iter(list(self._open))
        while batch := list(islice(rest, _SLICE)):
            for connection in batch:
                if connection.waiting:
                    await self._send_waiting(connection, ticker)
            await asyncio.sleep(0)

    async def _send_waiting(self, connection: Connection, ticker: PriceTicker) -> None:
        if connection.full:
            connection.full_since = connection.full_since or self._clock.monotonic()
            return
        connection.full_since = None
        symbols, connection.waiting = connection.waiting, {}
        for symbol in symbols:
            message = ticker.message(symbol) if symbol in self._desk.watch.state.symbols else None
            if message is not None and not await self._send(connection, message):
                return

    async def _send(self, connection: Connection, text: str) -> bool:
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

    async def _look_after(self, connection: Connection, now: float, beat: bool) -> None:
        if connection.full_since is not None and now - connection.full_since >= self._slow_s:
            connection.abort()
        elif now - connection.heard_at >= self._silence_s:
            connection.heard_at = math.inf
            self._keep(_close(connection, WSCloseCode.POLICY_VIOLATION, b"silent for too long"))
        elif beat and not connection.full:
            text = msgspec.json.encode({"type": "heartbeat", "timestamp": iso(self._clock.now_ms())}).decode()
            if await self._send(connection, text):
                await _ping(connection)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Open the socket, send the prices of the moment, and read until the client is gone."""
        _check_origin(request)
        symbols = self._wanted(request)
        if self._closing or len(self._open) >= self._max_clients:
            raise Unavailable("All places for live streams are taken; try again in a few seconds.")
        socket = web.WebSocketResponse(autoping=False, max_msg_size=_MAX_MESSAGE, compress=False, timeout=2.0)
        await socket.prepare(request)
        connection = Connection(request, socket, symbols, self._clock.monotonic())
        connection.waiting.update(connection.symbols)
        self._open[connection] = None
        request.app[HOLDERS].hold(request, connection, lambda: self._end(connection))
        try:
            await self._send_waiting(connection, PriceTicker(self._desk))
            await self._read(connection)
        finally:
            self._open.pop(connection, None)
            request.app[HOLDERS].let_go(connection)
            if not socket.closed:
                await _close(connection, WSCloseCode.GOING_AWAY, b"")
        return socket

    def _end(self, connection: Connection) -> None:
        """Its session is over."""
        self._keep(_close(connection, WSCloseCode.POLICY_VIOLATION, b"the session has ended; sign in again"))

    def _wanted(self, request: web.Request) -> list[str]:
        given = [coin for text in request.query.getall("coins", []) for coin in text.split(",")]
        if len(given) > MAX_COINS:
            sentence = f"A connection takes at most {MAX_COINS} coins; {len(given)} were asked for. Open a second connection."
            raise InvalidRequest(sentence, [{"parameter": "coins", "given": len(given), "limit": MAX_COINS}])
        symbols = self._desk.symbols(_parameters.parse(request).coins)
        if len(symbols) > MAX_COINS:
            sentence = f"{len(symbols)} coins are watched and a connection takes at most {MAX_COINS}: name them with ?coins=."
            raise InvalidRequest(sentence, [{"parameter": "coins", "limit": MAX_COINS}])
        return symbols

    async def _read(self, connection: Connection) -> None:
        """Take notice of life, answer pings and `{"type":"ping"}`, tell who sends anything else, cut who does not stop."""
        async for message in connection.socket:
            connection.heard_at = self._clock.monotonic()
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            if message.type is not WSMsgType.PONG:
                connection.frames += 1
            if connection.frames > _JUNK_FRAMES:
                await _close(connection, WSCloseCode.POLICY_VIOLATION, b"too many messages")
                return
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not await self._send(connection, _reply(message.data)):
                return

    async def aclose(self) -> None:
        """Close all sockets; who comes later is refused."""
        self._closing = True
        await asyncio.gather(*(_close(one, WSCloseCode.GOING_AWAY, b"the server stops") for one in list(self._open)))
        await asyncio.gather(*self._work, return_exceptions=True)


async def _close(connection: Connection, code: int, reason: bytes) -> None:
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


def _reply(data: Any) -> str:
    """What a message of the client is answered with."""
    try:
        asked = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        asked = {}
    if asked.get("type") == "ping":
        return '{"type":"pong"}'
    sentence = 'This socket only sends prices; the one message it understands is {"type":"ping"}.'
    return msgspec.json.encode({"type": "error", "error": {"code": "INVALID_REQUEST", "message": sentence}}).decode()


def _check_origin(request: web.Request) -> None:
    """A browser names the page's origin: it must be ours. Programs send none."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower():
        raise Forbidden(f'The page at "{origin[:100]}" may not open sockets here.')


SOCKETS: web.AppKey[PriceSockets] = web.AppKey("price_sockets", PriceSockets)


async def prices(request: web.Request) -> web.StreamResponse:
    """`GET /ws/prices?coins=bitcoin,ethereum` with an upgrade."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise InvalidRequest("This address speaks WebSocket only; /api/market/stream serves the same as server-sent events.")
    return await request.app[SOCKETS].serve(request)


__all__ = ("SOCKETS", "PriceSockets", "prices")
