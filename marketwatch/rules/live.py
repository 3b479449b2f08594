"""Rules across all symbols at a tick. What rules have in common is computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .derived import derived_grid
from .errors import RuleError
from .frame import Frame
from .nodes import Kind
from .plan import Plan
from .program import Program
from .truth import F8, I1, Knowledge
from .verdicts import Verdicts

MOST_CELLS = 12_000_000
"""Values that statistics of expressions may remember in all: a hundred megabytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a program said at a tick, over all symbols. The columns are good until the next tick: copy what you keep.

    `truth`: int8, TRUE, UNKNOWN or FALSE; None for a program that is a number. `terms`: by text, float64, NaN unknown;
    a crossing is 1, 0 or -1.
    """

    program: Program
    time_ms: int
    truth: I1 | None
    plan: Plan

    @property
    def terms(self) -> dict[str, F8]:
        return {node.key: self.plan.column(node) for node in self.program.terms}

    @property
    def values(self) -> F8:
        """The value of the whole: of a number, or the truth as a number."""
        return self.plan.column(self.program.expression)

    def at(self, symbol: int) -> Mapping[str, float]:
        """The terms of one symbol."""
        return {key: float(column[symbol]) for key, column in self.terms.items()}


class LiveTable:
    """All live rules of a watch. `tick` once per metric table, then ask each program.

    Programs may be added and removed at any time; crossings and statistics keep their past as long as one program has them.
    """

    def __init__(
        self, *, symbols: Sequence[str], sample_ms: int, knowledge: Knowledge | None = None, most_cells: int = MOST_CELLS
    ) -> None:
        self.symbols = tuple(symbols)
        self._most_cells = most_cells
        self.knowledge = knowledge or Knowledge()
        self._sample_ms = sample_ms
        self._programs: list[LiveProgram] = []
        self._plan = Plan((), self.symbols, sample_ms, self.knowledge, None)
        self._rows: dict[str, int] = {}
        self._outdated = False
        self._time_ms = -1

    @property
    def windows(self) -> tuple[str, ...]:
        """The engine's windows that all programs need."""
        return tuple(dict.fromkeys(name for live in self._programs for name in live.program.windows))

    def add(self, program: Program) -> LiveProgram:
        """Take a program in, from the next tick on. Raises RuleError when the past it needs would not fit into memory."""
        rows = self._rows | {one.identity: derived_grid(one.window.ms, self._sample_ms)[1] for one in program.statistics}
        if (cells := sum(rows.values()) * len(self.symbols)) > self._most_cells:
            what = f"The statistics of all rules would remember {cells} values; {self._most_cells} are the most."
            raise RuleError(1, what, "Use shorter windows or fewer of them.")
        self._rows = rows
        live = LiveProgram(program, self)
        self._programs.append(live)
        self._outdated = True
        return live

    def add_all(self, programs: Iterable[Program]) -> list[LiveProgram]:
        return [self.add(program) for program in programs]

    def remove(self, live: LiveProgram) -> None:
        self._programs = [one for one in self._programs if one is not live]
        needed = {one.identity for other in self._programs for one in other.program.statistics}
        self._rows = {key: rows for key, rows in self._rows.items() if key in needed}
        self._outdated = True

    def tick(self, frame: Frame) -> None:
        """Evaluate everything, once per time of the table."""
        if frame.table.time_ms <= self._time_ms and not self._outdated:
            return
        if self._outdated:
            programs = [live.program for live in self._programs]
            self._plan = Plan(programs, self.symbols, self._sample_ms, self.knowledge, self._plan)
            self._outdated = False
        self._time_ms = frame.table.time_ms
        self._plan.tick(frame)

    @property
    def verdicts(self) -> Verdicts:
        """The truths of the last tick: the same object until a tick after programs came or went."""
        return self._plan.verdicts

    def result(self, program: Program) -> Result:
        """What the last tick said of one of the programs."""
        truth = self._plan.truth(program.expression) if program.kind is Kind.BOOL else None
        return Result(program, self._time_ms, truth, self._plan)


@dataclass(frozen=True, slots=True, eq=False)
class LiveProgram:
    """A program in a live table."""

    program: Program
    table: LiveTable

    def evaluate(self, frame: Frame) -> Result:
        """What it says at this frame; the first program asked at a tick evaluates all of them."""
        self.table.tick(frame)
        return self.table.result(self.program)


def symbols_unwatched(program: Program, symbols: Iterable[str]) -> tuple[str, ...]:
    """Symbols that a program names and nobody watches: its terms of them stay unknown."""
    watched = frozenset(symbols)
    return tuple(symbol for symbol in program.symbols if symbol not in watched)
