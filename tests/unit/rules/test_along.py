"""Along time and across symbols are one language: the real engine and candle book, step by step, against stored columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.engine.candles import CandleBook
from marketwatch.engine.engine import Engine
from marketwatch.engine.grids import windows_of as engine_windows
from marketwatch.model.market import Instrument, Samples, Staleness, Trade, Whale, Whales
from marketwatch.model.metrics import WINDOW_METRICS, MetricTable, Window
from marketwatch.ports import SampleColumns
from marketwatch.rules.along import Along, along
from marketwatch.rules.frame import MarketFacts
from marketwatch.rules.history import History, densify
from marketwatch.rules.live import LiveTable
from marketwatch.rules.program import Program, compile_rule
from marketwatch.rules.truth import F8, Knowledge
from marketwatch.state import LiveState
from tests.kit.plain_windows import sample

SYMBOLS = ("A", "B", "C")
RULES = (
    "price > 100 and not bid > ask",
    "price('B') / price > 0.5 or spread_bps > 1",
    "volatility(60) > 0.05 and drawdown(11m) < -0.1",
    "change(20s) <= -0.1 for 30s",
    "crosses_above(ema(5, 1m), sma(3, 1m))",
    "crosses_below(price, sma(30))",
    "zscore(volume(10s), 30s) > 1",
    "zscore(volume('A', 10s), 3m) > 1 or change(price, 1m) > 0.1",
    "highest(price, 20s) - lowest(price, 20s) > stdev(price, 20s) * 2.1",
    "lag(price, 5s) < sma(price * 2 - 1, 5s) / 2",
    "whales(1m) >= 1 or whales('B', 5m) >= 3",
    "data_age > 2s and data_age('C') < 1m",
    "rsi(14, 1m) < 50 or close(1m) > open(1m)",
    "0 < abs(change(7)) < 0.1 and max(high(7), price) > min(low(7), price)",
    "rsi(3, 1m, intrabar) < 50 or close(1m, intrabar) > open('B', 1m, intrabar)",
    "crosses_above(ema(2, 1m, intrabar), sma(3, 1m)) or obv(1m, intrabar) > 0 and atr(2, 1m, intrabar) > 0.01",
    "macd(3, 5, 2, 1m).macdhist > 0 and atr(3, 1m) > 0 and obv(1m) != 0",
    "1 / trade_rate(5s) > 0.1",
    "correlation(30s) > 0.1 and beta(11m) > 0",
    "correlation('B', 30s) > 0.1 and beta('C', 11m) > 0 or correlation('C', 30s) < beta('B', 30)",
)


def a_market(seed: int, steps: int, *, gaps: float, first: int) -> list[Samples]:
    """Random walks with trades now and then, quotes, and gaps of one symbol or all."""
    random = np.random.default_rng(seed)
    price = np.array([100.0, 60.0, 3.0])
    known = np.zeros(3, np.bool_)
    away = np.zeros(3, np.int64)
    bid, ask = np.full(3, np.nan), np.full(3, np.nan)
    out = []
    for number in range(first, first + steps):
        fresh = (random.random(3) < gaps) | (random.random() < gaps / 3)
        away = np.maximum(away - 1, np.where(fresh, random.integers(1, 90, 3), 0))
        gap = (away > 0) & known
        traded = (random.random(3) < 0.6) & ~gap
        price = np.where(traded, price * np.exp(random.normal(0, 5e-4, 3)), price)
        known |= traded
        swing = np.where(traded, 1 + np.abs(random.normal(0, 1e-4, 3)), 1.0)
        shown = np.where(known & ~gap, price, np.nan)
        quoted = random.random(3) < 0.2
        bid, ask = np.where(quoted, price * 0.9999, bid), np.where(quoted, price * 1.0001, ask)
        volume = np.where(traded, random.exponential(1.0, 3), 0.0)
        out.append(
            sample(
                number * 500, shown, open=shown * (2 - swing), high=shown * swing, low=shown / swing, volume=volume,
                notional=volume * price, taker_buy_volume=volume * random.random(3),
                trades=np.where(traded, random.integers(1, 5, 3), 0), bid=bid, ask=ask, gap=gap.astype(float),
            )
        )  # fmt: skip
    return out


def stored(samples: Sequence[Samples], symbol: int) -> SampleColumns:
    """The rows that a store keeps: steps with trades, changed quotes, a changed gap flag."""
    rows, last = [], None
    for one in samples:
        said = (one.bid[symbol], one.ask[symbol], one.gap[symbol])
        if one.trades[symbol] or last is None or not np.array_equal(np.array(said), np.array(last), equal_nan=True):
            rows.append(one)
        last = said
    names = ("open", "high", "low", "price", "volume", "notional", "taker_buy_volume", "trades", "bid", "ask", "first_id",
             "last_id", "gap")  # fmt: skip
    columns = {name: np.array([getattr(one, name)[symbol] for one in rows]) for name in names}
    return SampleColumns(SYMBOLS[symbol], 500, np.array([one.time_ms for one in rows]), **columns)


def histories(samples: Sequence[Samples], whales: Sequence[Trade] = ()) -> dict[str, History]:
    first, end = samples[0].time_ms, samples[-1].time_ms + 500
    return {
        symbol: densify(
            stored(samples, number),
            [],
            from_ms=first,
            to_ms=end,
            whales=[one.time_ms for one in whales if one.symbol == symbol],
        )
        for number, symbol in enumerate(SYMBOLS)
    }


class Running:
    """The engine, the candle book and a live table, fed step by step."""

    def __init__(self, programs: Sequence[Program], knowledge: Knowledge | None = None) -> None:
        windows = tuple(dict.fromkeys(name for one in programs for name in one.windows)) or ("60",)
        self.tables: list[MetricTable] = []
        self.engine = Engine(symbols=SYMBOLS, sample_ms=500, windows=windows, reference="A", publish=self.tables.append)
        self.engine.require(windows, [pair for one in programs for pair in one.pairs])
        self.book = CandleBook(symbols=SYMBOLS, publish=lambda event: None)
        self.state = LiveState([Instrument(symbol, symbol, "USDT") for symbol in SYMBOLS])
        self.facts = MarketFacts(SYMBOLS)
        self.table = LiveTable(symbols=SYMBOLS, sample_ms=500, knowledge=knowledge)
        self.lives = self.table.add_all(programs)
        self.truths: list[list[F8]] = [[] for _ in programs]
        self.terms: list[dict[str, list[F8]]] = [{} for _ in programs]

    def step(self, samples: Samples, whales: Sequence[Trade] = ()) -> None:
        self.facts.on_samples(samples)
        self.facts.on_whales(Whales([Whale(one, 1e6, 1e5) for one in whales]))
        self.book.on_samples(samples)
        self.engine.on_samples(samples)
        frame = self.facts.tick(self.tables[-1], self.state, self.book.columns)
        for at, live in enumerate(self.lives):
            result = live.evaluate(frame)
            self.truths[at].append(result.values.copy())
            for key, column in result.terms.items():
                self.terms[at].setdefault(key, []).append(column.copy())


def windows(programs: Sequence[Program]) -> Mapping[str, Window]:
    found = engine_windows([name for one in programs for name in one.windows], sample_ms=500, symbols=3)
    return {window.name: window for window in found}


_NEAR_ZERO = {"volatility": 1e-9, "drawdown": 1e-9, "max_drawdown": 1e-9, "change": 1e-9, "zscore": 1e-9, "correlation": 1e-9,
              "realized_vol": 1e-4, "beta": 1e-9, "buy_ratio": 1e-12}  # fmt: skip


def slack(key: str) -> float:
    """What may differ where the value itself is near 0."""
    return _NEAR_ZERO.get(key.partition("(")[0], 1e-9)


def agree(programs: Sequence[Program], samples: Sequence[Samples], running: Running, whales: Sequence[Trade] = (),
          knowledge: Knowledge | None = None) -> None:  # fmt: skip
    lanes = histories(samples, whales)
    for at, program in enumerate(programs):
        for number, symbol in enumerate(SYMBOLS):
            found = along(
                program, lanes[symbol], windows=windows(programs), others=lanes, reference=lanes["A"], knowledge=knowledge
            )
            for key, column in found.terms.items():
                live = np.array([one[number] for one in running.terms[at][key]])
                np.testing.assert_allclose(column, live, rtol=1e-9, atol=slack(key), err_msg=f"{key} of {symbol}")
            live = np.array([one[number] for one in running.truths[at]])
            if found.truth is not None:
                differs = np.flatnonzero(found.truth != live)
                assert not len(differs), (program.source, symbol, differs[:5])


def run(
    rules: Sequence[str], samples: Sequence[Samples], *, condition: bool = True, knowledge: Knowledge | None = None
) -> None:
    programs = [compile_rule(rule, condition=condition) for rule in rules]
    running = Running(programs, knowledge)
    random = np.random.default_rng(len(samples))
    whales = []
    for one in samples:
        large = [
            Trade(SYMBOLS[symbol], 1, 1.0, 1.0, one.time_ms + int(random.integers(0, 500)), False)
            for symbol in range(3)
            if random.random() < 0.02
        ]
        whales += large
        running.step(one, large)
    agree(programs, samples, running, whales, knowledge)


@pytest.mark.parametrize("window", ["2", "7", "60", "20s", "11m", "25m"])
def test_every_metric_along_time_is_the_engines(window: str) -> None:
    samples = a_market(4, 3300 if window.endswith("m") else 1500, gaps=0.004, first=1_000_003)
    run([f"{name}({window})" for name in WINDOW_METRICS], samples, condition=False)


def test_pieces_of_a_long_history_say_what_the_whole_says(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = a_market(12, 6000, gaps=0.003, first=2_000_017)
    lanes = histories(samples)
    programs = [compile_rule(rule) for rule in RULES]
    programs += [compile_rule(f"{name}({window}) > 0") for name in WINDOW_METRICS for window in ("60", "11m")]
    whole = [ask(program, lanes) for program in programs]
    monkeypatch.setattr("marketwatch.rules.along._PIECE", 700)
    for program, expected in zip(programs, whole, strict=True):
        found = ask(program, lanes)
        assert found.truth is not None
        np.testing.assert_array_equal(found.truth, expected.truth, err_msg=program.source)
        np.testing.assert_array_equal(found.end_ms, expected.end_ms)
        for key, column in found.terms.items():
            np.testing.assert_allclose(column, expected.terms[key], rtol=1e-9, atol=slack(key), err_msg=key)


def ask(program: Program, lanes: Mapping[str, History]) -> Along:
    return along(program, lanes["B"], windows=windows([program]), others=lanes, reference=lanes["A"])


@pytest.mark.parametrize("knowledge", [Knowledge(), Knowledge(stale=True)])
def test_stale_spans_of_a_history_are_unknown_as_live(knowledge: Knowledge) -> None:
    samples = a_market(5, 200, gaps=0.0, first=1_000_000)
    programs = [compile_rule(rule) for rule in ("change(10) > 0", "stale or price > 100", "zscore(price, 5s) > 0")]
    running = Running(programs, knowledge)
    stale = np.zeros(200, np.bool_)
    for number, one in enumerate(samples):
        if number in (80, 140):
            running.engine.on_staleness(Staleness("v", "A", number == 80, 0))
        stale[number] = 80 <= number < 140
        running.step(one)
    lane = replace(histories(samples)["A"], stale=stale)
    for at, program in enumerate(programs):
        found = along(program, lane, windows=windows(programs), knowledge=knowledge)
        assert found.truth is not None
        assert found.truth.tolist() == [one[0] for one in running.truths[at]], program.source


def test_rules_along_time_are_the_live_ones() -> None:
    run(RULES, a_market(8, 1500, gaps=0.003, first=2_000_017))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    first=st.integers(0, 10_000),
    steps=st.integers(1, 400),
    gaps=st.sampled_from([0.0, 0.01, 0.1]),
    rules=st.lists(st.sampled_from(RULES), min_size=1, max_size=4, unique=True),
    knowledge=st.sampled_from([Knowledge(), Knowledge(warming=True), Knowledge(least_filled=0.95)]),
)
def test_any_market_gives_the_same_along_time_as_live(
    seed: int, first: int, steps: int, gaps: float, rules: list[str], knowledge: Knowledge
) -> None:
    run(rules, a_market(seed, steps, gaps=gaps, first=1_000_000 + first), knowledge=knowledge)
