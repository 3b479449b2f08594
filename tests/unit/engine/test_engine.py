"""Every metric of every window against plain numpy over the same samples, after every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.engine.engine import Engine
from marketwatch.errors import ConfigError
from marketwatch.model.market import Candle, Samples, Staleness, VenueCandles
from marketwatch.model.metrics import WINDOW_METRICS, MetricTable, WindowState
from tests.kit.plain_windows import Floats, differences, plain_window, sample

COLUMNS = (
    "open", "high", "low", "price", "volume", "notional", "taker_buy_volume", "trades", "bid", "ask", "gap",
)  # fmt: skip
WINDOWS = ("2", "3", "7", "30", "20s")


def an_engine(windows: Sequence[str] = WINDOWS, symbols: int = 3, reference: str = "A") -> tuple[Engine, list[MetricTable]]:
    tables: list[MetricTable] = []
    engine = Engine(
        symbols=tuple("ABCDEFGHIJ"[:symbols]), sample_ms=500, windows=windows, reference=reference, publish=tables.append
    )
    return engine, tables


def check(engine: Engine, samples: Sequence[Samples], reference: int | None = 0) -> None:
    table = engine.table
    assert table is not None
    assert table.time_ms == samples[-1].time_ms + 500
    scale = np.nan_to_num(np.fmax.reduce([one.price for one in samples]), nan=1.0)
    for window in engine.windows:
        plain = plain_window(samples, window, reference)
        assert set(table.values[window.name]) == set(WINDOW_METRICS) == set(plain)
        assert differences(dict(table.values[window.name]), plain, scale) == [], (window, len(samples))


def a_step(random: np.random.Generator, number: int, price: Floats, busy: float, gap: Floats | None = None) -> Samples:
    """A step with trades around the given closes; symbols in `gap` are unknown."""
    traded = random.random(len(price)) < busy
    if gap is not None:
        traded &= ~gap.astype(bool)
        price = np.where(gap, np.nan, price)
    count = np.where(traded, random.integers(1, 9, len(price)), 0)
    volume = np.where(traded, np.exp(random.normal(0, 4, len(price))), 0.0)
    swing = 1 + np.abs(random.normal(0, 1e-4, len(price)))
    return sample(
        number * 500, price, high=price * np.where(traded, swing, 1), low=price / np.where(traded, swing, 1),
        volume=volume, notional=volume * price if gap is None else np.nan_to_num(volume * price),
        taker_buy_volume=volume * random.random(len(price)), trades=count, gap=np.zeros(len(price)) if gap is None else gap,
    )  # fmt: skip


def a_market(
    seed: int, steps: int, *, step: float, start: float, busy: float, hold: float, jump: float, gap: float
) -> list[Samples]:
    """Three random walks with stretches of no change, jumps by any factor, and gaps of one or all symbols."""
    random = np.random.default_rng(seed)
    price = start * np.exp(random.normal(0, 1, 3))
    out, away = [], np.zeros(3)
    for number in range(steps):
        moves = random.normal(0, step, 3) * (random.random(3) > hold)
        moves += (random.random(3) < jump) * random.normal(0, 8, 3)
        price = np.clip(price * np.exp(moves), 1e-9, 1e9)
        fresh = random.random(3) < gap
        away = np.maximum(away - 1, 0) + np.where(fresh | (random.random() < gap / 3), random.integers(1, 12, 3), 0)
        out.append(a_step(random, 1000 + number, price, busy, (away > 0).astype(float) if gap else None))
    return out


@settings(max_examples=6)
@given(
    seed=st.integers(0, 2**32), step=st.sampled_from([0.0, 1e-6, 1e-4, 1e-2]), start=st.sampled_from([1e-8, 1.0, 6e4]),
    busy=st.sampled_from([0.05, 0.5, 1.0]), hold=st.sampled_from([0.0, 0.5, 0.97]), jump=st.sampled_from([0.0, 0.02]),
    gap=st.sampled_from([0.0, 0.03]),
)  # fmt: skip
def test_table_of_any_market_equals_plain_numpy_as_it_goes(seed: int, **market: Any) -> None:
    engine, _ = an_engine()
    samples: list[Samples] = []
    for one in a_market(seed, 90, **market):
        samples.append(one)
        engine.on_samples(one)
        if len(samples) % 5 == 0 or len(samples) < 9:
            check(engine, samples)


def test_table_over_many_turns_stays_exact() -> None:
    engine, _ = an_engine(windows=("5", "40"))
    samples = a_market(4, 1500, step=1e-3, start=100.0, busy=0.8, hold=0.2, jump=0.001, gap=0.0)
    for number, one in enumerate(samples):
        engine.on_samples(one)
        if number > 1400:
            for window in engine.windows:
                recent = samples[max(0, number - 60) : number + 1]
                plain = plain_window(recent, window, 0)
                plain.pop("ema")
                assert engine.table is not None
                assert differences(dict(engine.table.values[window.name]), plain, one.price) == []


def test_table_after_a_price_that_never_moves_has_zero_deviation_and_no_zscore() -> None:
    engine, _ = an_engine(windows=("4",))
    for number in range(9):
        engine.on_samples(sample(number * 500, [0.1, 3.3, 1e-8]))
    assert engine.table is not None
    values = engine.table.values["4"]
    assert values["price_std"].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(values["zscore"]).all()
    assert np.isnan(values["vwap"]).all()
    assert values["volume"].tolist() == [0.0, 0.0, 0.0]


def test_table_of_the_first_step_knows_nothing_that_needs_two_prices() -> None:
    engine, _ = an_engine(windows=("4",))
    engine.on_samples(sample(0, [1.0, np.nan, 2.0]))
    assert engine.table is not None
    assert all(np.isnan(column).all() for column in engine.table.values["4"].values())
    assert engine.table.points["price"][0] == 1.0
    assert engine.table.filled["4"].tolist() == [1, 0, 1]


def test_revised_steps_change_every_window_as_if_they_had_come_so_at_first() -> None:
    random = np.random.default_rng(5)
    engine, _ = an_engine()
    samples = a_market(6, 150, step=1e-3, start=50.0, busy=0.6, hold=0.2, jump=0.0, gap=0.02)
    for number, one in enumerate(samples):
        engine.on_samples(one)
        if number % 11 == 10:
            for back in random.integers(0, min(number, 60), 3).tolist():
                old = samples[number - back]
                price = np.where(np.isnan(old.price), 50.0, old.price * 1.01)
                new = sample(
                    old.time_ms, price, high=price * 1.02, low=price * 0.99, volume=old.volume + 3.0,
                    notional=old.notional + 150.0, taker_buy_volume=old.taker_buy_volume + 1.0, trades=old.trades + 1,
                    revised=np.array([0, 2]),
                )  # fmt: skip
                samples[number - back] = amended(old, new)
                engine.on_samples(samples[number - back])
        elif number % 11 == 0 and number:
            check(engine, samples[: number + 1])


def amended(old: Samples, new: Samples) -> Samples:
    """Only the symbols 0 and 2 of `new`."""

    def mix(name: str) -> Any:
        column = getattr(old, name).copy()
        column[[0, 2]] = getattr(new, name)[[0, 2]]
        return column

    return replace(old, revised=new.revised, **{name: mix(name) for name in COLUMNS})


def test_coarse_window_moves_with_every_sample_and_equals_plain_numpy() -> None:
    engine, _ = an_engine(windows=("11m", "30m"))
    samples = a_market(8, 120 * 14, step=1e-4, start=20.0, busy=0.3, hold=0.5, jump=0.0, gap=0.0)
    start = 60_000 * 1000
    samples = [replace(one, time_ms=start + 500 * at) for at, one in enumerate(samples)]
    for number, one in enumerate(samples):
        engine.on_samples(one)
        if number % 97 == 0 and number:
            check(engine, samples[: number + 1])
    assert [window.grid_ms for window in engine.windows] == [60_000, 60_000]


def test_long_silence_is_a_gap_in_every_window() -> None:
    engine, _ = an_engine(windows=("10",))
    for number in [*range(20), *range(25, 30)]:
        engine.on_samples(sample(number * 500, [1.0 + number, 2.0, np.nan]))
    assert engine.table is not None
    assert engine.table.filled["10"].tolist() == [5, 5, 0]
    assert engine.table.state["10"].tolist() == [WindowState.GAP, WindowState.GAP, WindowState.WARMUP]
    engine.on_samples(sample(10**9, [5.0, 6.0, 7.0]))
    assert engine.table.filled["10"].tolist() == [1, 1, 1]


def test_state_shows_warmup_gap_and_stale() -> None:
    engine, _ = an_engine(windows=("4",))
    engine.on_staleness(Staleness("v", "B", True, 0))
    engine.on_staleness(Staleness("v", "UNKNOWN", True, 0))
    states = []
    for number in range(8):
        lost = number == 4
        engine.on_samples(sample(number * 500, [np.nan if lost else 1.0, 2.0, 3.0], gap=[lost, 0, 0]))
        assert engine.table is not None
        states.append(engine.table.state["4"].tolist())
    warm, stale, gap = WindowState.WARMUP, WindowState.STALE, WindowState.GAP
    assert states[2] == [warm, warm | stale, warm]
    assert states[3] == [0, stale, 0]
    assert states[4] == states[7] == [gap, stale, 0]


def test_points_carry_the_quote_and_its_spread() -> None:
    engine, _ = an_engine(windows=("4",))
    engine.on_samples(sample(0, [10.0, 1.0, 1.0], bid=[9.99, np.nan, 2.0], ask=[10.01, np.nan, 2.0]))
    assert engine.table is not None
    spread = engine.table.points["spread_bps"]
    assert spread[0] == pytest.approx(20.0)
    assert np.isnan(spread[1])
    assert spread[2] == 0.0


def a_candle(symbol: str, interval: str, time_ms: int, close: float, **changed: Any) -> Candle:
    return Candle(symbol, interval, time_ms, close, close + 1, close - 1, close, 2.0, 2.0 * close, 4, 1.0)._replace(**changed)


def test_history_warms_long_windows_and_the_open_bucket_counts_once() -> None:
    engine, _ = an_engine(windows=("1h", "7d"))
    now = 1_700_000_000_000 // 3_600_000 * 3_600_000
    minutes = [a_candle("A", "1m", now - 60_000 * back, 100.0 + back) for back in range(90, 0, -1)]
    hours = [a_candle("A", "1h", now - 3_600_000 * back, 200.0) for back in range(200, 0, -1)]
    engine.on_venue_candles(VenueCandles("v", minutes, history=True))
    engine.on_venue_candles(VenueCandles("v", hours, history=True))
    engine.on_samples(sample(now, [100.0, 1.0, 1.0], volume=[5.0, 0, 0], trades=[1, 0, 0]))
    engine.on_samples(sample(now + 500, [100.0, 1.0, 1.0]))
    table = engine.table
    assert table is not None
    assert table.state["1h"][0] == 0
    assert table.filled["1h"].tolist() == [60, 1, 1]
    assert table.values["1h"]["volume"][0] == 59 * 2.0 + 5.0
    assert table.values["1h"]["change"][0] == pytest.approx(100 * (100 / 159 - 1))
    assert table.values["1h"]["sma"][0] == pytest.approx((sum(100.0 + back for back in range(1, 60)) + 100.0) / 60)
    assert table.values["7d"]["high"][0] == 201.0
    assert table.state["7d"].tolist() == [0, WindowState.WARMUP, WindowState.WARMUP]


def test_history_that_comes_after_the_start_gives_the_same_windows() -> None:
    now = 1_700_000_000_000 // 3_600_000 * 3_600_000
    minutes = [a_candle("B", "1m", now - 60_000 * back, 100.0 + back % 7) for back in range(90, 0, -1)]
    early, _ = an_engine(windows=("30m",))
    late, _ = an_engine(windows=("30m",))
    early.on_venue_candles(VenueCandles("v", minutes, history=True))
    for number in range(400):
        early.on_samples(sample(now + number * 500, [1.0, 100.0, 1.0]))
        late.on_samples(sample(now + number * 500, [1.0, 100.0, 1.0]))
        if number == 200:
            late.on_venue_candles(VenueCandles("v", minutes, history=True))
    assert early.table is not None
    assert late.table is not None
    ours, theirs = dict(late.table.values["30m"]), dict(early.table.values["30m"])
    ours.pop("ema")
    theirs.pop("ema")
    assert {name: column[1] for name, column in ours.items() if np.isfinite(theirs[name][1])} == {
        name: pytest.approx(column[1]) for name, column in theirs.items() if np.isfinite(column[1])
    }


def test_live_candle_mends_a_minute_seen_in_part() -> None:
    engine, _ = an_engine(windows=("15m",))
    start = 60_000 * 1000
    for number in range(60, 240):
        engine.on_samples(sample(start + number * 500, [1.0, 2.0, 3.0]))
    assert engine.table is not None
    assert engine.table.state["15m"][0] == WindowState.WARMUP | WindowState.GAP
    engine.on_venue_candles(VenueCandles("v", [a_candle("A", "1m", start, 1.0)]))
    engine.on_samples(sample(start + 240 * 500, [1.0, 2.0, 3.0]))
    assert engine.table.state["15m"].tolist() == [1, 3, 3]
    assert engine.table.values["15m"]["high"][0] == 2.0


def test_same_samples_twice_give_the_same_bytes() -> None:
    def run() -> bytes:
        engine, tables = an_engine()
        for one in a_market(3, 120, step=1e-3, start=1.0, busy=0.5, hold=0.1, jump=0.01, gap=0.02):
            engine.on_samples(one)
        return b"".join(
            column.tobytes() for table in tables for columns in table.values.values() for column in columns.values()
        )

    assert run() == run()


def test_published_tables_are_never_written_again() -> None:
    engine, tables = an_engine(windows=("5",))
    kept = []
    for one in a_market(2, 30, step=1e-3, start=1.0, busy=0.5, hold=0.1, jump=0.0, gap=0.0):
        engine.on_samples(one)
        kept.append({name: column.copy() for name, column in tables[-1].values["5"].items()})
    for table, copy in zip(tables, kept, strict=True):
        for name, column in copy.items():
            np.testing.assert_array_equal(table.values["5"][name], column)


@pytest.mark.parametrize("gap", [0.0, 0.05])
def test_table_read_long_after_its_step_says_what_it_said_then(gap: float) -> None:
    def run(*, at_once: bool) -> list[bytes]:
        engine, tables = an_engine(windows=("2", "5", "20", "11m"))
        read: list[bytes] = []
        for number, one in enumerate(a_market(9, 150, step=1e-3, start=9.0, busy=0.6, hold=0.2, jump=0.03, gap=gap)):
            engine.on_samples(one)
            if number % 10 == 9:
                engine.on_samples(replace(one, price=one.price * 1.5, high=one.high * 1.5, revised=np.array([0, 1])))
            if at_once:
                read += [column.tobytes() for columns in tables[-1].values.values() for column in columns.values()]
        if at_once:
            return read
        return [column.tobytes() for table in tables for columns in table.values.values() for column in columns.values()]

    assert run(at_once=True) == run(at_once=False)


def test_late_trades_of_the_reference_keep_correlation_and_beta_of_all_exact() -> None:
    engine, _ = an_engine(windows=("3", "20", "40"))
    samples = a_market(12, 130, step=1e-3, start=50.0, busy=1.0, hold=0.0, jump=0.0, gap=0.0)
    for number, one in enumerate(samples):
        engine.on_samples(one)
        if number % 7 == 6:
            old = samples[number - 5]
            price = old.price * np.array([1.003, 1.0, 1.0])
            samples[number - 5] = replace(old, price=price, high=np.maximum(old.high, price), low=np.minimum(old.low, price))
            engine.on_samples(replace(samples[number - 5], revised=np.array([0])))
        elif number % 7 < 3 and number > 7:
            check(engine, samples[: number + 1])


def test_sparkline_holds_minute_closes_with_the_open_minute_last() -> None:
    engine, _ = an_engine(windows=("5",))
    start = 60_000 * 1000
    engine.on_venue_candles(VenueCandles("v", [a_candle("A", "1m", start - 120_000, 9.0)], history=True))
    for number in range(130):
        engine.on_samples(sample(start + number * 500, [float(number), 2.0, np.nan]))
    line = engine.sparkline("A", 5)
    assert line.tolist()[1:] == [9.0, pytest.approx(np.nan, nan_ok=True), 119.0, 129.0]
    assert np.isnan(engine.sparkline("C", 60)).all()
    assert np.isnan(engine.sparkline("NOPE", 60)).all()


def test_reference_that_is_not_watched_leaves_correlation_unknown() -> None:
    engine, _ = an_engine(windows=("5",), reference="ZZZ")
    samples = a_market(2, 12, step=1e-3, start=1.0, busy=0.5, hold=0.1, jump=0.0, gap=0.0)
    for one in samples:
        engine.on_samples(one)
    check(engine, samples, reference=None)
    assert engine.table is not None
    assert np.isnan(engine.table.values["5"]["beta"]).all()


@pytest.mark.parametrize("name", ["1", "0", "abc", "5x", "9999999d", "1000000"])
def test_window_that_cannot_be_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        an_engine(windows=(name,))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 139), st.sampled_from([0.0, 0.02]))
def test_engine_that_caught_up_shows_the_same_as_one_that_followed(seed: int, cut: int, gap: float) -> None:
    samples = a_market(seed, 140, step=1e-4, start=100.0, busy=0.7, hold=0.2, jump=0.0, gap=gap)
    windows = (*WINDOWS, "20m")
    late, tables = an_engine(windows)
    followed, _ = an_engine(windows)
    with late.catching_up():
        for one in samples[:cut]:
            late.on_samples(one)
    assert tables == []
    for one in samples:
        followed.on_samples(one)
    for one in samples[cut:]:
        late.on_samples(one)
    assert len(tables) == len(samples) - cut
    assert late.table is not None
    assert followed.table is not None
    for window in late.windows:
        for name in WINDOW_METRICS:
            mine, theirs = (table.values[window.name][name] for table in (late.table, followed.table))
            np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-7, err_msg=f"{name} {window.name}")
        assert late.table.state[window.name].tolist() == followed.table.state[window.name].tolist()
        assert late.table.filled[window.name].tolist() == followed.table.filled[window.name].tolist()
