"""The state machine of alerts, over columns: one cell for each rule and symbol, numpy for all of them at a time.

Normal -> Pending -> Firing -> Recovering -> Normal. It knows truths and times only: no wall clock, no names, nothing random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..rules.truth import FALSE, TRUE, UNKNOWN

I1 = NDArray[np.int8]
I8 = NDArray[np.int64]
Cells = NDArray[np.int64]

OUTAGE_MS = 3_600_000
"""A restart after a longer outage begins anew: what was pending is forgotten, what was firing is over."""
GRACE_MS = 120_000
"""For so long after a restart an unknown evaluation holds what is pending or recovering instead of resetting it."""
LOST_MS = 3_600_000
"""An episode of which nothing was known for so long is over."""
MOST_FIRING = 2000
"""New episodes of one step; the others fire at the next ones."""
FLAPS, FLAP_MS = 5.0, 600_000
"""A cell that fired so often (each firing counts half after ten minutes) is flapping: one notice in ten minutes then."""
NEVER = 2**62


class Phase(IntEnum):
    """Where a cell stands."""

    NORMAL = 0
    PENDING = 1
    FIRING = 2
    RECOVERING = 3


class Cause(StrEnum):
    """Why a cell changed, as an alert's context tells it."""

    FIRED = "fired"
    RECOVERING = "recovering"
    AGAIN = "firing again"
    RECOVERED = "recovered"
    NO_DATA = "no data for an hour"
    OUTAGE = "the program was down for more than an hour"
    CHANGED = "the rule was changed, removed or switched off"
    EXPIRED = "the rule has expired"
    CLOSED = "the schedule of the rule closed"
    UNLISTED = "the symbol left the watchlist of the rule"
    HELD = "the condition has held: it fires"
    WITHDRAWN = "the condition did not hold long enough"


class Timing(NamedTuple):
    """The durations of one rule, in ms. `recover`: the row of its recovery condition, -1: recovered is what is not true."""

    for_ms: int = 0
    keep_ms: int = 0
    cooldown_ms: int = 0
    repeat_ms: int | None = None
    recover: int = -1


class Change(NamedTuple):
    """A cell went into another phase. NORMAL: its episode is over. `since_ms`: since when it was pending, before it fired."""

    cell: int
    phase: Phase
    cause: Cause
    since_ms: int = 0
    flapping: bool = False


class Told(NamedTuple):
    """A notice is due: number 1 is the first of the episode, the next ones repeat it."""

    cell: int
    number: int


class Withheld(NamedTuple):
    """A notice was due and is not told: `later`, once nothing holds it any more, or not at all."""

    cell: int
    later: bool


class Outcome(NamedTuple):
    """What one step did, ordered by cell. `pending`: cells that wait for their `for` from this step on. `held_back`: how many
    cells would have fired had there been room."""

    changes: list[Change]
    notices: list[Told]
    pending: list[int]
    held_back: int = 0
    withheld: list[Withheld] = []


Hushed = Callable[[int], bool | None]
"""Whether the notice that is due for a cell is withheld: None no, True until later, False for good."""


_EPISODE = np.dtype([("cell", "i8"), ("known", "i8"), ("due", "i8"), ("told", "i8")])
"""Active cells, ordered: when something was last known, when the next notice is due, how many there were."""


class Machine:
    """All cells of `timings` x `symbols`, cell = rule x symbols + symbol.

    `step` once per sample step. Cost: a few passes over one byte per cell, plus what changed. `muted_ms`: until when each rule
    tells nobody; a notice that becomes due meanwhile stays due, so one comes when the mute ends and it still fires.
    """

    def __init__(self, timings: Sequence[Timing], symbols: int, *, step_ms: int, muted_ms: Sequence[int] = ()) -> None:
        self.symbols = symbols
        self.time_ms = -1
        self._step_ms = step_ms
        self._for, self._keep, self._cooldown = (
            np.array([one[at] for one in timings], np.int64) for at in range(3)
        )  # fmt: skip
        self._repeat = np.array([NEVER if one.repeat_ms is None else one.repeat_ms for one in timings], np.int64)
        self._recover = np.array([one.recover for one in timings], np.int64)
        self._muted = np.array(muted_ms or [0] * len(timings), np.int64)
        self.phase: I1 = np.zeros(len(timings) * symbols, np.int8)
        self.since: I8 = np.zeros(len(timings) * symbols, np.int64)
        self._scratch, self._up = (np.zeros(len(timings) * symbols, np.bool_) for _ in range(2))
        self._active = np.zeros(0, _EPISODE)
        self._pending_due = NEVER
        self._told: dict[int, int] = {}
        self._flaps: dict[int, tuple[int, float]] = {}
        self.restored = False
        self._grace_ms = -1

    @property
    def active(self) -> Cells:
        """Cells that are firing or recovering, in order."""
        return self._active["cell"].copy()

    @property
    def pending(self) -> Cells:
        """Cells that wait for their `for`, in order."""
        return np.flatnonzero(self.phase == Phase.PENDING)

    # A step

    def step(self, time_ms: int, truth: I1, recovered: I1, hushed: Hushed | None = None) -> Outcome:
        """Take the truths of all cells at `time_ms`: int8 (rules, symbols); `recovered` (recovery conditions, symbols).

        A time that is not later than the last one changes nothing. `hushed` is asked for each notice that is due.
        """
        if time_ms <= self.time_ms:
            return Outcome([], [], [])
        flat = truth.reshape(-1)
        changes = self._bridge(time_ms)
        waited = min(time_ms - self.time_ms, self._step_ms)
        self.time_ms = time_ms
        changes += self._follow(time_ms, waited, flat, recovered)
        begun = self._rise(time_ms, waited, flat)
        fired, held_back = self._due(time_ms, flat) if time_ms >= self._pending_due else (np.zeros(0, np.int64), 0)
        changes += self._fire(time_ms, fired)
        changes.sort(key=lambda change: change.cell)
        waiting = begun[self.phase[begun] == Phase.PENDING].tolist()
        notices, withheld = self._notices(time_ms, flat, hushed)
        return Outcome(changes, notices, waiting, held_back, withheld)

    def _bridge(self, time_ms: int) -> list[Change]:
        """What the time without evaluations since the last step means: an outage, or steps that were left out."""
        gap, restored = time_ms - self.time_ms, self.restored
        self.restored = False
        if self.time_ms < 0 or gap <= self._step_ms:
            return []
        if not restored:
            self._forget_pending()
            self.since[self._cells(Phase.RECOVERING)] = time_ms
            return []
        if gap > OUTAGE_MS:
            self._forget_pending()
            return self.end(self.active, Cause.OUTAGE)
        self._hold(gap - self._step_ms)
        self._active["known"] += gap - self._step_ms
        self._grace_ms = time_ms + GRACE_MS
        return []

    def _hold(self, ms: int) -> None:
        """Time stands still for what is pending or recovering."""
        for phase in (Phase.PENDING, Phase.RECOVERING):
            self.since[self._cells(phase)] += ms
        self._pending_due = 0

    def _cells(self, phase: Phase) -> Cells:
        return np.flatnonzero(self.phase == phase)

    def _forget_pending(self) -> None:
        self.phase[self.phase == Phase.PENDING] = Phase.NORMAL
        self._pending_due = NEVER

    def _follow(self, time_ms: int, waited: int, truth: I1, recovered: I1) -> list[Change]:
        """Active cells: those that recover, that fire again, that are over."""
        if not len(self._active):
            return []
        cells = self._active["cell"]
        now, phase = truth[cells], self.phase[cells]
        over = self._recovered(cells, now, recovered)
        known = now != UNKNOWN
        self._active["known"][known] = time_ms
        if time_ms < self._grace_ms:
            held = cells[(phase == Phase.RECOVERING) & ~known & ~over]
            self.since[held] += waited
            again = (phase == Phase.RECOVERING) & ~over & known
        else:
            again = (phase == Phase.RECOVERING) & ~over
        begins = (phase == Phase.FIRING) & over
        self.since[cells[begins]] = time_ms
        kept = over & (time_ms - self.since[cells] >= self._keep[cells // self.symbols])
        lost = time_ms - self._active["known"] >= LOST_MS
        self.phase[cells[begins & ~kept]] = Phase.RECOVERING
        self.phase[cells[again]] = Phase.FIRING
        changes = [Change(cell, Phase.RECOVERING, Cause.RECOVERING) for cell in cells[begins & ~kept].tolist()]
        changes += [Change(cell, Phase.FIRING, Cause.AGAIN) for cell in cells[again & ~lost].tolist()]
        ended, gone = cells[kept], cells[lost & ~kept]
        return changes + self.end(ended, Cause.RECOVERED) + self.end(gone, Cause.NO_DATA)

    def _recovered(self, cells: Cells, now: I1, recovered: I1) -> NDArray[np.bool_]:
        """Where the condition of recovery holds; a condition that fires holds against it."""
        rows = self._recover[cells // self.symbols]
        over: NDArray[np.bool_] = now == FALSE
        own = np.flatnonzero(rows >= 0)
        if len(own):
            over[own] = recovered[rows[own], cells[own] % self.symbols] == TRUE
            over &= now != TRUE
        return over

    def _rise(self, time_ms: int, waited: int, truth: I1) -> Cells:
        """Begin and reset what is pending, where truth and phase disagree; answers the cells that began."""
        self._differs(truth)
        cells = np.flatnonzero(self._scratch)
        true, phase = truth[cells] == TRUE, self.phase[cells]
        resets: Cells = cells[(phase == Phase.PENDING) & ~true]
        begins: Cells = cells[(phase == Phase.NORMAL) & true]
        if len(resets):
            self._reset(resets, waited, truth, in_grace=time_ms < self._grace_ms)
        if len(begins):
            self.phase[begins] = Phase.PENDING
            self.since[begins] = time_ms
            self._pending_due = min(self._pending_due, time_ms + int(self._for[begins // self.symbols].min()))
        return begins

    def _differs(self, truth: I1) -> None:
        """Into the scratch column: where the truth is not what the phase was made from, in three passes over bytes."""
        np.equal(truth, TRUE, out=self._scratch)
        np.not_equal(self.phase, Phase.NORMAL.value, out=self._up)
        np.not_equal(self._scratch, self._up, out=self._scratch)

    def _reset(self, cells: Cells, waited: int, truth: I1, *, in_grace: bool) -> None:
        held = cells[truth[cells] == UNKNOWN] if in_grace else cells[:0]
        self.phase[cells] = Phase.NORMAL
        self.phase[held] = Phase.PENDING
        self.since[held] += waited

    def _due(self, time_ms: int, truth: I1) -> tuple[Cells, int]:
        """The cells that fire now, and how many have to wait for want of room."""
        waiting = self._cells(Phase.PENDING)
        at = self.since[waiting] + self._for[waiting // self.symbols]
        due = (at <= time_ms) & (truth[waiting] == TRUE)
        fired, later = waiting[due], at[~due]
        room = fired[:MOST_FIRING]
        self._pending_due = int(later.min()) if len(later) else NEVER
        if len(room) < len(fired):
            self._pending_due = time_ms
        return room, len(fired) - len(room)

    def _fire(self, time_ms: int, cells: Cells) -> list[Change]:
        if not len(cells):
            return []
        new = np.zeros(len(cells), _EPISODE)
        new["cell"], new["known"] = cells, time_ms
        changes = []
        for at, cell in enumerate(cells.tolist()):
            flapping = self._flap(cell, time_ms)
            cooldown = max(int(self._cooldown[cell // self.symbols]), FLAP_MS if flapping else 0)
            new["due"][at] = max(time_ms, self._told[cell] + cooldown) if cell in self._told else time_ms
            changes.append(Change(cell, Phase.FIRING, Cause.FIRED, int(self.since[cell]), flapping))
        self.phase[cells] = Phase.FIRING
        self._active = np.sort(np.concatenate([self._active, new]), order="cell")
        return changes

    def _flap(self, cell: int, time_ms: int) -> bool:
        before_ms, score = self._flaps.get(cell, (time_ms, 0.0))
        score = score * 0.5 ** ((time_ms - before_ms) / FLAP_MS) + 1.0
        self._flaps[cell] = (time_ms, score)
        return bool(score >= FLAPS)

    def _notices(self, time_ms: int, truth: I1, hushed: Hushed | None) -> tuple[list[Told], list[Withheld]]:
        """Notices that are due, and those that are withheld. While nothing is known, and while the rule is
        muted, nobody is told."""
        active = self._active
        due = np.flatnonzero(active["due"] <= time_ms)
        due = due[(truth[active["cell"][due]] != UNKNOWN) & (self._muted[active["cell"][due] // self.symbols] <= time_ms)]
        if not len(due):
            return [], []
        verdicts = [None if hushed is None else hushed(cell) for cell in active["cell"][due].tolist()]
        gone = due[[verdict is not True for verdict in verdicts]]
        due_cells = active["cell"][due].tolist()
        withheld = [Withheld(cell, later) for cell, later in zip(due_cells, verdicts, strict=True) if later is not None]
        rules = active["cell"][gone] // self.symbols
        pause = np.where(self._repeat[rules] < NEVER, np.maximum(self._repeat[rules], self._cooldown[rules]), NEVER)
        active["due"][gone] = np.minimum(time_ms + pause, NEVER)
        told = due[[verdict is None for verdict in verdicts]]
        active["told"][told] += 1
        cells = active["cell"][told].tolist()
        for cell in cells:
            self._told[cell] = time_ms
        return [Told(*pair) for pair in zip(cells, active["told"][told].tolist(), strict=True)], withheld

    def recall(self, cells: Sequence[int], time_ms: int) -> None:
        """A notice about each of these active cells is due at that time, unless an earlier one is."""
        chosen = np.isin(self._active["cell"], np.array(cells, np.int64))
        self._active["due"][chosen] = np.minimum(self._active["due"][chosen], time_ms)

    # Ends

    def end(self, cells: Cells, cause: Cause) -> list[Change]:
        """End the episodes of `cells`, and forget what is pending there."""
        if not len(cells):
            return []
        over = np.isin(self._active["cell"], cells)
        ended = self._active["cell"][over].tolist()
        self._active = self._active[~over]
        self.phase[cells] = Phase.NORMAL
        return [Change(cell, Phase.NORMAL, cause) for cell in ended]

    # Memory

    def save(self, cells: Cells | None = None) -> list[dict[str, Any]]:
        """Everything that is remembered of each cell that is not simply normal, ordered by cell."""
        rows: dict[int, dict[str, Any]] = {}
        for cell in self.pending.tolist():
            rows[cell] = {"phase": int(Phase.PENDING), "since": int(self.since[cell])}
        for cell, known, due, told in self._active.tolist():
            phase, since = int(self.phase[cell]), int(self.since[cell])
            rows[cell] = {"phase": phase, "since": since, "known": known, "due": due, "told": told}
        for cell, time_ms in self._told.items():
            rows.setdefault(cell, {"phase": 0})["told_ms"] = time_ms
        for cell, (time_ms, score) in self._flaps.items():
            rows.setdefault(cell, {"phase": 0})["flaps"] = [time_ms, score]
        return [{"cell": cell, **rows[cell]} for cell in sorted(rows)]

    def load(self, time_ms: int, rows: Sequence[dict[str, Any]], *, restored: bool) -> None:
        """Take up what `save` gave, as of `time_ms`. `restored`: the program was not running since then."""
        self.time_ms, self.restored = time_ms, restored
        active = []
        for row in rows:
            cell, phase = row["cell"], Phase(row["phase"])
            self.phase[cell], self.since[cell] = phase, row.get("since", 0)
            if phase in (Phase.FIRING, Phase.RECOVERING):
                active.append((cell, row["known"], row["due"], row["told"]))
            if "told_ms" in row:
                self._told[cell] = int(row["told_ms"])
            if "flaps" in row:
                self._flaps[cell] = (int(row["flaps"][0]), float(row["flaps"][1]))
        self._active = np.sort(np.array(active, _EPISODE), order="cell")
        self._pending_due = 0
