"""Coinbase frames: recorded shapes with exact values, the maker's side, malformed rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.errors import MalformedMessage
from marketwatch.feed.binance_parse import Control, Skipped
from marketwatch.feed.coinbase_parse import CoinbaseGulp, Envelope, Heartbeat, is_coinbase, parse, parse_many, time_ms
from marketwatch.model.market import Quote, Ticker, Trade

MATCH = {
    "type": "match", "trade_id": 216544, "maker_order_id": "4c2aa376", "taker_order_id": "247a6eb2", "side": "buy",
    "size": "0.97133855", "price": "4.97800000", "product_id": "ETC-GBP", "sequence": 253395153,
    "time": "2019-08-01T00:00:03.816000Z",
}  # fmt: skip
TICKER = {
    "type": "ticker", "sequence": 29892364716, "product_id": "ETH-USD", "price": "1958.18", "open_24h": "1930",
    "volume_24h": "163658.03343361", "low_24h": "1909.51", "high_24h": "2020", "volume_30d": "6409735.37447281",
    "best_bid": "1958.18", "best_ask": "1958.37", "side": "sell", "time": "2022-05-25T13:06:56.076339Z",
    "trade_id": 280884307, "last_size": "0.001",
}  # fmt: skip
ROW = {
    "product_id": "BTC-USD", "trade_id": "1068572090", "price": "65083.67", "size": "0.002186",
    "time": "2026-08-09T21:05:42.514318Z", "side": "SELL",
}  # fmt: skip


def frame(**fields: Any) -> bytes:
    return orjson.dumps(fields)


def envelope(channel: str, events: list[Any], number: int = 7) -> bytes:
    return frame(channel=channel, timestamp="2026-08-09T21:05:48.228568804Z", sequence_num=number, events=events)


def test_match_is_a_trade_and_a_buying_maker_means_that_the_taker_sold() -> None:
    assert parse(orjson.dumps(MATCH)) == [Trade("ETC-GBP", 216544, 4.978, 0.97133855, 1_564_617_603_816, True)]


def test_match_of_a_selling_maker_means_that_the_taker_bought() -> None:
    (trade,) = parse(orjson.dumps({**MATCH, "side": "sell", "type": "last_match"}))
    assert isinstance(trade, Trade)
    assert trade.buyer_is_maker is False


def test_ticker_gives_statistics_and_a_quote() -> None:
    moment = 1_653_484_016_076
    assert parse(orjson.dumps(TICKER)) == [
        Ticker("ETH-USD", 1958.18, 1930.0, 2020.0, 1909.51, 163658.03343361, 163658.03343361 * 1958.18, moment),
        Quote("ETH-USD", 1958.18, 0.0, 1958.37, 0.0, moment),
    ]


def test_first_ticker_without_a_time_takes_the_receipt_time() -> None:
    facts = parse(orjson.dumps({key: value for key, value in TICKER.items() if key != "time"}), received_ms=1_700_000_000_000)
    assert {fact.time_ms for fact in facts if isinstance(fact, Ticker | Quote)} == {1_700_000_000_000}


def test_heartbeat_tells_the_last_trade() -> None:
    beat = frame(
        type="heartbeat", last_trade_id=319738525, product_id="ETH-USD", sequence=1, time="2022-07-19T12:09:26.296459Z"
    )
    assert parse(beat) == [Heartbeat("ETH-USD", 319738525, 1_658_232_566_296)]


def test_advanced_trades_come_oldest_first_after_their_envelope() -> None:
    newer = {**ROW, "trade_id": "1068572091", "side": "BUY"}
    moment = 1_786_309_542_514
    assert parse(envelope("market_trades", [{"type": "snapshot", "trades": [newer, ROW]}])) == [
        Envelope("market_trades", 7, 1_786_309_548_228),
        Trade("BTC-USD", 1068572090, 65083.67, 0.002186, moment, False),
        Trade("BTC-USD", 1068572091, 65083.67, 0.002186, moment, True),
    ]


def test_advanced_ticker_derives_the_open_from_the_change() -> None:
    row = {
        "type": "ticker", "product_id": "BTC-USD", "price": "110", "volume_24_h": "2", "low_24_h": "90", "high_24_h": "120",
        "price_percent_chg_24_h": "10", "best_bid": "109", "best_ask": "111", "best_bid_quantity": "0.5",
        "best_ask_quantity": "0.25",
    }  # fmt: skip
    _, ticker, quote = parse(envelope("ticker", [{"type": "snapshot", "tickers": [row]}]))
    assert isinstance(ticker, Ticker)
    assert ticker.open_24h == pytest.approx(100.0)
    assert quote == Quote("BTC-USD", 109.0, 0.5, 111.0, 0.25, 1_786_309_548_228)


def test_advanced_heartbeat_names_no_product() -> None:
    event = {"current_time": "2026-08-09 21:05:48.85 +0000 UTC m=+41691.2", "heartbeat_counter": 41691}
    assert parse(envelope("heartbeats", [event]))[1] == Heartbeat("", None, 1_786_309_548_228)


@pytest.mark.parametrize(
    ("message", "fact"),
    [
        ({"type": "subscriptions", "channels": []}, Control("answer")),
        (
            {"type": "error", "message": "Failed to subscribe", "reason": "NOPE-USD is not valid"},
            Control("error", message="Failed to subscribe NOPE-USD is not valid"),
        ),
        ({"type": "l2update", "product_id": "BTC-USD", "changes": []}, Skipped("l2update", True)),
        ({"type": "surprise"}, Skipped("surprise", False)),
    ],
)
def test_other_exchange_messages(message: dict[str, Any], fact: object) -> None:
    assert parse(orjson.dumps(message)) == [fact]


@pytest.mark.parametrize(
    "change",
    [
        {"time": "0001-01-01T00:00:00.000000Z"},
        {"size": "0.-10000"},
        {"price": "0"},
        {"price": "-1"},
        {"price": "NaN"},
        {"price": "1e309"},
        {"price": 4.9},
        {"side": "hold"},
        {"trade_id": -1},
        {"trade_id": 2**63},
        {"trade_id": True},
        {"product_id": ""},
        {"product_id": "X" * 65},
        {"time": "2019-08-01T25:00:03.816000Z"},
        {"time": "2019-13-01T00:00:03Z"},
        {"time": "2019-08-01 00:00:03.816Z"},
        {"time": None},
    ],
)
def test_malformed_match_is_rejected(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        parse(orjson.dumps({**MATCH, **change}))


def test_bad_row_does_not_cost_the_others_of_its_frame() -> None:
    gulp = CoinbaseGulp()
    bad = {**ROW, "size": "0.-10000"}
    parse_many([envelope("market_trades", [{"type": "update", "trades": [ROW, bad]}])], gulp, received_ms=0)
    assert [trade.trade_id for trade in gulp.trades] == [1068572090]
    assert gulp.rejected == {"quantity": 1}


def test_gulp_keeps_newest_quotes_and_every_sequence() -> None:
    gulp = CoinbaseGulp()
    frames = [orjson.dumps(TICKER), orjson.dumps({**TICKER, "best_bid": "1958.20"}), envelope("heartbeats", [{}], 8)]
    parse_many([*frames, envelope("heartbeats", [{}], 9), b"{broken"], gulp, received_ms=0)
    assert gulp.quotes["ETH-USD"].bid == 1958.2
    assert gulp.sequences == [8, 9]
    assert (gulp.messages, gulp.rejected) == (5, {"json": 1})


def test_trade_from_the_far_future_is_rejected() -> None:
    gulp = CoinbaseGulp(latest_ms=1_564_617_603_815)
    parse_many([orjson.dumps(MATCH)], gulp, received_ms=0)
    assert (gulp.trades, gulp.rejected) == ([], {"time": 1})


@given(moment=st.datetimes(datetime(2010, 1, 1), datetime(2090, 1, 1)), digits=st.integers(0, 9))
def test_time_agrees_with_the_calendar(moment: datetime, digits: int) -> None:
    fraction = f"{moment.microsecond:06d}000"[:digits]
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if digits else "") + "Z"
    expected = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp()) * 1000 + int((fraction + "000")[:3])
    assert time_ms(text) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted({*MATCH, *TICKER, *ROW, "channel", "events", "timestamp", "sequence_num", "trades", "tickers"})
WORDS = st.sampled_from(["match", "ticker", "heartbeat", "market_trades", "2019-08-01T00:00:03.816Z", "1.5", "sell"])


@given(data=st.binary(max_size=200) | st.dictionaries(st.sampled_from(KEYS), JSON | WORDS, max_size=12))
def test_parsers_raise_nothing_but_malformed_message(data: bytes | dict[str, Any]) -> None:
    try:
        text = data if isinstance(data, bytes) else orjson.dumps(data)
    except TypeError:
        return  # orjson cannot write integers beyond 64 bits; nobody can send them as such either.
    gulp = CoinbaseGulp()
    parse_many([text], gulp, received_ms=0)
    try:
        parse(text)
    except MalformedMessage:
        assert gulp.rejected


@given(field=st.sampled_from(sorted(MATCH)), value=JSON)
def test_any_value_in_any_field_of_a_match_is_a_trade_or_malformed(field: str, value: Any) -> None:
    try:
        text = orjson.dumps({**MATCH, field: value})
    except TypeError:
        return  # As above.
    gulp = CoinbaseGulp()
    parse_many([text], gulp, received_ms=0)
    assert all(trade.price > 0 and trade.quantity > 0 and type(trade.trade_id) is int for trade in gulp.trades)
    is_coinbase(orjson.loads(text))
