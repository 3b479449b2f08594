"""`/ws/portfolio/{portfolio_id}` against the running application: the API's own numbers, each second, for its owner alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from marketwatch.clock import ManualClock, SystemClock
from marketwatch.model.accounts import Role
from marketwatch.model.portfolio import LOCAL_OWNER, CostMethod
from marketwatch.web.api.desk import DESK
from marketwatch.web.api.stream import TICKER
from marketwatch.web.holders import HOLDERS, RECHECK_S
from marketwatch.web.ws_book import BOOK_SOCKETS, BookSockets
from tests.kit.clients import UPGRADE, WAIT_S, Client, advance
from tests.kit.streams import connect, request_bytes, serving
from tests.kit.watches import OWNER, START_MS, TOKEN, World, publish_trades, trade, world


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, accounts="open") as found:
        yield found


async def told(socket: ClientWebSocketResponse) -> dict[str, Any]:
    """What the next update says."""
    message = orjson.loads(await socket.receive_str(timeout=WAIT_S))
    assert message["type"] == "portfolio_update", message
    found: dict[str, Any] = message["data"]
    return found


async def asked(client: Client, path: str, headers: dict[str, str]) -> dict[str, Any]:
    async with client.get(path, headers=headers) as answer:
        found: dict[str, Any] = (await answer.json())["data"]
        return found


async def owning(client: Client, headers: dict[str, str]) -> str:
    """The id of a new portfolio with half a bitcoin and three ether."""
    async with client.post("/api/portfolio", json={"name": "Main"}, headers=headers) as answer:
        portfolio = str((await answer.json())["data"]["portfolio_id"])
    for coin, quantity, price in (("BTC", "0.5", "40000"), ("ETH", "3", "2000.5")):
        body = {"coin_id": coin, "quantity": quantity, "purchase_price": price, "purchase_date": "2025-11-20T10:00:00Z"}
        async with client.post(f"/api/portfolio/{portfolio}/assets", json=body, headers=headers) as answer:
            assert answer.status == 201
    return portfolio


async def refused(client: Client, path: str, **headers: str) -> int:
    with pytest.raises(WSServerHandshakeError) as error:
        await client.ws_connect(path, headers=headers)
    return error.value.status


async def test_ws_portfolio_says_each_second_what_the_api_says(made: World) -> None:
    async with made.client(owner=True) as client:
        portfolio = await owning(client, OWNER)
        async with client.ws_connect(f"/ws/portfolio/{portfolio}") as socket:
            for step in range(3):
                found = await told(socket)
                positions = found.pop("positions")
                assert found == await asked(client, f"/api/portfolio/{portfolio}", OWNER)
                did = await asked(client, f"/api/portfolio/{portfolio}/performance", OWNER)
                assert positions == did["positions"]
                assert (found["total_value"], found["as_of"]) == (did["total_value"], did["as_of"])
                publish_trades(made.watch, trade("BTCUSDT", 9_000 + step, 60_000.0 + step, 1.0, START_MS + 20_000 + step))
                await advance(made, 0.5)
                if step:
                    with pytest.raises(TimeoutError):
                        await socket.receive(timeout=0.05)
                    await advance(made, 0.5)
            assert (await told(socket))["positions"][0]["price"] == 60_002.0


async def test_ws_portfolio_shows_a_change_of_the_books_and_ends_with_the_portfolio(made: World) -> None:
    async with made.client(owner=True) as client:
        portfolio = await owning(client, OWNER)
        async with client.ws_connect(f"/ws/portfolio/{portfolio}") as socket:
            assert (await told(socket))["transactions"] == 2
            body = {"type": "sell", "coin_id": "ETH", "quantity": 3, "price": "2100.5", "time": "2025-11-20T11:00:00Z"}
            assert (await client.post(f"/api/portfolio/{portfolio}/transactions", json=body)).status == 201
            await advance(made, 1.0)
            found = await told(socket)
            assert (found["transactions"], found["realized_pnl"]) == (3, "300")
            assert (await client.delete(f"/api/portfolio/{portfolio}")).status == 200
            await advance(made, 1.0)
            message = await socket.receive(timeout=WAIT_S)
            assert (message.type, message.data, message.extra) == (
                WSMsgType.CLOSE, 1008, "this portfolio is not there any more",
            )  # fmt: skip
        assert await refused(client, f"/ws/portfolio/{portfolio}") == 409


async def test_ws_portfolio_is_nobody_else_s(shared: World) -> None:
    async with shared.client() as client:
        bob = await shared.bearer(await shared.person("bob"))
        eve = await shared.bearer(await shared.person("eve", Role.ADMIN))
        portfolio = await owning(client, bob)
        path = f"/ws/portfolio/{portfolio}"
        assert await refused(client, path) == 401
        assert await refused(client, path, Authorization="Bearer nonsense") == 401
        assert await refused(client, path, **eve) == 404
        assert await refused(client, path, **OWNER) == 404
        assert await refused(client, "/ws/portfolio/nothing", **bob) == 404
        assert await refused(client, path, **bob, Origin="https://evil.test") == 403
        assert (await client.get(path, headers=bob)).status == 400
        async with client.ws_connect(path, headers=bob) as socket:
            assert (await told(socket))["name"] == "Main"


async def test_ws_portfolio_closes_within_a_minute_of_its_session(shared: World) -> None:
    assert isinstance(shared.clock, ManualClock)
    bob = await shared.person("bob")
    async with shared.client() as client:
        ended, kept = await shared.bearer(bob), await shared.bearer(bob)
        portfolio = await owning(client, kept)
        one = await client.ws_connect(f"/ws/portfolio/{portfolio}", headers=ended, autoping=False)
        other = await client.ws_connect(f"/ws/portfolio/{portfolio}", headers=kept, autoping=False)
        assert client.app is not None
        holders = client.app[HOLDERS]
        assert (len(holders), await holders.recheck()) == (2, 0)
        await shared.people.sessions.end((await shared.people.sessions.of_user(bob.user_id))[0])
        looking = asyncio.create_task(holders.run(shared.clock))
        await asyncio.sleep(0)
        await shared.clock.advance(RECHECK_S)
        async with asyncio.timeout(WAIT_S):
            while len(holders) == 2:
                await asyncio.sleep(0.01)
        states = [await _end_of(one), await _end_of(other)]
        assert sorted(states, key=str) == [1008, None]
        looking.cancel()


async def _end_of(socket: ClientWebSocketResponse) -> int | None:
    """The code with which a socket was closed by now; None while it is open."""
    while True:
        try:
            message = await socket.receive(timeout=0.3)
        except TimeoutError:
            return None
        if message.type is WSMsgType.CLOSE:
            return int(message.data)


async def test_ws_portfolio_slow_reader_is_cut_while_another_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path, clock=SystemClock()) as made:
        book = await made.books.create(LOCAL_OWNER, "Main", "USD", CostMethod.AVERAGE)
        path = f"/ws/portfolio/{book.portfolio.portfolio_id}"
        app = made.build()
        sockets = app[BOOK_SOCKETS] = BookSockets(desk=app[DESK], clock=made.clock, max_clients=10, slow_s=1.0)
        bearer = f"Bearer {TOKEN}"
        async with serving(app) as port:
            for limit in (1024, 65_536):
                reader, writer = await connect(port, limit=limit)
                writer.write(request_bytes(path, port, Authorization=bearer, **UPGRADE))
                await reader.readuntil(b"portfolio_update")
            slow, alive = sockets._open
            assert slow.request.transport is not None
            slow.request.transport.write(b"\x8a\x00" * 4_000_000)
            assert slow.full
            runner = asyncio.create_task(sockets.run(0.1))
            async with asyncio.timeout(WAIT_S):
                while sockets.clients == 2:
                    sockets.on_tick(app[TICKER])
                    await asyncio.sleep(0.05)
                await reader.readuntil(b"portfolio_update")
            assert list(sockets._open) == [alive]
            runner.cancel()


async def test_ws_portfolio_above_the_cap_is_503(tmp_path: Path) -> None:
    async with world(tmp_path, max_clients=1) as made, made.client(owner=True) as client:
        portfolio = await owning(client, OWNER)
        async with client.ws_connect(f"/ws/portfolio/{portfolio}") as socket:
            await told(socket)
            assert await refused(client, f"/ws/portfolio/{portfolio}") == 503
