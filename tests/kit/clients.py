"""Clients of the running application, as tests of pages, interfaces and sockets use them."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

from marketwatch.clock import ManualClock

from .watches import World

Client = TestClient[web.Request, web.Application]
WAIT_S = 10.0
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
"""Headers that ask for a socket."""


async def send(client: Client, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
    """Status, and data or error of an answer of the API."""
    async with client.request(method, path, **({} if body is None else {"json": body}), **more) as answer:
        told = await answer.json()
        return answer.status, told["data"] if told["success"] else told["error"]


async def data(client: Client, path: str) -> Any:
    """The data of a good answer."""
    status, found = await send(client, "GET", path)
    assert status == 200, found
    return found


async def problem(client: Client, path: str) -> tuple[int, str, str]:
    """Status, code and message of a bad answer."""
    status, error = await send(client, "GET", path)
    return status, error["code"], error["message"]


async def advance(made: World, seconds: float) -> None:
    """Let the world's clock go on, and its tasks notice."""
    assert isinstance(made.clock, ManualClock)
    await made.clock.advance(seconds)
    await asyncio.sleep(0.01)
