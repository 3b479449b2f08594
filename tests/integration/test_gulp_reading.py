"""Reading in gulps over a real socket: fewer wake-ups, nothing lost, pings answered, every end noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from marketwatch.feed.gulp import GulpReader, LineEnded, WebSocket, close_hard, inner

Script = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


@asynccontextmanager
async def line(script: Script, *, autoping: bool = True) -> AsyncIterator[WebSocket]:
    """A client's end of a WebSocket whose server runs `script`."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoping=autoping, max_msg_size=1 << 26)
        await ws.prepare(request)
        try:
            await script(ws, request)
        except ConnectionError:
            return ws
        return ws

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as session:
            ws = await session.ws_connect(
                f"http://127.0.0.1:{runner.addresses[0][1]}/", decode_text=False, max_msg_size=4_000_000
            )
            yield ws
            await close_hard(ws)
    finally:
        await runner.cleanup()


async def read_all(reader: GulpReader) -> tuple[list[list[bytes]], LineEnded]:
    gulps: list[list[bytes]] = []
    while True:
        try:
            gulps.append(await reader.read())
        except LineEnded as error:
            return gulps, error


async def test_aiohttp_still_has_what_gulps_need() -> None:
    """When this fails, aiohttp has moved its private parts: gulps fall back to plain reading until `inner` follows."""

    async def script(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.send_str("one")
        await ws.send_str("two")
        await asyncio.sleep(5)

    async with line(script) as ws:
        parts = inner(ws)
        assert parts is not None
        await ws.receive()
        while not parts.buffer:
            await asyncio.sleep(0.001)
        kind, data, _ = parts.buffer[0][0]
        assert (kind, data) == (aiohttp.WSMsgType.TEXT, b"two")
        parts.transport.pause_reading()
        assert not parts.transport.is_reading()
        parts.transport.resume_reading()
        assert (await parts.read())[1] == b"two"


def paced(count: int, pause_s: float) -> Script:
    async def script(ws: web.WebSocketResponse, request: web.Request) -> None:
        for number in range(count):
            await ws.send_str(str(number))
            await asyncio.sleep(pause_s)
        await ws.close(code=1001)

    return script


@pytest.mark.parametrize("gulp_ms", [0, 20])
async def test_every_frame_arrives_once_and_in_order(gulp_ms: int) -> None:
    async with line(paced(200, 0.001)) as ws:
        gulps, ended = await read_all(GulpReader(ws, gulp_ms=gulp_ms))
    assert [frame for gulp in gulps for frame in gulp] == [str(number).encode() for number in range(200)]
    assert ended.code == 1001


async def test_gulps_wake_up_less_often_than_frames() -> None:
    async with line(paced(300, 0.001)) as ws:
        gulps, _ = await read_all(GulpReader(ws, gulp_ms=25))
    assert len(gulps) < 100


async def test_missing_private_parts_fall_back_to_plain_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketwatch.feed.gulp.inner", lambda ws: None)
    async with line(paced(50, 0.0)) as ws:
        gulps, _ = await read_all(GulpReader(ws, gulp_ms=20))
    assert [len(gulp) for gulp in gulps] == [1] * 50


async def test_flood_is_read_without_pauses() -> None:
    async def script(ws: web.WebSocketResponse, request: web.Request) -> None:
        for _ in range(60_000):
            await ws.send_str("x" * 150)
        await ws.close()

    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    async with line(script) as ws:
        gulps, _ = await read_all(GulpReader(ws, gulp_ms=20, sleep=sleep))
    assert sum(len(gulp) for gulp in gulps) == 60_000
    assert max(len(gulp) for gulp in gulps) <= 5_000


async def test_ping_behind_a_frame_is_answered_and_does_not_hold_the_frame_back() -> None:
    answered = asyncio.Event()

    async def script(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.send_str("a")
        await ws.ping(b"1732100000")
        message = await ws.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"1732100000")
        answered.set()
        await ws.receive()

    async with line(script, autoping=False) as ws:
        async with asyncio.timeout(5):
            assert await GulpReader(ws, gulp_ms=20).read() == [b"a"]
        if not answered.is_set():
            reading = asyncio.create_task(GulpReader(ws, gulp_ms=20).read())
            async with asyncio.timeout(5):
                await answered.wait()
            reading.cancel()
            await asyncio.wait({reading})


async def test_frame_above_the_limit_ends_the_line() -> None:
    async def script(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.send_str("a")
        await ws.send_str("x" * 10_000_000)
        await asyncio.sleep(5)

    async with line(script) as ws:
        gulps, ended = await read_all(GulpReader(ws, gulp_ms=5))
    assert gulps == [[b"a"]]
    assert ended.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_cut_without_a_word_ends_the_line() -> None:
    async def script(ws: web.WebSocketResponse, request: web.Request) -> None:
        await ws.send_str("a")
        assert request.transport is not None
        request.transport.abort()

    async with line(script) as ws:
        gulps, _ = await read_all(GulpReader(ws, gulp_ms=5))
    assert [frame for gulp in gulps for frame in gulp] in ([b"a"], [])


async def test_close_is_bounded_when_the_peer_goes_on_talking() -> None:
    async def script(ws: web.WebSocketResponse, request: web.Request) -> None:
        while True:
            await ws.send_str("and another thing")
            await asyncio.sleep(0.001)

    async with line(script) as ws:
        await ws.receive()
        async with asyncio.timeout(5):
            await close_hard(ws, timeout_s=0.2)
        parts = inner(ws)
        assert parts is None or parts.transport.is_closing()
