"""A rule, compiled: what it means, what it needs, what it is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from ..model.portfolio import LOCAL_OWNER
from .check import column_of, meaning
from .errors import RuleError
from .holdings import Holding
from .nodes import Compare, Constant, Crosses, Derived, Fact, Indicator, Kind, Metric, Node, Term, of_type, walk, with_each
from .parse import parse

MOST_WINDOWS = 12
MOST_DERIVED = 6
MOST_INDICATORS = 12


class FirstComparison(NamedTuple):
    """What an alert's record names: the text of the metric, the operator as seen from it, the threshold (None: it moves)."""

    metric: str
    operator: str
    threshold: float | None


@dataclass(frozen=True)
class Program:
    """A checked rule. `for_s`: how long it has to hold. Evaluate it live with a `LiveTable`, on stored samples with `along`."""

    source: str
    expression: Node
    for_s: float = 0.0

    @property
    def kind(self) -> Kind:
        return self.expression.kind

    @cached_property
    def terms(self) -> tuple[Node, ...]:
        """What has a value of its own: terms of the market, statistics of expressions, crossings; each once."""
        found = [one for one in walk(self.expression) if isinstance(one, Term | Derived | Crosses)]
        return tuple({one.key: one for one in found}.values())

    @cached_property
    def windows(self) -> tuple[str, ...]:
        """The engine's windows that it needs, as people write them."""
        metrics = of_type(self.expression, Metric)
        return tuple(dict.fromkeys(one.window.text for one in metrics if one.window is not None))

    @cached_property
    def statistics(self) -> tuple[Derived, ...]:
        """The expressions whose past has to be remembered."""
        return tuple(of_type(self.expression, Derived))

    @cached_property
    def intervals(self) -> tuple[str, ...]:
        """The candles that it needs."""
        return tuple(dict.fromkeys(one.interval for one in of_type(self.expression, Indicator)))

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that it names itself."""
        terms = [one for one in walk(self.expression) if isinstance(one, Term)]
        named = [symbol for one in terms for symbol in (one.symbol, one.other if isinstance(one, Metric) else None)]
        return tuple(dict.fromkeys(symbol for symbol in named if symbol is not None))

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Window and symbol of the comparisons with another symbol than the reference."""
        metrics = of_type(self.expression, Metric)
        found = [(one.window.text, one.other) for one in metrics if one.window is not None and one.other is not None]
        return tuple(dict.fromkeys(found))

    @cached_property
    def live_only(self) -> tuple[str, ...]:
        """Terms that nobody stores: on history they are unknown."""
        return tuple(one.key for one in of_type(self.expression, Fact) if one.name not in ("data_age", "stale"))

    @cached_property
    def holdings(self) -> tuple[Holding, ...]:
        """Its terms of somebody's own money."""
        return tuple(of_type(self.expression, Holding))

    @cached_property
    def comparisons(self) -> tuple[FirstComparison, ...]:
        """Every comparison in the order of the text, each seen from its metric."""
        return tuple(dict.fromkeys(_seen(one) for one in walk(self.expression) if isinstance(one, Compare)))

    @cached_property
    def first_comparison(self) -> FirstComparison | None:
        """The first comparison in the order of the text; None in a rule without one."""
        return next(iter(self.comparisons), None)


_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def _seen(node: Compare) -> FirstComparison:
    if isinstance(node.left, Constant) and not isinstance(node.right, Constant):
        return FirstComparison(node.right.key, _TURNED[node.operator], node.left.value)
    return FirstComparison(node.left.key, node.operator, node.right.value if isinstance(node.right, Constant) else None)


def compile_rule(source: str, *, condition: bool = True, intrabar: bool = False, owner_id: str = LOCAL_OWNER) -> Program:
    """The program of a rule. `condition` false: a number will do, as for the columns of a screener. `intrabar`: all its
    candle terms look at the open candle too. `owner_id`: the person whose portfolios it sees. Raises RuleError only."""
    parsed = parse(source)
    node = meaning(parsed.tree)
    if intrabar:
        node = with_each(node, Indicator, lambda one: replace(one, intrabar=True))
    if owner_id != LOCAL_OWNER:
        node = with_each(node, Holding, lambda one: replace(one, owner_id=owner_id))
    if condition and node.kind is not Kind.BOOL:
        raise RuleError(column_of(parsed.tree), "A rule is a condition, and this is a value.", "Compare it: ... > 0.")
    program = Program(source, node, parsed.for_s)
    _bound(len(program.windows), MOST_WINDOWS, "windows")
    _bound(len(program.statistics), MOST_DERIVED, "statistics of expressions")
    _bound(len(of_type(node, Indicator)), MOST_INDICATORS, "candle indicators")
    return program


def _bound(count: int, most: int, what: str) -> None:
    if count > most:
        raise RuleError(1, f"The rule has {count} different {what}; {most} are the most.", "Split it.")


def windows_of(program: Program) -> tuple[str, ...]:
    """The engine's windows that a program needs."""
    return program.windows
