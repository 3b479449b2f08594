"""Why a rule said what it said."""

from __future__ import annotations

import numpy as np
import pytest

from marketwatch.rules.along import along
from marketwatch.rules.explain import explain, explain_values
from marketwatch.rules.live import LiveTable
from marketwatch.rules.program import compile_rule
from tests.unit.rules.test_along import a_market, histories, windows
from tests.unit.rules.test_live import SYMBOLS, Market

RULE = "volatility(60) > 0.5 and drawdown(5m) < -2"


@pytest.mark.parametrize(
    ("volatility", "drawdown", "truth", "sentence"),
    [
        (0.6, -3.0, "true",
         "The rule is true: volatility(60) is 0.6%, which is above 0.5. drawdown(5m) is -3%, which is below -2."),
        (0.6, -1.0, "false", "The rule is false: drawdown(5m) is -1%, which is not below -2."),
        (0.6, float("nan"), "unknown", "The rule is unknown: drawdown(5m) is unknown."),
        (0.4, float("nan"), "false", "The rule is false: volatility(60) is 0.4%, which is not above 0.5."),
    ],
)  # fmt: skip
def test_explanation_says_what_decided(volatility: float, drawdown: float, truth: str, sentence: str) -> None:
    found = explain_values(compile_rule(RULE), {"volatility(60)": volatility, "drawdown(5m)": drawdown})
    assert (found.truth, found.sentence) == (truth, sentence)
    assert [one.text for one in found.whole.comparisons()] == ["volatility(60) > 0.5", "drawdown(5m) < -2"]


def test_explanation_of_a_live_result_has_every_term_of_the_symbol() -> None:
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    live = table.add(compile_rule("price('BTCUSDT') / price > 15 or crosses_above(price, 4) or stale"))
    market = Market()
    live.evaluate(market.tick(price=(100.0, 3.0, float("nan"))))
    result = live.evaluate(market.tick(price=(100.0, 5.0, float("nan"))))
    found = explain(live.program, result, 1)
    assert {one.text: one.shown for one in found.terms} == {
        "price('BTCUSDT')": "100", "price": "5", "crosses_above(price, 4)": "true", "stale": "false",
    }  # fmt: skip
    assert [(one.truth, one.left, one.right) for one in found.whole.comparisons()] == [
        ("true", 20.0, 15.0), ("true", None, None), ("false", None, None),
    ]  # fmt: skip
    assert found.sentence == ("The rule is true: price('BTCUSDT') / price is 20, which is above 15. price crossed 4 upwards.")
    unknown = explain(live.program, result, 2)
    assert unknown.truth == "unknown"
    assert "price('BTCUSDT') / price is unknown." in unknown.sentence
    assert unknown.terms[1].value is None


def test_explanation_agrees_with_the_truth_at_every_step_of_a_history() -> None:
    rule = (
        "not (change(5s) > 0 and 0.2 < abs(zscore(20s)) <= 1.5) or crosses_below(price, sma(20s)) "
        "or zscore(volume(5s), 10s) > 1 and data_age < 1s"
    )
    program = compile_rule(rule)
    lanes = histories(a_market(3, 600, gaps=0.02, first=1_000_000))
    found = along(program, lanes["A"], windows=windows([program]))
    assert found.truth is not None
    assert {-1, 0, 1} == set(found.truth.tolist())
    for step in range(0, 600, 7):
        told = explain(program, found, step)
        assert told.truth == {1: "true", 0: "unknown", -1: "false"}[int(found.truth[step])], step
        assert told.sentence.startswith(f"The rule is {told.truth}: ")
        document = told.document()
        assert [one["term"] for one in document["terms"]] == [node.key for node in program.terms]
        assert all(one["value"] is None or np.isfinite(one["value"]) for one in document["terms"])


def test_explanation_of_a_number_says_its_value() -> None:
    program = compile_rule("change(5m) * 2", condition=False)
    assert explain_values(program, {"change(5m)": 1.5}).sentence == "change(5m) * 2 is 3%."
    assert explain_values(program, {}).sentence == "change(5m) * 2 is unknown."
