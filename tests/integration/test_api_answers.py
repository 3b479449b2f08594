"""The answers of the API: shapes of the contract, known numbers, everything that can be asked wrongly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from marketwatch.clock import ManualClock
from marketwatch.model.market import Candle, Gap, GapReason, GapState, Source, Staleness, Whale
from marketwatch.model.system import FeedState, Level, Notice
from marketwatch.ports import WriteBatch
from marketwatch.web.api.stream import TICKER
from marketwatch.web.envelope import iso
from tests.kit.watches import START_MS, World, history, make_watch, play, publish_trades, status, trade, warm, world

Client = TestClient[web.Request, web.Application]
HOUR_MS = 3_600_000


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


@pytest.fixture
async def client(made: World) -> AsyncIterator[Client]:
    async with made.client() as found:
        yield found


async def data(client: Client, path: str) -> Any:
    """The data of a good answer."""
    answer = await client.get(path)
    body = await answer.json()
    assert (answer.status, body["success"]) == (200, True), body
    return body["data"]


async def problem(client: Client, path: str) -> tuple[int, str, str]:
    """Status, code and message of a bad answer."""
    answer = await client.get(path)
    body = await answer.json()
    assert body["success"] is False
    return answer.status, body["error"]["code"], body["error"]["message"]


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


async def test_metrics_latest_has_every_window_with_its_state(client: Client) -> None:
    (row,) = await data(client, "/api/metrics/latest?coins=bitcoin")
    assert set(row["windows"]) == {"60", "5m", "1h", "24h"}
    window = row["windows"]["60"]
    prices = [50_000.0 + n for n in range(20)] + [50_019.0] * (window["filled"] - 20)
    assert (window["state"], window["grid_ms"], window["length"]) == (["warmup"], 500, 60)
    assert window["sma"] == pytest.approx(np.mean(prices))
    assert window["price_std"] == pytest.approx(np.std(prices))
    assert window["high"] == 50_019.0
    assert row["spread_bps"] == pytest.approx(1e4 * 1.0 / 50_000.0)
    assert len(await data(client, "/api/metrics/latest")) == 3


async def test_metrics_before_the_first_step_are_unavailable(tmp_path: Path) -> None:
    async with world(tmp_path, played=False) as made:
        made.slot.put(made.watch)
        async with made.client() as client:
            assert (await problem(client, "/api/metrics/latest"))[:2] == (503, "UNAVAILABLE")


def closes(rows: list[Candle]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([row.close for row in rows])


async def test_moving_average_equals_the_plain_definition(made: World, client: Client) -> None:
    rows = history("BTCUSDT", "1m", 60_000, 200, START_MS)
    warm(made.watch, rows)
    found = await data(client, "/api/analytics/moving-average/BTC?type=sma&window=20&interval=1m&limit=50")
    plain = np.convolve(closes(rows), np.ones(20) / 20, "valid")
    assert [point["value"] for point in found["points"]] == pytest.approx(list(plain[-50:]))
    assert found["value"] == found["points"][-1]["value"]
    assert found["points"][-1]["time"] == "2025-11-20T23:59:00.000Z"
    weighted = await data(client, "/api/analytics/moving-average/BTC?type=wma&window=20")
    weights = np.arange(1, 21)
    assert weighted["value"] == pytest.approx(float(closes(rows)[-20:] @ weights / weights.sum()))
    volume = await data(client, "/api/analytics/moving-average/BTC?type=vwap&window=20")
    assert volume["value"] == pytest.approx(float(np.mean(closes(rows)[-20:])))
    assert (await data(client, "/api/analytics/moving-average/BTC?type=ema&window=20"))["value"] is not None


async def test_moving_average_never_reaches_over_a_missing_candle(made: World, client: Client) -> None:
    rows = history("ETHUSDT", "1h", HOUR_MS, 60, START_MS)
    await made.store.write(WriteBatch(candles=rows[:40] + rows[41:]))
    found = await data(client, "/api/analytics/moving-average/ETH?window=10&interval=1h&limit=30")
    known = {point["time"]: point["value"] for point in found["points"]}
    assert known[iso(rows[45].time_ms)] is None
    assert known[iso(rows[51].time_ms)] == pytest.approx(np.mean(closes(rows[42:52])))


async def test_volatility_equals_plain_numpy(made: World, client: Client) -> None:
    rows = history("ETHUSDT", "1h", HOUR_MS, 168, START_MS)
    await made.store.write(WriteBatch(candles=rows))
    found = await data(client, "/api/analytics/volatility/ethereum?period=7d")
    column = closes(rows)
    assert found["realized_vol"] == pytest.approx(100 * np.std(np.diff(np.log(column)), ddof=1) * np.sqrt(365 * 24))
    assert found["volatility"] == pytest.approx(100 * np.std(column) / np.mean(column))
    assert found["change"] == pytest.approx(100 * (column[-1] / rows[0].open - 1))
    assert (found["max_drawdown"], found["high"], found["low"]) == (0.0, rows[-1].high, rows[0].low)
    assert (found["candles"], found["expected"], found["complete"]) == (168, 168, True)


async def test_volatility_without_candles_is_null_and_incomplete(client: Client) -> None:
    found = await data(client, "/api/analytics/volatility/ETHBTC?period=30d")
    assert (found["realized_vol"], found["volatility"], found["change"], found["candles"]) == (None, None, None, 0)
    assert (found["complete"], found["from"], found["to"]) == (False, None, None)


async def test_correlation_equals_plain_numpy_and_skips_missing_candles(made: World, client: Client) -> None:
    generator = np.random.default_rng(7)
    one, two = (100 * np.exp(np.cumsum(generator.normal(0, 0.01, 168))) for _ in range(2))
    first = [
        row._replace(close=float(close))
        for row, close in zip(history("BTCUSDT", "1h", HOUR_MS, 168, START_MS), one, strict=True)
    ]
    second = [
        row._replace(close=float(close))
        for row, close in zip(history("ETHUSDT", "1h", HOUR_MS, 168, START_MS), two, strict=True)
    ]
    await made.store.write(WriteBatch(candles=first[:100] + first[101:] + second))
    found = await data(client, "/api/analytics/correlation?coin_1=bitcoin&coin_2=ETH&period=7d")
    keep = np.ones(167, bool)
    keep[[99, 100]] = False
    a, b = np.diff(np.log(one))[keep], np.diff(np.log(two))[keep]
    assert found["correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found["beta"] == pytest.approx(np.cov(a, b)[0, 1] / np.var(b, ddof=1))
    assert (found["returns"], found["expected"], found["complete"]) == (165, 167, False)


async def test_status_tells_of_feeds_gaps_notices_and_store(made: World, client: Client) -> None:
    gap = Gap("g1", "binance", "BTCUSDT", GapReason.ID_JUMP, GapState.OPEN, START_MS, START_MS + 500, 10, 12)
    made.watch.bus.publish(gap)
    made.watch.bus.publish(Notice("n", Level.WARNING, "A sentence.", START_MS))
    found = await data(client, "/api/system/status")
    assert found["feeds"][0]["state"] == "live"
    assert found["feeds"][0]["latency_ms"] == 40.0
    assert found["gaps"][0] | {"from": None, "to": None} == {
        "gap_id": "g1",
        "venue": "binance",
        "symbol": "BTCUSDT",
        "reason": "id_jump",
        "state": "open",
        "from": None,
        "to": None,
        "from_id": 10,
        "to_id": 12,
        "refilled": 0,
    }
    assert found["open_gaps"] == 1
    assert found["notices"] == [{"level": "warning", "message": "A sentence.", "time": iso(START_MS)}]
    assert found["store"]["kind"] == "sqlite"
    assert found["store"]["error"] is None


async def test_status_when_the_store_is_away_names_it_and_tells_the_rest(made: World, client: Client) -> None:
    await made.store.close()
    found = await data(client, "/api/system/status")
    assert found["store"]["error"]
    assert found["feeds"][0]["state"] == "live"
    ready = await client.get("/readyz")
    assert ready.status == 503
    assert "database" in (await ready.json())["reasons"][-1]


async def test_candles_and_trades_when_the_store_is_away_come_from_memory(made: World, client: Client) -> None:
    await made.store.close()
    assert len(await data(client, "/api/market/trades/BTC")) == 20
    assert len(await data(client, "/api/market/candles/BTC")) == 1
    assert len(await data(client, "/api/market/whales")) == 1
    assert (await data(client, "/api/market/price/BTC"))["price"] == 50_019.0


async def test_readyz_dead_feed_is_named(made: World, client: Client) -> None:
    assert (await client.get("/readyz")).status == 200
    made.watch.bus.publish(status(made.watch, START_MS, FeedState.STALE))
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert (await answer.json())["reasons"] == ["The feed of binance has sent nothing for 10 s."]


@pytest.mark.parametrize(
    ("path", "status_code", "text"),
    [
        ("/api/market/price/dogex", 404, 'Coin "dogex" is not watched.'),
        ("/api/market/price/bitcon", 404, "Did you mean bitcoin?"),
        ("/api/market/price/BTC?limit=1", 400, '"limit" is unknown; this path takes none.'),
        ("/api/market/prices?coin=BTC", 400, 'did you mean "coins"?'),
        ("/api/market/prices?coins=", 400, "1 to 50 coins"),
        ("/api/market/candles/BTC?interval=2m", 400, "one of 1s, 1m, 5m, 15m, 1h, 4h, 1d"),
        ("/api/market/candles/BTC?limit=5&limit=6", 400, "more than once"),
        ("/api/market/candles/BTC?from=now", 400, "an ISO 8601 time"),
        ("/api/market/trades/BTC?limit=-1", 400, "a whole number from 1 to 1000"),
        ("/api/market/whales?min_usd=nan", 400, "a number of dollars"),
        ("/api/analytics/correlation?coin_1=BTC", 400, 'The query parameter "coin_2" is missing.'),
        ("/api/analytics/moving-average/BTC?type=hull", 400, "one of sma, ema, wma, vwap"),
        ("/api/analytics/moving-average/BTC?window=1", 400, "a whole number from 2 to 500"),
        ("/api/analytics/volatility/BTC?period=1y", 400, "one of 24h, 7d, 30d"),
        ("/api/market/stream?coins=nope", 404, "is not watched"),
    ],
)
async def test_wrong_question_names_value_and_remedy(client: Client, path: str, status_code: int, text: str) -> None:
    found, code, message = await problem(client, path)
    assert found == status_code
    assert code == {400: "INVALID_REQUEST", 404: "RESOURCE_NOT_FOUND"}[status_code]
    assert text in message


async def test_hot_answer_known_to_the_client_is_304(made: World, client: Client) -> None:
    first = await client.get("/api/market/prices")
    tag = first.headers["ETag"]
    again = await client.get("/api/market/prices", headers={"If-None-Match": tag})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
    publish_trades(made.watch, trade("BTCUSDT", 9_000, 1.0, 1.0, START_MS + 30_000))
    assert (await client.get("/api/market/prices", headers={"If-None-Match": tag})).status == 200


async def test_hot_answer_is_encoded_once_for_all_who_ask(made: World, client: Client) -> None:
    bodies = {await (await client.get("/api/market/prices")).read() for _ in range(5)}
    assert len(bodies) == 1


async def test_hot_answer_over_http_10_and_close_is_the_same(client: Client) -> None:
    kept = await (await client.get("/api/market/price/BTC")).read()
    closed = await client.get("/api/market/price/BTC", headers={"Connection": "close"})
    assert await closed.read() == kept
    assert closed.headers["Connection"] == "close"
