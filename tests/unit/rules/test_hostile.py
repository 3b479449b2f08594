"""Whatever compiles can be evaluated: live, along time, and explained, without an error and within a bound."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from marketwatch.engine.grids import window_of
from marketwatch.model.metrics import WINDOW_METRICS
from marketwatch.rules.along import along
from marketwatch.rules.catalogue import catalogue
from marketwatch.rules.errors import RuleError
from marketwatch.rules.explain import explain
from marketwatch.rules.frame import Candles
from marketwatch.rules.live import LiveTable
from marketwatch.rules.program import Program, compile_rule
from tests.unit.rules.test_along import a_market, histories
from tests.unit.rules.test_live import SYMBOLS, Market
from tests.unit.rules.test_parse import compiled, grown, mutated


def sound(count: int, seed: int) -> list[Program]:
    source = random.Random(seed)
    found: list[Program] = []
    while len(found) < count:
        rule = grown(source, source.randrange(5))
        program = compiled(rule if len(found) % 2 else mutated(source, rule))
        if program is not None:
            found.append(program)
    return found


def a_frame(market: Market) -> object:
    random = np.random.default_rng(market.time_ms)
    awkward = np.array([0.0, np.inf, -np.inf, np.nan, 1e308, -1e-308, 1.0])
    columns = {(window.name, name): random.choice(awkward, 3).tolist() for window in market.windows for name in WINDOW_METRICS}
    return market.tick(columns, price=random.choice(awkward, 3).tolist())


def test_generated_rules_are_evaluated_and_explained_on_awkward_numbers() -> None:
    market = Market()
    close = np.array([[1.0, np.nan, 0.0]] * 60)
    market.candles["1m"] = Candles(0, close, close, close, close, np.zeros((60, 3)))
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    lives = table.add_all(sound(400, 3))
    for _ in range(4):
        frame = a_frame(market)
        for live in lives:
            result = live.evaluate(frame)  # type: ignore[arg-type]
            assert result.truth is not None
            assert set(result.truth.tolist()) <= {-1, 0, 1}
            told = explain(live.program, result, 0)
            assert told.truth == {1: "true", 0: "unknown", -1: "false"}[int(result.truth[0])], live.program.source


def test_generated_rules_are_evaluated_along_a_history() -> None:
    lanes = histories(a_market(1, 40, gaps=0.2, first=1_000_000))
    slowest = 0.0
    for program in sound(300, 5):
        windows = {name: window_of(name, sample_ms=500, symbols=3) for name in program.windows}
        start = time.process_time()
        found = along(program, lanes["A"], windows=windows, others=lanes)
        slowest = max(slowest, time.process_time() - start)
        assert found.truth is not None
        assert set(found.truth.tolist()) <= {-1, 0, 1}
    assert slowest < 5.0  # a bound against blow-ups, not a measure


def test_every_name_of_the_catalogue_is_evaluated_live_and_along_time() -> None:
    market = Market()
    candles = np.abs(np.random.default_rng(1).normal(100, 1, (300, 3)))
    market.candles["1m"] = Candles(0, candles, candles + 1, candles - 1, candles, candles)
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    programs = [compile_rule(entry.example, condition=False) for entry in catalogue()]
    lives = table.add_all(programs)
    frame = market.tick({(window.name, name): [1.0, 2.0, 3.0] for window in market.windows for name in WINDOW_METRICS})
    for live in lives:
        assert live.evaluate(frame).values.shape == (3,)
    lanes = histories(a_market(1, 300, gaps=0.0, first=1_000_000))
    for program in programs:
        windows = {name: window_of(name, sample_ms=500, symbols=3) for name in program.windows}
        assert along(program, lanes["A"], windows=windows, others=lanes, reference=lanes["B"]).values.shape == (300,)


def test_history_that_does_not_lie_beside_is_refused() -> None:
    lanes = histories(a_market(1, 30, gaps=0.0, first=1_000_000))
    with pytest.raises(ValueError, match="does not cover the same steps"):
        along(compile_rule("price > price('B')"), lanes["A"], windows={}, others={"B": lanes["B"].part(1, 30)})


def test_refusal_never_quotes_more_than_a_line() -> None:
    with pytest.raises(RuleError) as caught:
        compile_rule("x" * 1900 + " > 1")
    assert len(str(caught.value)) < 200
