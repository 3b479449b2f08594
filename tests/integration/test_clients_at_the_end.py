"""SIGTERM under open streams: the real program ends at once and says goodbye to everyone."""

from __future__ import annotations

import asyncio
import signal
import time

import orjson

from tests.kit.program import program
from tests.kit.streams import ended, hang_up, open_stream

GENEROUS = {"MARKETWATCH_RATE_LIMIT_DATA": "1000000"}


async def test_program_with_streams_and_sockets_open_ends_cleanly_and_soon() -> None:
    async with program("demo", env=GENEROUS) as running:
        await running.until("/readyz")
        streams = [
            await open_stream(running.port, path)
            for path in ("/stream/overview", "/api/market/stream?coins=BTC", "/api/market/stream")
            for _ in range(15)
        ]
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
        key = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        sockets = [await open_stream(running.port, "/ws/prices?coins=BTC", **upgrade, **key) for _ in range(3)]
        first = await asyncio.wait_for(streams[15].event(), 10)
        second = await asyncio.wait_for(streams[15].event(), 10)
        assert orjson.loads(first.data)["meta"]["source"] == orjson.loads(second.data)["meta"]["source"] == "demo"
        began = time.monotonic()
        end = await running.stop(signal.SIGTERM)
        assert (end.code, time.monotonic() - began < 5.0) == (0, True)
        assert "Traceback" not in end.stderr
        for stream in streams:
            assert await ended(stream.reader, 2.0)
        for socket in sockets:
            assert await ended(socket.reader, 2.0)
        await hang_up()
