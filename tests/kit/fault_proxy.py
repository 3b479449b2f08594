"""A TCP proxy that fails on demand: cut inside a frame, reset, black hole, bytes in slices, delay."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from .fake_ws import reset

_CHUNK = 1 << 16


class FaultProxy:
    """Forwards `127.0.0.1:port` to `target_port`; an async context manager. The attributes may change at any time.

    `slice_bytes`: forward downstream data in pieces of at most that many bytes. `delay_s`: hold every piece back.
    `black_hole`: swallow both directions, keep the connections. `cut_after`: close each connection after that many further
    downstream bytes, which usually is inside a frame.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.slice_bytes = 0
        self.delay_s = 0.0
        self.black_hole = False
        self.cut_after: int | None = None
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self, *, rst: bool = False) -> None:
        """End all connections, by FIN or by RST."""
        for writer in list(self._writers):
            if rst:
                reset(writer.transport)
            else:
                writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            reset(writer.transport)
            return
        pair = {writer, far_writer}
        self._writers |= pair
        up = asyncio.create_task(self._pump(reader, far_writer, downstream=False))
        down = asyncio.create_task(self._pump(far_reader, writer, downstream=True))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self._writers -= pair
            for end in pair:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, downstream: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                if self.black_hole:
                    continue
                if not downstream:
                    writer.write(data)
                elif not await self._down(data, writer):
                    return
                await writer.drain()

    async def _down(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Forward towards the client; false when the connection was cut on the way."""
        size = self.slice_bytes or len(data)
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            elif self.slice_bytes:
                await asyncio.sleep(0)
            if self.cut_after is not None and len(piece) > self.cut_after:
                writer.write(piece[: self.cut_after])
                self.cut_after = None
                return False
            if self.cut_after is not None:
                self.cut_after -= len(piece)
            writer.write(piece)
        return True
