"""The order of work of one tick: every different number once, then the verdicts of all conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..model.metrics import WindowState, pair_name
from .catalogue import SYSTEM_OF
from .derived import DerivedRing
from .facts import fact
from .frame import Frame
from .holdings import Holding, held
from .nodes import (
    Apply,
    Compare,
    Constant,
    Crosses,
    Derived,
    Fact,
    Indicator,
    Kind,
    Metric,
    Node,
    WhaleCount,
    walk,
)
from .program import Program
from .spans import matches
from .studies import StudyColumn
from .truth import F8, I1, Flags, Knowledge, arithmetic, compare, crossing, known_flags
from .verdicts import Step, Verdicts

Source = Callable[[Frame], F8]


class Crossing:
    """The last known side of a crossing. Asked again about the same tick it says the same again."""

    def __init__(self, symbols: int) -> None:
        self._before = np.full(symbols, np.nan)
        self._truth: I1 = np.zeros(symbols, np.int8)
        self._end_ms = -1

    def take(self, left: F8, right: F8, end_ms: int, *, above: bool) -> I1:
        if end_ms > self._end_ms:
            sign = np.broadcast_to(np.sign(left - right), self._before.shape)
            self._truth = crossing(sign, self._before, above=above)
            self._before = np.where(np.isnan(sign), self._before, sign)
            self._end_ms = end_ms
        return self._truth


class Plan:
    """Compiled from all programs of a table. Past of nodes that an earlier plan had goes on."""

    def __init__(
        self, programs: Sequence[Program], symbols: tuple[str, ...], sample_ms: int, knowledge: Knowledge, earlier: Plan | None
    ) -> None:
        self.symbols = symbols
        self._sample_ms = sample_ms
        self._knowledge = knowledge
        self._index = {symbol: number for number, symbol in enumerate(symbols)}
        self._nodes = _different(program.expression for program in programs)
        self._past: dict[str, DerivedRing | Crossing | StudyColumn] = {}
        self._slots = {node.identity: slot for slot, node in enumerate(one for one in self._nodes if one.kind is not Kind.BOOL)}
        self._values: list[F8] = [np.empty(0)] * len(self._slots)
        self._steps: list[tuple[int, Source]] = []
        self._end_ms = -1
        self._names: dict[str, str] = {}
        self._known: dict[str, Flags | None] = {}
        """Where a window is known, by its name; None: everywhere."""
        self._stale: Flags = np.zeros(len(symbols), np.bool_)
        metrics = [node for node in self._nodes if isinstance(node, Metric)]
        self._windows = tuple(dict.fromkeys(node.window.text for node in metrics if node.window is not None))
        self._build_numbers(earlier)
        conditions = [node for node in self._nodes if node.kind is Kind.BOOL]
        self.verdicts = Verdicts(conditions, len(symbols), self._slots, lambda node, out: self._step(node, earlier, out))

    # Building

    def _build_numbers(self, earlier: Plan | None) -> None:
        for node in self._nodes:
            if node.kind is Kind.BOOL:
                continue
            slot = self._slots[node.identity]
            if isinstance(node, Constant):
                self._values[slot] = np.asarray(node.value)
            else:
                self._steps.append((slot, self._source(node, earlier)))

    def _source(self, node: Node, earlier: Plan | None) -> Source:
        match node:
            case Metric():
                return lambda frame: self._of_symbol(self._metric(node, frame), node.symbol)
            case Holding():
                return lambda frame: held(node, frame)
            case Fact():
                return lambda frame: self._of_symbol(fact(node.name, frame), node.symbol)
            case WhaleCount():
                return lambda frame: self._of_symbol(frame.whales(node.window.ms), node.symbol)
            case Indicator():
                study = self._kept(node, earlier, lambda: StudyColumn(node, self._index.get(node.symbol or "", None)))
                assert isinstance(study, StudyColumn)
                return study.take
            case Derived():
                ring = self._kept(node, earlier, lambda: self._ring(node))
                inner = self._slots[node.inner.identity]
                assert isinstance(ring, DerivedRing)
                return lambda frame: ring.take(self._values[inner], frame.table.time_ms)
            case Apply():
                slots = [self._slots[one.identity] for one in node.operands]
                return lambda frame: arithmetic(node.operator, [self._values[slot] for slot in slots])
            case _:
                raise TypeError(f"{type(node).__name__} has no value of its own.")

    def _ring(self, node: Derived) -> DerivedRing:
        return DerivedRing(
            node.name, node.window.ms, sample_ms=self._sample_ms, symbols=len(self.symbols), knowledge=self._knowledge
        )

    def _kept(
        self, node: Node, earlier: Plan | None, fresh: Callable[[], DerivedRing | Crossing | StudyColumn]
    ) -> DerivedRing | Crossing | StudyColumn:
        kept = earlier._past.get(node.identity) if earlier is not None else None
        self._past[node.identity] = kept if kept is not None else fresh()
        return self._past[node.identity]

    def _step(self, node: Node, earlier: Plan | None, out: I1) -> Step:
        """What writes the truth of a condition that is neither logic nor a comparison with a constant."""
        match node:
            case Compare():
                left, right = self._slots[node.left.identity], self._slots[node.right.identity]
                return lambda: self._compare(node.operator, left, right, out)
            case Crosses():
                kept = self._kept(node, earlier, lambda: Crossing(len(self.symbols)))
                left, right = self._slots[node.left.identity], self._slots[node.right.identity]
                assert isinstance(kept, Crossing)
                return lambda: np.copyto(
                    out, kept.take(self._values[left], self._values[right], self._end_ms, above=node.above)
                )
            case Fact():
                return lambda: np.copyto(out, self._flag(node))
            case _:
                raise TypeError(f"{type(node).__name__} is no condition.")

    def _compare(self, operator: str, left: int, right: int, out: I1) -> None:
        a, b = self._values[left], self._values[right]
        compare(operator, a, b, known_flags(a) & known_flags(b), out)

    # A tick

    def tick(self, frame: Frame) -> None:
        """Compute every node."""
        self._end_ms = frame.table.time_ms
        self._look(frame)
        with np.errstate(all="ignore"):
            for slot, source in self._steps:
                self._values[slot] = source(frame)
            self.verdicts.decide(self._values)

    def _look(self, frame: Frame) -> None:
        """What all metrics of a tick share."""
        table = frame.table
        self._names = matches(self._windows, table.windows, self._sample_ms)
        self._known.clear()
        state = next(iter(table.state.values()), None)
        stale = np.zeros(len(self.symbols), np.bool_) if state is None else (state & np.uint8(WindowState.STALE)) != 0
        self._stale = stale

    def _metric(self, node: Metric, frame: Frame) -> F8:
        table = frame.table
        if node.window is None:
            column = table.points[node.name]
            return column if self._knowledge.stale or not self._stale.any() else np.where(self._stale, np.nan, column)
        name = self._names.get(node.window.text)
        if name is None:
            return np.full(len(self.symbols), np.nan)
        if name not in self._known:
            length = next(window.length for window in table.windows if window.name == name)
            whole = self._knowledge.of(table.state[name], table.filled[name], length)
            self._known[name] = None if whole.all() else whole
        compared = name if node.other is None else pair_name(name, node.other)
        if compared not in table.values:
            return np.full(len(self.symbols), np.nan)
        column, known = table.values[compared][node.name], self._known[name]
        return column if known is None else np.where(known, column, np.nan)

    def _flag(self, node: Fact) -> I1:
        assert SYSTEM_OF[node.name].kind is Kind.BOOL
        column = self._of_symbol(np.where(self._stale, 1.0, -1.0), node.symbol)
        return np.nan_to_num(column, nan=0.0).astype(np.int8)

    def _of_symbol(self, column: F8, symbol: str | None) -> F8:
        if symbol is None:
            return column
        number = self._index.get(symbol)
        return np.asarray(np.nan) if number is None else np.asarray(column[number])

    # Answers

    def truth(self, node: Node) -> I1:
        """The truth of a condition, int8 over all symbols."""
        return self.verdicts.of(node)

    def column(self, node: Node) -> F8:
        """The value of any node, float64 over all symbols."""
        if node.kind is Kind.BOOL:
            return self.truth(node).astype(np.float64)
        return np.broadcast_to(self._values[self._slots[node.identity]], len(self.symbols))


def _different(expressions: Iterable[Node]) -> list[Node]:
    """Every different node, parts before wholes."""
    return list({node.identity: node for expression in expressions for node in walk(expression)}.values())
