"""Why a rule was true, false or unknown for one symbol at one moment: its terms, its comparisons, the whole, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .along import Along
from .catalogue import METRIC_OF, POINT_OF
from .live import Result
from .nodes import Apply, Compare, Constant, Crosses, Derived, Kind, Logic, Metric, Node, WhaleCount
from .program import Program
from .truth import FALSE, SAID, TRUE, UNKNOWN, arithmetic, compare

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TermValue:
    """A term and what it was; `value` None: unknown. `unit` is %, s, price, count ... or ""."""

    text: str
    value: float | None
    unit: str
    shown: str


@dataclass(frozen=True, slots=True)
class Said:
    """A part of the rule and what it said; `parts` are what it was put together from. `truth` is true, false or unknown."""

    text: str
    truth: str
    sentence: str
    left: float | None = None
    right: float | None = None
    parts: tuple[Said, ...] = ()

    def comparisons(self) -> list[Said]:
        """The conditions at the bottom, in the order of the text."""
        return [self] if not self.parts else [one for part in self.parts for one in part.comparisons()]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole: its truth, why in one sentence, every term's value, and every part's own answer."""

    text: str
    truth: str
    sentence: str
    terms: tuple[TermValue, ...]
    whole: Said

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "expression": self.text, "truth": self.truth, "sentence": self.sentence,
            "terms": [{"term": one.text, "value": one.value, "unit": one.unit} for one in self.terms],
            "comparisons": [
                {"text": one.text, "truth": one.truth, "left": one.left, "right": one.right, "sentence": one.sentence}
                for one in self.whole.comparisons()
            ],
        }  # fmt: skip


def explain(program: Program, result: Result | Along, at: int) -> Explanation:
    """What `program` said; `at` is the symbol's place in a live result, the step in a history."""
    return explain_values(program, result.at(at))


def explain_values(program: Program, values: Values) -> Explanation:
    """From the values of the terms alone, as an alert's record keeps them; a term that is not among them is unknown."""
    terms = tuple(_term(node, values) for node in program.terms)
    if program.kind is not Kind.BOOL:
        value = _value(program.expression, values)
        sentence = f"{program.expression.key} is {_shown(value, program.expression)}."
        whole = Said(program.expression.key, SAID[UNKNOWN], sentence)
        return Explanation(program.expression.key, whole.truth, sentence, terms, whole)
    whole = _said(program.expression, values)
    return Explanation(whole.text, whole.truth, _why(whole), terms, whole)


def _why(whole: Said) -> str:
    if not whole.parts:
        return f"The rule is {whole.truth}: {whole.sentence}"
    decisive = [one for one in whole.comparisons() if one.truth == whole.truth] or whole.comparisons()
    if whole.text.startswith("not "):
        decisive = whole.comparisons()
    return f"The rule is {whole.truth}: {' '.join(one.sentence for one in decisive)}"


# Terms


def _term(node: Node, values: Values) -> TermValue:
    value = float(values.get(node.key, np.nan))
    return TermValue(node.key, _or_none(value), unit_of(node), _shown(value, node))


def unit_of(node: Node) -> str:
    """The unit of a value: %, s, price, count ...; "" where it has none."""
    if isinstance(node, Metric):
        entry = METRIC_OF[node.name] if node.window is not None else POINT_OF[node.name]
        return entry.unit
    if isinstance(node, WhaleCount):
        return "count"
    if isinstance(node, Derived) and node.name not in ("zscore", "change"):
        return unit_of(node.inner)
    return {Kind.PERCENT: "%", Kind.DURATION: "s"}.get(node.kind, "")


def _shown(value: float, node: Node) -> str:
    if np.isnan(value):
        return "unknown"
    if node.kind is Kind.BOOL:
        return SAID[int(value)]
    unit = unit_of(node)
    return f"{value:.10g}{' ' if unit == 's' else ''}{unit if unit in ('%', 's') else ''}"


def _value(node: Node, values: Values) -> float:
    """The value of a number, from its terms."""
    match node:
        case Constant():
            return node.value
        case Apply(operator, operands):
            return float(arithmetic(operator, [np.array(_value(one, values)) for one in operands]))
        case _:
            return float(values.get(node.key, np.nan))


# Conditions


def _said(node: Node, values: Values) -> Said:
    match node:
        case Compare():
            return _compared(node, values)
        case Logic(operator, operands):
            return _joined(node, operator, tuple(_said(one, values) for one in operands))
        case _:
            return _event(node, values)


def _compared(node: Compare, values: Values) -> Said:
    left, right = _value(node.left, values), _value(node.right, values)
    truth = compared(node.operator, left, right)
    unknown = [side.key for side, value in ((node.left, left), (node.right, right)) if np.isnan(value)]
    if unknown:
        sentence = f"{' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} unknown."
    else:
        than = node.right.key if isinstance(node.right, Constant) else f"{node.right.key}, which is {_shown(right, node.right)}"
        own = node.left.key if isinstance(node.left, Constant) else f"{node.left.key} is {_shown(left, node.left)}, which"
        sentence = f"{own} is {'' if truth == TRUE else 'not '}{_WORDS[node.operator]} {than}."
    return Said(node.key, SAID[truth], sentence, _or_none(left), _or_none(right))


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


_WORDS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least", "==": "equal to", "!=": "different from"}


def compared(operator: str, left: float, right: float) -> int:
    """What one comparison says, as everywhere: TRUE, UNKNOWN or FALSE."""
    out = np.zeros(1, np.int8)
    known = np.array([not (np.isnan(left) or np.isnan(right))]).view(np.int8)
    compare(operator, np.array([left]), np.array([right]), known, out)
    return int(out[0])


def _event(node: Node, values: Values) -> Said:
    value = values.get(node.key, np.nan)
    truth = UNKNOWN if np.isnan(value) else int(value)
    if isinstance(node, Crosses):
        sides = {FALSE: "did not cross", TRUE: "crossed", UNKNOWN: "cannot be compared with"}
        way = "" if truth == UNKNOWN else " upwards" if node.above else " downwards"
        return Said(node.key, SAID[truth], f"{node.left.key} {sides[truth]} {node.right.key}{way}.")
    return Said(node.key, SAID[truth], f"{node.key} is {SAID[truth]}.")


def _joined(node: Logic, operator: str, parts: tuple[Said, ...]) -> Said:
    truths = [_NUMBER[one.truth] for one in parts]
    truth = -truths[0] if operator == "not" else min(truths) if operator == "and" else max(truths)
    return Said(node.key, SAID[truth], f"{node.key} is {SAID[truth]}.", parts=parts)


_NUMBER = {said: truth for truth, said in SAID.items()}
