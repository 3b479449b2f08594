"""Columns of one symbol along time: every node of a rule at every sample step of a stored span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import Window
from . import sliding
from .buckets import Buckets
from .catalogue import INTERVALS
from .columns import WindowColumns
from .derived import Moments, derived_grid, statistic
from .history import History, gathered
from .holdings import Holding
from .nodes import (
    Apply,
    Compare,
    Constant,
    Crosses,
    Derived,
    Fact,
    Indicator,
    Kind,
    Logic,
    Metric,
    Node,
    Term,
    WhaleCount,
    walk,
)
from .reach import Reach, Stretch, effort, left_open, reach, stretches
from .running import along_open
from .studies import along_candles
from .truth import F8, FALSE, I1, TRUE, Flags, Knowledge, arithmetic, compare, crossing, known_flags

T = TypeVar("T", bound=np.generic)


class Side(NamedTuple):
    """Histories that lie side by side. Raises ValueError where they do not. `money`: columns of terms of one's own money over
    the same steps, by the text of the term."""

    history: History
    others: Mapping[str, History]
    reference: History | None
    money: Mapping[str, F8] = {}

    @property
    def beside(self) -> list[History]:
        """All but one's own."""
        return [*self.others.values(), *([] if self.reference is None else [self.reference])]

    def checked(self) -> Side:
        own = self.history
        for other in self.beside:
            if (other.from_ms, other.sample_ms, len(other)) != (own.from_ms, own.sample_ms, len(own)):
                raise ValueError(f"The history of {other.symbol} does not cover the same steps as that of {own.symbol}.")
        return self

    def part(self, first: int, end: int) -> Side:
        reference = None if self.reference is None else self.reference.part(first, end)
        others = {name: one.part(first, end) for name, one in self.others.items()}
        money = {name: np.broadcast_to(one, len(self.history))[first:end] for name, one in self.money.items()}
        return Side(self.history.part(first, end), others, reference, money)

    def gathered(self, spans: Sequence[tuple[int, int]]) -> Side | None:
        """The steps of some spans, in order, as if they followed each other; None where that would change what is known."""
        if not all(one.begins_in(spans) for one in (self.history, *self.beside)):
            return None
        reference = None if self.reference is None else self.reference.gathered(spans)
        others = {name: one.gathered(spans) for name, one in self.others.items()}
        money = {name: gathered(np.broadcast_to(one, len(self.history)), spans) for name, one in self.money.items()}
        return Side(self.history.gathered(spans), others, reference, money)


class Parts(NamedTuple):
    """A lane of some stretches of another, which lie one after the other in it."""

    lane: Lane
    stretches: Sequence[Stretch]

    def spread(self, column: NDArray[T], out: NDArray[T]) -> NDArray[T]:
        """Put what the lane says to the places of the stretches."""
        at = 0
        for seen, start, end in self.stretches:
            out[start:end] = column[at + start - seen : at + end - seen]
            at += end - seen
        return out


class Lane:
    """Columns of one symbol, each computed once, whoever asks: keep it to ask several programs about one history.

    `opened`: by the text of a condition how much it left to be asked of others, learned as lanes of one question go on.
    """

    def __init__(
        self, side: Side, windows: Mapping[str, Window], knowledge: Knowledge, opened: dict[str, float] | None = None
    ) -> None:
        self.history = side.checked().history
        self._side = side
        self._windows = windows
        self._others = dict(side.others) | {side.history.symbol: side.history}
        self._reference = side.reference
        self._knowledge = knowledge
        self._money = side.money
        self._open = {} if opened is None else opened
        self._values: dict[str, F8] = {}
        self._truths: dict[str, I1] = {}
        self._buckets: dict[tuple[str, int], Buckets] = {}
        self._columns: dict[tuple[str, str, str], WindowColumns] = {}
        self._candles: dict[tuple[str, str], dict[str, F8]] = {}

    def column(self, node: Node) -> F8:
        """The value of any node at every step; a truth as 1, 0, -1."""
        if node.kind is Kind.BOOL:
            return self.truth(node).astype(np.float64)
        return np.broadcast_to(self.value(node), len(self.history))

    def value(self, node: Node) -> F8:
        """As `column`, but a constant stays one number (shape ())."""
        if node.key not in self._values:
            with np.errstate(all="ignore"):  # unknown is NaN all the way
                self._values[node.key] = self._computed(node)
        return self._values[node.key]

    def truth(self, node: Node) -> I1:
        if node.key not in self._truths:
            out: I1 = np.zeros(len(self.history), np.int8)
            with np.errstate(all="ignore"):
                self._decide(node, out)
            self._truths[node.key] = out
        return self._truths[node.key]

    def column_where(self, node: Node, asked: Flags) -> F8:
        """As `column`, but NaN is allowed where it is not asked for."""
        if not asked.any():
            return self._unknown()
        if node.kind is Kind.BOOL:
            return self._truth_where(node, asked).astype(np.float64)
        parts = self._stretches(node, asked)
        if parts is None:
            return self.column(node)
        return parts.spread(parts.lane.column(node), self._unknown())

    def part(self, start: int, end: int, past: Reach) -> tuple[Lane, slice]:
        """A lane of its own for the steps `[start, end)` and what their past reaches back to, and where they stand in it."""
        sample_ms, from_ms = self.history.sample_ms, self.history.from_ms
        seen_ms = from_ms + max(0, start - past.steps) * sample_ms
        seen = max(0, (seen_ms - seen_ms % past.grid_ms - from_ms) // sample_ms)
        lane = Lane(self._side.part(seen, end), self._windows, self._knowledge, self._open)
        return lane, slice(start - seen, None)

    def _truth_where(self, node: Node, asked: Flags) -> I1:
        """As `truth`, but unknown is allowed where it is not asked for. Something is."""
        parts = self._stretches(node, asked)
        if parts is None:
            return self.truth(node)
        return parts.spread(parts.lane.truth(node), np.zeros(len(self.history), np.int8))

    def _stretches(self, node: Node, asked: Flags) -> Parts | None:
        """The stretches to look at for what is asked; None where the whole lane costs no more."""
        past = reach(node, self._windows, self.history.sample_ms)
        if past is None or all(one.key in self._values for one in walk(node) if isinstance(one, Term)):
            return None
        found = stretches(asked, past, self.history.from_ms, self.history.sample_ms)
        if found is None:
            return None
        side = self._side.gathered([(one.seen, one.end) for one in found])
        return None if side is None else Parts(Lane(side, self._windows, self._knowledge, self._open), found)

    def _join(self, operator: str, operands: Sequence[Node], out: I1) -> None:
        """`and`, `or`: what settles most for the least effort comes first, and what is settled nobody asks the others."""
        join, settled = (np.minimum, FALSE) if operator == "and" else (np.maximum, TRUE)
        out[:] = -settled
        asked: Flags = np.ones(len(out), np.bool_)
        for one in sorted(operands, key=self._worth):
            truth = self._truth_where(one, asked)
            join(out, truth, out=out)
            asked &= truth != settled
            self._open[one.key] = left_open(asked)
            if not asked.any():
                return

    def _worth(self, condition: Node) -> float:
        """The smaller, the earlier a condition should be asked."""
        return effort(condition) / (1.01 - self._open.get(condition.key, 0.5))

    def _decide(self, node: Node, out: I1) -> None:
        match node:
            case Compare(operator, left, right):
                a, b = self.value(left), self.value(right)
                compare(operator, a, b, known_flags(np.atleast_1d(a)) & known_flags(np.atleast_1d(b)), out)
            case Crosses(above, left, right):
                out[:] = _crossings(np.broadcast_to(np.sign(self.value(left) - self.value(right)), out.shape), above=above)
            case Logic("not", (inner,)):
                np.negative(self.truth(inner), out=out)
            case Logic(operator, operands):
                self._join(operator, operands, out)
            case Fact():
                of = self._of(node.symbol)
                if of is not None:
                    out[:] = -1 if of.stale is None else np.where(of.stale, 1, -1)

    def _computed(self, node: Node) -> F8:
        match node:
            case Constant():
                return np.asarray(node.value)
            case Metric():
                return self._metric(node)
            case Holding():
                return np.broadcast_to(self._money.get(node.key, np.asarray(np.nan)), len(self.history))
            case Fact("data_age"):
                return self._data_age(node.symbol)
            case WhaleCount():
                return self._whales(node)
            case Indicator():
                return self._indicator(node)
            case Derived():
                return self._statistic(node)
            case Apply(operator, operands):
                return arithmetic(operator, [self.value(one) for one in operands])
            case _:
                return self._unknown()

    def _unknown(self) -> F8:
        return np.full(len(self.history), np.nan)

    def _of(self, symbol: str | None) -> History | None:
        return self.history if symbol is None else self._others.get(symbol)

    def _cut(self, history: History, grid_ms: int) -> Buckets:
        key = (history.symbol, grid_ms)
        if key not in self._buckets:
            self._buckets[key] = Buckets(history, grid_ms)
        return self._buckets[key]

    # Terms

    def _metric(self, node: Metric) -> F8:
        history = self._of(node.symbol)
        if history is None:
            return self._unknown()
        if node.window is None:
            return self._point(node.name, history)
        window = self._windows.get(node.window.text)
        if window is None:
            return self._unknown()
        key = (history.symbol, window.name, node.other or "")
        if key not in self._columns:
            other = self._reference if node.other is None else self._others.get(node.other)
            reference = None if other is None else self._cut(other, window.grid_ms)
            self._columns[key] = WindowColumns(window, self._cut(history, window.grid_ms), reference, self._knowledge)
        return self._columns[key].column(node.name)

    def _point(self, name: str, history: History) -> F8:
        if name == "spread_bps":
            column: F8 = 1e4 * (history.ask - history.bid) / ((history.bid + history.ask) / 2.0)
        else:
            column = getattr(history, name)
        if history.missed is not None:
            column = np.where(history.missed, np.nan, column)
        if history.stale is None or self._knowledge.stale:
            return column
        return np.where(history.stale, np.nan, column)

    def _data_age(self, symbol: str | None) -> F8:
        history = self._of(symbol)
        if history is None:
            return self._unknown()
        ends = history.end_ms.astype(np.float64)
        traded = np.maximum.accumulate(np.where(history.trades > 0, ends, -np.inf)) if len(ends) else ends
        return np.where(np.isinf(traded), np.nan, (ends - traded) / 1000.0)

    def _whales(self, node: WhaleCount) -> F8:
        history = self._of(node.symbol)
        if history is None:
            return self._unknown()
        ends = history.end_ms
        before, after = (np.searchsorted(history.whales, edge) for edge in (ends - node.window.ms, ends))
        return (after - before).astype(np.float64)

    def _indicator(self, node: Indicator) -> F8:
        history = self._of(node.symbol)
        if history is None:
            return self._unknown()
        buckets = self._cut(history, INTERVALS[node.interval])
        key = (history.symbol, node.interval)
        if key not in self._candles:
            self._candles[key] = candles_of(buckets)
        if node.intrabar:
            return along_open(node, self._candles[key], buckets)
        column = along_candles(node, self._candles[key])
        closed = history.end_ms // buckets.grid_ms - buckets.first - 1
        return np.concatenate([column, [np.nan]])[closed]

    def _statistic(self, node: Derived) -> F8:
        grid, length = derived_grid(node.window.ms, self.history.sample_ms)
        buckets, inner = self._cut(self.history, grid), np.array(self.column(node.inner))
        ends = np.ascontiguousarray(buckets.cut(inner, np.nan)[:, -1])
        past = sliding.moments(ends, length - 1)
        top, bottom = sliding.highest(ends, length - 1), sliding.lowest(ends, length - 1)
        closed = Moments(*(
            buckets.before(part, nothing)
            for part, nothing in zip((*past[:3], top, bottom), (0.0, np.nan, 0.0, np.nan, np.nan), strict=True)
        ))  # fmt: skip
        first = np.full(len(ends), np.nan)
        first[length - 1 :] = ends[: max(0, len(ends) - length + 1)]
        oldest = buckets.spread(first)
        return statistic(node.name, closed, oldest, inner, buckets.number + 1.0, length, self._knowledge)


def _crossings(sign: F8, *, above: bool) -> I1:
    """Crossings of 0 by a sign along time, against the last known one."""
    known = ~np.isnan(sign)
    place = np.maximum.accumulate(np.where(known, np.arange(len(sign)), -1))
    before = np.full(len(sign), np.nan)
    if len(sign) > 1:
        before[1:] = np.where(place[:-1] >= 0, sign[place[:-1]], np.nan)
    return crossing(sign, before, above=above)


def candles_of(buckets: Buckets) -> dict[str, F8]:
    """Candles as the candle book counts them: of the trades of each bucket; without any the previous close, volume 0."""
    history = buckets.history
    traded = buckets.cut(history.trades, 0.0) > 0
    some = traded.any(axis=1)
    rows = np.arange(buckets.count)
    first, last = np.argmax(traded, axis=1), buckets.per - 1 - np.argmax(traded[:, ::-1], axis=1)
    price = buckets.cut(history.price, np.nan)
    seen = np.maximum.accumulate(np.where(some, rows, -1))
    close = np.where(seen >= 0, price[rows, last][seen], np.nan)
    high = np.fmax.reduce(np.where(traded, buckets.cut(history.high, np.nan), np.nan), axis=1)
    low = np.fmin.reduce(np.where(traded, buckets.cut(history.low, np.nan), np.nan), axis=1)
    opened = buckets.cut(history.open, np.nan)[rows, first]
    return {
        "open": np.where(some, opened, close), "high": np.where(some, high, close), "low": np.where(some, low, close),
        "close": close, "volume": buckets.cut(history.volume, 0.0).sum(axis=1),
    }  # fmt: skip
