"""What the lab answers: every firing that would have been, and what to make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..alerts.compiled import Scope
from ..alerts.machine import Timing
from ..rules.truth import F8, I1, TRUE, Flags, compare, known_flags
from .course import episodes, times
from .question import DAY_MS, Question, rewritten, single_comparison
from .trace import Trace
from .trial import HORIZONS_MIN, Trial

MOST_FIRINGS = 1000
_TRIES = 14
_MOST_TUNED = 12_000_000


class Firing(NamedTuple):
    """One episode. `resolved_ms` None: it still fires at the end of the span."""

    symbol: str
    fired_ms: int
    resolved_ms: int | None
    trigger_value: float | None
    price: float | None
    notices: int


class Move(NamedTuple):
    """What the price did `minutes` after the firings, in per cent, and after moments chosen at random."""

    minutes: int
    firings: int
    median: float | None
    share_up: float | None
    random_median: float | None
    random_share_up: float | None


class Suggestion(NamedTuple):
    """A threshold at which a rule of one comparison fires about so often a day, and what it would do in this span."""

    per_day: float
    threshold: float
    expression: str
    firings: int
    notices: int


class Preview(NamedTuple):
    """The answer. Durations in seconds. `completeness`: per cent of the steps at which the rule was true or false.

    `avoided_by_for`: firings fewer than without any `for`; `avoided_by_hysteresis`: fewer again by recovery and keep-firing.
    """

    fired: int
    notices: int
    firings: list[Firing]
    truncated: bool
    from_ms: int
    to_ms: int
    symbols: tuple[str, ...]
    completeness: float
    a_day: float
    median_s: float | None
    longest_s: float | None
    avoided_by_for: int
    avoided_by_hysteresis: int
    moves: list[Move]
    suggestion: Suggestion | None
    notes: tuple[str, ...]
    trace: Trace | None


def preview(question: Question, trials: Sequence[Trial], per_day: float | None = None) -> Preview:
    """Put the trials of all symbols together. Runs in a thread."""
    firings = sorted((one for trial in trials for one in _firings(question, trial)), key=lambda one: (one.fired_ms, one.symbol))
    lengths = [(one.resolved_ms - one.fired_ms) / 1000.0 for one in firings if one.resolved_ms is not None]
    steps = sum(trial.steps for trial in trials)
    bare, waited = sum(trial.bare for trial in trials), sum(trial.waited for trial in trials)
    days = (question.to_ms - question.from_ms) / DAY_MS
    return Preview(
        fired=len(firings),
        notices=sum(one.notices for one in firings),
        firings=firings[-MOST_FIRINGS:],
        truncated=len(firings) > MOST_FIRINGS,
        from_ms=question.from_ms,
        to_ms=question.to_ms,
        symbols=question.symbols,
        completeness=100.0 * sum(trial.decided for trial in trials) / steps if steps else 0.0,
        a_day=len(firings) / days,
        median_s=float(np.median(lengths)) if lengths else None,
        longest_s=max(lengths, default=None),
        avoided_by_for=max(0, bare - waited),
        avoided_by_hysteresis=max(0, waited - len(firings)),
        moves=[_move(trials, minutes) for minutes in HORIZONS_MIN],
        suggestion=None if per_day is None else suggest(question, trials, per_day, days),
        notes=question.notes,
        trace=next((trial.trace for trial in trials if trial.trace is not None), None),
    )


def _firings(question: Question, trial: Trial) -> list[Firing]:
    """Those of a rule about no symbol are of `*`, as they are live, and have no price."""
    everywhere = question.rule.scope is Scope.SYSTEM
    return [
        Firing(
            "*" if everywhere else trial.symbol,
            trial.at_ms(one.fired),
            None if one.resolved is None else trial.at_ms(one.resolved),
            _number(value),
            None if everywhere else _number(price),
            len(one.notices),
        )
        for one, value, price in zip(trial.found, trial.triggers, trial.prices, strict=True)
    ]


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _move(trials: Sequence[Trial], minutes: int) -> Move:
    after, random = (
        np.concatenate([getattr(trial, name)[minutes] for trial in trials]) if trials else np.zeros(0)
        for name in ("after", "random")
    )
    after, random = after[np.isfinite(after)], random[np.isfinite(random)]
    return Move(minutes, len(after), *_figures(after), *_figures(random))


def _figures(moves: F8) -> tuple[float | None, float | None]:
    if not len(moves):
        return None, None
    return float(np.median(moves)), 100.0 * float(np.mean(moves > 0))


def tunable(question: Question) -> bool:
    """Whether a threshold can be suggested: one comparison with a number, and not too many values to keep."""
    return single_comparison(question.program) is not None and question.steps * len(question.symbols) <= _MOST_TUNED


def suggest(question: Question, trials: Sequence[Trial], per_day: float, days: float) -> Suggestion | None:
    """The threshold nearest to `per_day` firings a day over all symbols; None for other rules, or without values."""
    single = single_comparison(question.program)
    if single is None:
        return None
    operator, timing, step = single[0].operator, question.rule.timing(-1), question.sample_ms
    columns = [(trial.values[trial.asked :], _shut(trial)) for trial in trials if trial.values is not None]
    known = [column[np.isfinite(column)][:: max(1, len(column) // 200_000)] for column, _ in columns]
    ranked = np.unique(np.concatenate(known)) if known else np.zeros(0)
    if not len(ranked):
        return None
    rising = ranked if operator in (">", ">=") else ranked[::-1]
    text = f"{_nearest(columns, rising, operator, per_day * days, timing, step):.4g}"
    found = [
        one
        for trial in trials
        if trial.values is not None
        for one in episodes(_truth(trial.values, operator, float(text)), trial.recovered, timing, step, trial.closed)
        if one.fired >= trial.asked
    ]
    notices = sum(len(one.notices) for one in found)
    return Suggestion(per_day, float(text), rewritten(question.program, text), len(found), notices)


def _shut(trial: Trial) -> Flags | None:
    return None if trial.closed is None else trial.closed[trial.asked :]


def _nearest(
    columns: Sequence[tuple[F8, Flags | None]], ranked: F8, operator: str, wanted: float, timing: Timing, step: int
) -> float:
    """Halve the thresholds, from the one that is passed most often to the rarest."""
    low, high = 0, len(ranked) - 1
    total = sum(len(column) for column, _ in columns)
    best: tuple[float, int] | None = None
    for _ in range(_TRIES):
        middle = (low + high) // 2
        truths = [(_truth(column, operator, float(ranked[middle])), shut) for column, shut in columns]
        fires = sum(times(truth, None, timing, step, shut) for truth, shut in truths)
        best = min(best or (np.inf, 0), (abs(fires - wanted), -middle))
        share = sum(int(np.count_nonzero(truth == TRUE)) for truth, _ in truths)
        if fires > wanted or share * 2 > total:
            low = middle + 1
        else:
            high = middle - 1
        if low > high:
            break
    assert best is not None
    return float(ranked[-best[1]])


def _truth(column: F8, operator: str, threshold: float) -> I1:
    truth: I1 = np.empty(len(column), np.int8)
    compare(operator, column, np.asarray(threshold), known_flags(column), truth)
    return truth
