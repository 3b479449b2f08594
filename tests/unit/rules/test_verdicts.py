"""The truths of many conditions at once say what each condition says alone."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.rules.nodes import Compare, Constant, Kind, Logic, Metric, Node, walk
from marketwatch.rules.truth import F8, FALSE, I1, TRUE, UNKNOWN
from marketwatch.rules.verdicts import Step, Verdicts

SAYS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
LEFTS = [Metric(name, Kind.NUMBER) for name in ("price", "bid")]
SLOTS = {node.identity: slot for slot, node in enumerate(LEFTS)}
EDGES = [0.0, -0.0, 1.0, -1.5, 5e-324, 1e300, 0.1]
numbers = st.sampled_from(EDGES)
neighbours = st.builds(np.nextafter, numbers, st.sampled_from([-np.inf, 0.0, np.inf])) | st.just(np.nan) | numbers
comparisons = st.builds(
    lambda left, sign, value: Compare(sign, left, Constant(value, Kind.NUMBER, repr(value))),
    st.sampled_from(LEFTS), st.sampled_from(list(SAYS)), numbers,
)  # fmt: skip
conditions = st.recursive(
    comparisons,
    lambda inner: (
        st.builds(
            lambda sign, parts: Logic(sign, tuple(parts)),
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=4),
        )
        | st.builds(lambda part: Logic("not", (part,)), inner)
    ),
    max_leaves=12,
)


def nothing(node: Node, out: I1) -> Step:
    raise AssertionError(f"{node.key} is neither logic nor a comparison with a constant.")


def said(node: Node, values: list[float]) -> int:
    """Kleene's logic, one value at a time."""
    if isinstance(node, Compare):
        value = values[SLOTS[node.left.identity]]
        assert isinstance(node.right, Constant)
        return UNKNOWN if np.isnan(value) else TRUE if SAYS[node.operator](value, node.right.value) else FALSE
    assert isinstance(node, Logic)
    sides = [said(one, values) for one in node.operands]
    return -sides[0] if node.operator == "not" else min(sides) if node.operator == "and" else max(sides)


@given(st.lists(conditions, min_size=1, max_size=90), st.lists(neighbours, min_size=3, max_size=3), neighbours)
def test_verdicts_of_many_conditions_equal_kleene_logic_of_each_one(rules: list[Node], prices: list[float], bid: float) -> None:
    different = list({one.identity: one for rule in rules for one in walk(rule) if one.kind is Kind.BOOL}.values())
    verdicts = Verdicts(different, 3, SLOTS, nothing)
    columns: list[F8] = [np.array(prices), np.asarray(bid)]
    for _ in range(2):
        verdicts.decide(columns)
        for rule in rules:
            assert verdicts.of(rule).tolist() == [said(rule, [price, bid]) for price in prices], rule.key
        taken = verdicts.take(verdicts.rows([*rules, None]))
        assert taken.tolist() == [*(verdicts.of(rule).tolist() for rule in rules), [UNKNOWN] * 3]


def test_rows_of_a_condition_that_is_not_there_is_an_error() -> None:
    verdicts = Verdicts([], 3, SLOTS, nothing)
    with pytest.raises(KeyError):
        verdicts.rows([Compare("<", LEFTS[0], Constant(1.0, Kind.NUMBER, "1"))])
