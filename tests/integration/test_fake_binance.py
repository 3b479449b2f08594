"""The fake venue itself: its answers, limits and books must be right before anything is measured against them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
import pytest

from tests.kit.fake_binance import FakeBinance, until
from tests.kit.scaled_clock import ScaledClock
from tests.kit.venue_tape import synthetic_tape

START_MS = 1_780_000_000_000
TAPE = synthetic_tape(["AAAUSDT", "BBBUSDT"], seconds=90, rate=8, seed=3)


@pytest.fixture
async def venue() -> AsyncIterator[FakeBinance]:
    async with FakeBinance(TAPE, clock=ScaledClock(start_ms=START_MS), flat_out=True, history_days=31) as fake:
        yield fake


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def _get(http: aiohttp.ClientSession, venue: FakeBinance, path: str, **query: Any) -> Any:
    async with http.get(venue.rest_url + path, params=query) as response:
        return await response.json()


async def _receive_all(ws: aiohttp.ClientWebSocketResponse, venue: FakeBinance) -> list[dict[str, Any]]:
    reading = asyncio.create_task(_read(ws))
    await venue.wait_played()
    venue.cut(code=1000)
    return await reading


async def _read(ws: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    return [orjson.loads(message.data) async for message in ws]


async def test_combined_stream_played_to_the_end_carries_every_print_once(
    venue: FakeBinance, http: aiohttp.ClientSession
) -> None:
    async with http.ws_connect(venue.ws_url + "/stream?streams=aaausdt@trade/bbbusdt@trade/aaausdt@kline_1m") as ws:
        await venue.wait_subscribed("aaausdt@trade", "bbbusdt@trade")
        venue.play()
        frames = await _receive_all(ws, venue)
    ids = [frame["data"]["t"] for frame in frames if frame["stream"] == "bbbusdt@trade"]
    assert ids == [trade.trade_id for trade in venue.market.ledgers["BBBUSDT"].trades]
    assert ids == list(range(ids[0], ids[0] + len(TAPE.trades("BBBUSDT"))))
    closed = [frame["data"]["k"] for frame in frames if frame["stream"].endswith("kline_1m") and frame["data"]["k"]["x"]]
    for candle in closed:
        inside = [t for t in venue.market.ledgers["AAAUSDT"].trades if candle["t"] <= t.time_ms <= candle["T"]]
        assert Decimal(candle["v"]) == sum((Decimal(t.quantity) for t in inside), Decimal(0))
        assert candle["n"] == len(inside)
    assert len(closed) >= 1


async def test_control_messages_are_answered_as_the_venue_does(venue: FakeBinance, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(venue.ws_url + "/ws") as ws:
        await ws.send_json({"method": "SUBSCRIBE", "params": ["aaausdt@trade"], "id": 1})
        assert await ws.receive_json() == {"result": None, "id": 1}
        await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        assert await ws.receive_json() == {"result": ["aaausdt@trade"], "id": 2}
        await ws.send_json({"method": "DANCE", "id": 3})
        assert (await ws.receive_json())["code"] == 2
        await ws.send_json({"method": "UNSUBSCRIBE", "params": ["aaausdt@trade"], "id": 4})
        assert await ws.receive_json() == {"result": None, "id": 4}
        assert venue.connections[0].streams == set()


async def test_client_above_five_messages_a_second_is_cut(venue: FakeBinance, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(venue.ws_url + "/ws") as ws:
        for number in range(6):
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        kinds = [(await ws.receive()).type for _ in range(6)]
    assert kinds[-1] is aiohttp.WSMsgType.CLOSE
    assert ws.close_code == 1008


async def test_client_without_pongs_is_cut(http: aiohttp.ClientSession) -> None:
    clock = ScaledClock(start_ms=START_MS, speed=400)
    async with (
        FakeBinance(TAPE, clock=clock, history_days=1) as venue,
        http.ws_connect(venue.ws_url + "/ws/aaausdt@trade", autoping=False) as ws,
    ):
        while (message := await ws.receive()).type is aiohttp.WSMsgType.PING:
            pass
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}
        assert venue.journal.lines_of("no pong")


async def test_cut_in_the_middle_of_a_frame_ends_without_a_close_code(venue: FakeBinance, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(venue.ws_url + "/stream?streams=aaausdt@trade") as ws:
        await venue.wait_subscribed("aaausdt@trade")
        venue.cut(mid_frame=True)
        await ws.receive()
    assert ws.close_code == 1006


async def test_aggregates_cover_every_print_and_page_by_id(venue: FakeBinance, http: aiohttp.ClientSession) -> None:
    venue.play()
    await venue.wait_played()
    orders: list[dict[str, Any]] = await _get(http, venue, "/api/v3/aggTrades", symbol="AAAUSDT", startTime=0, limit=100)
    while len(page := await _get(http, venue, "/api/v3/aggTrades", symbol="AAAUSDT", fromId=orders[-1]["a"] + 1, limit=100)):
        orders += page
    covered = [trade_id for order in orders for trade_id in range(order["f"], order["l"] + 1)]
    trades = {trade.trade_id: trade for trade in venue.market.ledgers["AAAUSDT"].trades}
    assert covered == sorted(trades)
    for order in orders:
        prints = [trades[trade_id] for trade_id in range(order["f"], order["l"] + 1)]
        assert Decimal(order["q"]) == sum((Decimal(part.quantity) for part in prints), Decimal(0))
        assert {(part.price, part.time_ms, part.buyer_is_maker) for part in prints} == {(order["p"], order["T"], order["m"])}


async def test_klines_of_hours_equal_the_minutes_inside_them(venue: FakeBinance, http: aiohttp.ClientSession) -> None:
    hours = await _get(http, venue, "/api/v3/klines", symbol="AAAUSDT", interval="1h", limit=1000)
    assert len(hours) >= 30 * 24
    hour = hours[-3]
    minutes = await _get(
        http, venue, "/api/v3/klines", symbol="AAAUSDT", interval="1m", startTime=hour[0], endTime=hour[6], limit=1000
    )
    assert len(minutes) == 60
    assert (minutes[0][1], minutes[-1][4]) == (hour[1], hour[4])
    assert float(hour[5]) == pytest.approx(sum(float(minute[5]) for minute in minutes))
    assert hour[8] == sum(minute[8] for minute in minutes)


async def test_unknown_symbol_is_refused_with_the_venues_code(venue: FakeBinance, http: aiohttp.ClientSession) -> None:
    answer = await _get(http, venue, "/api/v3/exchangeInfo", symbols='["NOPEUSDT"]')
    assert answer == {"code": -1121, "msg": "Invalid symbol."}


async def test_request_weight_above_the_limit_is_429_and_then_418(http: aiohttp.ClientSession) -> None:
    async with FakeBinance(TAPE, clock=ScaledClock(start_ms=START_MS), weight_limit=40, history_days=1) as venue:
        statuses = []
        for _ in range(14):
            async with http.get(venue.rest_url + "/api/v3/exchangeInfo") as response:
                statuses.append(response.status)
    assert statuses[:3] == [200, 200, 429]
    assert statuses[-1] == 418


async def test_scripted_fault_hits_its_path_only_and_wears_off(venue: FakeBinance, http: aiohttp.ClientSession) -> None:
    venue.script("/api/v3/klines", status=503, times=1)
    statuses = []
    for path in ("/api/v3/ping", "/api/v3/klines", "/api/v3/klines"):
        async with http.get(venue.rest_url + path, params={"symbol": "AAAUSDT", "interval": "1m"}) as response:
            statuses.append(response.status)
    assert statuses == [200, 503, 200]
    venue.script("/api/v3/exchangeInfo", cut=True)
    with pytest.raises(aiohttp.ClientPayloadError):
        await _get(http, venue, "/api/v3/exchangeInfo")


async def test_loop_goes_on_with_contiguous_ids_and_rising_times() -> None:
    clock = ScaledClock(start_ms=START_MS, speed=300)
    async with FakeBinance(TAPE, clock=clock, loop=True, history_days=1) as venue:
        venue.play()
        lap = len(TAPE.trades("AAAUSDT"))
        trades = venue.market.ledgers["AAAUSDT"].trades
        await until(lambda: len(trades) > 2 * lap, 20, "two laps")
    ids, times = [trade.trade_id for trade in trades], [trade.time_ms for trade in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert times == sorted(times)
