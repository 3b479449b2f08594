"""Coinbase's REST answers and subscriptions, read and written."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import ManualClock
from marketwatch.errors import FeedError, MalformedMessage, RateLimited
from marketwatch.feed.coinbase_line import subscriptions
from marketwatch.feed.coinbase_rest import choose_products, filled, read_candles, read_products, read_trades, with_patience
from marketwatch.feed.pairs import decimals_of, inferred_instrument, split_symbol
from marketwatch.model.market import Candle, Instrument, Trade

ROW = {
    "id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "quote_increment": "0.01",
    "base_increment": "0.00000001", "status": "online", "trading_disabled": False,
}  # fmt: skip
TRADE = {"trade_id": 74, "price": "10.00", "size": "0.01", "side": "buy", "time": "2014-11-07T22:19:28.578544Z"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def product(symbol: str, *, trading: bool = True) -> Instrument:
    base, quote = symbol.split("-")
    return Instrument(symbol, base, quote, trading=trading)


def test_products_are_read_and_odd_rows_left_out() -> None:
    rows = [ROW, {"id": 5}, "x", {**ROW, "id": "OLD-USD", "status": "delisted"}, {**ROW, "id": "X-USD", "quote_increment": "?"}]
    read = read_products(rows)
    assert read[0] == Instrument("BTC-USD", "BTC", "USD", Decimal("0.01"), Decimal("0.00000001"), True)
    assert [(item.symbol, item.trading, item.tick_size) for item in read[1:]] == [
        ("OLD-USD", False, Decimal("0.01")),
        ("X-USD", True, None),
    ]


@pytest.mark.parametrize(
    ("symbol", "chosen"),
    [
        ("BTCUSDT", "BTC-USD"),
        ("BTC-USDT", "BTC-USDT"),
        ("SOLUSDT", "SOL-USDT"),
        ("XRPUSDT", "XRP-USDC"),
        ("ETHBTC", "ETH-BTC"),
        ("ETHEUR", None),
        ("DEADUSDT", None),
    ],
)
def test_symbol_maps_to_the_best_product(symbol: str, chosen: str | None) -> None:
    names = ("BTC-USD", "BTC-USDT", "BTC-USDC", "SOL-USDT", "SOL-USDC", "XRP-USDC", "ETH-BTC")
    products = [*map(product, names), product("DEAD-USD", trading=False)]
    found, missing = choose_products(products, (symbol,))
    assert [item.symbol for item in found] == ([chosen] if chosen else [])
    assert missing == ([] if chosen else [symbol])


def test_all_means_every_trading_product_of_the_quote() -> None:
    products = [product("B-USD"), product("A-USD"), product("A-EUR"), product("C-USD", trading=False)]
    assert [item.symbol for item in choose_products(products, ("all:USDT",))[0]] == ["A-USD", "B-USD"]
    assert [item.symbol for item in choose_products(products, ("all:EUR",))[0]] == ["A-EUR"]


def test_trades_keep_the_makers_side() -> None:
    assert read_trades("BTC-USD", [TRADE]) == [Trade("BTC-USD", 74, 10.0, 0.01, 1_415_398_768_578, True)]


def test_candles_are_turned_round() -> None:
    rows = [[1_600_000_060, 1, 4, 2, 3, 10], [1_600_000_000, 0.5, 2, 1, 1.5, 0]]
    first, second = read_candles("BTC-USD", "1m", rows)
    assert first == Candle("BTC-USD", "1m", 1_600_000_000_000, 1.0, 2.0, 0.5, 1.5, 0.0, 0.0, 0, 0.0)
    assert second == Candle("BTC-USD", "1m", 1_600_000_060_000, 2.0, 4.0, 1.0, 3.0, 10.0, 25.0, 1, 5.0)


@given(rows=JSON)
def test_answers_of_any_shape_raise_only_malformed_message(rows: Any) -> None:
    for read in (read_products, lambda r: read_trades("A-USD", r), lambda r: read_candles("A-USD", "1m", r)):
        assert read([]) == []
        for answer in (
            rows,
            [rows],
            [{**TRADE, "side": rows}],
            [{**TRADE, "trade_id": rows}],
            [[1_600_000_000, 1, 2, 1, 2, rows]],
        ):
            with suppress(MalformedMessage):
                assert isinstance(read(answer), list)


@given(minutes=st.lists(st.integers(0, 60), unique=True).map(sorted))
def test_filled_candles_have_no_holes_and_keep_what_was_there(minutes: list[int]) -> None:
    candles = [Candle("A", "1m", 60_000 * n, 1.0, 3.0, 0.5, 2.0 + n, 1.0, 1.0, 1, 0.5) for n in minutes]
    whole = filled(candles, 60_000)
    assert [candle.time_ms // 60_000 for candle in whole] == (list(range(minutes[0], minutes[-1] + 1)) if minutes else [])
    assert [candle for candle in whole if candle.volume] == candles
    assert all(candle.open == candle.close for candle in whole if not candle.volume)


def test_exchange_subscribes_to_all_channels_at_once_and_advanced_to_one_a_frame() -> None:
    products = [f"P{n}-USD" for n in range(150)]
    exchange = [orjson.loads(frame) for frame in subscriptions("exchange", products)]
    assert [len(frame["product_ids"]) for frame in exchange] == [100, 50]
    assert exchange[0]["channels"] == ["matches", "ticker", "heartbeat"]
    advanced = [orjson.loads(frame) for frame in subscriptions("advanced", ["BTC-USD"])]
    assert [frame["channel"] for frame in advanced] == ["heartbeats", "market_trades", "ticker"]


async def test_patience_ends_with_the_last_failure() -> None:
    clock, asked = ManualClock(), list[int]()

    async def ask() -> int:
        asked.append(clock.now_ms())
        if len(asked) < 3:
            raise RateLimited("Wait.", 0.0)
        raise FeedError("Gone.")

    with pytest.raises(FeedError, match="Gone"):
        await with_patience(clock, ask, tries=3)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [("BTCUSDT", ("BTC", "USDT")), ("BTC-USD", ("BTC", "USD")), ("USDT", ("USDT", "USDT")), ("ÄBTC", ("Ä", "BTC"))],
)  # fmt: skip
def test_symbol_is_split(symbol: str, parts: tuple[str, str]) -> None:
    assert split_symbol(symbol) == parts


@given(symbol=st.text(min_size=1, max_size=12), decimals=st.integers(-3, 40))
def test_any_symbol_becomes_an_instrument(symbol: str, decimals: int) -> None:
    instrument = inferred_instrument(symbol, decimals)
    assert instrument.symbol == symbol
    assert 0 <= instrument.price_decimals <= 12


@pytest.mark.parametrize(("price", "digits"), [("61837.63000000", 2), ("12", 0), ("0.00000812", 8), ("5.0", 0)])
def test_digits_of_a_price(price: str, digits: int) -> None:
    assert decimals_of(price) == digits
