"""`/ws/prices` and `/api/market/stream` against the running application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, WSServerHandshakeError

from marketwatch.clock import SystemClock
from marketwatch.web.api.desk import DESK
from marketwatch.web.api.stream import TICKER
from marketwatch.web.ws import SOCKETS, PriceSockets
from tests.kit.clients import UPGRADE, WAIT_S, Client, advance
from tests.kit.streams import connect, open_stream, request_bytes, serving
from tests.kit.watches import INSTRUMENTS, START_MS, World, make_watch, play, publish_trades, trade, world


async def heard(socket: ClientWebSocketResponse) -> dict[str, Any]:
    """The next message as an object."""
    found: dict[str, Any] = orjson.loads(await socket.receive_str(timeout=WAIT_S))
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def moved(made: World, number: int, price: float, symbol: str = "BTCUSDT") -> None:
    publish_trades(made.watch, trade(symbol, 9_000 + number, price, 1.0, START_MS + 20_000 + number))


async def test_ws_first_message_is_the_price_of_the_moment_in_the_contract_s_shape(client: Client) -> None:
    async with client.ws_connect("/ws/prices?coins=bitcoin") as socket:
        assert await heard(socket) == {
            "type": "price_update",
            "data": {"coin_id": "bitcoin", "symbol": "BTCUSDT", "price": 50_019.0, "timestamp": "2025-11-21T00:00:09.600Z"},
        }


async def test_ws_changed_prices_of_the_asked_coins_follow_each_tick(made: World, client: Client) -> None:
    async with client.ws_connect("/ws/prices?coins=bitcoin") as socket:
        await heard(socket)
        await advance(made, 0.5)
        await heard(socket)
        moved(made, 1, 2_000.0, "ETHUSDT")
        moved(made, 2, 60_000.0)
        moved(made, 3, 60_001.0)
        await advance(made, 0.5)
        assert (await heard(socket))["data"]["price"] == 60_001.0
        moved(made, 4, 60_002.0)
        await advance(made, 0.5)
        assert (await heard(socket))["data"]["price"] == 60_002.0


async def test_ws_heartbeat_and_ping_come_every_30_s(made: World, client: Client) -> None:
    async with client.ws_connect("/ws/prices?coins=ETHBTC", autoping=False) as socket:
        for _ in range(31):
            await advance(made, 1.0)
        beat = await heard(socket)
        assert beat == {"type": "heartbeat", "timestamp": beat["timestamp"]}
        assert (await socket.receive(timeout=WAIT_S)).type is WSMsgType.PING


async def test_ws_client_silent_for_90_s_is_closed_and_one_that_pongs_is_kept(made: World, client: Client) -> None:
    silent = await client.ws_connect("/ws/prices?coins=ETHBTC", autoping=False)
    alive = await client.ws_connect("/ws/prices?coins=ETHBTC")

    async def listen() -> None:
        async for _ in alive:
            pass

    listener = asyncio.create_task(listen())
    for _ in range(95):
        await advance(made, 1.0)
    messages = []
    while not silent.closed:
        messages.append(await silent.receive(timeout=WAIT_S))
    assert (messages[-1].type, messages[-1].data, messages[-1].extra) == (WSMsgType.CLOSE, 1008, "silent for too long")
    assert not alive.closed
    listener.cancel()
    await alive.close()


async def test_ws_ping_message_is_answered_and_other_text_gets_an_error(client: Client) -> None:
    async with client.ws_connect("/ws/prices?coins=ETHBTC") as socket:
        await socket.send_str('{"type":"ping"}')
        assert await heard(socket) == {"type": "pong"}
        for text in ("", "nonsense", "[1,2", '{"type":1}', "\u0000"):
            await socket.send_str(text)
            assert (await heard(socket))["type"] == "error"
        await socket.send_bytes(b"\xff\xfe")
        assert (await heard(socket))["error"]["code"] == "INVALID_REQUEST"


async def test_ws_client_that_floods_is_closed(client: Client) -> None:
    async with client.ws_connect("/ws/prices?coins=ETHBTC") as socket:
        for _ in range(200):
            await socket.send_str("x")
        while not socket.closed:
            await socket.receive(timeout=WAIT_S)
        assert socket.close_code == 1008


async def test_ws_message_above_4_kb_is_closed(client: Client) -> None:
    async with client.ws_connect("/ws/prices?coins=ETHBTC") as socket:
        await socket.send_str("x" * 10_000)
        while not socket.closed:
            await socket.receive(timeout=WAIT_S)
        assert socket.close_code == 1009


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("coins=" + ",".join(["BTC"] * 51), 400, "at most 50 coins; 51 were asked for"),
        ("coins=dogex", 404, 'Coin \\"dogex\\" is not watched'),
        ("coin=BTC", 400, '\\"coin\\" is unknown'),
    ],
)
async def test_ws_wrong_coins_are_refused_before_the_upgrade(client: Client, query: str, status: int, text: str) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 22 + "==",
    }
    answer = await client.get(f"/ws/prices?{query}", headers=upgrade)
    assert answer.status == status
    assert text in await answer.text()


async def test_ws_page_of_another_site_is_forbidden(client: Client) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect("/ws/prices?coins=BTC", headers={"Origin": "https://evil.test"})
    assert refused.value.status == 403
    own = f"http://{client.host}:{client.port}"
    async with client.ws_connect("/ws/prices?coins=BTC", headers={"Origin": own}) as socket:
        assert (await heard(socket))["type"] == "price_update"


async def test_ws_plain_request_is_told_about_the_other_stream(client: Client) -> None:
    answer = await client.get("/ws/prices?coins=BTC")
    assert answer.status == 400
    assert "/api/market/stream" in await answer.text()


async def test_ws_bad_frames_end_the_connection_and_nothing_else(made: World) -> None:
    async with serving(made.build()) as port:
        for garbage in (b"\xff\xff\xff\xff", b"\x81\x05hello", b"\x88\x7f" + b"\xff" * 8, b"\xf1\x80"):
            reader, writer = await connect(port)
            writer.write(request_bytes("/ws/prices?coins=ETHBTC", port, **UPGRADE))
            assert b" 101 " in await asyncio.wait_for(reader.readline(), WAIT_S)
            writer.write(garbage * 3)
            writer.write_eof()
            async with asyncio.timeout(WAIT_S):
                while await reader.read(65_536):
                    pass
        reader, writer = await connect(port)
        writer.write(request_bytes("/healthz", port))
        assert b" 200 " in await reader.readline()


async def test_ws_above_the_cap_is_503(tmp_path: Path) -> None:
    async with world(tmp_path, max_clients=1) as made, made.client() as client:
        socket = await client.ws_connect("/ws/prices?coins=BTC")
        await heard(socket)
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/ws/prices?coins=BTC")
        assert refused.value.status == 503
        assert refused.value.headers is not None
        assert refused.value.headers["Retry-After"] == "5"
        await socket.close()


async def test_ws_slow_reader_is_conflated_then_cut_while_others_go_on(tmp_path: Path) -> None:
    async with world(tmp_path, clock=SystemClock()) as made:
        app = made.build()
        sockets = app[SOCKETS] = PriceSockets(desk=app[DESK], clock=made.clock, max_clients=10, slow_s=1.0)
        async with serving(app) as port:
            reader, writer = await connect(port, limit=1024)
            writer.write(request_bytes("/ws/prices?coins=BTC", port, **UPGRADE))
            await reader.readuntil(b"\r\n\r\n")
            await until(lambda: sockets.clients == 1)
            (slow,) = sockets._open
            slow.request.transport.write(b"\x8a\x00" * 4_000_000)  # type: ignore[union-attr]
            assert slow.full
            moved(made, 1, 60_000.0)
            runner = asyncio.create_task(sockets.run(0.1))
            for number in range(2, 500):
                moved(made, number, 60_000.0 + number)
                slow.waiting["BTCUSDT"] = None
                await sockets._send_waiting(slow, app[TICKER])
                assert len(slow.waiting) <= 1
                if sockets.clients == 0:
                    break
                await asyncio.sleep(0.02)
            await until(lambda: sockets.clients == 0)
            runner.cancel()


async def test_stream_first_all_prices_then_only_changed_ones(made: World) -> None:
    async with serving(made.build()) as port:
        stream = await open_stream(port, "/api/market/stream?coins=ETH,BTC")
        first = orjson.loads((await asyncio.wait_for(stream.event(), WAIT_S)).data)
        assert {row["symbol"] for row in first["data"]} == {"BTCUSDT", "ETHUSDT"}
        assert first["meta"]["source"] == "live"
        await advance(made, 0.5)
        await asyncio.wait_for(stream.event(), WAIT_S)
        moved(made, 1, 60_000.0)
        await advance(made, 0.5)
        (row,) = orjson.loads((await asyncio.wait_for(stream.event(), WAIT_S)).data)["data"]
        assert (row["symbol"], row["price"], row["coin_id"]) == ("BTCUSDT", 60_000.0, "bitcoin")


async def test_stream_same_coins_in_another_spelling_share_one_rendering(made: World) -> None:
    app = made.build()
    async with serving(app) as port:
        streams = [
            await open_stream(port, f"/api/market/stream?coins={coins}") for coins in ("BTC,ETH", "ethereum,bitcoin", "BTC")
        ]
        assert sorted(app[DESK].hub.channels()) == ["prices:BTCUSDT", "prices:BTCUSDT,ETHUSDT"]
        moved(made, 1, 60_000.0)
        await advance(made, 0.5)
        for stream in streams:
            await asyncio.wait_for(stream.event(), WAIT_S)
        one, two, _ = [await asyncio.wait_for(stream.event(), WAIT_S) for stream in streams]
        assert one == two


@pytest.mark.parametrize("has_them", [True, False])
async def test_ws_of_coins_that_the_next_market_does_not_have_is_closed(made: World, client: Client, has_them: bool) -> None:
    async with client.ws_connect("/ws/prices?coins=bitcoin") as socket:
        await heard(socket)
        other = make_watch(made.settings, INSTRUMENTS if has_them else INSTRUMENTS[1:])
        if has_them:
            play(other)
        made.slot.put(other)
        await advance(made, 0.5)
        if has_them:
            assert (await heard(socket))["type"] == "price_update"
        else:
            message = await socket.receive(timeout=WAIT_S)
            assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.SERVICE_RESTART)


async def test_price_stream_of_coins_that_the_next_market_does_not_have_ends(made: World, client: Client) -> None:
    async with client.get("/api/market/stream?coins=bitcoin") as one, client.get("/api/market/stream") as every:
        for stream in (one, every):
            await stream.content.readuntil(b"\n\n")
        made.slot.put(make_watch(made.settings, INSTRUMENTS[1:]))
        await advance(made, 0.5)
        async with asyncio.timeout(WAIT_S):
            await one.content.read()
        assert not every.content.at_eof()


async def test_price_of_the_next_market_is_not_the_last_one_s(made: World, client: Client) -> None:
    ticker = client.server.app[TICKER]  # type: ignore[attr-defined]
    assert orjson.loads(ticker.row("BTCUSDT"))["price"] == 50_019.0
    made.slot.put(make_watch(made.settings))
    assert orjson.loads(ticker.row("BTCUSDT"))["price"] is None
    assert ticker.message("BTCUSDT") is None
