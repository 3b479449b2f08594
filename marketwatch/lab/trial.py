"""One symbol under a rule: truth along its history, the episodes that follow, and what the price did afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..alerts.compiled import Scope
from ..alerts.machine import Timing
from ..rules.along import Along, along
from ..rules.history import History
from ..rules.program import Program, compile_rule
from ..rules.truth import F8, I1, TRUE, UNKNOWN, Flags
from .archive import HOUR_MS
from .course import Episode, episodes, times
from .question import Question
from .strip import Strip
from .trace import Trace, traced

HORIZONS_MIN = (5, 15, 60)
PIECE_STEPS = 700_000
_RANDOM = 2_000
I8 = NDArray[np.int64]


class Track:
    """What is kept of a symbol, filled piece by piece: truths, prices, and values of the first comparison's metric.

    9 bytes a step and 8 more for the values of all steps (`whole`), else 16 for every step at which the rule is true. A rule
    about the price itself keeps no values beside the prices, one without a comparison none.
    """

    def __init__(self, question: Question, symbol: str, first_ms: int, size: int, *, whole: bool) -> None:
        first = question.program.first_comparison
        self.symbol, self.first_ms, self.sample_ms = symbol, first_ms, question.sample_ms
        self.metric = None if first is None else first.metric
        self.truth: I1 = np.zeros(size, np.int8)
        self.recovered: I1 | None = None if question.rule.recover is None else np.zeros(size, np.int8)
        self.closed: Flags | None = None if question.rule.schedule is None else np.zeros(size, np.bool_)
        self.prices = Strip()
        self.whole = whole
        self._values: F8 | None = np.empty(size) if whole and self.metric not in (None, "price") else None
        self.true: list[tuple[I8, F8]] = []
        self.opened: dict[str, float] = {}
        self.seen = False

    def keep(self, values: F8, first: int) -> None:
        """Values of the metric from the step `first` on, whose truths are known already."""
        part = slice(first, first + len(values))
        if self._values is not None:
            self._values[part] = values
        else:
            true = np.flatnonzero(self.truth[part] == TRUE)
            self.true.append((true + first, values[true]))

    def values(self) -> F8 | None:
        """The values of all steps; None without a metric, or where only some are kept."""
        return self.prices.whole() if self.metric == "price" else self._values

    def at(self, steps: I8) -> F8:
        """The values at some steps at which the rule is true; NaN without a metric."""
        if self.metric == "price":
            return self.prices.at(steps)
        if self._values is not None:
            return self._values[steps]
        if not self.true:
            return np.full(len(steps), np.nan)
        true, values = (np.concatenate(parts) for parts in zip(*self.true, strict=True))
        found: F8 = values[np.searchsorted(true, steps)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What came out for one symbol. Times are step ends in ms; `steps`, `decided` count steps of the asked span.

    `values` (NaN where the rule was unknown), `recovered`, `closed` from the lead on, `asked` the first step of the asked span:
    for the suggestion, None where none is wished.
    """

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
    values: F8 | None
    recovered: I1 | None
    closed: Flags | None
    asked: int
    trace: Trace | None

    def at_ms(self, step: int) -> int:
        """The time of a step."""
        return self.first_ms + (step + 1) * self.sample_ms


def track_of(question: Question, symbol: str, *, whole: bool = True) -> Track:
    """An empty track from the lead to the end of the span. `whole`: for a chart or a suggestion."""
    start, end = _edges(question)
    return Track(question, symbol, start, (end - start) // question.sample_ms, whole=whole)


def _edges(question: Question) -> tuple[int, int]:
    step = question.sample_ms
    return (question.from_ms - question.lead_ms) // step * step, -(-question.to_ms // step) * step


def pieces(question: Question) -> Iterator[tuple[int, int, int]]:
    """`(read from, evaluate from, to)` of bounded pieces in order: the first begins with the lead, later ones repeat it.

    A piece is 700,000 steps and goes on to the end of the hour, since the store packs by hours.
    """
    step = question.sample_ms
    size_ms = PIECE_STEPS * step
    start, end = _edges(question)
    begin = start
    while begin < end:
        to = min(end, -(-(begin + size_ms) // HOUR_MS) * HOUR_MS)
        yield (begin if begin == start else begin - question.lead_ms // step * step), begin, to
        begin = to


def look(
    question: Question,
    track: Track,
    history: History,
    others: Mapping[str, History],
    keep_ms: int,
    money: Mapping[str, F8] | None = None,
) -> None:
    """Evaluate one piece: `history` may begin before `keep_ms`, from which on steps are kept. `money`: terms of one's own money
    over the steps of `history`. Runs in a thread."""
    reference = None if question.reference is None else others.get(question.reference)
    skip = (keep_ms - history.from_ms) // history.sample_ms
    first = (keep_ms - track.first_ms) // track.sample_ms
    part = slice(first, first + len(history) - skip)
    terms = () if track.metric in (None, "price") else (track.metric,)

    def said(program: Program) -> Along:
        return along(
            program, history, windows=question.windows, others=others, reference=reference, terms=terms,
            where_true=not track.whole, money=money, opened=track.opened,
        )  # fmt: skip

    main = said(question.program)
    assert main.truth is not None
    closed = closed_of(question, history)
    if closed is not None and track.closed is not None:
        track.closed[part] = closed[skip:]
    track.truth[part] = told(question, main.truth, history, closed, seen=track.seen)[skip:]
    track.seen = track.seen or bool(np.isfinite(history.price).any())
    if question.rule.recover is not None and track.recovered is not None:
        recovered = said(question.rule.recover).truth
        assert recovered is not None
        track.recovered[part] = recovery_told(question, recovered, history)[skip:]
    track.prices.add(history.price[skip:])
    if terms:
        track.keep(_values(terms[0], main, said)[skip:], first)


def closed_of(question: Question, history: History) -> Flags | None:
    """Steps outside of the rule's schedule; None for a rule without one."""
    schedule = question.rule.schedule
    return None if schedule is None else schedule.closed(history.end_ms)


def told(question: Question, truth: I1, history: History, closed: Flags | None, *, seen: bool) -> I1:
    """The truth as the live evaluator takes it: unknown where it does not look, where the rule's schedule is closed, before the
    first price (`seen`: there was one before the history began) and, for a rule about the market alone, inside gaps and while
    the symbol was quiet."""
    blind = np.zeros(len(history), np.bool_) if closed is None else closed.copy()
    if question.rule.market_only:
        blind |= history.resting
    if question.rule.scope is Scope.SYMBOL and not seen:
        blind |= ~np.logical_or.accumulate(np.isfinite(history.price))
    return np.where(blind, UNKNOWN, truth).astype(np.int8) if blind.any() else truth


def recovery_told(question: Question, recovered: I1, history: History) -> I1:
    """The recovery condition as the live evaluator takes it: it rests with a rule about the market alone."""
    return np.where(history.resting, UNKNOWN, recovered).astype(np.int8) if question.rule.rests_in_recovery else recovered


def _values(metric: str, main: Along, said: Callable[[Program], Along]) -> F8:
    """What the first comparison looks at, at every step."""
    term = main.terms.get(metric)
    return said(compile_rule(metric, condition=False)).values if term is None else term


def conclude(question: Question, track: Track, *, tuned: bool = True, shown: bool = True) -> Trial:
    """The episodes of a symbol and all figures about them. `tuned`: keep what a suggestion needs; `shown`: the metric's line
    for a chart; both need a whole track. Runs in a thread."""
    step, timing = track.sample_ms, question.rule.timing(-1)
    asked = max(0, -(-(question.from_ms - track.first_ms) // step))
    found = [one for one in episodes(track.truth, track.recovered, timing, step, track.closed) if one.fired >= asked]
    span, prices = track.truth[asked:], track.prices
    values = track.values() if tuned or shown else None
    shut = None if track.closed is None else track.closed[asked:]
    bare, waited = _without(question, span, step, shut) or (len(found), len(found))
    trace = None
    if shown and values is not None:
        trace = traced(question, track.symbol, values[asked:], track.first_ms + asked * step)
    fired = np.array([one.fired for one in found], np.int64)
    return Trial(
        track.symbol, step, track.first_ms, found,
        track.at(fired).tolist(),
        prices.at(fired).tolist(),
        len(span), int(np.count_nonzero(span)), bare, waited,
        _moves(prices, fired, step), _moves(prices, _moments(prices, asked), step),
        None if values is None or not tuned else np.where(track.truth == UNKNOWN, np.nan, values),
        track.recovered if tuned else None, track.closed if tuned else None, asked, trace,
    )  # fmt: skip


def _without(question: Question, span: I1, step_ms: int, closed: Flags | None) -> tuple[int, int] | None:
    """How often the rule would have fired without `for` and hysteresis, and without hysteresis; None where it has neither."""
    timing = question.rule.timing(-1)
    if not timing.for_ms and not timing.keep_ms and question.rule.recover is None:
        return None
    bare = times(span, None, Timing(), step_ms, closed)
    return bare, times(span, None, Timing(for_ms=timing.for_ms), step_ms, closed) if timing.for_ms else bare


def _moments(prices: Strip, asked: int) -> I8:
    """Steps of the asked span with a price, chosen at random, always the same ones."""
    random = np.random.default_rng(7)
    if len(prices) <= asked:
        return np.zeros(0, np.int64)
    chosen = random.integers(asked, len(prices), _RANDOM)
    if np.isfinite(prices.at(chosen)).all():
        return chosen
    known = np.flatnonzero(prices.known(asked)) + asked
    return random.choice(known, _RANDOM) if len(known) else known


def _moves(prices: Strip, at: I8, step_ms: int) -> dict[int, F8]:
    """Per cent that the price had moved some minutes after each step; NaN where nobody knows."""
    found = {}
    for minutes in HORIZONS_MIN:
        later = at + minutes * 60_000 // step_ms
        inside = later < len(prices)
        moved = np.full(len(at), np.nan)
        moved[inside] = 100.0 * (prices.at(later[inside]) / prices.at(at[inside]) - 1.0)
        found[minutes] = moved
    return found
