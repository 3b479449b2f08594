"""Prices, symbols and the overview: shapes of the contract and known numbers."""

from __future__ import annotations

import pytest

from marketwatch.clock import ManualClock
from marketwatch.model.market import Source, Staleness
from marketwatch.model.system import FeedState
from marketwatch.web.api.stream import TICKER
from tests.kit.clients import Client, data
from tests.kit.watches import START_MS, World, make_watch, play, publish_trades, status, trade

HOUR_MS = 3_600_000


async def test_price_has_the_contract_s_shape_and_numbers(client: Client) -> None:
    assert await data(client, "/api/market/price/bitcoin") == {
        "coin_id": "bitcoin",
        "symbol": "BTCUSDT",
        "venue": "binance",
        "price": 50_019.0,
        "time": "2025-11-21T00:00:09.600Z",
        "age_ms": 450,
        "bid": 49_999.5,
        "ask": 50_000.5,
        "change_1h": None,
        "change_24h": pytest.approx(100 * (50_019 / 49_000 - 1)),
        "volume_24h": 1_000.0,
        "stale": False,
    }


@pytest.mark.parametrize("coin_id", ["BTC", "btc", "BTCUSDT", "btc-usdt", "Bitcoin", "%62tc"])
async def test_price_any_spelling_is_the_same_coin(client: Client, coin_id: str) -> None:
    assert (await data(client, f"/api/market/price/{coin_id}"))["symbol"] == "BTCUSDT"


async def test_price_envelope_names_time_and_source(client: Client) -> None:
    body = await (await client.get("/api/market/price/BTC")).json()
    assert body["meta"] == {"timestamp": "2025-11-21T00:00:10.050Z", "source": "live"}


async def test_price_follows_every_trade_at_once(made: World, client: Client) -> None:
    for step in range(5):
        publish_trades(made.watch, trade("BTCUSDT", 5_000 + step, 60_000.0 + step, 1.0, START_MS + 20_000 + step))
        assert (await data(client, "/api/market/price/BTC"))["price"] == 60_000.0 + step


async def test_price_age_grows_on_a_quiet_market(made: World, client: Client) -> None:
    first = (await data(client, "/api/market/price/BTC"))["age_ms"]
    assert isinstance(made.clock, ManualClock)
    made.clock.move_to(made.clock.now_ms() + 7_000)
    assert (await data(client, "/api/market/price/BTC"))["age_ms"] == first + 7_000


async def test_price_of_a_stale_symbol_or_dead_feed_says_so(made: World, client: Client) -> None:
    made.watch.bus.publish(Staleness("binance", "BTCUSDT", True, START_MS))
    assert (await data(client, "/api/market/price/BTC"))["stale"] is True
    assert (await data(client, "/api/market/price/ETH"))["stale"] is False
    made.watch.bus.publish(status(made.watch, START_MS, FeedState.RECONNECTING))
    assert (await data(client, "/api/market/price/ETH"))["stale"] is True


async def test_price_older_than_the_setting_is_stale_and_the_streams_are_told(made: World, client: Client) -> None:
    assert isinstance(made.clock, ManualClock)
    ticker = client.server.app[TICKER]  # type: ignore[attr-defined]
    ticker.tick()
    found = []
    for age_ms in (9_000, 800, 600):
        made.clock.move_to(made.clock.now_ms() + age_ms)
        ticker.tick()
        found.append(((await data(client, "/api/market/price/BTC"))["stale"], "BTCUSDT" in ticker.changed))
    assert found == [(False, False), (True, True), (True, False)]


async def test_price_never_traded_is_null_and_stale(client: Client) -> None:
    found = await data(client, "/api/market/price/ETHBTC")
    assert (found["price"], found["time"], found["age_ms"], found["stale"]) == (None, None, None, True)


async def test_price_of_another_watch_carries_its_source(made: World, client: Client) -> None:
    assert (await (await client.get("/api/market/price/BTC")).json())["meta"]["source"] == "live"
    demo = make_watch(made.settings, source=Source.DEMO)
    play(demo)
    made.slot.put(demo)
    assert (await (await client.get("/api/market/price/BTC")).json())["meta"]["source"] == "demo"


async def test_prices_answers_the_asked_coins_in_order_without_repetition(client: Client) -> None:
    found = await data(client, "/api/market/prices?coins=ethereum,BTC,ETHUSDT")
    assert [row["symbol"] for row in found] == ["ETHUSDT", "BTCUSDT"]
    assert [row["symbol"] for row in await data(client, "/api/market/prices")] == ["BTCUSDT", "ETHUSDT", "ETHBTC"]


async def test_symbols_lists_every_pair(client: Client) -> None:
    found = await data(client, "/api/market/symbols")
    assert found[0] == {
        "symbol": "BTCUSDT",
        "coin_id": "bitcoin",
        "base": "BTC",
        "quote": "USDT",
        "tick_size": "0.01",
        "lot_step": "0.00001",
        "price_decimals": 2,
        "trading": True,
    }
    assert len(found) == 3


async def test_overview_ranks_gainers_losers_and_volume(client: Client) -> None:
    found = await data(client, "/api/market/overview")
    assert [row["symbol"] for row in found["gainers"]] == ["BTCUSDT"]
    assert [row["symbol"] for row in found["losers"]] == ["ETHUSDT"]
    assert [row["symbol"] for row in found["volume"]] == ["BTCUSDT", "ETHUSDT"]
    assert (found["symbols"], found["stale"], found["quote_volume_24h"]) == (3, 1, 72_500_000.0)
