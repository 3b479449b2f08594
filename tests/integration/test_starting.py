"""The starting server answers real sockets while the program is still importing, and leaves the listener to its heir."""

from __future__ import annotations

import asyncio

import pytest

from marketwatch.starting import StartingServer, listen


async def _ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_starting_server_healthz_is_200_and_pages_say_starting() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with StartingServer(listener):
            health = await _ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            page = await _ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert health.startswith(b"HTTP/1.1 200 OK\r\n")
    assert page.startswith(b"HTTP/1.1 503 ")
    assert b"marketwatch is starting" in page


@pytest.mark.parametrize("request_bytes", [b"\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET\r\n\r\n"])
async def test_starting_server_garbage_is_answered_503(request_bytes: bytes) -> None:
    with listen("127.0.0.1", 0) as listener:
        async with StartingServer(listener):
            answer = await _ask(listener.getsockname()[1], request_bytes)
    assert answer.startswith(b"HTTP/1.1 503 ")


async def test_starting_server_endless_head_is_cut() -> None:
    with listen("127.0.0.1", 0) as listener:
        async with StartingServer(listener):
            assert await _ask(listener.getsockname()[1], b"A" * 100_000) == b""


async def test_starting_server_closed_its_heir_serves_the_same_port() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with StartingServer(listener):
            await _ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")

        async def heir(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"heir")
            writer.close()

        server = await asyncio.start_server(heir, sock=listener)
        async with server:
            assert await _ask(port, b"GET / HTTP/1.1\r\n\r\n") == b"heir"


def test_listen_port_that_is_taken_raises() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", listener.getsockname()[1])
