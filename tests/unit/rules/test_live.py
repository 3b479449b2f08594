"""Rules across all symbols at a tick, on tables written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from marketwatch.model.market import Gap, GapReason, GapState, Instrument, Source, Trade, Whale, Whales
from marketwatch.model.metrics import MetricTable, Window, WindowState
from marketwatch.model.system import FeedState, FeedStatus, WriterStatus
from marketwatch.rules.errors import RuleError
from marketwatch.rules.frame import Candles, MarketFacts, Tick
from marketwatch.rules.live import LiveTable, symbols_unwatched
from marketwatch.rules.program import compile_rule
from marketwatch.rules.truth import FALSE, TRUE, UNKNOWN, Knowledge
from marketwatch.state import LiveState
from tests.kit.plain_windows import sample

SYMBOLS = ("BTCUSDT", "ETHUSDT", "NEW")
NAN = float("nan")


class Market:
    """Hands out frames, half a second apart, with what the test says."""

    def __init__(self, start_ms: int = 1_000_000_000) -> None:
        self.time_ms = start_ms
        self.state = LiveState([Instrument(symbol, symbol[:3], "USDT") for symbol in SYMBOLS])
        self.facts = MarketFacts(SYMBOLS)
        self.candles: dict[str, Candles] = {}
        self.windows = (Window("60", 500, 60), Window("5m", 500, 600), Window("24h", 60_000, 1440))

    def tick(
        self,
        values: Mapping[tuple[str, str], Sequence[float]] | None = None,
        *,
        price: Sequence[float] = (100.0, 5.0, NAN),
        bits: Sequence[int] = (0, 0, 0),
        filled: float = 1.0,
    ) -> Tick:
        self.time_ms += 500
        columns: dict[str, dict[str, Any]] = {window.name: {} for window in self.windows}
        for (window, metric), column in (values or {}).items():
            columns[window][metric] = np.array(column, float)
        points = {
            "price": np.array(price, float),
            "bid": np.full(3, NAN),
            "ask": np.full(3, NAN),
            "spread_bps": np.full(3, NAN),
        }
        state = {window.name: np.array(bits, np.uint8) for window in self.windows}
        full = {window.name: np.full(3, int(window.length * filled)) for window in self.windows}
        table = MetricTable(self.time_ms, SYMBOLS, self.windows, points, columns, state, full)
        return self.facts.tick(table, self.state, self.held)

    def held(self, interval: str, *, running: bool = False) -> Candles | None:
        """Closed candles; nothing is ever open."""
        return None if running else self.candles.get(interval)


def said(rule: str, frame: Tick, knowledge: Knowledge | None = None) -> list[int]:
    table = LiveTable(symbols=SYMBOLS, sample_ms=500, knowledge=knowledge)
    truth = table.add(compile_rule(rule)).evaluate(frame).truth
    assert truth is not None
    assert truth.dtype == np.int8
    return [int(one) for one in truth]


def test_comparison_of_a_metric_is_true_false_or_unknown_per_symbol() -> None:
    frame = Market().tick({("60", "volatility"): [0.6, 0.5, NAN]})
    assert said("volatility(60) > 0.5", frame) == [TRUE, FALSE, UNKNOWN]
    assert said("volatility(60) <= 0.5", frame) == [FALSE, TRUE, UNKNOWN]
    assert said("volatility(60) == 0.5%", frame) == [FALSE, TRUE, UNKNOWN]
    assert said("volatility(60) != 0.5", frame) == [TRUE, FALSE, UNKNOWN]
    assert said("0.5 < volatility(60)", frame) == [TRUE, FALSE, UNKNOWN]
    assert said("0.1 < volatility(60) < 0.55", frame) == [FALSE, TRUE, UNKNOWN]


def test_logic_over_unknown_is_kleenes() -> None:
    frame = Market().tick(price=(1.0, 1.0, NAN))
    assert said("price > 0 and price('NEW') > 0", frame) == [UNKNOWN] * 3
    assert said("price > 5 and price('NEW') > 0", frame) == [FALSE, FALSE, UNKNOWN]
    assert said("price > 0 or price('NEW') > 0", frame) == [TRUE, TRUE, UNKNOWN]
    assert said("price > 5 or price('NEW') > 0", frame) == [UNKNOWN] * 3
    assert said("not price('NEW') > 0", frame) == [UNKNOWN] * 3
    assert said("not price > 5", frame) == [TRUE, TRUE, UNKNOWN]


def test_cross_symbol_term_is_the_same_for_every_symbol() -> None:
    frame = Market().tick(price=(100.0, 4.0, 1.0))
    assert said("price('BTCUSDT') / price('ETHUSDT') > 20", frame) == [TRUE] * 3
    assert said("price('BTCUSDT') / price > 30", frame) == [FALSE, FALSE, TRUE]


def test_division_by_zero_and_overflow_are_unknown() -> None:
    frame = Market().tick(price=(0.0, 5.0, 1.0))
    assert said("1 / price > 0", frame) == [UNKNOWN, TRUE, TRUE]
    assert said("price / price >= 1", frame) == [UNKNOWN, TRUE, TRUE]
    huge = " * ".join(["1e15"] * 30)
    assert said(f"{huge} > 0", frame) == [UNKNOWN] * 3


def test_symbol_that_nobody_watches_is_unknown_and_named() -> None:
    program = compile_rule("price('DOGE') > 1 and price > 0")
    assert symbols_unwatched(program, SYMBOLS) == ("DOGE",)
    assert said(program.source, Market().tick()) == [UNKNOWN] * 3


@pytest.mark.parametrize(
    ("bits", "filled", "knowledge", "expected"),
    [
        (WindowState.OK, 1.0, Knowledge(), TRUE),
        (WindowState.WARMUP, 0.9, Knowledge(), UNKNOWN),
        (WindowState.WARMUP, 0.9, Knowledge(warming=True), TRUE),
        (WindowState.GAP, 0.6, Knowledge(), TRUE),
        (WindowState.GAP, 0.4, Knowledge(), UNKNOWN),
        (WindowState.GAP, 0.6, Knowledge(least_filled=0.9), UNKNOWN),
        (WindowState.STALE, 1.0, Knowledge(), UNKNOWN),
        (WindowState.STALE, 1.0, Knowledge(stale=True), TRUE),
    ],
)
def test_window_counts_as_known_by_its_state_as_configured(
    bits: int, filled: float, knowledge: Knowledge, expected: int
) -> None:
    frame = Market().tick({("60", "change"): [1.0, 1.0, 1.0]}, bits=(bits, bits, bits), filled=filled)
    assert said("change(60) > 0", frame, knowledge) == [expected] * 3


def test_stale_symbol_says_so_and_its_price_is_unknown() -> None:
    frame = Market().tick(bits=(0, WindowState.STALE, 0), price=(1.0, 1.0, 1.0))
    assert said("stale", frame) == [FALSE, TRUE, FALSE]
    assert said("price > 0", frame) == [TRUE, UNKNOWN, TRUE]
    assert said("stale or price > 0", frame) == [TRUE, TRUE, TRUE]


def test_window_is_found_by_what_it_is_not_by_how_it_is_written() -> None:
    frame = Market().tick({("60", "sma"): [1, 2, 3], ("24h", "sma"): [4, 5, 6]})
    assert said("sma(30s) == 1", frame) == [TRUE, FALSE, FALSE]
    assert said("sma(1d) == 5", frame) == [FALSE, TRUE, FALSE]
    assert said("sma(7d) == 5", frame) == [UNKNOWN] * 3


def test_crossing_is_true_at_one_tick_against_the_last_known_side() -> None:
    market = Market()
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    above, below = table.add_all([compile_rule("crosses_above(price, 10)"), compile_rule("crosses_below(price, 10)")])
    seen = []
    for price in (9.0, 10.0, 11.0, 12.0, NAN, 9.0, NAN, 13.0, 10.0, 9.0):
        frame = market.tick(price=(price, 1.0, 1.0))
        up, down = above.evaluate(frame).truth, below.evaluate(frame).truth
        assert up is not None
        assert down is not None
        seen.append((int(up[0]), int(down[0])))
    assert seen == [(0, 0), (-1, -1), (1, -1), (-1, -1), (0, 0), (-1, 1), (0, 0), (1, -1), (-1, -1), (-1, 1)]


def test_result_is_the_same_when_asked_twice_at_a_tick() -> None:
    market = Market()
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    live = table.add(compile_rule("crosses_above(price, 10)"))
    live.evaluate(market.tick(price=(9.0, 9.0, 9.0)))
    frame = market.tick(price=(11.0, 9.0, 9.0))
    for _ in range(3):
        truth = live.evaluate(frame).truth
        assert truth is not None
        assert truth.tolist() == [TRUE, FALSE, FALSE]


def test_past_of_a_shared_term_goes_on_when_programs_come_and_go() -> None:
    market = Market()
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    first = table.add(compile_rule("crosses_above(price, 10)"))
    first.evaluate(market.tick(price=(9.0, 9.0, 9.0)))
    second = table.add(compile_rule("crosses_above(price, 10) and price > 0"))
    table.remove(first)
    truth = second.evaluate(market.tick(price=(11.0, 9.0, 9.0))).truth
    assert truth is not None
    assert truth.tolist() == [TRUE, FALSE, FALSE]


def test_program_added_within_a_tick_leaves_the_others_as_they_were() -> None:
    market = Market()
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    first = table.add(compile_rule("crosses_above(price, 10)"))
    first.evaluate(market.tick(price=(9.0, 9.0, 9.0)))
    frame = market.tick(price=(11.0, 9.0, 9.0))
    first.evaluate(frame)
    second = table.add(compile_rule("crosses_above(price, 10) and price > 0"))
    for live in (second, first):
        truth = live.evaluate(frame).truth
        assert truth is not None
        assert truth.tolist() == [TRUE, FALSE, FALSE]


def test_statistic_of_an_expression_over_its_past() -> None:
    market = Market(1_000_000_000)
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    rules = ("zscore", "sma", "change", "stdev", "highest", "lowest", "lag")
    lives = [table.add(compile_rule(f"{name}(price * 2, 5s)", condition=False)) for name in rules]
    random = np.random.default_rng(5)
    past = []
    for count in range(1, 25):
        past.append(random.uniform(1, 2, 3))
        frame = market.tick(price=tuple(past[-1]))
        found = [live.evaluate(frame).values.copy() for live in lives]
        window = 2 * np.array(past[-10:])
        if count < 10:
            assert np.isnan(found).all()
        else:
            mean, std = window.mean(axis=0), window.std(axis=0)
            plain = [(window[-1] - mean) / std, mean, 100 * (window[-1] / window[0] - 1), std, window.max(axis=0),
                     window.min(axis=0), window[0]]  # fmt: skip
            np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_statistics_that_would_not_fit_into_memory_are_refused() -> None:
    table = LiveTable(symbols=[f"S{number}" for number in range(3000)], sample_ms=500)
    programs = [compile_rule(f"zscore(price, {hours}h) > 4") for hours in range(1, 40)]
    with pytest.raises(RuleError, match="would remember"):
        table.add_all(programs)


def test_indicator_over_candles_is_talibs_and_changes_only_on_close() -> None:
    import talib

    market = Market()
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    live = table.add(compile_rule("rsi(14, 1m)", condition=False))
    named = table.add(compile_rule("macd('ETHUSDT', 12, 26, 9, 1m).macdhist", condition=False))
    assert np.isnan(live.evaluate(market.tick()).values).all()
    close = np.cumsum(np.random.default_rng(1).normal(0, 1, (80, 3)), axis=0) + 100
    close[:70, 2] = NAN
    market.candles["1m"] = Candles(0, close, close + 1, close - 1, close, np.ones((80, 3)))
    found = live.evaluate(market.tick())
    np.testing.assert_allclose(found.values[:2], [talib.RSI(close[:, column].copy(), 14)[-1] for column in (0, 1)])
    assert np.isnan(found.values[2])
    histogram = talib.MACD(close[:, 1].copy())[2][-1]
    np.testing.assert_allclose(table.result(named.program).values, [histogram] * 3)
    market.candles["1m"] = Candles(0, close, close, close, close + 5, np.ones((80, 3)))
    before = live.evaluate(market.tick()).values.copy()
    np.testing.assert_array_equal(before[:2], found.values[:2])


def test_whales_are_counted_in_event_time() -> None:
    market = Market()
    for back_ms, symbol in ((400_000, "BTCUSDT"), (200_000, "BTCUSDT"), (1000, "BTCUSDT"), (1, "ETHUSDT"), (1, "OTHER")):
        trade = Trade(symbol, 1, 100.0, 5000.0, market.time_ms - back_ms, False)
        market.facts.on_whales(Whales([Whale(trade, 5e5, 1e5)]))
    frame = market.tick()
    assert said("whales(5m) >= 2", frame) == [TRUE, FALSE, FALSE]
    assert said("whales(10m) == 3", frame) == [TRUE, FALSE, FALSE]
    assert said("whales('ETHUSDT', 5m) == 1", frame) == [TRUE] * 3


def test_whale_log_is_bounded_to_a_day() -> None:
    facts = MarketFacts(SYMBOLS)
    for number in range(5000):
        facts.on_whales(Whales([Whale(Trade("BTCUSDT", number, 1.0, 1.0, number * 60_000, False), 1e6, 1e5)]))
    assert facts.whales.counts(5000 * 60_000 - 86_400_000, 5000 * 60_000)[0] == 1440
    assert len(facts.whales._times) <= 2 * 2880


def test_data_age_counts_from_the_last_step_with_a_trade() -> None:
    market = Market()
    market.facts.on_samples(sample(market.time_ms - 11_000, (1, 1, 1), trades=np.array([1, 0, 0])))
    market.facts.on_samples(sample(market.time_ms - 500, (1, 1, 1), trades=np.array([0, 2, 0])))
    frame = market.tick()
    assert said("data_age > 10s", frame) == [TRUE, FALSE, UNKNOWN]
    assert frame.data_age_s()[:2].tolist() == [11.0, 0.5]


def test_system_terms_come_from_the_live_state() -> None:
    market = Market()
    assert said("feed_lag > 1s or store_lag > 1s or reconnects > 0", market.tick()) == [UNKNOWN] * 3
    market.state.on_feed_status(
        FeedStatus("v", Source.LIVE, FeedState.LIVE, "e", 0, latency_ms=1500.0, clock_offset_ms=-1270.0, reconnects=2,
                   rejected={"a": 2, "b": 3})
    )  # fmt: skip
    market.state.on_writer_status(WriterStatus(7, 0, 9, 3, 0, 0, 0, market.time_ms - 40_000, None, None, None))
    market.state.last_received_ms = market.time_ms
    market.state.on_gap(Gap("g", "v", "ETHUSDT", GapReason.ID_JUMP, GapState.OPEN, 0, 1))
    frame = market.tick()
    for rule in ("feed_lag == 1500ms", "clock_offset < -1s", "reconnects == 2", "rejected == 5", "store_lag == 40s",
                 "store_depth == 7", "store_dropped == 3"):  # fmt: skip
        assert said(rule, frame) == [TRUE] * 3, rule
    assert said("gaps > 0", frame) == [FALSE, TRUE, FALSE]


def test_many_rules_say_what_each_says_alone() -> None:
    random = np.random.default_rng(3)
    rules = [
        f"{metric}({window}) {operator} {random.normal():.3f} {join} price {other} {random.uniform(1, 100):.2f}"
        for metric in ("change", "zscore", "volatility")
        for window in ("60", "5m")
        for operator in ("<", ">=", "!=")
        for join, other in (("and", ">"), ("or", "<="), ("and not", "=="))
    ]
    values = {(w, m): random.normal(size=3) for w in ("60", "5m") for m in ("change", "zscore", "volatility")}
    values["60", "change"][1] = NAN
    frame = Market().tick({key: column.tolist() for key, column in values.items()})
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    lives = table.add_all(compile_rule(rule) for rule in rules)
    for rule, live in zip(rules, lives, strict=True):
        truth = live.evaluate(frame).truth
        assert truth is not None
        assert truth.tolist() == said(rule, frame), rule
