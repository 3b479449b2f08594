"""The hub on real sockets: lean and plain streams, resuming, slow readers, the cap, the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from aiohttp import web

from marketwatch.accounts.owner import Owner
from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.telemetry import Telemetry
from marketwatch.web import sse, sse_client
from marketwatch.web.guard import Guard
from marketwatch.web.headers import add_headers
from marketwatch.web.middleware import Gate, middleware
from marketwatch.web.sse import Hub
from tests.kit.streams import Stream, connect, ended, open_stream, request_bytes, serving

WAIT_S = 10.0
T = TypeVar("T")


@pytest.fixture(params=["lean", "plain"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to keep a stream."""
    if request.param == "plain":
        monkeypatch.setattr(sse, "detachable", lambda _request: None)
    return str(request.param)


@asynccontextmanager
async def hub_server(first: bytes | None = None, **options: float) -> AsyncIterator[tuple[Hub, int]]:
    """A hub behind the gate, swept ten times a second."""
    clock = SystemClock()
    hub = Hub(clock=clock, **options)  # type: ignore[arg-type]
    settings = Settings.of(rate_limit=1_000_000, rate_limit_data=1_000_000)
    guard = Guard(settings=settings, owner=Owner(token="", clock=clock), accounts=None)
    app = web.Application(middlewares=[middleware(Gate(settings=settings, clock=clock, telemetry=Telemetry(), guard=guard))])
    app.on_response_prepare.append(add_headers)

    async def stream(request: web.Request) -> web.StreamResponse:
        return await hub.serve(request, request.query.get("channel", "page"), first=first)

    async def other(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def close(_app: web.Application) -> None:
        await hub.aclose()

    app.router.add_get("/stream", stream)
    app.router.add_get("/other", other)
    app.on_shutdown.append(close)
    async with serving(app) as port:
        sweeper = asyncio.create_task(hub.run(clock, 0.1))
        try:
            yield hub, port
        finally:
            sweeper.cancel()


async def until(condition: Callable[[], bool], within_s: float = WAIT_S) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


async def soon(work: Awaitable[T]) -> T:
    """`work`, but not for ever."""
    return await asyncio.wait_for(work, WAIT_S)


async def test_hub_stream_has_the_headers_that_proxies_need(kind: str) -> None:
    async with hub_server() as (_, port):
        stream = await open_stream(port, "/stream")
        head = stream.head.lower()
        assert head.startswith("http/1.1 200 ok")
        for line in (
            "content-type: text/event-stream",
            "cache-control: no-transform, no-store",
            "x-accel-buffering: no",
            "content-security-policy:",
            "x-request-id:",
        ):
            assert line in head
        assert "content-length" not in head
        stream.close()


async def test_hub_published_message_reaches_all_clients_of_the_channel(kind: str) -> None:
    async with hub_server() as (hub, port):
        streams = [await open_stream(port, "/stream") for _ in range(20)]
        stranger = await open_stream(port, "/stream?channel=other")
        await until(lambda: hub.clients == 21)
        hub.publish("page", b"<p>one</p>\n<p>two</p>")
        hub.publish("other", b"else")
        events = [await soon(stream.event()) for stream in streams]
        assert {event.data for event in events} == {"<p>one</p>\n<p>two</p>"}
        assert len({event.event_id for event in events}) == 1
        assert (await soon(stranger.event())).data == "else"
        for stream in (*streams, stranger):
            stream.close()
        await until(lambda: hub.clients == 0)


async def test_hub_first_comes_before_everything(kind: str) -> None:
    async with hub_server(first=b"whole") as (hub, port):
        stream = await open_stream(port, "/stream")
        assert (await soon(stream.event())).data == "whole"
        hub.publish("page", b"next")
        assert (await soon(stream.event())).data == "next"
        stream.close()


async def test_hub_last_event_id_resumes_without_loss_or_repetition(kind: str) -> None:
    async with hub_server(first=b"whole") as (hub, port):
        stream = await open_stream(port, "/stream")
        await soon(stream.event())
        hub.publish("page", b"1")
        seen = await soon(stream.event())
        stream.close()
        await until(lambda: hub.clients == 0)
        for number in (2, 3, 4):
            hub.publish("page", b"%d" % number)
        again = await open_stream(port, "/stream", Last_Event_ID=seen.event_id)
        hub.publish("page", b"5")
        assert [(await soon(again.event())).data for _ in range(4)] == ["2", "3", "4", "5"]
        again.close()


@pytest.mark.parametrize("event_id", ["", "x", "-", "0-1", "f" * 5000, "1-99999999999999999999", "é-1", "1--1"])
async def test_hub_unknown_last_event_id_gets_the_whole_state(event_id: str) -> None:
    async with hub_server(first=b"whole") as (hub, port):
        opened = await open_stream(port, "/stream")
        hub.publish("page", b"1")
        stream = await open_stream(port, "/stream", Last_Event_ID=event_id)
        assert (await soon(stream.event())).data == "whole"
        stream.close()
        opened.close()


async def test_hub_last_event_id_older_than_the_history_gets_the_whole_state(kind: str) -> None:
    async with hub_server(first=b"whole", history_frames=2) as (hub, port):
        stream = await open_stream(port, "/stream")
        seen = await soon(stream.event())
        for number in range(5):
            hub.publish("page", b"%d" % number)
        again = await open_stream(port, "/stream", Last_Event_ID=seen.event_id)
        assert (await soon(again.event())).data == "whole"
        stream.close()
        again.close()


async def test_hub_above_the_cap_is_503_with_retry_after_and_recovers(kind: str) -> None:
    async with hub_server(max_clients=2) as (hub, port):
        streams = [await open_stream(port, "/stream") for _ in range(2)]
        await until(lambda: hub.clients == 2)
        refused = await open_stream(port, "/stream")
        assert refused.head.startswith("HTTP/1.1 503")
        assert "retry-after: 5" in refused.head.lower()
        assert hub.refused == 1
        streams[0].close()
        await until(lambda: hub.clients == 1)
        admitted = await open_stream(port, "/stream")
        assert admitted.head.startswith("HTTP/1.1 200")
        for stream in (refused, streams[1], admitted):
            stream.close()


async def test_hub_silent_channel_is_pinged(kind: str) -> None:
    async with hub_server(ping_s=0.3) as (_, port):
        stream = await open_stream(port, "/stream")
        await soon(stream.reader.readuntil(b"retry: 2000\n\n"))
        assert (await soon(stream.reader.readuntil(b"\n\n"))).endswith(b":\n\n")
        stream.close()


async def test_hub_client_that_never_reads_is_cut_and_others_are_served_at_once(kind: str) -> None:
    async with hub_server(slow_s=1.0, history_bytes=8_000_000) as (hub, port):
        deaf = [await connect(port, limit=1024) for _ in range(50)]
        for _, writer in deaf:
            writer.write(request_bytes("/stream", port))
        healthy = [await open_stream(port, "/stream") for _ in range(5)]
        await until(lambda: hub.clients == 55)
        began = time.monotonic()
        waits: list[float] = []
        while hub.clients > 5 and time.monotonic() - began < 15:
            sent = time.monotonic()
            hub.publish("page", b"x" * 200_000)
            await asyncio.gather(*(soon(stream.event()) for stream in healthy))
            waits.append(time.monotonic() - sent)
            await asyncio.sleep(0.02)
        assert hub.clients == 5
        assert sorted(waits)[int(len(waits) * 0.99)] < 1.0
        for stream in healthy:
            stream.close()
        for _, writer in deaf:
            writer.close()


async def test_hub_slow_client_that_reads_again_in_time_misses_nothing(kind: str) -> None:
    async with hub_server(slow_s=30.0, history_bytes=64_000_000, history_frames=1000) as (hub, port):
        stream = await open_stream(port, "/stream")
        await until(lambda: hub.clients == 1)
        while hub.slow_clients == 0:
            hub.publish("page", b"x" * 300_000)
            await asyncio.sleep(0)
        for _ in range(5):
            hub.publish("page", b"late" * 1000)
        published = hub._channels["page"].last
        numbers = [int((await soon(_large(stream))).rpartition("-")[2]) for _ in range(published)]
        assert numbers == list(range(1, published + 1))
        assert hub.slow_clients == 0
        stream.close()


async def _large(stream: Stream) -> str:
    """The id of the next message, whatever its size."""
    while True:
        line = (await stream.reader.readline()).decode() if not stream.reader.at_eof() else ""
        if line.startswith("id: "):
            identity = line[4:].strip()
            length = 0
            while (part := await _some(stream)) != b"\n":
                length += len(part)
            assert length > 1000
            return identity


async def _some(stream: Stream) -> bytes:
    try:
        return await stream.reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        return await stream.reader.readexactly(error.consumed)


async def test_hub_closing_ends_streams_at_once(kind: str) -> None:
    async with hub_server() as (hub, port):
        streams = [await open_stream(port, "/stream") for _ in range(30)]
        await until(lambda: hub.clients == 30)
        leaving = time.monotonic()
    assert time.monotonic() - leaving < 2.0
    for stream in streams:
        assert await ended(stream.reader, 2.0)
        stream.close()


async def test_hub_head_request_has_headers_only() -> None:
    async with hub_server(first=b"whole") as (hub, port):
        reader, writer = await connect(port)
        writer.write(request_bytes("/stream", port, method="HEAD") + request_bytes("/other", port))
        head = (await soon(reader.readuntil(b"\r\n\r\n"))).decode()
        assert "text/event-stream" in head
        assert b"200" in await soon(reader.readline())
        assert hub.clients == 0
        writer.close()


async def test_hub_lean_stream_leaves_nothing_of_aiohttp_behind() -> None:
    async with hub_server() as (hub, port):
        before = asyncio.all_tasks()
        streams = [await open_stream(port, "/stream") for _ in range(10)]
        await until(lambda: hub.clients == 10)
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == before
        client = next(iter(hub._channels["page"].clients))
        assert isinstance(client, sse_client.Lean), "the takeover of aiohttp's connection has stopped working"
        assert client.transport is not None
        assert client.transport.get_protocol() is client
        for stream in streams:
            stream.close()


async def test_hub_half_closing_client_is_let_go(kind: str) -> None:
    async with hub_server(ping_s=0.2) as (hub, port):
        stream = await open_stream(port, "/stream")
        await until(lambda: hub.clients == 1)
        stream.writer.write_eof()
        stream.writer.transport.abort()
        await until(lambda: hub.clients == 0)


async def test_hub_http_10_client_is_served_by_the_plain_path() -> None:
    async with hub_server(first=b"whole") as (hub, port):
        reader, writer = await connect(port)
        writer.write(b"GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert (await soon(reader.readuntil(b"\r\n\r\n"))).startswith(b"HTTP/1.0 200")
        assert b"data: whole\n\n" in await soon(reader.readuntil(b"whole\n\n"))
        assert isinstance(next(iter(hub._channels["page"].clients)), sse_client.Plain)
        writer.close()
