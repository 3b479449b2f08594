"""Parts of a rule that are asked only where they matter say what the whole says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.model.metrics import Window
from marketwatch.rules import reach
from marketwatch.rules.along import Along, along
from marketwatch.rules.lane import Lane, Side
from marketwatch.rules.program import compile_rule
from marketwatch.rules.reach import Reach, effort, left_open, stretches
from marketwatch.rules.truth import TRUE, Knowledge
from tests.unit.rules.test_along import a_market, histories, slack, windows

CONDITIONS = (
    "volatility(60) > 0.05", "drawdown(11m) < -0.3", "change(20s) <= -0.1", "zscore(60) > 2.5", "crosses_above(price, sma(30))",
    "zscore(volume(10s), 30s) > 3", "rsi(3, 1m) < 20", "data_age > 3s", "price('C') / price > 0.0301", "stale",
    "correlation('C', 30s) > 0.6", "whales(1m) >= 1", "not low(5s) > 59.3", "change('A', 7) > 0.05 or change('C', 7) > 0.2",
)  # fmt: skip
RULES = [f"({one}) {sign} ({other})" for one, other in combinations(CONDITIONS, 2) for sign in ("and", "or")]
RULES += [
    f"({one}) and (({other}) or not ({third}))" for one, other, third in zip(*[CONDITIONS[n:] for n in range(3)], strict=False)
]


@pytest.mark.parametrize("where_true", [False, True])
def test_rules_asked_in_stretches_say_what_they_say_of_the_whole(where_true: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = histories(a_market(21, 4000, gaps=0.002, first=2_000_017))

    def ask(source: str, *, partly: bool) -> Along:
        program = compile_rule(source)
        terms = [node.key for node in program.terms][:1]
        monkeypatch.setattr(reach, "_WORTH", 0.9 if partly else -1.0)
        return along(
            program, lanes["B"], windows=windows([program]), others=lanes, reference=lanes["A"],
            terms=terms, where_true=where_true and partly,
        )  # fmt: skip

    monkeypatch.setattr(reach, "_STRETCH", 128)
    monkeypatch.setattr(reach, "_ONCE", 0)
    fired = 0
    for source in RULES:
        found, whole = ask(source, partly=True), ask(source, partly=False)
        assert found.truth is not None
        np.testing.assert_array_equal(found.truth, whole.truth, err_msg=source)
        asked = found.truth == TRUE if where_true else np.ones(len(found.truth), np.bool_)
        fired += int(asked.sum())
        for key, column in found.terms.items():
            np.testing.assert_allclose(column[asked], whole.terms[key][asked], rtol=1e-9, atol=slack(key), err_msg=source)
    assert fired > 1000


def test_terms_on_grids_that_do_not_divide_each_other_keep_their_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven minutes are cut into steps of two seconds, thirteen into steps of five."""
    monkeypatch.setattr(reach, "_ONCE", 0)
    monkeypatch.setattr(reach, "_STRETCH", 16)
    own = histories(a_market(5, 8_000, gaps=0.0, first=2_000_017))["B"]
    node = compile_rule("lag(price, 7m) + lag(price, 13m)", condition=False).expression
    for shift in range(0, 200, 16):
        asked = np.zeros(len(own), np.bool_)
        asked[[3000 + shift, 5400 + shift, 7780 + shift]] = True
        found, whole = (Lane(Side(own, {}, None), {}, Knowledge()) for _ in range(2))
        values = found.column_where(node, asked)
        assert np.isnan(values).any(), "only stretches were looked at"
        np.testing.assert_array_equal(values[asked], whole.column(node)[asked])


@given(
    asked=st.lists(st.booleans(), max_size=300).map(lambda flags: np.repeat(np.array(flags, np.bool_), 100)),
    steps=st.integers(0, 20_000),
    bucket=st.sampled_from([1, 60, 3600]),
    lead=st.integers(0, 4000),
)
def test_stretches_hold_every_step_that_is_asked_for(
    asked: np.typing.NDArray[np.bool_], steps: int, bucket: int, lead: int
) -> None:
    from_ms = 1_800_000_000_000 // 3_600_000 * 3_600_000 + lead * 1000
    found = stretches(asked, Reach(steps, bucket * 1000), from_ms, 1000)
    assert 0.0 <= left_open(asked) <= 1.0
    if found is not None:
        held, before = np.zeros(len(asked), np.bool_), -1
        for seen, start, end in found:
            assert before < seen <= start < end <= len(asked)
            assert seen <= max(0, start - steps)
            assert all(edge in (0, len(asked)) or (from_ms // 1000 + edge) % bucket == 0 for edge in (seen, start, end))
            assert asked[start:end].any()
            held[start:end], before = True, end
        assert held[asked].all()


def test_a_quick_term_is_less_effort_than_a_slow_one() -> None:
    quick, slow, slower = (
        effort(compile_rule(rule).expression) for rule in ("price > 1", "volatility(60) > 1", "zscore(volume(1m), 1h) > 1")
    )
    assert quick < slow < slower


def test_a_rule_that_one_side_settles_never_asks_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = histories(a_market(3, 600, gaps=0.0, first=2_000_000))
    program = compile_rule("price < 0 and zscore(60) > 1")

    def never(*_: object) -> None:
        raise AssertionError("The moments of a window were asked for.")

    monkeypatch.setattr("marketwatch.rules.sliding.window_moments", never)
    found = along(program, lanes["B"], windows={"60": Window("60", 500, 60)}, terms=())
    assert found.truth is not None
    assert not (found.truth == TRUE).any()
