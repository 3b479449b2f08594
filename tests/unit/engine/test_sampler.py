"""The sampler: event time, lateness, revisions, gaps, hostile times."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.engine.sampler import Sampler
from marketwatch.model.market import Gap, GapReason, GapState, Pulse, Quote, Quotes, Samples, Source, Trade, Trades
from marketwatch.model.system import FeedState, FeedStatus

T0 = 1_700_000_000_000


def a_trade(
    time_ms: int, trade_id: int = 1, price: float = 100.0, quantity: float = 1.0, symbol: str = "A", **more: Any
) -> Trade:
    return Trade(symbol, trade_id, price, quantity, T0 + time_ms, more.get("sold", False), more.get("trades", 1))


class Rig:
    """A sampler and what it said; `final` holds the newest fact about each step."""

    def __init__(self, lateness_ms: int = 250, symbols: Sequence[str] = ("A", "B")) -> None:
        self.facts: list[Samples] = []
        self.sampler = Sampler(symbols=symbols, sample_ms=500, lateness_ms=lateness_ms, publish=self.facts.append)

    def trades(self, *trades: Trade, refill: bool = False, received_ms: int = 0) -> None:
        self.sampler.on_trades(Trades("v", received_ms, list(trades), refill))

    def pulse(self, time_ms: int) -> None:
        self.sampler.on_pulse(Pulse("v", T0 + time_ms))

    def status(self, state: FeedState) -> None:
        self.sampler.on_feed_status(FeedStatus("v", Source.LIVE, state, "", 0))

    def gap(self, state: GapState, from_ms: int, to_ms: int, symbol: str = "A") -> None:
        self.sampler.on_gap(Gap("g", "v", symbol, GapReason.ID_JUMP, state, T0 + from_ms, T0 + to_ms))

    @property
    def final(self) -> dict[int, Samples]:
        return {fact.time_ms - T0: fact for fact in self.facts}

    def bytes(self) -> bytes:
        names = (
            "open",
            "high",
            "low",
            "price",
            "volume",
            "notional",
            "taker_buy_volume",
            "trades",
            "first_id",
            "last_id",
            "gap",
        )
        return b"".join(getattr(fact, name).tobytes() for _, fact in sorted(self.final.items()) for name in names)


def test_step_folds_its_trades() -> None:
    rig = Rig()
    rig.trades(
        a_trade(10, 5, 100.0, 2.0), a_trade(20, 6, 103.0, 1.0, sold=True, trades=3), a_trade(499, 7, 99.0, 1.0),
        a_trade(500, 8, 98.0), a_trade(750, 9, 97.0),
    )  # fmt: skip
    (fact,) = rig.facts
    assert fact.time_ms == T0
    assert [fact.open[0], fact.high[0], fact.low[0], fact.price[0]] == [100.0, 103.0, 99.0, 99.0]
    assert [fact.volume[0], fact.notional[0], fact.taker_buy_volume[0]] == [4.0, 402.0, 3.0]
    assert [fact.trades[0], fact.first_id[0], fact.last_id[0]] == [5, 5, 7]
    assert np.isnan(fact.price[1])
    assert not fact.gap.any()


def test_step_stays_open_until_lateness_has_passed_for_all() -> None:
    rig = Rig()
    rig.trades(a_trade(10), a_trade(749, 2, symbol="B"))
    assert rig.facts == []
    rig.trades(a_trade(750, 3, symbol="B"))
    assert len(rig.facts) == 1


def test_step_without_trade_holds_the_last_price_and_no_volume() -> None:
    rig = Rig()
    rig.trades(a_trade(10, price=5.0))
    rig.pulse(2000)
    assert [fact.price[0] for fact in rig.facts] == [5.0, 5.0, 5.0]
    assert [fact.volume[0] for fact in rig.facts] == [1.0, 0.0, 0.0]
    assert rig.facts[1].first_id[0] == 0


ROW = st.tuples(st.integers(0, 4000), st.floats(1.0, 2.0), st.floats(0.001, 9.0), st.sampled_from("AB"), st.booleans())
TRADES = st.lists(ROW, min_size=1, max_size=60)


def numbered(rows: Iterable[tuple[int, float, float, str, bool]]) -> list[Trade]:
    return [
        a_trade(at, key, price, size, symbol, sold=sold) for key, (at, price, size, symbol, sold) in enumerate(sorted(rows), 1)
    ]


@given(TRADES, st.randoms(use_true_random=False))
def test_cutting_trades_into_other_batches_changes_no_bit(rows: list[Any], chance: random.Random) -> None:
    trades = sorted(numbered(rows), key=lambda trade: trade.time_ms + chance.randint(0, 250))
    whole, cut = Rig(), Rig()
    whole.trades(*trades)
    start = 0
    while start < len(trades):
        size = chance.randint(1, 7)
        cut.trades(*trades[start : start + size])
        start += size
    whole.pulse(9000)
    cut.pulse(9000)
    assert whole.bytes() == cut.bytes()


@given(TRADES, st.randoms(use_true_random=False))
def test_shuffling_within_the_lateness_changes_no_bit(rows: list[Any], chance: random.Random) -> None:
    trades = numbered(rows)
    straight, shuffled = Rig(), Rig()
    straight.trades(*trades)
    shuffled.trades(*sorted(trades, key=lambda trade: trade.time_ms + chance.randint(0, 250)))
    straight.pulse(9000)
    shuffled.pulse(9000)
    assert straight.bytes() == shuffled.bytes()
    assert len(shuffled.facts) == len(straight.facts)


@settings(max_examples=60)
@given(TRADES, st.randoms(use_true_random=False))
def test_trades_that_come_much_later_give_the_sorted_result_by_revisions(rows: list[Any], chance: random.Random) -> None:
    trades = numbered([(0, 1.0, 1.0, "A", False), *rows])
    late = [trade for trade in trades[1:] if chance.random() < 0.3]
    straight, mended = Rig(), Rig()
    straight.trades(*trades)
    straight.pulse(9000)
    mended.trades(*[trade for trade in trades if trade not in late])
    mended.pulse(9000)
    mended.trades(*late, refill=True)
    mended.pulse(9001)
    assert mended.sampler.late_dropped == 0
    assert set(mended.final) == set(straight.final)
    for at, fact in straight.final.items():
        other = mended.final[at]
        for name in ("open", "high", "low", "price", "trades", "first_id", "last_id", "gap"):
            np.testing.assert_array_equal(getattr(other, name), getattr(fact, name), err_msg=f"{name} at {at}")
        for name in ("volume", "notional", "taker_buy_volume"):
            np.testing.assert_allclose(getattr(other, name), getattr(fact, name), rtol=1e-12)


def test_doubled_trades_of_an_open_step_count_once() -> None:
    rig = Rig()
    rig.trades(a_trade(10, 1), a_trade(10, 1), a_trade(20, 2), a_trade(10, 1))
    rig.pulse(750)
    assert rig.facts[0].trades[0] == 2


def test_late_trade_revises_its_step_and_the_steps_that_hold_its_price() -> None:
    rig = Rig()
    rig.trades(a_trade(10, 1, 100.0), a_trade(1600, 5, 90.0))
    rig.pulse(2500)
    before = len(rig.facts)
    first = rig.facts[0].price.copy()
    rig.trades(a_trade(400, 2, 101.0), refill=True)
    rig.pulse(2501)
    revised = rig.facts[before:]
    assert [fact.time_ms - T0 for fact in revised] == [0, 500, 1000]
    assert all(fact.revised is not None and fact.revised.tolist() == [0] for fact in revised)
    assert [fact.price[0] for fact in revised] == [101.0, 101.0, 101.0]
    assert rig.facts[0].price[0] == first[0]
    assert rig.final[1500].price[0] == 90.0


def test_trade_older_than_the_steps_held_is_dropped_and_counted() -> None:
    rig = Rig()
    rig.trades(a_trade(0))
    rig.pulse(200_000)
    rig.trades(a_trade(100, 2))
    assert rig.sampler.late_dropped == 1


def test_unknown_symbols_are_counted() -> None:
    rig = Rig()
    rig.trades(a_trade(0, symbol="X"), a_trade(10))
    rig.pulse(2000)
    rig.trades(a_trade(20, symbol="Y"))
    assert rig.sampler.unknown == 2


def test_one_trade_far_in_the_future_closes_nothing() -> None:
    rig = Rig()
    rig.trades(a_trade(0), a_trade(86_400_000, 2), a_trade(600, 3))
    assert rig.facts == []
    rig.trades(a_trade(800, 4))
    assert [fact.time_ms for fact in rig.facts] == [T0]
    assert rig.sampler.future == 1


def test_time_that_really_jumped_is_believed_after_five_witnesses() -> None:
    rig = Rig()
    rig.trades(a_trade(0), *(a_trade(60_000 + key, key, 50.0 + key) for key in range(5)))
    rig.pulse(61_000)
    assert rig.final[60_000].trades[0] == 5
    assert rig.sampler.future == 0


def test_quiet_time_by_the_local_clock_lets_event_time_jump_too() -> None:
    rig = Rig()
    rig.trades(a_trade(0), received_ms=5_000_000)
    rig.trades(a_trade(40_000, 2), received_ms=5_040_000)
    assert len(rig.facts) == 79


def test_absurd_first_trade_is_forgotten_when_the_market_speaks() -> None:
    rig = Rig()
    rig.trades(a_trade(10**9))
    rig.trades(a_trade(0, 2), a_trade(900, 3))
    assert [fact.time_ms for fact in rig.facts] == [T0]
    assert rig.sampler.future == 1


def test_silence_of_hours_emits_only_the_steps_held_all_as_a_gap() -> None:
    rig = Rig()
    rig.trades(a_trade(10))
    rig.pulse(8 * 3_600_000)
    assert len(rig.facts) == 241
    assert not rig.facts[0].gap.any()
    assert all(fact.gap.all() for fact in rig.facts[1:])
    assert rig.facts[-1].time_ms == T0 + 8 * 3_600_000 - 1000


def test_feed_that_is_down_makes_whole_steps_gaps_until_it_is_back() -> None:
    rig = Rig()
    rig.status(FeedState.CONNECTING)
    rig.status(FeedState.LIVE)
    rig.trades(a_trade(100))
    rig.status(FeedState.RECONNECTING)
    rig.status(FeedState.LIVE)
    rig.trades(a_trade(2600, 2))
    rig.pulse(4000)
    assert {at: bool(fact.gap[0]) for at, fact in rig.final.items()} == {
        0: False, 500: True, 1000: True, 1500: True, 2000: True, 2500: False, 3000: False,
    }  # fmt: skip
    assert np.isnan(rig.final[500].price[0])
    assert rig.final[3000].price[0] == 100.0


def test_gap_opens_and_closes_the_steps_of_one_symbol_only() -> None:
    rig = Rig()
    rig.trades(a_trade(0), a_trade(1, 1, symbol="B"))
    rig.pulse(3000)
    rig.gap(GapState.OPEN, 600, 1900)
    rig.pulse(3001)
    assert [bool(rig.final[at].gap[0]) for at in (0, 500, 1000, 1500, 2000)] == [False, True, True, True, False]
    assert not any(fact.gap[1] for fact in rig.final.values())
    rig.trades(a_trade(1200, 2, 110.0), refill=True)
    rig.gap(GapState.CLOSED, 600, 1900)
    rig.pulse(3002)
    assert not any(fact.gap.any() for fact in rig.final.values())
    assert [rig.final[at].price[0] for at in (0, 500, 1000, 1500, 2000)] == [100.0, 100.0, 110.0, 110.0, 110.0]


def test_gap_that_is_lost_stays_visible() -> None:
    rig = Rig()
    rig.trades(a_trade(0))
    rig.gap(GapState.OPEN, 600, 900)
    rig.gap(GapState.LOST, 600, 900)
    rig.pulse(3000)
    assert [bool(rig.final[at].gap[0]) for at in (0, 500, 1000)] == [False, True, False]


def test_quotes_are_those_of_the_closing_and_move_no_time() -> None:
    rig = Rig()
    rig.sampler.on_quotes(Quotes("v", 0, [Quote("A", 99.0, 1, 101.0, 1, T0 + 10**9), Quote("X", 1, 1, 1, 1, 0)]))
    rig.trades(a_trade(0))
    rig.sampler.on_quotes(Quotes("v", 0, [Quote("A", 99.5, 1, 100.5, 1, T0)]))
    rig.pulse(1400)
    assert [(fact.bid[0], fact.ask[0]) for fact in rig.facts] == [(99.5, 100.5), (99.5, 100.5)]
    assert np.isnan(rig.facts[0].bid[1])


def test_end_of_a_recording_closes_what_is_open() -> None:
    rig = Rig()
    rig.trades(a_trade(0), a_trade(1100, 2, 7.0))
    rig.status(FeedState.ENDED)
    assert rig.facts[-1].price[0] == 7.0
    assert rig.facts[-1].time_ms == T0 + 1000


def test_same_events_twice_give_the_same_bytes() -> None:
    def run() -> bytes:
        rig, chance = Rig(), random.Random(3)
        for key in range(300):
            rig.trades(a_trade(key * 40 - chance.randint(0, 900), key, chance.uniform(1, 2), symbol=chance.choice("AB")))
            if key % 50 == 0:
                rig.gap(GapState.OPEN, key * 40 - 900, key * 40 - 100)
        return rig.bytes()

    assert run() == run()


@pytest.mark.parametrize("time_ms", [-(2**40), 0, 2**60])
def test_absurd_times_raise_nothing_and_stay_bounded(time_ms: int) -> None:
    rig = Rig()
    for key in range(100):
        rig.trades(a_trade(key * 10, 2 * key), a_trade(time_ms - T0, 2 * key + 1))
    assert rig.sampler.late_dropped + rig.sampler.future >= 1 or rig.facts
    assert len(rig.facts) < 600
