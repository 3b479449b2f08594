"""Reading a WebSocket in gulps: take everything that is buffered, let the kernel collect for some milliseconds, go on.

A wake-up per frame costs far more than the frame; pausing the transport between gulps saves two thirds of the CPU at a real
pace, for `gulp_ms` of latency. It needs two private attributes of aiohttp, kept in `inner`; where they are missing, or with
`gulp_ms` 0, frames are read one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from ..errors import FeedError

CLOSE_TIMEOUT_S = 1.0
MOST_FRAMES = 5_000
BUSY_FRAMES = 1_000
"""A gulp of this many frames shows that data comes faster than pauses allow: read on at once."""

Sleep = Callable[[float], Awaitable[None]]
WebSocket = ClientWebSocketResponse[Any]


class Inner(NamedTuple):
    """What aiohttp does not offer in public: the queue of received messages, how to take one, and the transport."""

    buffer: deque[Any]
    read: Callable[[], Awaitable[Any]]
    transport: asyncio.Transport


def inner(ws: WebSocket) -> Inner | None:
    """The private parts of `ws`; None where this aiohttp has moved them or the line is already gone."""
    queue = getattr(ws, "_reader", None)
    buffer = getattr(queue, "_buffer", None)
    read = getattr(queue, "read", None)
    transport: Any = getattr(getattr(ws, "_conn", None), "transport", None)
    if not isinstance(buffer, deque) or read is None or not hasattr(transport, "pause_reading"):
        return None
    return Inner(buffer, read, transport)


class LineEnded(FeedError):
    """The connection is over. `code` is the close code where there was one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class GulpReader:
    """Reads `ws`. Pings are answered by aiohttp while a gulp is taken, so at most `gulp_ms` late."""

    def __init__(self, ws: WebSocket, *, gulp_ms: int, sleep: Sleep = asyncio.sleep) -> None:
        self._ws = ws
        self._pause_s = gulp_ms / 1000.0
        self._sleep = sleep
        self._inner = inner(ws) if gulp_ms > 0 else None
        self._ended: LineEnded | None = None
        self._full = False
        self._first = True

    async def read(self) -> list[bytes]:
        """Wait for frames and take all that are there. Raises LineEnded when the line is over and all was taken."""
        if self._inner is not None and not self._full and not self._first:
            await self._rest(self._inner)
        self._first = False
        frames: list[bytes] = []
        while not frames and self._ended is None:
            await self._one(frames)
        if self._inner is not None and self._ended is None:
            await self._drain(self._inner, frames)
        self._full = len(frames) >= BUSY_FRAMES
        if not frames and self._ended is not None:
            raise self._ended
        return frames

    async def _rest(self, inner: Inner) -> None:
        """Stop reading for a moment, so that the kernel collects what comes."""
        try:
            inner.transport.pause_reading()
        except (RuntimeError, NotImplementedError):
            return
        try:
            await self._sleep(self._pause_s)
        finally:
            try:
                inner.transport.resume_reading()
            except (RuntimeError, NotImplementedError):
                self._inner = None

    async def _drain(self, inner: Inner, frames: list[bytes]) -> None:
        """Take what is buffered. Pings are answered here: `receive` would answer and then wait for the next message, with the
        frames of this gulp in hand. What ends the line goes through `receive`, which keeps aiohttp's own state."""
        buffer, read = inner.buffer, inner.read
        while buffer and len(frames) < MOST_FRAMES and self._ended is None:
            kind = buffer[0][0][0]
            if kind is WSMsgType.TEXT:
                frames.append((await read())[1])
            elif kind is WSMsgType.PING:
                await self._pong((await read())[1])
            elif kind is WSMsgType.PONG:
                await read()
            else:
                await self._one(frames)

    async def _pong(self, payload: bytes) -> None:
        try:
            await self._ws.pong(payload)
        except (aiohttp.ClientError, OSError):
            return  # The line is going down; the next read says so, and the frames in hand still count.

    async def _one(self, frames: list[bytes]) -> None:
        message = await self._ws.receive()
        kind = message.type
        if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
            data = message.data
            frames.append(data if isinstance(data, bytes) else str(data).encode())
        elif kind not in (WSMsgType.PING, WSMsgType.PONG):
            self._ended = _ending(self._ws, message)


def _ending(ws: WebSocket, message: aiohttp.WSMessage) -> LineEnded:
    code = ws.close_code
    if message.type is WSMsgType.ERROR:
        return LineEnded(f"The line broke: {message.data}.", code)
    return LineEnded(f"The venue closed the line with code {code}.", code)


async def close_hard(ws: WebSocket, *, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
    """Close politely, but for at most `timeout_s`; then drop the transport, whatever the peer still sends."""
    parts = inner(ws)
    try:
        async with asyncio.timeout(timeout_s):
            await ws.close()
    except (TimeoutError, aiohttp.ClientError, OSError, RuntimeError):
        pass  # The transport is dropped below, which is all that a failed good-bye can still need.
    finally:
        if parts is not None:
            parts.transport.abort()
