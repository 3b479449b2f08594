"""How one stream is kept: the only file that knows.

A plain connection is taken away from aiohttp once it is a stream: its transport is handed to `Lean`, a protocol of a few
slots, and the handler's task, request and parser are freed. TLS, HTTP/1.0 and transports that cannot change their protocol
are served by `Plain`, a handler that stays.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from .sse import Channel

BUFFER_BYTES = 65_536
_JUNK_BYTES = 16_384


class Lean(asyncio.Protocol):
    """A stream whose transport is ours: written to without a task, a request or a queue."""

    __slots__ = ("channel", "full_since", "junk", "seen", "transport")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.seen = channel.last
        self.full_since: float | None = None
        self.junk = 0
        self.transport: asyncio.Transport | None = None

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def close(self, *, abort: bool = False) -> None:
        transport, self.transport = self.transport, None
        self.channel.hub.left(self)
        if transport is not None:
            if abort:
                transport.abort()
            else:
                transport.close()

    def data_received(self, data: bytes) -> None:
        self.junk += len(data)
        if self.junk > _JUNK_BYTES:
            self.close(abort=True)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.channel.hub.left(self)

    def pause_writing(self) -> None:
        self.channel.hub.filled(self)

    def resume_writing(self) -> None:
        self.channel.hub.drained(self)


class Plain:
    """A stream that goes through aiohttp's own writer, for connections that cannot be taken over."""

    def __init__(self, channel: Channel, request: web.Request, response: web.StreamResponse) -> None:
        self.channel = channel
        self.seen = channel.last
        self.full_since: float | None = None
        self._request = request
        self._response = response
        self._pending = bytearray()
        self._wake = asyncio.Event()
        self._open = True

    @property
    def gone(self) -> bool:
        """Nobody tells a waiting handler that its client has hung up."""
        transport = self._request.transport
        return transport is None or transport.is_closing()

    def send(self, data: bytes) -> None:
        self._pending += data
        self._wake.set()
        if len(self._pending) >= BUFFER_BYTES or self._request.protocol.writing_paused:
            self.channel.hub.filled(self)

    def close(self, *, abort: bool = False) -> None:
        self._open = False
        self._wake.set()
        transport = self._request.transport
        if abort and transport is not None:
            transport.abort()

    async def run(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self._open:
                await self._wake.wait()
                self._wake.clear()
                data, self._pending = bytes(self._pending), bytearray()
                await self._response.write(data)
                if self.full_since is not None and not self._pending:
                    self.channel.hub.drained(self)
        self._open = False


class Detached(web.StreamResponse):
    """What a handler returns after its connection was taken over: there is nothing left to send."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None

    @property
    def keep_alive(self) -> bool:
        return False

    @property
    def prepared(self) -> bool:
        return True


STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-transform, no-store",
    "X-Accel-Buffering": "no",
}


def detachable(request: web.Request) -> asyncio.Transport | None:
    """The transport of a connection that can be taken from aiohttp: plain HTTP/1.1 with nothing else in flight."""
    transport = request.transport
    usable = (
        transport is not None
        and request.version == (1, 1)
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
        and hasattr(transport, "set_protocol")
        and not request.can_read_body
        and not request.protocol.writing_paused
    )
    return transport if usable else None


async def stream_head(request: web.Request) -> bytes:
    """Status line and headers as aiohttp and the `on_response_prepare` signal make them, the end being the connection's end."""
    response = web.Response(headers=STREAM_HEADERS)
    response.headers[hdrs.CONNECTION] = "close"
    await request._prepare_hook(response)
    lines = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()


def take_over(request: web.Request, transport: asyncio.Transport, client: Lean) -> None:
    """Put `client` in the place of aiohttp's protocol, which is told that its connection has gone."""
    former: Any = request.protocol
    former.transport = None
    transport.set_protocol(client)
    transport.set_write_buffer_limits(high=BUFFER_BYTES, low=BUFFER_BYTES // 4)
    client.transport = transport
    former.connection_lost(None)
