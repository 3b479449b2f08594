"""What every store promises of candles, held by SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from marketwatch.model.market import Candle
from marketwatch.ports import DurableStore, WriteBatch
from tests.kit.databases import MakeStore
from tests.kit.facts import NAN, T0, candle, step, traded


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    store = make_store()
    await store.open()
    yield store
    await store.close()


async def test_candles_newest_of_the_span_come_oldest_first(store: DurableStore) -> None:
    candles = [candle(time_ms=T0 + 60_000 * i, close=100.0 + i) for i in range(10)]
    await store.write(WriteBatch(candles=[*candles, candle(interval="5m"), candle("ETHUSDT")]))
    assert await store.candles("BTCUSDT", "1m", limit=3) == candles[-3:]
    assert await store.candles("BTCUSDT", "1m", from_ms=T0 + 60_000, to_ms=T0 + 180_000) == candles[1:3]
    assert await store.candles("BTCUSDT", "1h") == []


async def test_closes_are_those_of_the_candles_unknown_where_a_gap_only_carries_a_price_on(store: DurableStore) -> None:
    candles = [candle(time_ms=T0 + 60_000 * i, close=100.0 + i) for i in range(6)]
    candles[2] = candles[2]._replace(gap=True, volume=0.0)
    candles[3] = candles[3]._replace(gap=True)
    await store.write(WriteBatch(candles=[*candles, candle(interval="5m"), candle("ETHUSDT")]))
    found = await store.closes("BTCUSDT", "1m", from_ms=T0 + 60_000, to_ms=T0 + 300_000)
    assert found.time_ms.tolist() == [one.time_ms for one in candles[1:5]]
    np.testing.assert_array_equal(found.price, [101.0, np.nan, 103.0, 104.0])
    assert [len(column) for column in await store.closes("NOPE", "1m", from_ms=0, to_ms=T0)] == [0, 0]


async def test_candles_revision_replaces_the_candle(store: DurableStore) -> None:
    await store.write(WriteBatch(candles=[candle(close=100.0)]))
    await store.write(WriteBatch(candles=[candle(close=101.0)]))
    assert [item.close for item in await store.candles("BTCUSDT", "1m")] == [101.0]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"candles": [candle(close=1.0, gap=True)]}, {"venue_candles": [candle(close=2.0)]}, (2.0, False)),
        ({"candles": [candle(close=1.0)]}, {"venue_candles": [candle(close=2.0)]}, (1.0, False)),
        ({"venue_candles": [candle(close=2.0)]}, {"candles": [candle(close=1.0, gap=True)]}, (2.0, False)),
        ({"venue_candles": [candle(close=2.0)]}, {"candles": [candle(close=1.0)]}, (1.0, False)),
        ({"candles": [candle(close=1.0, gap=True)]}, {"candles": [candle(close=3.0, gap=True)]}, (3.0, True)),
    ],
)
async def test_candles_sound_one_wins_over_one_with_a_gap(
    store: DurableStore, first: dict[str, Any], second: dict[str, Any], kept: tuple[float, bool]
) -> None:
    await store.write(WriteBatch(**first))
    await store.write(WriteBatch(**second))
    assert [(item.close, item.gap) for item in await store.candles("BTCUSDT", "1m")] == [kept]


async def test_candles_unknown_prices_are_nan_again(store: DurableStore) -> None:
    unknown = Candle("A", "1m", T0, NAN, NAN, NAN, NAN, 0.0, 0.0, 0, 0.0, True, True)
    await store.write(WriteBatch(candles=[unknown]))
    found = (await store.candles("A", "1m"))[0]
    assert np.isnan(found[3:7]).all()
    assert found[7:] == unknown[7:]


async def test_candles_of_a_second_are_counted_from_the_samples(store: DurableStore) -> None:
    steps = [
        step(T0, {"A": traded(5.0, high=6.0, volume=1.0, taker_buy_volume=1.0)}),
        step(T0 + 500, {"A": traded(4.0, volume=2.0, trades=3)}),
        step(T0 + 1000, {"A": {"price": 4.0}}),
        step(T0 + 2000, {"A": traded(8.0, volume=4.0, gap=True)}),
    ]
    await store.write(WriteBatch(samples=steps))
    assert await store.candles("A", "1s") == [
        Candle("A", "1s", T0, 5.0, 6.0, 4.0, 4.0, 3.0, 13.0, 4, 1.0),
        Candle("A", "1s", T0 + 2000, 8.0, 8.0, 8.0, 8.0, 4.0, 32.0, 1, 0.0, True, True),
    ]
    assert [item.time_ms for item in await store.candles("A", "1s", limit=1)] == [T0 + 2000]
    assert [item.time_ms for item in await store.candles("A", "1s", to_ms=T0 + 1000)] == [T0]
