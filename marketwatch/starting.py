"""The first second: answers the port while the heavy imports still run, so that a small container is healthy at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Self

_PAGE = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>marketwatch is starting</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="1">
<meta name="color-scheme" content="dark light"></head><body><main><h1>marketwatch is starting</h1>
<p>The first page follows in a moment; this one reloads by itself.</p></main></body></html>"""
_HEADERS = (
    "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n"
    "Cache-Control: no-store\r\nRetry-After: 1\r\nX-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\r\n"
)
_REQUEST_S = 5.0


class StartingServer:
    """Serves `/healthz` and a starting page on a duplicate of the listening socket until it is closed."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, sock=self._listener.dup(), limit=16_384)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _REQUEST_S)
            writer.write(_response(head))
            await asyncio.wait_for(writer.drain(), _REQUEST_S)
        writer.close()


def _response(head: bytes) -> bytes:
    target = head.split(b" ", 2)[1:2]
    if target == [b"/healthz"]:
        return _encode("200 OK", "application/json", b'{"status":"starting"}')
    return _encode("503 Service Unavailable", "text/html", _PAGE)


def _encode(status: str, kind: str, body: bytes) -> bytes:
    return _HEADERS.format(status=status, kind=kind, length=len(body)).encode() + body


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `host:port`. Raises OSError."""
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
