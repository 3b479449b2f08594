"""Rules along time: one symbol, every sample step of a stored span at once. The same definition as live, other columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import Window
from .derived import derived_grid
from .history import History
from .lane import Lane, Side
from .nodes import Crosses, Derived, Fact, Indicator, Kind, Metric, Node
from .program import Program
from .truth import F8, I1, Knowledge

_PIECE = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """What a program says at every step of `history`. `truth`: int8, None for a program that is a number.

    `terms` by text: float64, NaN unknown; a crossing is 1, 0 or -1. `number`: the value of a program that is a number.
    """

    program: Program
    history: History
    truth: I1 | None
    number: F8 | None
    terms: Mapping[str, F8]

    @property
    def end_ms(self) -> NDArray[np.int64]:
        """Times of the ticks."""
        return self.history.end_ms

    @property
    def values(self) -> F8:
        """The value of the whole, a truth as 1, 0 or -1."""
        if self.truth is not None:
            return self.truth.astype(np.float64)
        assert self.number is not None
        return self.number

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
    terms: Collection[str] | None = None,
    money: Mapping[str, F8] | None = None,
) -> Along:
    """Evaluate a program at every step of `history`.

    `windows` holds the engine's window of every name in `program.windows`. `others` are histories of the symbols that the
    program names, `reference` that of the reference symbol (correlation, beta): same span, same step. What is not given is
    unknown. `terms`: those to answer, all by default. `money`: as in `Side`.
    Raises ValueError for histories that do not lie side by side.
    """
    side = Side(history, others or {}, reference, money or {})
    reach = _reach(program.expression, windows, history.sample_ms)
    wanted = [node for node in program.terms if terms is None or node.key in terms]
    if reach is None or len(history) <= _PIECE + reach[0]:
        return _whole(program, Lane(side, windows, knowledge or Knowledge()), wanted)
    return _in_pieces(program, side, windows, knowledge or Knowledge(), wanted, *reach)


def _whole(program: Program, lane: Lane, wanted: Sequence[Node]) -> Along:
    truth = lane.truth(program.expression) if program.kind is Kind.BOOL else None
    number = lane.column(program.expression) if truth is None else None
    return Along(program, lane.history, truth, number, {node.key: lane.column(node) for node in wanted})


def _in_pieces(
    program: Program,
    side: Side,
    windows: Mapping[str, Window],
    knowledge: Knowledge,
    wanted: Sequence[Node],
    steps: int,
    grid_ms: int,
) -> Along:
    """Piece by piece, each with what its windows reach back to: columns that fit into the processor's cache."""
    side.checked()
    size, sample_ms, start_ms = len(side.history), side.history.sample_ms, side.history.from_ms
    truth: I1 | None = np.empty(size, np.int8) if program.kind is Kind.BOOL else None
    number = np.empty(size) if truth is None else None
    terms = {node.key: np.empty(size) for node in wanted}
    bucket = grid_ms // sample_ms
    piece = -(-max(_PIECE, 2 * steps) // bucket) * bucket
    lead = -start_ms % grid_ms // sample_ms
    edges = [0, *range(lead + piece, size, piece), size]
    for start, end in pairwise(edges):
        seen_ms = start_ms + max(0, start - steps) * sample_ms
        seen = max(0, (seen_ms - seen_ms % grid_ms - start_ms) // sample_ms)
        found = _whole(program, Lane(side.part(seen, end), windows, knowledge), wanted)
        part, own = slice(start, end), slice(start - seen, None)
        for key, column in found.terms.items():
            terms[key][part] = column[own]
        if truth is not None and found.truth is not None:
            truth[part] = found.truth[own]
        if number is not None and found.number is not None:
            number[part] = found.number[own]
    return Along(program, side.history, truth, number, terms)


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
