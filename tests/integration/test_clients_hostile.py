"""Clients that mean no good: they send slowly, never read, come by the thousand, or stay when the program ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from marketwatch.clock import SystemClock
from tests.kit.streams import connect, ended, open_stream, request_bytes, serving
from tests.kit.watches import world


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"GET /api/market/pr"])
async def test_slowloris_connection_is_cut_when_its_time_is_over(tmp_path: Path, beginning: bytes) -> None:
    async with world(tmp_path) as made, serving(made.build(keepalive_s=0.5)) as port:
        reader, writer = await connect(port)
        writer.write(beginning)

        async def drip() -> None:
            while beginning:
                await asyncio.sleep(0.1)
                writer.write(b"x")

        dripping = asyncio.create_task(drip())
        assert await ended(reader, 5.0)
        dripping.cancel()


async def test_slow_body_is_not_waited_for(tmp_path: Path) -> None:
    async with world(tmp_path) as made, serving(made.build(keepalive_s=0.5)) as port:
        reader, writer = await connect(port)
        writer.write(request_bytes("/api/market/price/BTC", port, Content_Length="60000"))
        assert b" 200 " in await asyncio.wait_for(reader.readline(), 5.0)
        assert await ended(reader, 8.0)


async def test_idle_connection_is_closed_after_its_keepalive(tmp_path: Path) -> None:
    async with world(tmp_path) as made, serving(made.build(keepalive_s=0.4)) as port:
        reader, writer = await connect(port)
        writer.write(request_bytes("/healthz", port))
        assert b" 200 " in await reader.readline()
        assert await ended(reader, 5.0)


async def test_pipelining_client_that_never_reads_is_cut_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketwatch.web.snapshot._SEND_S", 0.5)
    monkeypatch.setattr("marketwatch.web.middleware._SEND_S", 0.5)
    async with world(tmp_path, clock=SystemClock()) as made, serving(made.build()) as port:
        deaf = [await connect(port, limit=1024) for _ in range(10)]

        async def flood(writer: asyncio.StreamWriter) -> None:
            paths = ("/api/market/prices", "/api/openapi.json")
            while not writer.transport.is_closing():
                writer.write(b"".join(request_bytes(path, port) for path in paths) * 20)
                await asyncio.sleep(0.01)

        floods = [asyncio.create_task(flood(writer)) for _, writer in deaf]
        waits = []
        for _ in range(30):
            sent = time.monotonic()
            reader, writer = await connect(port)
            writer.write(request_bytes("/api/market/price/BTC", port, Connection="close"))
            assert b" 200 " in await asyncio.wait_for(reader.readline(), 5.0)
            waits.append(time.monotonic() - sent)
            await asyncio.sleep(0.02)
        done, _ = await asyncio.wait(floods, timeout=20.0)
        assert len(done) == len(floods)
        assert sorted(waits)[-2] < 1.0


async def test_many_streams_come_and_go_and_leave_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, clock=SystemClock()) as made:
        app = made.build()
        async with serving(app) as port:
            from marketwatch.web.keys import HUB

            hub = app[HUB]
            for _ in range(3):
                streams = await asyncio.gather(*(open_stream(port, "/stream/overview") for _ in range(150)))
                assert all(stream.head.startswith("HTTP/1.1 200") for stream in streams)
                for stream in streams:
                    stream.writer.transport.abort()
                async with asyncio.timeout(10.0):
                    while hub.clients:
                        await asyncio.sleep(0.01)
            reader, writer = await connect(port)
            writer.write(request_bytes("/healthz", port))
            assert b" 200 " in await reader.readline()


async def test_open_streams_and_sockets_do_not_hold_the_end(tmp_path: Path) -> None:
    async with world(tmp_path, clock=SystemClock()) as made:
        async with serving(made.build()) as port:
            streams = [await open_stream(port, path) for path in ("/stream/overview", "/api/market/stream") for _ in range(20)]
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
            sockets = [
                await open_stream(port, "/ws/prices?coins=BTC", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", **upgrade)
                for _ in range(5)
            ]
            assert all(" 101 " in socket.head for socket in sockets)
            leaving = time.monotonic()
        assert time.monotonic() - leaving < 4.0
        for stream in streams:
            assert await ended(stream.reader, 1.0)
