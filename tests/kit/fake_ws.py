"""The WebSocket side of the fake venue: connections with the real control answers, limits, pings, and faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import orjson
from aiohttp import WSMsgType, web

from .oracle import Line

if TYPE_CHECKING:
    from .fake_binance import FakeBinance

Mode = Literal["normal", "pings_only", "half_open"]
MAX_STREAMS = 1024
MAX_INBOUND_PER_S = 5
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


def ws_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """One unmasked, final WebSocket frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + payload


class Connection:
    """One client of the stream endpoint. `mode` says what still flows: all, pings only, or nothing in both directions."""

    def __init__(self, venue: FakeBinance, number: int, combined: bool, micro: bool) -> None:
        self.venue = venue
        self.number = number
        self.combined = combined
        self.micro = micro
        self.mode: Mode = "normal"
        self.streams: set[str] = set()
        self.opened = venue.clock.monotonic()
        self.last_pong = self.opened
        self.pings = 0
        self._inbound: deque[float] = deque()
        self._out: list[bytes] = []
        self._ws = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=1 << 16)
        self._transport: asyncio.Transport | None = None

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the peer has not taken yet."""
        return 0 if self._transport is None or self.closed else self._transport.get_write_buffer_size()

    def note(self, what: str, detail: str = "") -> None:
        self.venue.journal.lines.append(Line(self.venue.now_ms(), self.number, what, detail))

    async def serve(self, request: web.Request, streams: list[str]) -> web.WebSocketResponse:
        """Hold the connection until either side ends it."""
        await self._ws.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        self._transport = request.transport
        self.note("opened", request.path_qs)
        self._subscribe(streams)
        pinger = asyncio.create_task(self._ping())
        try:
            while not self.closed:
                message = await self._ws.receive()
                if message.type in {WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR}:
                    break
                if not await self._take(message.type, message.data):
                    break
        finally:
            pinger.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pinger
            self.venue.forget(self)
            self.note("closed", str(self._ws.close_code))
        return self._ws

    async def _take(self, kind: WSMsgType, data: Any) -> bool:
        """Handle one inbound message; false ends the connection."""
        while self.mode == "half_open" and not self.closed:
            await asyncio.sleep(0.02)
        if self.closed:
            return False
        if kind is WSMsgType.CLOSE:
            self.note("close asked", str(data))
            self.flush()
            await self._ws.close()
            return False
        if self._over_limit():
            self.note("too many messages")
            self.cut(code=1008)
            return False
        if kind is WSMsgType.PING:
            self._write(ws_frame(data, _PONG))
        elif kind is WSMsgType.PONG:
            self.last_pong = self.venue.clock.monotonic()
            self.note("pong", data.decode(errors="replace"))
        elif kind is WSMsgType.TEXT:
            self._write(ws_frame(self._answer(data)))
        return True

    def _over_limit(self) -> bool:
        now = self.venue.clock.monotonic()
        self._inbound.append(now)
        while now - self._inbound[0] > 1.0:
            self._inbound.popleft()
        return len(self._inbound) > MAX_INBOUND_PER_S

    def _answer(self, text: str) -> bytes:
        """The real control answers."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return self._error(3, f"Invalid JSON: {error}", None)
        if not isinstance(request, dict) or "method" not in request:
            return self._error(2, "Invalid request: missing field `method` at line 1 column 1", None)
        method, params, number = request["method"], request.get("params", []), request.get("id")
        self.note(str(method), orjson.dumps(params).decode())
        if method == "LIST_SUBSCRIPTIONS":
            return orjson.dumps({"result": sorted(self.streams), "id": number})
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
                return self._error(2, "Invalid request: request ID must be an unsigned integer", number)
            if method == "UNSUBSCRIBE":
                self.venue.unsubscribe(self, params)
            elif not self._subscribe(params):
                return self._error(2, f"Invalid request: at most {MAX_STREAMS} streams", number)
            return orjson.dumps({"result": None, "id": number})
        return self._error(
            2, f"Invalid request: unknown variant `{method}`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`", number
        )

    def _error(self, code: int, text: str, number: object) -> bytes:
        error = {"code": code, "msg": text}
        if self.venue.nested_errors:
            return orjson.dumps({"error": error} if number is None else {"error": error, "id": number})
        return orjson.dumps({**error, "id": number})

    def _subscribe(self, streams: list[str]) -> bool:
        if len(self.streams | set(streams)) > MAX_STREAMS:
            return False
        self.venue.subscribe(self, streams)
        return True

    async def _ping(self) -> None:
        clock = self.venue.clock
        while True:
            await clock.sleep(self.venue.ping_every_s)
            if self.mode == "half_open":
                continue
            if self.pings and clock.monotonic() - self.last_pong > self.venue.pong_within_s:
                self.note("no pong")
                self.cut()
                return
            if clock.monotonic() - self.opened > self.venue.max_age_s:
                self.note("24 h")
                self.cut(code=1001)
                return
            self.pings += 1
            self._write(ws_frame(str(self.venue.now_ms()).encode(), _PING))

    def queue(self, payload: bytes) -> None:
        """Send a text frame at the next `flush`; swallowed unless `mode` is normal."""
        if self.mode == "normal":
            self._out.append(ws_frame(payload))

    def flush(self) -> None:
        if self._out:
            out, self._out = self._out, []
            self._write(b"".join(out))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.closed and self.mode != "half_open":
            self._transport.write(data)

    def cut(self, *, code: int | None = None, mid_frame: bool = False, rst: bool = False) -> None:
        """End the connection: with a close frame of `code` (1006: without one), inside a frame, or by RST."""
        self.flush()
        self.note("cut", f"code={code} mid_frame={mid_frame} rst={rst}")
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if mid_frame:
            whole = ws_frame(b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1","q":"1"}}')
            transport.write(whole[: len(whole) // 2])
        elif code is not None and code != 1006:
            transport.write(ws_frame(struct.pack("!H", code), _CLOSE))
        if rst:
            reset(transport)
        else:
            transport.close()


def reset(transport: asyncio.BaseTransport) -> None:
    """Close with a TCP reset instead of FIN."""
    plain = transport.get_extra_info("socket")
    if plain is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert isinstance(transport, asyncio.Transport)
    transport.abort()
