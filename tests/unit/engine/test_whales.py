"""Whales by dollars, by quantile, and through another pair."""

from __future__ import annotations

import math
import random

import pytest

from marketwatch.engine.whales import SizeQuantile, WhaleWatch
from marketwatch.model.market import Instrument, Trade, Trades, Whale, Whales

INSTRUMENTS = (
    Instrument("BTCUSDT", "BTC", "USDT"), Instrument("ETHBTC", "ETH", "BTC"), Instrument("ADATRY", "ADA", "TRY"),
)  # fmt: skip


def a_watch(one_in: int = 0) -> tuple[WhaleWatch, list[Whale]]:
    found: list[Whale] = []

    def publish(batch: Whales, /) -> None:
        found.extend(batch.whales)

    return WhaleWatch(instruments=INSTRUMENTS, threshold_usd=100_000, one_in=one_in, publish=publish), found


def a_trade(symbol: str, price: float, quantity: float, key: int = 1) -> Trade:
    return Trade(symbol, key, price, quantity, 0, False)


def test_trade_at_the_threshold_is_a_whale_and_one_below_is_not() -> None:
    watch, found = a_watch()
    watch.on_trades(Trades("v", 0, [a_trade("BTCUSDT", 50_000.0, 2.0), a_trade("BTCUSDT", 50_000.0, 1.99)]))
    assert [(whale.value_usd, whale.threshold_usd) for whale in found] == [(100_000.0, 100_000.0)]


def test_pair_in_bitcoin_counts_at_the_last_bitcoin_price() -> None:
    watch, found = a_watch()
    watch.on_trades(Trades("v", 0, [a_trade("ETHBTC", 0.05, 1e6)]))
    assert found == []
    watch.on_trades(
        Trades("v", 0, [a_trade("BTCUSDT", 50_000.0, 0.1), a_trade("ETHBTC", 0.05, 40.0), a_trade("ETHBTC", 0.05, 39.0)])
    )
    assert [whale.value_usd for whale in found] == [pytest.approx(100_000.0)]
    assert watch.threshold("ETHBTC") == pytest.approx(100_000.0)


def test_pair_whose_dollar_value_is_unknown_has_no_whales() -> None:
    watch, found = a_watch()
    watch.on_trades(Trades("v", 0, [a_trade("ADATRY", 1e9, 1e9), a_trade("UNKNOWN", 1e9, 1e9)]))
    assert found == []
    assert watch.threshold("ADATRY") == watch.threshold("UNKNOWN") == math.inf


def test_quantile_holds_after_that_many_trades_and_the_fixed_threshold_until_then() -> None:
    watch, found = a_watch(one_in=100)
    assert watch.threshold("BTCUSDT") == 100_000
    chance = random.Random(2)
    sizes = [chance.uniform(1, 1000) for _ in range(20_000)]
    for start in range(0, len(sizes), 50):
        watch.on_trades(Trades("v", 0, [a_trade("BTCUSDT", 1.0, size) for size in sizes[start : start + 50]]))
    assert watch.threshold("BTCUSDT") == pytest.approx(990, rel=0.07)
    assert len(found) < 2 * len(sizes) / 100


def test_quantile_of_any_market_is_right_to_its_cells() -> None:
    chance = random.Random(5)
    sizes = [math.exp(chance.gauss(4, 2)) for _ in range(30_000)]
    quantile = SizeQuantile(200)
    for size in sizes:
        quantile.add(size)
    exact = sorted(sizes)[-len(sizes) // 200]
    assert quantile.threshold == pytest.approx(exact, rel=0.25)
    assert sum(size > quantile.threshold for size in sizes) <= 1.1 * len(sizes) / 200


def test_quantile_ignores_what_is_no_size() -> None:
    quantile = SizeQuantile(2)
    for size in (0.0, -1.0, math.nan, math.inf):
        quantile.add(size)
    assert quantile.threshold == math.inf
