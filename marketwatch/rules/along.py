"""Rules along time: one symbol, every sample step of a stored span at once. The same definition as live, other columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import Window
from .history import History
from .lane import Lane, Side
from .nodes import Kind, Logic, Node
from .program import Program
from .reach import Reach, reach
from .truth import F8, I1, TRUE, Knowledge

_PIECE = 1 << 20
_PROBE = 1 << 14
"""A first short piece shows which condition settles most."""


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
    where_true: bool = False,
    money: Mapping[str, F8] | None = None,
    opened: dict[str, float] | None = None,
) -> Along:
    """Evaluate a program at every step of `history`.

    `windows` holds the engine's window of every name in `program.windows`. `others` are histories of the symbols that the
    program names, `reference` that of the reference symbol (correlation, beta): same span, same step. What is not given is
    unknown. `terms`: those to answer, all by default; `where_true`: their values are needed only where the program is true, and
    may be NaN elsewhere. `money`: as in `Side`. `opened`: as in `Lane`, from whoever asks about several histories.
    Raises ValueError for histories that do not lie side by side.
    """
    side = Side(history, others or {}, reference, money or {})
    wanted = [node for node in program.terms if terms is None or node.key in terms]
    learned: dict[str, float] = {} if opened is None else opened
    lane = Lane(side, windows, knowledge or Knowledge(), learned)
    past = reach(program.expression, windows, history.sample_ms)
    probe = _PROBE if isinstance(program.expression, Logic) and not learned else 0
    if past is None or len(history) <= (8 * probe or _PIECE) + past.steps:
        return _whole(program, lane, wanted, where_true=where_true)
    return _in_pieces(program, lane, wanted, past, probe, where_true=where_true)


def _whole(program: Program, lane: Lane, wanted: Sequence[Node], *, where_true: bool) -> Along:
    truth = lane.truth(program.expression) if program.kind is Kind.BOOL else None
    number = lane.column(program.expression) if truth is None else None
    asked = truth == TRUE if where_true and truth is not None else None
    terms = {node.key: lane.column(node) if asked is None else lane.column_where(node, asked) for node in wanted}
    return Along(program, lane.history, truth, number, terms)


def _in_pieces(program: Program, lane: Lane, wanted: Sequence[Node], past: Reach, probe: int, *, where_true: bool) -> Along:
    """Piece by piece, each with what its windows reach back to, so that columns stay near the processor; the first may be a
    short one."""
    history = lane.history
    size, sample_ms = len(history), history.sample_ms
    truth: I1 | None = np.empty(size, np.int8) if program.kind is Kind.BOOL else None
    number = np.empty(size) if truth is None else None
    terms = {node.key: np.empty(size) for node in wanted}
    bucket = past.grid_ms // sample_ms
    piece = -(-max(_PIECE, 2 * past.steps) // bucket) * bucket
    lead = -history.from_ms % past.grid_ms // sample_ms
    first = [lead + bucket * (probe // bucket + 1)] if probe else []
    edges = [0, *first, *range(lead + piece, size, piece), size]
    for start, end in pairwise(edges):
        inner, own = lane.part(start, end, past)
        found = _whole(program, inner, wanted, where_true=where_true)
        part = slice(start, end)
        for key, column in found.terms.items():
            terms[key][part] = column[own]
        if truth is not None and found.truth is not None:
            truth[part] = found.truth[own]
        if number is not None and found.number is not None:
            number[part] = found.number[own]
    return Along(program, history, truth, number, terms)
