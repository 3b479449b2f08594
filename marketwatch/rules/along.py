"""Rules along time: one symbol, every sample step of a stored span at once. The same definition as live, other columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import Window
from . import sliding
from .buckets import Buckets
from .catalogue import INTERVALS
from .columns import WindowColumns
from .derived import Moments, derived_grid, statistic
from .history import History
from .nodes import Apply, Compare, Constant, Crosses, Derived, Fact, Indicator, Kind, Logic, Metric, Node, WhaleCount
from .program import Program
from .studies import along_candles
from .truth import F8, I1, Knowledge, arithmetic, compare, crossing, known_flags

_PIECE = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """What a program says at every step. `end_ms`: times of the ticks. `truth`: int8, None for a program that is a number.

    `terms` by text: float64, NaN unknown; a crossing is 1, 0 or -1. `values`: the value of the whole.
    """

    program: Program
    end_ms: NDArray[np.int64]
    truth: I1 | None
    values: F8
    terms: Mapping[str, F8]

    def at(self, step: int) -> Mapping[str, float]:
        """The terms of one step."""
        return {key: float(column[step]) for key, column in self.terms.items()}


def along(
    program: Program,
    history: History,
    *,
    windows: Mapping[str, Window],
    others: Mapping[str, History] | None = None,
    reference: History | None = None,
    knowledge: Knowledge | None = None,
) -> Along:
    """Evaluate a program at every step of `history`.

    `windows` holds the engine's window of every name in `program.windows`. `others` are histories of the symbols that the
    program names, `reference` that of the reference symbol (correlation, beta): same span, same step. What is not given is
    unknown. Raises ValueError for histories that do not lie side by side.
    """
    side = Side(history, others or {}, reference)
    reach = _reach(program.expression, windows, history.sample_ms)
    if reach is None or len(history) <= _PIECE + reach[0]:
        return _whole(program, Lane(side, windows, knowledge or Knowledge()))
    return _in_pieces(program, side, windows, knowledge or Knowledge(), *reach)


class Side(NamedTuple):
    """Histories that lie side by side. Raises ValueError where they do not."""

    history: History
    others: Mapping[str, History]
    reference: History | None

    def checked(self) -> Side:
        own = self.history
        for other in (*self.others.values(), *([self.reference] if self.reference is not None else [])):
            if (other.from_ms, other.sample_ms, len(other)) != (own.from_ms, own.sample_ms, len(own)):
                raise ValueError(f"The history of {other.symbol} does not cover the same steps as that of {own.symbol}.")
        return self

    def part(self, first: int, end: int) -> Side:
        reference = None if self.reference is None else self.reference.part(first, end)
        return Side(self.history.part(first, end), {name: one.part(first, end) for name, one in self.others.items()}, reference)


def _whole(program: Program, lane: Lane) -> Along:
    truth = lane.truth(program.expression) if program.kind is Kind.BOOL else None
    values = truth.astype(np.float64) if truth is not None else lane.column(program.expression)
    return Along(program, lane.history.end_ms, truth, values, {node.key: lane.column(node) for node in program.terms})


def _in_pieces(
    program: Program, side: Side, windows: Mapping[str, Window], knowledge: Knowledge, steps: int, grid_ms: int
) -> Along:
    """Piece by piece, each with what its windows reach back to: columns that fit into the processor's cache."""
    side.checked()
    size, sample_ms, start_ms = len(side.history), side.history.sample_ms, side.history.from_ms
    truth: I1 | None = np.empty(size, np.int8) if program.kind is Kind.BOOL else None
    terms = {node.key: np.empty(size) for node in program.terms}
    values = np.empty(size)
    bucket = grid_ms // sample_ms
    piece = -(-max(_PIECE, 2 * steps) // bucket) * bucket
    lead = -start_ms % grid_ms // sample_ms
    edges = [0, *range(lead + piece, size, piece), size]
    for start, end in pairwise(edges):
        seen_ms = start_ms + max(0, start - steps) * sample_ms
        seen = max(0, (seen_ms - seen_ms % grid_ms - start_ms) // sample_ms)
        found = _whole(program, Lane(side.part(seen, end), windows, knowledge))
        part, own = slice(start, end), slice(start - seen, None)
        values[part] = found.values[own]
        for key, column in found.terms.items():
            terms[key][part] = column[own]
        if truth is not None and found.truth is not None:
            truth[part] = found.truth[own]
    return Along(program, side.history.end_ms, truth, values, terms)


def _reach(node: Node, windows: Mapping[str, Window], sample_ms: int) -> tuple[int, int] | None:
    """How many steps the past of a node reaches back, and its coarsest grid in ms; None where it reaches back for ever."""
    if isinstance(node, Crosses | Indicator) or (isinstance(node, Metric) and node.name == "ema"):
        return None
    if isinstance(node, Fact):
        return (0, sample_ms) if node.name != "data_age" else None
    parts = [_reach(part, windows, sample_ms) for part in node.parts]
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None
    steps, grid_ms = max((one[0] for one in known), default=0), max((one[1] for one in known), default=sample_ms)
    if isinstance(node, Metric) and node.window is not None and node.window.text in windows:
        window = windows[node.window.text]
        return -(-window.span_ms // sample_ms) + 1, window.grid_ms
    if isinstance(node, Derived):
        own_ms, length = derived_grid(node.window.ms, sample_ms)
        return steps + own_ms * (length + 1) // sample_ms, max(grid_ms, own_ms)
    return steps, grid_ms


class Lane:
    """Columns of one symbol, each computed once, whoever asks: keep it to ask several programs about one history."""

    def __init__(self, side: Side, windows: Mapping[str, Window], knowledge: Knowledge) -> None:
        self.history = side.checked().history
        self._windows = windows
        self._others = dict(side.others) | {side.history.symbol: side.history}
        self._reference = side.reference
        self._knowledge = knowledge
        self._values: dict[str, F8] = {}
        self._truths: dict[str, I1] = {}
        self._buckets: dict[tuple[str, int], Buckets] = {}
        self._columns: dict[tuple[str, str], WindowColumns] = {}
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
                out[:] = reduce(np.minimum if operator == "and" else np.maximum, [self.truth(one) for one in operands])
            case Fact():
                of = self._of(node.symbol)
                if of is not None and of.stale is not None:
                    out[:] = np.where(of.stale, 1, -1)

    def _computed(self, node: Node) -> F8:
        match node:
            case Constant():
                return np.asarray(node.value)
            case Metric():
                return self._metric(node)
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
        key = (history.symbol, window.name)
        if key not in self._columns:
            reference = None if self._reference is None else self._cut(self._reference, window.grid_ms)
            self._columns[key] = WindowColumns(window, self._cut(history, window.grid_ms), reference)
        columns = self._columns[key]
        known, value = columns.known(self._knowledge), columns.column(node.name)
        return value if known.all() else np.where(known, value, np.nan)

    def _point(self, name: str, history: History) -> F8:
        if name == "spread_bps":
            column: F8 = 1e4 * (history.ask - history.bid) / ((history.bid + history.ask) / 2.0)
        else:
            column = getattr(history, name)
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
        oldest = buckets.flat(np.repeat(first, buckets.per))
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
