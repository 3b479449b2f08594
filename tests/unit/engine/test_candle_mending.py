"""Candles that we saw in part, put together from the venue's finer ones: after a start in mid-interval and over a gap."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.engine.candles import INTERVALS, CandleBook
from marketwatch.model.market import Candle, Gap, GapReason, GapState, Trade, VenueCandles

from .test_candles import DAY, T0, Rig, a_trade, expect, plain

MINUTE, HOUR = 60_000, 3_600_000
COARSE = ("5m", "15m", "1h", "4h", "1d")


def a_rig(start_ms: int, symbols: str = "A") -> Rig:
    """A program that starts at that time of the day."""
    rig = Rig(symbols)
    rig.at_ms = start_ms
    return rig


def a_day(seed: int, end_ms: int, symbols: str = "A", every_ms: int = 40_000) -> list[Trade]:
    """Trades of a running day, sparse enough that minutes stay empty."""
    chance = random.Random(seed)
    times = sorted(chance.randint(0, end_ms) for _ in range(len(symbols) * end_ms // every_ms))
    return [
        a_trade(at, key, chance.uniform(90, 110), chance.uniform(0.1, 3), chance.choice(symbols), chance.random() < 0.5)
        for key, at in enumerate([0, *times], 1)
    ]


def theirs(trades: list[Trade], symbol: str, interval: str, end_ms: int) -> list[Candle]:
    """The venue's closed candles of the day so far, empty ones included."""
    traded = plain(trades, symbol, interval)
    out: list[Candle] = []
    for start in range(0, end_ms // INTERVALS[interval] * INTERVALS[interval], INTERVALS[interval]):
        found = traded.get(start)
        if found is None and out:
            close = out[-1].close
            found = Candle(symbol, interval, T0 + start, close, close, close, close, 0.0, 0.0, 0, 0.0)
        out += [] if found is None else [found]
    return out


def history(rig: Rig, trades: list[Trade], end_ms: int, symbols: str = "A") -> None:
    """What a venue answers at `end_ms`: minutes, then hours."""
    for symbol in symbols:
        for interval in ("1m", "1h"):
            rig.book.on_venue_candles(VenueCandles("v", theirs(trades, symbol, interval, end_ms), history=True))


def live_minutes(rig: Rig, trades: list[Trade], from_ms: int, to_ms: int, symbols: str = "A") -> None:
    """Live trades, a closed minute of the venue right after each minute, pulses between."""
    for start in range(from_ms // MINUTE * MINUTE, to_ms, MINUTE):
        first, end = max(start, from_ms), min(start + MINUTE, to_ms)
        rig.pulse(max(first, rig.at_ms))
        rig.trades([one for one in trades if first <= one.time_ms - T0 < end])
        rig.pulse(max(rig.at_ms, end))
        if end == start + MINUTE:
            for symbol in symbols:
                closed = [one for one in theirs(trades, symbol, "1m", end) if one.time_ms == T0 + start]
                rig.book.on_venue_candles(VenueCandles("v", closed))


def check_open(book: CandleBook, trades: list[Trade], now_ms: int, symbol: str = "A") -> None:
    for interval in COARSE:
        start = now_ms // INTERVALS[interval] * INTERVALS[interval]
        wanted = plain([one for one in trades if one.time_ms - T0 < now_ms], symbol, interval).get(start)
        found = book.current(symbol, interval)
        assert found is not None
        assert (found.time_ms, found.closed, found.gap) == (T0 + start, False, False), interval
        if wanted is not None:
            expect(found, wanted)


@settings(max_examples=5)
@given(
    seed=st.integers(0, 999),
    start=st.integers(5 * HOUR + 2 * MINUTE, 6 * HOUR - 12 * MINUTE),
    delay=st.sampled_from([0, 1500, 20_000, 95_000, 200_000]),
)
def test_open_candles_after_a_start_in_mid_interval_are_whole_once_history_came(seed: int, start: int, delay: int) -> None:
    end = start + 6 * MINUTE + 7000
    trades, rig = a_day(seed, end, "AB"), a_rig(start, "AB")
    live_minutes(rig, trades, start, start + delay, "AB")
    history(rig, trades, start + delay, "AB")
    live_minutes(rig, trades, start + delay, end, "AB")
    rig.pulse(end + 250)
    for symbol in "AB":
        check_open(rig.book, trades, end, symbol)
    assert rig.book.mismatches == {}


def test_open_candle_that_was_empty_when_history_came_does_not_keep_the_carried_price() -> None:
    start = 5 * HOUR + 2 * MINUTE
    trades = [a_trade(4 * HOUR, 1, 105.0), a_trade(start + 90_000, 2, 100.0), a_trade(start + 100_000, 3, 101.0)]
    rig = a_rig(start)
    live_minutes(rig, trades, start, start + 20_000)
    history(rig, trades, start + 20_000)
    live_minutes(rig, trades, start + 20_000, start + 2 * MINUTE)
    found = rig.book.current("A", "15m")
    assert found is not None
    assert (found.open, found.high, found.low, found.close) == (100.0, 101.0, 100.0, 101.0)


def test_open_candles_before_the_first_minute_is_known_hold_the_history_and_stay_a_gap() -> None:
    start = 5 * HOUR + 34 * MINUTE + 20_000
    trades, rig = a_day(3, start + 10_000), a_rig(start)
    rig.pulse(start)
    rig.trades([one for one in trades if start <= one.time_ms - T0])
    rig.pulse(start + 10_500)
    history(rig, trades, start + 10_500)
    lost = {one.trade_id for one in trades if start - 20_000 <= one.time_ms - T0 < start}
    wanted = plain([one for one in trades if one.trade_id not in lost], "A", "1d")[0]
    found = rig.book.current("A", "1d")
    assert found is not None
    expect(found, wanted)
    assert found.gap


def test_history_before_the_first_sample_is_in_the_open_candles_at_once() -> None:
    start = 7 * HOUR + 12 * MINUTE
    trades, rig = a_day(4, start + MINUTE), a_rig(start)
    history(rig, trades, start)
    rig.pulse(start)
    rig.pulse(start + 1500)
    rig.trades([one for one in trades if one.time_ms - T0 >= start + 1500])
    quiet = [one for one in trades if not start <= one.time_ms - T0 < start + 1500]
    rig.pulse(start + MINUTE + 250)
    check_open(rig.book, quiet, start + MINUTE)


def test_history_that_comes_twice_counts_once() -> None:
    start = 3 * HOUR + 20 * MINUTE
    trades, rig = a_day(5, start + 4 * MINUTE), a_rig(start)
    live_minutes(rig, trades, start, start + 2 * MINUTE)
    for _ in range(3):
        history(rig, trades, start + 2 * MINUTE)
    live_minutes(rig, trades, start + 2 * MINUTE, start + 4 * MINUTE)
    history(rig, trades, start + 4 * MINUTE)
    rig.pulse(start + 4 * MINUTE + 250)
    check_open(rig.book, trades, start + 4 * MINUTE)


def test_late_trade_counts_once_in_a_mended_candle() -> None:
    start = 3 * HOUR + 20 * MINUTE + 10_000
    trades, rig = a_day(6, start + 3 * MINUTE), a_rig(start)
    inside = next(one for one in trades if start < one.time_ms - T0 < start + 45_000)
    after = next(one for one in trades if start + 60_000 < one.time_ms - T0 < start + 100_000)
    live = [one for one in trades if one not in (inside, after)]
    rig.pulse(start)
    rig.trades([one for one in live if start <= one.time_ms - T0 < start + 55_000])
    rig.pulse(start + 55_000)
    history(rig, trades, start + 55_000)
    rig.trades([inside], refill=True)  # the venue's minute holds it, ours was replaced
    rig.trades([one for one in live if one.time_ms - T0 >= start + 55_000])
    rig.trades([after], refill=True)  # the minute is ours and whole
    rig.pulse(start + 3 * MINUTE + 250)
    rig.pulse(start + 3 * MINUTE + 1500)
    check_open(rig.book, trades, start + 3 * MINUTE)


def test_late_trade_is_in_a_candle_that_closed_in_part_and_was_put_together_before() -> None:
    start = 4 * HOUR + 53 * MINUTE
    end = 4 * HOUR + 55 * MINUTE
    trades, rig = a_day(11, end + 2 * MINUTE, every_ms=9000), a_rig(start)
    late = next(one for one in trades if end - 20_000 < one.time_ms - T0 < end - 1000)
    live = [one for one in trades if one is not late]
    rig.pulse(start)
    rig.trades([one for one in live if start <= one.time_ms - T0 < end + 5000])
    rig.pulse(end + 5000)
    rig.trades([late], refill=True)
    rig.pulse(end + 6000)
    rig.pulse(end + 7000)
    seen = [one for one in trades if start <= one.time_ms - T0 < end]
    expect(rig.published["A", "1m", end - MINUTE], plain(seen, "A", "1m")[end - MINUTE])
    expect(rig.published["A", "5m", end - 5 * MINUTE], plain(seen, "A", "5m")[end - 5 * MINUTE])
    assert rig.published["A", "5m", end - 5 * MINUTE].gap


def test_candle_that_closed_in_part_is_published_again_when_its_minutes_are_known() -> None:
    start = 4 * HOUR + 52 * MINUTE + 15_000
    end = 5 * HOUR + 30_000
    trades, rig = a_day(7, end), a_rig(start)
    live_minutes(rig, trades, start, end)
    assert rig.published["A", "1h", 4 * HOUR].gap
    before = len(rig.batches)
    minutes = [one for one in theirs(trades, "A", "1m", end) if one.time_ms < T0 + start]
    rig.book.on_venue_candles(VenueCandles("v", minutes, history=True))
    assert all(batch.revision for batch in rig.batches[before:])
    for interval, at in (("5m", 4 * HOUR + 50 * MINUTE), ("15m", 4 * HOUR + 45 * MINUTE), ("1h", 4 * HOUR)):
        found = rig.published["A", interval, at]
        expect(found, plain(trades, "A", interval)[at])
        assert not found.gap
        assert found in rig.book.recent("A", interval, 2)


def test_minute_of_the_venue_that_comes_before_ours_is_over_is_kept() -> None:
    start = 4 * HOUR + 10 * MINUTE + 30_000
    trades, rig = a_day(8, start + MINUTE), a_rig(start)
    rig.pulse(start)
    rig.trades([one for one in trades if start <= one.time_ms - T0 < start + 29_000])
    history(rig, trades, start + 30_000)
    rig.trades([one for one in trades if start + 29_000 <= one.time_ms - T0])
    rig.pulse(start + MINUTE + 250)
    rig.pulse(start + MINUTE + 1250)
    assert [one.gap for one in rig.book.recent("A", "1m", 3)] == [False] * 3
    check_open(rig.book, trades, start + MINUTE)


def test_gap_in_an_hour_seen_from_its_start_is_mended_by_minutes() -> None:
    trades, rig = a_day(9, 12 * MINUTE, every_ms=5000), Rig(("A",))
    lost = [one for one in trades if 200_000 <= one.time_ms - T0 < 330_000]
    rig.pulse(0)
    rig.sampler.on_gap(Gap("g", "v", "A", GapReason.ID_JUMP, GapState.LOST, T0 + 200_000, T0 + 330_000))
    rig.trades([one for one in trades if one not in lost])
    rig.pulse(12 * MINUTE + 250)
    opened = rig.book.current("A", "1h")
    assert opened is not None
    assert opened.gap
    history(rig, trades, 12 * MINUTE)
    check_open(rig.book, trades, 12 * MINUTE)


def test_venue_without_counts_of_trades_keeps_its_prices() -> None:
    rig = a_rig(7 * MINUTE)
    minutes = [Candle("A", "1m", T0 + MINUTE * at, 5.0, 6.0 + at, 4.0, 5.0, 1.0, 5.0, 0, 0.0) for at in range(7)]
    rig.book.on_venue_candles(VenueCandles("v", minutes, history=True))
    rig.pulse(7 * MINUTE)
    rig.pulse(8 * MINUTE)
    found = rig.book.current("A", "1h")
    assert found is not None
    assert (found.open, found.high, found.low, found.volume, found.gap) == (5.0, 12.0, 4.0, 7.0, False)


def test_symbol_that_is_quiet_since_the_start_carries_the_last_price_of_its_history() -> None:
    rig = a_rig(MINUTE)
    rig.book.on_venue_candles(VenueCandles("v", [Candle("A", "1m", T0, 5, 6, 4, 5.5, 1, 5, 2, 1)], history=True))
    rig.pulse(MINUTE)
    rig.pulse(2 * MINUTE + 1250)
    assert [one.close for one in rig.book.recent("A", "1m", 5)] == [5.5, 5.5]
    opened = rig.book.current("A", "1m")
    assert opened is not None
    assert (opened.open, opened.volume) == (5.5, 0.0)


@pytest.mark.parametrize("symbols", [1, 40])
def test_candle_of_a_day_ago_is_not_touched_by_todays_history(symbols: int) -> None:
    names = [f"S{at}" for at in range(symbols)]
    book = CandleBook(symbols=names, publish=lambda _: None)
    old = Candle("S0", "1h", T0 - DAY, 1.0, 2.0, 0.5, 1.5, 3.0, 4.0, 5, 1.0)
    book.on_venue_candles(VenueCandles("v", [old], history=True))
    book.on_venue_candles(VenueCandles("v", [old._replace(interval="1m", time_ms=T0, close=9.0)], history=True))
    assert book.recent("S0", "1h", 5) == [old]
