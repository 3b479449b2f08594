"""Receivers of notices: a web server that answers as told, and a small mail server, both on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiohttp import web
from multidict import CIMultiDictProxy


class Hooks:
    """Takes every POST; `status` and `headers` are what it answers, `hold` delays the answer."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[CIMultiDictProxy[str]] = []
        self.status = 204
        self.answer_headers: dict[str, str] = {}
        self.hold: asyncio.Event | None = None
        self.reached = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(request.headers)
        self.reached.set()
        if self.hold is not None:
            await self.hold.wait()
        return web.Response(status=self.status, headers=self.answer_headers)


@asynccontextmanager
async def hooks() -> AsyncIterator[Hooks]:
    """A running receiver of webhooks."""
    receiver = Hooks()
    app = web.Application()
    app.router.add_post("/{any:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.port = int(runner.addresses[0][1])
        yield receiver
    finally:
        await runner.cleanup()


class Post:
    """A mail server that keeps what it takes. `refuse`: answers `550` to this command."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.receivers: list[str] = []
        self.logins: list[str] = []
        self.refuse = ""
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 post\r\n")
            while line := await reader.readline():
                answer = self._answer(line.decode().strip())
                writer.write(answer)
                if answer.startswith(b"354"):
                    self.mails.append(_parse(await reader.readuntil(b"\r\n.\r\n")))
                    writer.write(b"250 taken\r\n")
                await writer.drain()
                if line.upper().startswith(b"QUIT"):
                    break
        finally:
            writer.close()

    def _answer(self, line: str) -> bytes:
        word = line.split(" ")[0].upper()
        if self.refuse and word == self.refuse:
            return b"550 no, secret words\r\n"
        if word == "DATA":
            return b"354 go on\r\n"
        if word == "RCPT":
            self.receivers.append(line)
        if word == "AUTH":
            self.logins.append(line)
            return b"235 welcome\r\n"
        return {"EHLO": b"250-post\r\n250 AUTH PLAIN\r\n", "QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n")


def _parse(data: bytes) -> EmailMessage:
    return message_from_bytes(data.removesuffix(b"\r\n.\r\n"), policy=policy.default)


@asynccontextmanager
async def post() -> AsyncIterator[Post]:
    """A running mail server."""
    server = Post()
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    try:
        server.port = listening.sockets[0].getsockname()[1]
        yield server
    finally:
        listening.close()


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
