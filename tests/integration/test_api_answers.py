"""What is true of every answer: status, refusals of wrong questions, and answers that are shared."""

from __future__ import annotations

import pytest

from marketwatch.model.market import Gap, GapReason, GapState
from marketwatch.model.system import FeedState, Level, Notice
from marketwatch.web.envelope import iso
from tests.kit.clients import Client, data, problem
from tests.kit.watches import START_MS, World, publish_trades, status, trade

HOUR_MS = 3_600_000


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
