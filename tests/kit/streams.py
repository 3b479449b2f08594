"""Raw HTTP and event streams over plain sockets, for tests that must see bytes or refuse to read them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

_OPENED: list[asyncio.StreamWriter] = []


async def connect(port: int, *, limit: int = 65_536) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A plain connection, hung up at the latest when `serving` ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    _OPENED.append(writer)
    return reader, writer


async def hang_up() -> None:
    """Drop every connection that a test has left open."""
    for writer in _OPENED:
        writer.transport.abort()
    _OPENED.clear()
    for _ in range(3):
        await asyncio.sleep(0)


class Event(NamedTuple):
    """One server-sent message."""

    event_id: str
    data: str


class Stream:
    """An open event stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.reader = reader
        self.writer = writer
        self.head = head

    async def event(self) -> Event:
        """The next message; comments and `retry` are passed over. Raises asyncio.IncompleteReadError at the end."""
        while True:
            block = (await self.reader.readuntil(b"\n\n")).decode()
            lines = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
            data = [value for name, _, value in lines if name == "data"]
            if data:
                return Event("".join(value for name, _, value in lines if name == "id"), "\n".join(data))

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


@asynccontextmanager
async def serving(app: web.Application, keepalive_timeout: float = 15.0) -> AsyncIterator[int]:
    """`app` on a free loopback port; answers the port."""
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=2.0, keepalive_timeout=keepalive_timeout
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await hang_up()


def request_bytes(path: str, port: int, method: str = "GET", **headers: str) -> bytes:
    """The bytes of a request; header names are written with `_` for `-`."""
    lines = {"Host": f"127.0.0.1:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    rows = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{rows}\r\n".encode()


async def open_stream(port: int, path: str, **headers: str) -> Stream:
    """Ask for `path` and read the head of the answer."""
    reader, writer = await connect(port, limit=1 << 22)
    writer.write(request_bytes(path, port, **headers))
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
    return Stream(reader, writer, head)


async def ended(reader: asyncio.StreamReader, within_s: float) -> bool:
    """Whether the other side ends the connection in time; what it still sends is read."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(within_s):
            while await reader.read(65_536):
                pass
            return True
    return reader.at_eof() or reader.exception() is not None
