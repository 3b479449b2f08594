"""Binance's REST answers and the budget of requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import ManualClock
from marketwatch.errors import MalformedMessage
from marketwatch.feed.binance_budget import MAX_PAUSE_S, WeightBudget, retry_after_s
from marketwatch.feed.binance_rows import read_agg_trades, read_exchange_info, read_klines, read_trades, read_volumes
from marketwatch.model.market import Instrument, Trade

KLINE = [1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815", 1499644799999,
         "2434.19055334", 308, "1756.87402397", "28.46694368", "0"]  # fmt: skip
AGG = {"a": 26129, "p": "0.01633102", "q": "4.70443515", "f": 27781, "l": 27783, "T": 1498793709153, "m": True, "M": True}


def test_exchange_info_recording_is_read_completely(recorded: Path) -> None:
    text = (recorded / "binance" / "BINANCE.0").read_text("utf-8").splitlines()[0]
    found = read_exchange_info(text[text.index("{") :].encode())
    by_name = {item.symbol: item for item in found}
    assert len(found) == 1_695
    assert by_name["BTCUSDT"] == Instrument("BTCUSDT", "BTC", "USDT", Decimal("0.01000000"), Decimal("0.00001000"), True)
    assert sum(item.trading and item.quote == "USDT" for item in found) == 315


def test_odd_rows_of_exchange_info_are_left_out() -> None:
    good = {"symbol": "A", "baseAsset": "B", "quoteAsset": "C", "status": "BREAK"}
    body = orjson.dumps(
        {"symbols": [5, {"symbol": 5}, good, {**good, "filters": [{"filterType": "PRICE_FILTER", "tickSize": "x"}]}]}
    )
    assert read_exchange_info(body) == [Instrument("A", "B", "C", None, None, False)] * 2


def test_klines_give_their_values() -> None:
    (candle,) = read_klines("ETHBTC", "1w", orjson.dumps([KLINE]))
    assert candle[:7] == ("ETHBTC", "1w", 1499040000000, 0.0163479, 0.8, 0.015758, 0.015771)
    assert candle[7:] == (148976.11427815, 2434.19055334, 308, 1756.87402397, True, False)


def test_agg_trades_give_their_first_id_and_values() -> None:
    assert read_agg_trades("A", orjson.dumps([AGG])) == [
        (27781, Trade("A", 26129, 0.01633102, 4.70443515, 1498793709153, True, 3))
    ]


def test_single_trades_give_their_values() -> None:
    row = {"id": 28457, "price": "4.00000100", "qty": "12.00000000", "time": 1499865549590, "isBuyerMaker": True}
    assert read_trades("A", orjson.dumps([row])) == [Trade("A", 28457, 4.000001, 12.0, 1499865549590, True)]
    with pytest.raises(MalformedMessage):
        read_trades("A", orjson.dumps([{**row, "id": "x"}]))


def test_volumes_leave_out_what_they_cannot_read() -> None:
    rows = [{"symbol": "A", "quoteVolume": "5.5"}, {"symbol": "B"}, 7, {"symbol": "C", "quoteVolume": "NaN"}]
    assert read_volumes(orjson.dumps(rows)) == {"A": 5.5}


@pytest.mark.parametrize(
    "read", [lambda body: read_klines("A", "1m", body), lambda body: read_agg_trades("A", body), read_exchange_info]
)
@pytest.mark.parametrize("body", [b"", b"{", b"5", b'{"code":-1}', b"<html>", b"[[" * 5_000, b"[5]", b"[[]]", b"[null]"])
def test_answer_of_another_shape_is_malformed(read: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read(body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("p", "0"),
        ("p", "NaN"),
        ("q", "-1"),
        ("a", True),
        ("f", 27784),
        ("l", 2**63),
        ("T", "x"),
        ("T", 5),
        ("m", 1),
        ("p", 1.5),
    ],
)
def test_impossible_agg_trade_is_malformed(field: str, value: object) -> None:
    with pytest.raises(MalformedMessage):
        read_agg_trades("A", json.dumps([{**AGG, field: value}]).encode())


@pytest.mark.parametrize(
    ("index", "value"), [(0, "5"), (0, 5), (1, "0"), (2, "1e309"), (5, "-1"), (7, None), (8, 1.5), (9, "x")]
)
def test_impossible_kline_is_malformed(index: int, value: object) -> None:
    row = [*KLINE[:index], value, *KLINE[index + 1 :]]
    with pytest.raises(MalformedMessage):
        read_klines("A", "1m", orjson.dumps([row]))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=13) | st.dictionaries(st.sampled_from(list("apqflTmsymbol")), inner),
                    max_leaves=20))  # fmt: skip
def test_any_answer_is_read_or_malformed(value: object) -> None:
    body = json.dumps(value).encode()
    for read in (partial(read_klines, "A", "1m"), partial(read_agg_trades, "A"), read_exchange_info, read_volumes):
        try:
            read(body)
        except MalformedMessage:
            continue


async def test_budget_stays_below_its_share_of_a_minute() -> None:
    clock = ManualClock()
    budget = WeightBudget(clock, limit=100)
    for _ in range(5):
        await budget.acquire(10)
    waiting = asyncio.create_task(budget.acquire(10))
    await clock.advance(59)
    assert not waiting.done()
    await clock.advance(2)
    await waiting
    assert budget.used == 10


async def test_budget_believes_the_higher_count_of_the_venue() -> None:
    clock = ManualClock()
    budget = WeightBudget(clock, limit=100)
    budget.told(45)
    waiting = asyncio.create_task(budget.acquire(10))
    await clock.advance(30)
    assert not waiting.done()
    await clock.advance(31)
    await waiting


async def test_pause_holds_for_every_task() -> None:
    clock = ManualClock()
    budget = WeightBudget(clock)
    budget.pause(7)
    tasks = [asyncio.create_task(budget.acquire(1)) for _ in range(3)]
    await clock.advance(6.8)
    assert not any(task.done() for task in tasks)
    await clock.advance(5)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("7", 7.0), ("0", 0.1), ("-5", 0.1), ("1e99", MAX_PAUSE_S), ("nan", 9.0), ("soon", 9.0), ("", 9.0), (None, 9.0)],
)
def test_retry_after_is_bounded(header: str | None, expected: float) -> None:
    assert retry_after_s({} if header is None else {"Retry-After": header}, 9.0) == expected
