"""One symbol under a rule: truth along its history, the episodes that follow, and what the price did afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..alerts.compiled import Scope
from ..alerts.machine import Timing
from ..rules.along import Along, along
from ..rules.history import History
from ..rules.program import Program, compile_rule
from ..rules.truth import F8, I1, UNKNOWN, Flags
from .course import Episode, episodes, times
from .question import Question

HORIZONS_MIN = (5, 15, 60)
PIECE_STEPS = 700_000
_RANDOM = 2_000


@dataclass(slots=True, eq=False)
class Track:
    """What is kept of a symbol, piece by piece: truths, values of the first comparison's metric, prices."""

    symbol: str
    first_ms: int
    sample_ms: int
    truths: list[I1] = field(default_factory=list)
    recovered: list[I1] = field(default_factory=list)
    values: list[F8] = field(default_factory=list)
    prices: list[F8] = field(default_factory=list)
    closed: list[Flags] = field(default_factory=list)
    seen: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What came out for one symbol. Times are step ends in ms; `steps`, `decided` count steps of the asked span."""

    symbol: str
    sample_ms: int
    first_ms: int
    found: list[Episode]
    triggers: list[float]
    prices: list[float]
    steps: int
    decided: int
    bare: int
    waited: int
    after: Mapping[int, F8]
    random: Mapping[int, F8]
    truth: I1
    values: NDArray[np.float32]
    asked: int
    closed: Flags | None

    def at_ms(self, step: int) -> int:
        """The time of a step."""
        return self.first_ms + (step + 1) * self.sample_ms


def pieces(question: Question) -> Iterator[tuple[int, int, int]]:
    """`(read from, evaluate from, to)` of bounded pieces in order: the first begins with the lead, later ones repeat it."""
    step = question.sample_ms
    start = (question.from_ms - question.lead_ms) // step * step
    begin, end = start, -(-question.to_ms // step) * step
    while begin < end:
        to = min(end, begin + PIECE_STEPS * step)
        yield (begin if begin == start else begin - question.lead_ms // step * step), begin, to
        begin = to


def look(question: Question, track: Track, history: History, others: Mapping[str, History], keep_ms: int) -> None:
    """Evaluate one piece: `history` may begin before `keep_ms`, from which on steps are kept. Runs in a thread."""
    reference = None if question.reference is None else others.get(question.reference)
    skip = (keep_ms - history.from_ms) // history.sample_ms

    def said(program: Program) -> Along:
        return along(program, history, windows=question.windows, others=others, reference=reference)

    main = said(question.program)
    assert main.truth is not None
    closed = closed_of(question, history)
    if closed is not None:
        track.closed.append(closed[skip:])
    track.truths.append(told(question, main.truth, history, closed, seen=track.seen)[skip:])
    track.seen = track.seen or bool(np.isfinite(history.price).any())
    if question.rule.recover is not None:
        recovered = said(question.rule.recover).truth
        assert recovered is not None
        track.recovered.append(recovered[skip:])
    track.values.append(_values(question, main, said, len(history))[skip:].copy())
    track.prices.append(history.price[skip:].copy())


def closed_of(question: Question, history: History) -> Flags | None:
    """Steps outside of the rule's schedule; None for a rule without one."""
    schedule = question.rule.schedule
    return None if schedule is None else schedule.closed(history.end_ms)


def told(question: Question, truth: I1, history: History, closed: Flags | None, *, seen: bool) -> I1:
    """The truth as the live evaluator takes it: unknown where it does not look, where the rule's schedule is closed, before the
    first price (`seen`: there was one before the history began) and, for a rule about the market alone, inside gaps."""
    blind = np.zeros(len(history), np.bool_) if closed is None else closed.copy()
    if question.rule.market_only:
        blind |= history.gap
    if question.rule.scope is Scope.SYMBOL and not seen:
        blind |= ~np.logical_or.accumulate(np.isfinite(history.price))
    found = truth.copy()
    found[blind] = UNKNOWN
    return found


def _values(question: Question, main: Along, said: Callable[[Program], Along], size: int) -> F8:
    """What the first comparison looks at, at every step; NaN in a rule without one."""
    first = question.program.first_comparison
    if first is None:
        return np.full(size, np.nan)
    term = main.terms.get(first.metric)
    return said(compile_rule(first.metric, condition=False)).values if term is None else term


def conclude(question: Question, track: Track) -> Trial:
    """The episodes of a symbol and all figures about them. Runs in a thread."""
    empty = np.zeros(0)
    truth = np.concatenate(track.truths) if track.truths else np.zeros(0, np.int8)
    recovered = np.concatenate(track.recovered) if track.recovered else None
    values, prices = (np.concatenate(column) if column else empty for column in (track.values, track.prices))
    closed = np.concatenate(track.closed) if track.closed else None
    step, timing = track.sample_ms, question.rule.timing(-1)
    asked = max(0, -(-(question.from_ms - track.first_ms) // step))
    found = [one for one in episodes(truth, recovered, timing, step, closed) if one.fired >= asked]
    span, shut = truth[asked:], None if closed is None else closed[asked:]
    bare, waited = Timing(), Timing(for_ms=timing.for_ms)
    fired = np.array([one.fired for one in found], np.int64)
    known = np.flatnonzero(np.isfinite(prices[asked:])) + asked
    moments = known[np.random.default_rng(7).integers(0, len(known), _RANDOM)] if len(known) else known
    return Trial(
        track.symbol, step, track.first_ms, found,
        [float(values[one.fired]) for one in found], [float(prices[one.fired]) for one in found],
        len(span), int(np.count_nonzero(span)), times(span, None, bare, step, shut),
        times(span, None, waited, step, shut),
        _moves(prices, fired, step), _moves(prices, moments, step), truth, values.astype(np.float32), asked, shut,
    )  # fmt: skip


def _moves(prices: F8, at: NDArray[np.int64], step_ms: int) -> dict[int, F8]:
    """Per cent that the price had moved some minutes after each step; NaN where nobody knows."""
    found = {}
    for minutes in HORIZONS_MIN:
        later = at + minutes * 60_000 // step_ms
        inside = later < len(prices)
        moved = np.full(len(at), np.nan)
        moved[inside] = 100.0 * (prices[later[inside]] / prices[at[inside]] - 1.0)
        found[minutes] = moved
    return found
