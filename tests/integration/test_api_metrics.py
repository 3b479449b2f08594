"""Metrics and analytics, beside their plain definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marketwatch.model.market import Candle
from marketwatch.ports import WriteBatch
from marketwatch.web.envelope import iso
from tests.kit.clients import Client, data, problem
from tests.kit.watches import START_MS, World, history, warm, world

HOUR_MS = 3_600_000


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
