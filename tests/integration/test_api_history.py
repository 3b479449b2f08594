"""Trades, whales and candles, of memory and of the store."""

from __future__ import annotations

import pytest

from marketwatch.model.market import Whale
from marketwatch.ports import WriteBatch
from marketwatch.web.envelope import iso
from tests.kit.clients import Client, data
from tests.kit.watches import START_MS, World, history, trade, warm

HOUR_MS = 3_600_000


async def test_trades_newest_first_with_whales_marked(client: Client) -> None:
    found = await data(client, "/api/market/trades/BTC?limit=20")
    assert [row["trade_id"] for row in found] == list(range(1_019, 999, -1))
    assert found[0] == {
        "trade_id": 1_019,
        "time": "2025-11-21T00:00:09.600Z",
        "price": 50_019.0,
        "quantity": 0.1,
        "value_usd": pytest.approx(5_001.9),
        "is_buyer_maker": False,
        "is_whale": False,
    }
    assert [row["trade_id"] for row in found if row["is_whale"]] == [1_004]
    assert (await data(client, "/api/market/trades/ETH?limit=1"))[0]["is_buyer_maker"] is True


async def test_trades_older_than_memory_come_from_the_store_once(made: World, client: Client) -> None:
    old = [trade("BTCUSDT", number, 40_000.0, 1.0, START_MS - 10_000 + number) for number in (1, 2, 3)]
    both = trade("BTCUSDT", 1_000, 50_000.0, 0.1, START_MS + 100)
    await made.store.write(WriteBatch(trades=[*old, both]))
    found = await data(client, "/api/market/trades/BTC?limit=23")
    assert [row["trade_id"] for row in found] == [*range(1_019, 999, -1), 3, 2, 1]


async def test_whales_of_memory_and_store_are_merged_filtered_and_limited(made: World, client: Client) -> None:
    big = Whale(trade("ETHUSDT", 7, 2_000.0, 500.0, START_MS - 1_000), 1_000_000.0, 100_000.0)
    await made.store.write(WriteBatch(whales=[big]))
    found = await data(client, "/api/market/whales")
    assert [(row["symbol"], row["trade_id"], row["value_usd"]) for row in found] == [
        ("BTCUSDT", 1_004, 200_016.0),
        ("ETHUSDT", 7, 1_000_000.0),
    ]
    assert all(row["is_whale"] for row in found)
    assert [row["trade_id"] for row in await data(client, "/api/market/whales?min_usd=500000")] == [7]
    assert [row["trade_id"] for row in await data(client, "/api/market/whales?coin_id=bitcoin")] == [1_004]
    assert len(await data(client, "/api/market/whales?limit=1")) == 1


async def test_candles_oldest_first_with_the_open_one_last(made: World, client: Client) -> None:
    warm(made.watch, history("BTCUSDT", "1m", 60_000, 10, START_MS))
    found = await data(client, "/api/market/candles/BTC?limit=3")
    assert [row["time"] for row in found] == [
        "2025-11-20T23:58:00.000Z",
        "2025-11-20T23:59:00.000Z",
        "2025-11-21T00:00:00.000Z",
    ]
    assert found[-1] == {
        "time": "2025-11-21T00:00:00.000Z",
        "open": 50_000.0,
        "high": 50_019.0,
        "low": 50_000.0,
        "close": 50_019.0,
        "volume": pytest.approx(5.9),
        "quote_volume": pytest.approx(sum((50_000 + n) * (4.0 if n == 4 else 0.1) for n in range(20))),
        "trades": 20,
        "taker_buy_volume": pytest.approx(5.9),
        "closed": False,
        "gap": found[-1]["gap"],
    }
    assert [row["closed"] for row in found] == [True, True, False]


async def test_candles_span_is_inclusive_then_exclusive(made: World, client: Client) -> None:
    warm(made.watch, history("BTCUSDT", "1m", 60_000, 30, START_MS))
    path = f"/api/market/candles/BTC?from={iso(START_MS - 5 * 60_000)}&to={START_MS - 2 * 60_000}"
    assert [row["close"] for row in await data(client, path)] == [125.0, 126.0, 127.0]
    assert await data(client, f"/api/market/candles/BTC?from={START_MS}&to={START_MS - 1}") == []


async def test_candles_of_the_store_continue_those_of_memory(made: World, client: Client) -> None:
    stored = history("BTCUSDT", "1h", HOUR_MS, 48, START_MS)
    await made.store.write(WriteBatch(candles=stored))
    found = await data(client, "/api/market/candles/BTC?interval=1h&limit=49")
    assert [row["time"] for row in found] == [iso(START_MS + n * HOUR_MS) for n in range(-48, 1)]
    assert [row["close"] for row in found[:-1]] == [candle.close for candle in stored]
    assert found[-1]["closed"] is False


async def test_candles_missing_coarse_ones_are_made_of_finer_ones(made: World, client: Client) -> None:
    fine = history("ETHUSDT", "1m", 60_000, 600, START_MS)
    await made.store.write(WriteBatch(candles=fine))
    found = await data(client, f"/api/market/candles/ETH?interval=1h&from={START_MS - 3 * HOUR_MS}&to={START_MS}")
    expected = [fine[n : n + 60] for n in (420, 480, 540)]
    assert [(row["open"], row["high"], row["low"], row["close"]) for row in found] == [
        (part[0].open, max(one.high for one in part), min(one.low for one in part), part[-1].close) for part in expected
    ]
    assert [row["volume"] for row in found] == [600.0] * 3
    assert [row["gap"] for row in found] == [False] * 3


async def test_candles_and_trades_when_the_store_is_away_come_from_memory(made: World, client: Client) -> None:
    await made.store.close()
    assert len(await data(client, "/api/market/trades/BTC")) == 20
    assert len(await data(client, "/api/market/candles/BTC")) == 1
    assert len(await data(client, "/api/market/whales")) == 1
    assert (await data(client, "/api/market/price/BTC"))["price"] == 50_019.0
