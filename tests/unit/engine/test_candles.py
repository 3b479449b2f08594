"""The candle book against candles computed plainly from the trades."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.engine.candles import INTERVALS, CandleBook, aggregate, same
from marketwatch.engine.sampler import Sampler
from marketwatch.model.market import (
    Candle,
    ClosedCandles,
    Gap,
    GapReason,
    GapState,
    Pulse,
    Trade,
    Trades,
    VenueCandles,
)

DAY = 86_400_000
T0 = 1_700_000_000_000 // DAY * DAY


class Rig:
    """A sampler that feeds a book; `published` holds the newest fact about each candle."""

    def __init__(self, symbols: Sequence[str] = ("A", "B")) -> None:
        self.at_ms = 0
        self.batches: list[ClosedCandles] = []
        self.book = CandleBook(symbols=symbols, publish=self.batches.append)
        self.sampler = Sampler(symbols=symbols, sample_ms=500, lateness_ms=250, publish=self.book.on_samples)

    def trades(self, trades: Sequence[Trade], *, refill: bool = False) -> None:
        for trade in trades:
            if not refill and trade.time_ms - T0 > self.at_ms + 30_000:
                self.pulse(trade.time_ms - T0 - 5000)
            self.sampler.on_trades(Trades("v", trade.time_ms, [trade], refill))

    def pulse(self, time_ms: int) -> None:
        """Event time goes on to there, in the strides of a quiet but living feed."""
        for at in [*range(self.at_ms + 30_000, time_ms, 30_000), time_ms]:
            self.sampler.on_pulse(Pulse("v", T0 + at))
        self.at_ms = time_ms

    @property
    def published(self) -> dict[tuple[str, str, int], Candle]:
        return {(one.symbol, one.interval, one.time_ms - T0): one for batch in self.batches for one in batch.candles}


def a_trade(at_ms: int, key: int, price: float, size: float = 1.0, symbol: str = "A", sold: bool = False) -> Trade:
    return Trade(symbol, key, price, size, T0 + at_ms, sold)


def plain(trades: Sequence[Trade], symbol: str, interval: str) -> dict[int, Candle]:
    """Candles of the intervals that hold a trade."""
    groups: dict[int, list[Trade]] = {}
    for trade in sorted((one for one in trades if one.symbol == symbol), key=lambda one: (one.time_ms, one.trade_id)):
        groups.setdefault(trade.time_ms // INTERVALS[interval] * INTERVALS[interval], []).append(trade)
    return {
        start - T0: Candle(
            symbol, interval, start, parts[0].price, max(one.price for one in parts), min(one.price for one in parts),
            parts[-1].price, sum(one.quantity for one in parts), sum(one.price * one.quantity for one in parts),
            sum(one.trades for one in parts), sum(one.quantity for one in parts if not one.buyer_is_maker),
        )
        for start, parts in groups.items()
    }  # fmt: skip


def a_walk(seed: int, count: int, span_ms: int) -> list[Trade]:
    chance = random.Random(seed)
    times = sorted(chance.randint(0, span_ms) for _ in range(count))
    return [
        a_trade(at, key, chance.uniform(90, 110), chance.uniform(0.1, 3), chance.choice("AB"), chance.random() < 0.5)
        for key, at in enumerate(times, 1)
    ]


def expect(found: Candle, wanted: Candle) -> None:
    assert found[:7] == wanted[:7]
    assert found[7:11] == pytest.approx(wanted[7:11], rel=1e-12)


@settings(max_examples=6)
@given(st.integers(0, 2**32), st.sampled_from([40, 400]))
def test_closed_candles_equal_those_computed_from_the_trades(seed: int, count: int) -> None:
    rig, trades = Rig(), a_walk(seed, count, 700_000)
    rig.sampler.on_pulse(Pulse("v", T0))
    rig.trades(trades)
    rig.pulse(901_000)
    for symbol in "AB":
        for interval in ("1m", "5m", "15m"):
            wanted = plain(trades, symbol, interval)
            for start, candle in wanted.items():
                found = rig.published[symbol, interval, start]
                expect(found, candle)
                assert not found.gap
                assert found.closed
        assert [one.time_ms for one in rig.book.recent(symbol, "1m", 5)] == [T0 + 60_000 * at for at in range(10, 15)]


def test_interval_without_trades_carries_the_previous_close() -> None:
    rig = Rig()
    rig.pulse(0)
    rig.trades([a_trade(1000, 1, 5.0)])
    rig.pulse(181_000)
    one, two, three = rig.book.recent("A", "1m", 10)
    assert (two.open, two.high, two.low, two.close, two.volume, two.trades, two.gap) == (5.0, 5.0, 5.0, 5.0, 0.0, 0, False)
    assert three.close == 5.0
    assert one.volume == 1.0
    assert rig.book.recent("B", "1m", 10) == []
    assert not any(key[0] == "B" for key in rig.published)


def test_held_price_does_not_open_the_next_candle() -> None:
    rig = Rig()
    rig.pulse(0)
    rig.trades([a_trade(1000, 1, 5.0), a_trade(90_000, 2, 7.0)])
    rig.pulse(130_000)
    second = rig.book.recent("A", "1m", 1)[0]
    assert (second.open, second.low, second.close) == (7.0, 7.0, 7.0)


def test_open_candle_shows_what_is_known_so_far() -> None:
    rig = Rig()
    assert rig.book.current("A", "1m") is None
    rig.pulse(0)
    rig.trades([a_trade(1000, 1, 5.0), a_trade(2000, 2, 6.0)])
    rig.pulse(4000)
    candle = rig.book.current("A", "1h")
    assert candle is not None
    assert (candle.open, candle.close, candle.volume, candle.closed, candle.gap) == (5.0, 6.0, 2.0, False, False)
    assert rig.book.current("B", "1m") is None
    assert rig.book.current("NOPE", "1m") is None
    rig.pulse(61_000)
    empty = rig.book.current("A", "1m")
    assert empty is not None
    assert (empty.open, empty.close, empty.trades) == (6.0, 6.0, 0)


def test_late_trade_amends_closed_candles_and_the_empty_ones_after() -> None:
    rig = Rig()
    rig.pulse(0)
    rig.trades([a_trade(1000, 1, 5.0)])
    rig.pulse(130_000)
    before = len(rig.batches)
    rig.trades([a_trade(59_900, 2, 9.0)], refill=True)
    rig.pulse(130_001)
    rig.pulse(131_000)
    (batch,) = rig.batches[before:]
    assert batch.revision
    first, second = rig.book.recent("A", "1m", 2)
    assert (first.high, first.close, first.volume, first.trades) == (9.0, 9.0, 2.0, 2)
    assert (second.open, second.close, second.volume) == (9.0, 9.0, 0.0)
    assert {one.time_ms - T0 for one in batch.candles} == {0, 60_000}
    current = rig.book.current("A", "1h")
    assert current is not None
    assert current.close == 9.0


def test_gap_marks_the_candles_that_it_touches_until_it_is_closed() -> None:
    rig = Rig()
    rig.pulse(0)
    rig.trades([a_trade(1000, 1, 5.0)])
    rig.sampler.on_gap(Gap("g", "v", "A", GapReason.ID_JUMP, GapState.OPEN, T0 + 10_000, T0 + 20_000))
    rig.pulse(61_000)
    assert rig.book.recent("A", "1m", 1)[0].gap
    rig.sampler.on_gap(Gap("g", "v", "A", GapReason.ID_JUMP, GapState.CLOSED, T0 + 10_000, T0 + 20_000))
    rig.pulse(62_000)
    rig.pulse(63_000)
    assert not rig.book.recent("A", "1m", 1)[0].gap
    assert not rig.published["A", "1m", 0].gap


def test_first_candle_that_began_before_us_is_a_gap() -> None:
    rig = Rig()
    rig.pulse(30_000)
    rig.trades([a_trade(31_000, 1, 5.0)])
    rig.pulse(121_000)
    assert [one.gap for one in rig.book.recent("A", "1m", 9)] == [True, False]


def venue(candle: Candle, **changed: Any) -> VenueCandles:
    return VenueCandles("v", [candle._replace(**changed)])


def test_venue_candle_that_agrees_is_counted_and_one_that_differs_too() -> None:
    rig, trades = Rig(("A",)), [a_trade(at, at, 5.0 + at / 1e5) for at in range(1000, 150_000, 1000)]
    rig.pulse(0)
    rig.trades(trades)
    ours = plain(trades, "A", "1m")
    rig.book.on_venue_candles(venue(ours[0]))
    rig.book.on_venue_candles(venue(ours[60_000], volume=ours[60_000].volume * 1.00001))
    rig.pulse(151_000)
    assert rig.book.checked == {"A": 2}
    assert rig.book.mismatches == {"A": 1}


def test_candle_seen_in_part_is_replaced_by_the_venues_and_not_compared() -> None:
    rig = Rig(("A",))
    rig.pulse(30_000)
    rig.trades([a_trade(31_000, 1, 5.0)])
    rig.pulse(70_000)
    theirs = Candle("A", "1m", T0, 4.0, 6.0, 3.0, 5.0, 10.0, 50.0, 7, 4.0)
    rig.book.on_venue_candles(VenueCandles("v", [theirs, theirs._replace(symbol="X"), theirs._replace(closed=False)]))
    rig.pulse(71_000)
    assert rig.book.recent("A", "1m", 1) == [theirs]
    assert rig.book.checked == {}
    assert rig.batches[-1] == ClosedCandles([theirs], revision=True)


def test_history_fills_the_memory_of_coarser_intervals_too() -> None:
    rig = Rig(("A",))
    minutes = [Candle("A", "1m", T0 + 60_000 * at, 5.0, 6.0 + at, 4.0, 5.0, 1.0, 5.0, 2, 0.5) for at in range(-60, 0)]
    hours = [Candle("A", "1h", T0 + 3_600_000 * at, 5.0, 7.0, 3.0, 5.0, 1.0, 5.0, 2, 0.5) for at in range(-48, 0)]
    rig.book.on_venue_candles(VenueCandles("v", minutes, history=True))
    rig.book.on_venue_candles(VenueCandles("v", hours, history=True))
    assert rig.book.recent("A", "1m", 100) == minutes
    assert len(rig.book.recent("A", "5m", 100)) == 12
    assert len(rig.book.recent("A", "15m", 100)) == 4
    assert len(rig.book.recent("A", "4h", 100)) == 12
    (first, second) = rig.book.recent("A", "1d", 100)
    assert (second.volume, second.time_ms, first.gap) == (24.0, T0 - DAY, False)
    assert rig.batches == []


def test_history_never_replaces_what_we_saw_whole() -> None:
    rig = Rig(("A",))
    rig.pulse(0)
    rig.trades([a_trade(1000, 1, 5.0)])
    rig.pulse(61_000)
    rig.book.on_venue_candles(VenueCandles("v", [Candle("A", "1m", T0, 1, 1, 1, 1, 1, 1, 1, 1)], history=True))
    assert rig.book.recent("A", "1m", 1)[0].close == 5.0


def test_long_silence_is_bridged_in_memory_as_gaps() -> None:
    rig = Rig(("A",))
    rig.pulse(0)
    rig.trades([a_trade(1000, 1, 5.0)])
    rig.sampler.on_pulse(Pulse("v", T0 + 3_600_000))
    found = rig.book.recent("A", "1m", 100)
    assert len(found) == 59
    assert all(one.gap and one.close == 5.0 for one in found)


def test_one_second_candles_stay_in_memory() -> None:
    rig = Rig(("A",))
    rig.pulse(0)
    rig.trades([a_trade(at, at + 1, float(at + 1)) for at in range(0, 5000, 300)])
    rig.pulse(6000)
    assert [one.open for one in rig.book.recent("A", "1s", 3)] == [2101.0, 3001.0, 4201.0]
    assert rig.batches == []


def test_memory_is_bounded_by_the_newest_candles() -> None:
    rig = Rig(("A",))
    rig.pulse(0)
    rig.trades([a_trade(0, 1, 5.0)])
    for at in range(0, 700_000, 100_000):
        rig.pulse(at)
    assert len(rig.book.recent("A", "1s", 10_000)) == 300
    assert rig.book.recent("A", "1s", 0) == []


def test_aggregate_puts_fine_candles_together() -> None:
    fine = [
        Candle("A", "1m", T0 + 60_000 * at, 10.0 + at, 20.0 + at, 5.0 - at, 11.0 + at, 2.0, 20.0, 3, 1.0) for at in range(7)
    ]
    whole, part = aggregate(fine, "5m")
    assert whole == Candle("A", "5m", T0, 10.0, 24.0, 1.0, 15.0, 10.0, 100.0, 15, 5.0)
    assert (part.closed, part.open, part.volume, part.gap) == (False, 15.0, 4.0, False)
    assert aggregate(fine[1:5], "5m")[0].gap
    assert aggregate([], "5m") == []


def test_aggregate_ignores_prices_of_candles_without_trades() -> None:
    empty = Candle("A", "1m", T0, 99.0, 99.0, 99.0, 99.0, 0.0, 0.0, 0, 0.0)
    full = Candle("A", "1m", T0 + 60_000, 10.0, 12.0, 9.0, 11.0, 2.0, 20.0, 3, 1.0)
    (found,) = aggregate([empty, full], "5m")
    assert (found.open, found.high, found.low, found.close) == (10.0, 12.0, 9.0, 11.0)


def test_same_compares_prices_to_nine_digits_and_volumes_to_six() -> None:
    one = Candle("A", "1m", T0, 10.0, 12.0, 9.0, 11.0, 2.0, 20.0, 3, 1.0)
    assert same(one, one._replace(open=10.0 * (1 + 1e-10), volume=2.0 * (1 + 1e-7)))
    assert not same(one, one._replace(open=10.0 * (1 + 1e-8)))
    assert not same(one, one._replace(quote_volume=20.0 * (1 + 1e-5)))


def test_same_input_twice_gives_equal_candles() -> None:
    def run() -> list[ClosedCandles]:
        rig, chance = Rig(), random.Random(1)
        trades = a_walk(9, 500, 400_000)
        trades.sort(key=lambda one: one.time_ms + chance.randint(0, 3000))
        rig.trades(trades)
        return rig.batches

    assert run() == run()
