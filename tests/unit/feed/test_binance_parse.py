"""Binance frames: recorded ones give exact values, all others give MalformedMessage or a count, and nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketwatch.errors import MalformedMessage
from marketwatch.feed.binance_parse import MAX_FRAME_BYTES, Control, Gulp, Skipped, parse, parse_many
from marketwatch.model.market import Candle, Quote, Ticker, Trade

TRADE = {
    "e": "trade", "E": 1723161255343, "s": "BTCUSDT", "t": 3735683259, "p": "61837.63000000", "q": "0.02000000",
    "T": 1723161255342, "m": True, "M": True,
}  # fmt: skip


def combined(stream: str, data: Any) -> bytes:
    return orjson.dumps({"stream": stream, "data": data})


def gulp_of(*frames: bytes, received_ms: int = 1_723_161_254_000, microseconds: bool = False) -> Gulp:
    gulp = Gulp()
    parse_many(frames, gulp, received_ms=received_ms, microseconds=microseconds)
    return gulp


def one(frame: bytes, **named: Any) -> Any:
    (fact,) = parse(frame, **named)
    return fact


def test_trade_gives_its_values() -> None:
    expected = Trade("BTCUSDT", 3735683259, 61837.63, 0.02, 1723161255342, True, 1)
    assert one(combined("btcusdt@trade", TRADE)) == expected
    assert one(orjson.dumps(TRADE)) == expected
    assert gulp_of(combined("btcusdt@trade", TRADE)).trades == [expected]


def test_trade_of_2019_with_order_ids_gives_its_values() -> None:
    frame = (
        b'{"stream":"bnbbtc@trade","data":{"e":"trade","E":1554076800945,"s":"BNBBTC","t":40756030,"p":"0.00426990",'
        b'"q":"33.82000000","b":133829535,"a":133829504,"T":1554076800940,"m":false,"M":true}}'
    )
    assert one(frame) == Trade("BNBBTC", 40756030, 0.0042699, 33.82, 1554076800940, False, 1)


def test_agg_trade_counts_the_trades_it_folds() -> None:
    frame = (
        b'{"stream":"btcusd_perp@aggTrade","data":{"e":"aggTrade","E":1654856742439,"a":193054733,"s":"BTCUSD_PERP",'
        b'"p":"29882.6","q":"2","f":448206690,"l":448206691,"T":1654856742275,"m":false}}'
    )
    assert one(frame) == Trade("BTCUSD_PERP", 193054733, 29882.6, 2.0, 1654856742275, False, 2)


def test_book_ticker_without_event_type_is_stamped_with_the_receipt() -> None:
    frame = (
        b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000",'
        b'"a":"61837.64000000","A":"1.54698000"}}'
    )
    expected = Quote("BTCUSDT", 61837.63, 3.78826, 61837.64, 1.54698, 1_723_161_254_088)
    assert one(frame, received_ms=1_723_161_254_088) == expected
    assert gulp_of(frame, received_ms=1_723_161_254_088).quotes == {"BTCUSDT": expected}


def test_raw_book_ticker_is_told_by_its_fields() -> None:
    frame = b'{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
    assert one(frame, received_ms=7) == Quote("BNBUSDT", 25.3519, 31.21, 25.3652, 40.66, 7)


def test_futures_book_ticker_carries_its_own_time() -> None:
    frame = (
        b'{"stream":"galausdt@bookTicker","data":{"e":"bookTicker","u":1592216279872,"s":"GALAUSDT","b":"0.07661","B":"40088",'
        b'"a":"0.07662","A":"929","T":1654792470066,"E":1654792470073}}'
    )
    assert one(frame, received_ms=7) == Quote("GALAUSDT", 0.07661, 40088.0, 0.07662, 929.0, 1654792470066)


def test_kline_tells_open_from_closed_candles() -> None:
    k = {
        "t": 1633998480000, "T": 1633998539999, "s": "NKNUSDT", "i": "1m", "f": 19862761, "L": 19862790, "o": "0.35270000",
        "c": "0.35280000", "h": "0.35280000", "l": "0.35220000", "v": "25877.00000000", "n": 30, "x": False,
        "q": "9116.04600000", "V": "58.00000000", "Q": "20.46240000", "B": "0",
    }  # fmt: skip
    frame = {"e": "kline", "E": 1633998523963, "s": "NKNUSDT", "k": k}
    expected = Candle("NKNUSDT", "1m", 1633998480000, 0.3527, 0.3528, 0.3522, 0.3528, 25877.0, 9116.046, 30, 58.0, closed=False)
    assert one(orjson.dumps(frame)) == expected
    closed = orjson.dumps({**frame, "k": {**k, "x": True}})
    assert one(closed) == expected._replace(closed=True)
    assert list(gulp_of(orjson.dumps(frame), closed).candles.values()) == [expected._replace(closed=True)]


def test_mini_ticker_array_gives_each_symbol_and_counts_the_bad_ones() -> None:
    row = {"e": "24hrMiniTicker", "E": 1592594715455, "s": "ETHBTC", "c": "0.0245", "o": "0.0246", "h": "0.0247", "l": "0.0241",
           "v": "163116.186", "q": "4006.04"}  # fmt: skip
    gulp = gulp_of(combined("!miniTicker@arr", [row, {**row, "s": "DEAD", "c": "0.00000000"}, {**row, "s": "BNBBTC"}]))
    assert gulp.tickers["ETHBTC"] == Ticker("ETHBTC", 0.0245, 0.0246, 0.0247, 0.0241, 163116.186, 4006.04, 1592594715455)
    assert set(gulp.tickers) == {"ETHBTC", "BNBBTC"}
    assert gulp.rejected == {"price": 1}


def test_symbols_may_be_any_unicode() -> None:
    assert one(combined("币安人生usdt@trade", {**TRADE, "s": "币安人生USDT"})).symbol == "币安人生USDT"


def test_microseconds_are_a_matter_of_configuration() -> None:
    frame = combined("btcusdt@trade", {**TRADE, "T": 1723161255342123, "E": 1723161255343000})
    gulp = gulp_of(frame, microseconds=True)
    assert (gulp.trades[0].time_ms, gulp.event_ms) == (1723161255342, 1723161255343)
    assert gulp_of(frame).rejected == {"time": 1}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"result":null,"id":2}', Control("answer", 2)),
        (b'{"code":2,"msg":"Invalid request","id":1}', Control("error", 1, 2, "Invalid request")),
        (b'{"error":{"code":3,"msg":"Invalid JSON"},"id":4}', Control("error", 4, 3, "Invalid JSON")),
        (b'{"error":"blahblah"}', Control("error", None, None, "blahblah")),
        (b'{"e":"serverShutdown","E":1770123456789}', Control("shutdown")),
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', Control("shutdown")),
        (b'{"stream":"!serverShutdown","data":{}}', Control("shutdown")),
        (b'{"stream":"x@depth","data":{"e":"depthUpdate","E":1,"s":"X"}}', Skipped("depthUpdate", known=True)),
        (b'{"lastUpdateId":35346513512,"bids":[],"asks":[]}', Skipped("(no event)", known=True)),
        (b'{"e":"somethingNew","E":1}', Skipped("somethingNew", known=False)),
    ],
)
def test_control_and_foreign_frames_are_told_apart(frame: bytes, expected: object) -> None:
    assert one(frame) == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("p", "0.00000000", "price"), ("p", "-1", "price"), ("p", "NaN", "price"), ("p", "inf", "price"),
        ("p", "1e309", "price"), ("p", 1.5, "price"), ("p", None, "shape"), ("p", "abc", "price"), ("p", [], "shape"),
        ("q", "0", "quantity"), ("q", "nan", "quantity"), ("q", "0.-10000", "quantity"), ("q", {}, "shape"),
        ("t", True, "id"), ("t", 1.0, "id"), ("t", "5", "id"), ("t", -1, "id"), ("t", 2**63, "id"), ("t", None, "id"),
        ("T", 0, "time"), ("T", "1723161255342", "time"), ("T", 2**62, "time"), ("T", 1.5, "time"), ("T", True, "time"),
        ("m", 1, "flag"), ("m", "true", "flag"), ("m", None, "flag"),
        ("s", "", "symbol"), ("s", 5, "symbol"), ("s", "X" * 65, "symbol"), ("s", None, "symbol"),
    ],
)  # fmt: skip
def test_impossible_field_rejects_the_trade(field: str, value: object, reason: str) -> None:
    frame = combined("btcusdt@trade", {**TRADE, field: value})
    gulp = gulp_of(frame)
    assert gulp.trades == []
    assert gulp.rejected.keys() <= {reason, "shape", "price", "quantity"}
    assert sum(gulp.rejected.values()) == 1
    with pytest.raises(MalformedMessage):
        parse(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"{", b"nul", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000, b'{"p":NaN}', b'"text"', b"5", b"[1,2,3]",
        b'{"stream":"a@trade","data":null}', b'{"stream":"a@trade","data":[[]]}', b'{"e":[]}', b'{"e":"trade"}',
        b'{"e":"kline","k":5}', b'{"e":"aggTrade","f":5,"l":4}',
    ],
)  # fmt: skip
def test_unreadable_frame_is_counted_once_and_the_next_one_is_read(frame: bytes) -> None:
    gulp = gulp_of(frame, combined("btcusdt@trade", TRADE))
    assert sum(gulp.rejected.values()) == 1
    assert len(gulp.trades) == 1
    with pytest.raises(MalformedMessage):
        parse(frame)


def test_oversized_frame_is_dropped_unread() -> None:
    gulp = gulp_of(b'"' + b"a" * MAX_FRAME_BYTES + b'"', combined("btcusdt@trade", TRADE))
    assert gulp.rejected == {"size": 1}
    assert len(gulp.trades) == 1


def test_trade_after_the_latest_time_is_rejected_but_tells_the_time() -> None:
    gulp = Gulp(latest_ms=1723161255341)
    parse_many([combined("btcusdt@trade", TRADE)], gulp, received_ms=1)
    assert (gulp.trades, gulp.rejected, gulp.event_ms) == ([], {"time": 1}, 1723161255343)


def test_unknown_event_names_are_bounded() -> None:
    gulp = gulp_of(*(orjson.dumps({"e": f"new{number}"}) for number in range(500)))
    assert len(gulp.unknown) == 100


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
events = st.sampled_from(["trade", "aggTrade", "kline", "24hrMiniTicker", "bookTicker", "serverShutdown", "x"])
fields = st.sampled_from(list("eEstpqTmMabBAuflckohlvVQxnik"))
bodies = st.builds(lambda event, rest: {**rest, "e": event}, events, st.dictionaries(fields, json_values, max_size=12))


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
@example(b'{"stream":"a@bookTicker","data":{"s":"A","b":"1","B":null,"a":"1","A":"1"}}')
def test_any_bytes_give_facts_or_malformed_message(frame: bytes) -> None:
    _holds(frame)


@given(bodies, st.booleans())
def test_any_event_body_gives_facts_or_malformed_message(body: dict[str, Any], wrap: bool) -> None:
    _holds(json.dumps({"stream": "a@b", "data": body} if wrap else body).encode())


@given(st.sampled_from(list(TRADE)), json_values)
def test_trade_with_any_one_field_changed_never_gives_an_unsound_trade(field: str, value: object) -> None:
    for trade in _holds(json.dumps({**TRADE, field: value}).encode()).trades:
        assert trade.symbol
        assert 0 < trade.price < float("inf")
        assert 0 < trade.quantity < float("inf")
        assert type(trade.trade_id) is int
        assert type(trade.time_ms) is int
        assert type(trade.buyer_is_maker) is bool


def _holds(frame: bytes) -> Gulp:
    """Both doors agree: what one raises for, the other counts."""
    gulp = gulp_of(frame)
    try:
        facts = parse(frame, received_ms=1_723_161_254_000)
    except MalformedMessage:
        assert gulp.rejected
        return gulp
    assert gulp.trades == [fact for fact in facts if isinstance(fact, Trade)]
    assert gulp.control == [fact for fact in facts if isinstance(fact, Control)]
    return gulp


def lines(path: Path) -> list[bytes]:
    with gzip.open(path) as file:
        return [line.split(b" ", 1)[1].rstrip() for line in file]


def test_spot_recording_is_read_completely(recorded: Path) -> None:
    frames = lines(recorded / "binance" / "spot_btcusdt_20240808.gz")
    gulp = gulp_of(*frames)
    ids = [trade.trade_id for trade in gulp.trades]
    assert (len(frames), gulp.messages, len(ids)) == (41_249, 41_249, 9_757)
    assert ids == list(range(3735683259, 3735683259 + 9_757))
    assert gulp.trades[0] == Trade("BTCUSDT", 3735683259, 61837.63, 0.02, 1723161255342, True)
    assert (gulp.rejected, gulp.unknown) == ({}, {})
    assert sum(len(fact) for fact in ([f for f in parse(frame) if isinstance(f, Quote)] for frame in frames)) == 28_040


def test_futures_recording_is_read_without_an_unknown_trade(recorded: Path) -> None:
    frames = lines(recorded / "binance" / "usdm_btcusdt_20230404.dat.gz")
    gulp = gulp_of(*frames)
    assert len(gulp.trades) + gulp.rejected.get("price", 0) == 2_197
    assert gulp.trades[0] == Trade("BTCUSDT", 3535186032, 28145.1, 0.002, 1680652700452, True)
    assert gulp.quotes["BTCUSDT"].time_ms > 1680652700000


@pytest.mark.parametrize("name", ["BINANCE.ws.1.0", "BINANCE_US.ws.1.0"])
def test_mixed_recordings_are_read_completely(recorded: Path, name: str) -> None:
    text = (recorded / "binance" / name).read_text("utf-8")
    frames = [line.split(": ", 1)[1].encode() for line in text.splitlines()[1:] if ": " in line]
    gulp = gulp_of(*frames)
    assert (gulp.rejected, gulp.unknown) == ({}, {})
    assert gulp.quotes
    assert gulp.candles
    assert gulp.trades


def test_single_frames_of_other_streams_are_counted_and_never_raise(recorded: Path) -> None:
    text = (recorded / "binance" / "unicorn_fy_raw_messages.jsonl").read_text("utf-8")
    frames = [json.loads(line)["raw"].encode() for line in text.splitlines() if line.strip()]
    gulp = gulp_of(*frames)
    assert gulp.messages == len(frames)
    assert {"listStatus", "balanceUpdate", "forceOrder"} <= set(gulp.unknown)
    assert "BTCUSDT" in gulp.tickers
    assert Control("answer", 2) in gulp.control


def test_mini_tickers_of_several_years_give_their_values(recorded: Path) -> None:
    text = (recorded / "binance" / "real_miniticker_messages.jsonl").read_text("utf-8")
    facts = [one(line.encode()) for line in text.splitlines() if line.strip()]
    assert facts[0] == Ticker(
        "BTCUSDT", 102492.27, 105121.06, 105909.71, 100372.26, 24032.63625, 2472261593.1982179, 1749183266025
    )
    assert [fact.symbol for fact in facts] == ["BTCUSDT", "ATOMUSDT", "BTCUSDT", "BTCUSDT", "BTCUSDT"]
