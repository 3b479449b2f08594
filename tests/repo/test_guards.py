"""The guards of conftest.py do guard."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from tests.kit import guards
from tests.kit.guards import LoopGuard, NetworkRefused


@pytest.mark.offline
def test_connect_beyond_this_machine_is_refused() -> None:
    with socket.socket() as sock, pytest.raises(NetworkRefused, match=r"192\.0\.2\.1"):
        sock.connect(("192.0.2.1", 80))


@pytest.mark.offline
async def test_look_up_of_a_public_name_is_refused() -> None:
    with pytest.raises(NetworkRefused, match="example"):
        await asyncio.get_running_loop().getaddrinfo("venue.example", 443)


async def test_loopback_connection_is_allowed() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0", None, b"127.0.0.1", "app.localhost"])
def test_is_local_with_addresses_of_this_machine_is_true(host: object) -> None:
    assert guards.is_local(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.1.1", "stream.binance.com", "2001:db8::1"])
def test_is_local_with_other_addresses_is_false(host: object) -> None:
    assert not guards.is_local(host)


async def test_task_error_that_nobody_retrieves_is_collected() -> None:
    async def fail() -> None:
        raise ValueError("lost")

    with pytest.MonkeyPatch.context() as patch:
        guard = LoopGuard(patch)
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        del task
        gc.collect()
        await asyncio.sleep(0)
    assert any("lost" in problem for problem in guard.problems)
