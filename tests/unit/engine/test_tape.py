"""The tape: newest first, by time, bounded."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.engine.tape import Tape
from marketwatch.model.market import Trade, Trades

T0 = 1_700_000_000_000


def some_trades(count: int, seed: int = 1, step_ms: int = 10) -> list[Trade]:
    chance = random.Random(seed)
    return [
        Trade(
            chance.choice("AB"),
            key,
            chance.uniform(1, 9),
            chance.random(),
            T0 + key * step_ms,
            chance.random() < 0.5,
            1 + key % 3,
        )
        for key in range(count)
    ]


def a_tape(trades: list[Trade], max_bytes: int = 10_000_000, batch: int = 37) -> Tape:
    tape = Tape(symbols=("A", "B", "C"), max_bytes=max_bytes)
    for start in range(0, len(trades), batch):
        tape.on_trades(Trades("v", 0, trades[start : start + batch]))
    return tape


@settings(max_examples=12)
@given(st.sampled_from([0, 30, 2048, 5000]), st.integers(1, 400), st.integers(0, 99))
def test_recent_and_between_equal_the_plain_list(count: int, limit: int, seed: int) -> None:
    trades = some_trades(count, seed)
    late = [trade for trade in trades if trade.trade_id % 11 == 3]
    tape = a_tape([*(trade for trade in trades if trade.trade_id % 11 != 3), *late] if seed % 2 else trades)
    own = [trade for trade in trades if trade.symbol == "A"]
    assert tape.recent("A", limit) == own[::-1][:limit]
    start, end = T0 + count * 3, T0 + count * 8
    assert tape.between("A", start, end) == [trade for trade in own if start <= trade.time_ms < end]


def test_refilled_trades_take_their_place_in_time() -> None:
    trades = some_trades(5000)
    early, middle, newest = trades[:2000], trades[2000:2600], trades[2600:]
    tape = a_tape([*early, *newest, *middle])
    own = [trade for trade in trades if trade.symbol == "B"]
    assert tape.recent("B", 2000) == own[::-1][:2000]
    assert tape.between("B", T0 + 15_000, T0 + 30_000) == [one for one in own if T0 + 15_000 <= one.time_ms < T0 + 30_000]


def test_bytes_stay_below_the_cap_and_quiet_symbols_keep_their_last_trades() -> None:
    quiet = [Trade("C", -key, 1.0, 1.0, T0 - key, False) for key in range(80, 0, -1)]
    trades = some_trades(40_000, step_ms=1)
    tape = a_tape([*quiet, *trades], max_bytes=400_000, batch=1000)
    assert tape.bytes <= 400_000
    assert tape.recent("C", 100) == quiet[::-1][:50]
    assert tape.recent("A", 10) == [trade for trade in trades if trade.symbol == "A"][::-1][:10]


def test_trades_older_than_ten_minutes_leave() -> None:
    tape = a_tape(some_trades(20_000, step_ms=100), batch=500)
    oldest = tape.between("A", 0, 2**60)[0]
    assert oldest.time_ms >= T0 + 20_000 * 100 - 600_000 - 2 * 2048 * 100


def test_unknown_symbols_and_silly_limits_are_empty() -> None:
    tape = a_tape([*some_trades(3000), *(Trade("X", key, 1.0, 1.0, T0, False) for key in range(3000))])
    assert tape.recent("X") == []
    assert tape.between("X", 0, 2**60) == []
    assert tape.recent("A", 0) == []
    assert tape.recent("C") == []
