"""What is watched, and by which streams."""

from __future__ import annotations

from marketwatch.feed.binance_streams import chosen, shards, stream_names
from marketwatch.model.market import Instrument

LISTED = [
    Instrument("ETHUSDT", "ETH", "USDT"),
    Instrument("BTCUSDT", "BTC", "USDT"),
    Instrument("OLDUSDT", "OLD", "USDT", trading=False),
    Instrument("ETHBTC", "ETH", "BTC"),
]


def test_named_pairs_keep_their_order_and_unlisted_ones_are_told() -> None:
    found, missing = chosen(LISTED, ["BTCUSDT", "NOPE", "OLDUSDT"])
    assert [item.symbol for item in found] == ["BTCUSDT", "OLDUSDT"]
    assert missing == ["NOPE"]


def test_all_pairs_of_a_quote_are_those_that_trade_by_name() -> None:
    found, missing = chosen(LISTED, ["all:USDT"])
    assert [item.symbol for item in found] == ["BTCUSDT", "ETHUSDT"]
    assert missing == []


def test_small_list_gets_four_streams_each() -> None:
    assert stream_names(["BTCUSDT"], "aggtrade") == [
        "btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@kline_1m", "btcusdt@miniTicker"
    ]  # fmt: skip


def test_large_list_gets_trades_and_one_array() -> None:
    names = stream_names([f"C{number}USDT" for number in range(500)], "trade")
    assert len(names) == 501
    assert names[0] == "c0usdt@trade"
    assert names[-1] == "!miniTicker@arr"


def test_connections_are_as_few_as_the_limit_allows() -> None:
    symbols = [f"C{number}USDT" for number in range(2_100)]
    cut = shards(symbols, "trade")
    assert [len(streams) for streams, _ in cut] == [1024, 1024, 53]
    assert [symbol for _, part in cut for symbol in part] == symbols
