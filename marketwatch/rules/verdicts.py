"""The truth of every condition of a plan at a tick, over all symbols: many conditions in one call of numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .nodes import Compare, Constant, Logic, Node
from .truth import F8, I1, below, compare, known_flags

Step = Callable[[], None]
Rows = NDArray[np.intp]
_MOST_JOINED = 64
"""Rows that are joined at once: they stay in the processor's cache."""


class Below(NamedTuple):
    """Comparisons of one value with limits: rows `[first, turn)` say that it is below theirs, `[turn, end)` that it is not."""

    value: int
    limits: F8
    first: int
    turn: int
    end: int


class Same(NamedTuple):
    """Comparisons of one value with constants by `==` or by `!=`: rows `[first, end)`."""

    value: int
    operator: str
    constants: F8
    first: int
    end: int


class Join(NamedTuple):
    """Conditions of one operator with equally many operands: rows `[first, end)` from the rows of each one's first operand,
    of its second ..."""

    operator: str
    operands: list[Rows]
    first: int
    end: int


class Verdicts:
    """A row of int8 for every condition: comparisons with constants, then what `special` decides, then logic.

    `conditions`: all different ones, parts before wholes. `slots`: where the values of numbers stand, by identity. `special`:
    gives the step that writes the row of a condition which is neither logic nor a comparison with a constant.
    """

    def __init__(
        self, conditions: Sequence[Node], width: int, slots: Mapping[str, int], special: Callable[[Node, I1], Step]
    ) -> None:
        simple = [node for node in conditions if isinstance(node, Compare) and isinstance(node.right, Constant)]
        ordered = sorted((node for node in simple if not _equality(node)), key=lambda node: (node.left.identity, _turned(node)))
        equal = sorted((node for node in simple if _equality(node)), key=_same)
        logic = sorted((node for node in conditions if isinstance(node, Logic)), key=_shape)
        taken = {node.identity for node in (*simple, *logic)}
        others = [node for node in conditions if node.identity not in taken]
        self._rows = {node.identity: row for row, node in enumerate((*ordered, *equal, *others, *logic))}
        self._slots = slots
        self._truth: I1 = np.zeros((len(self._rows) + 1, width), np.int8)
        self._scratch: I1 = np.empty((_MOST_JOINED, width), np.int8)
        self._below = [self._limits(list(group)) for _, group in groupby(ordered, lambda node: node.left.identity)]
        self._same = [
            self._equals(list(group)) for _, group in groupby(equal, lambda node: (node.left.identity, node.operator))
        ]
        self._steps = [special(node, self.of(node)) for node in others]
        self._joins = list(self._joined(logic))

    # Building

    def _limits(self, group: list[Compare]) -> Below:
        first, end = self._span(group)
        limits = np.array([[_limit(node)] for node in group])
        return Below(self._slots[group[0].left.identity], limits, first, end - sum(map(_turned, group)), end)

    def _equals(self, group: list[Compare]) -> Same:
        constants = np.array([[_constant(node)] for node in group])
        return Same(self._slots[group[0].left.identity], group[0].operator, constants, *self._span(group))

    def _joined(self, logic: Iterable[Logic]) -> Iterator[Join]:
        for _, group in groupby(logic, _shape):
            found = list(group)
            for start in range(0, len(found), _MOST_JOINED):
                part = found[start : start + _MOST_JOINED]
                operands = [self.rows(nodes) for nodes in zip(*(node.operands for node in part), strict=True)]
                yield Join(part[0].operator, operands, *self._span(part))

    def _span(self, group: Sequence[Node]) -> tuple[int, int]:
        first = self._rows[group[0].identity]
        return first, first + len(group)

    # A tick

    def decide(self, values: Sequence[F8]) -> None:
        """Write all rows anew. `values`: columns of the numbers by slot; one that is the same for all symbols has shape ()."""
        truth = self._truth
        for value, limits, first, turn, end in self._below:
            below(values[value], limits, known_flags(values[value]), truth[first:end], turn - first)
        for value, operator, constants, first, end in self._same:
            compare(operator, values[value], constants, known_flags(values[value]), truth[first:end])
        for step in self._steps:
            step()
        for join in self._joins:
            self._join(join)

    def _join(self, join: Join) -> None:
        out = self._truth[join.first : join.end]
        self._taken(join.operands[0], out)
        if join.operator == "not":
            np.negative(out, out=out)
            return
        worst_or_best = np.minimum if join.operator == "and" else np.maximum
        for rows in join.operands[1:]:
            worst_or_best(out, self._taken(rows, self._scratch[: len(rows)]), out=out)

    def _taken(self, rows: Rows, out: I1) -> I1:
        return np.take(self._truth, rows, axis=0, out=out, mode="clip")  # any other mode works through a buffer

    # Answers

    def of(self, node: Node) -> I1:
        """The truth of a condition, int8 over all symbols."""
        row: I1 = self._truth[self._rows[node.identity]]
        return row

    def rows(self, nodes: Iterable[Node | None]) -> Rows:
        """Where conditions stand, for `take`; None stands for one that is unknown everywhere."""
        return np.array([-1 if node is None else self._rows[node.identity] for node in nodes], np.intp)

    def take(self, rows: Rows) -> I1:
        """A copy of the truths of many conditions, int8 (conditions, symbols)."""
        return self._truth[rows]


def _equality(node: Compare) -> bool:
    return node.operator in ("==", "!=")


def _same(node: Compare) -> tuple[str, str]:
    return node.left.identity, node.operator


def _turned(node: Compare) -> bool:
    """Whether a comparison says that a value is not below its limit."""
    return node.operator in (">", ">=")


def _constant(node: Compare) -> float:
    assert isinstance(node.right, Constant)
    return node.right.value


def _limit(node: Compare) -> float:
    """The number that a value is below, or is not: `x <= c` is `x < the float after c`."""
    constant = _constant(node)
    return float(np.nextafter(constant, np.inf)) if node.operator in ("<=", ">") else constant


def _shape(node: Logic) -> tuple[int, str, int]:
    return _level(node), node.operator, len(node.operands)


def _level(node: Node) -> int:
    """How many steps of logic lead to a condition."""
    return 1 + max(map(_level, node.operands)) if isinstance(node, Logic) else 0
