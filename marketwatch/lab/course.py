"""The course of a rule over one symbol: the evaluator's state machine along time, with work per change of truth."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..alerts.machine import FLAP_MS, FLAPS, LOST_MS, Phase, Timing
from ..rules.truth import FALSE, TRUE, UNKNOWN, Flags

I1 = NDArray[np.int8]
I8 = NDArray[np.int64]


class Episode(NamedTuple):
    """One firing, by steps. `resolved` None: it was still active at the end. `notices`: steps at which people were told."""

    since: int
    fired: int
    resolved: int | None
    notices: tuple[int, ...]


def episodes(truth: I1, recovered: I1 | None, timing: Timing, step_ms: int, closed: Flags | None = None) -> list[Episode]:
    """All firings over `truth` (int8 per step), oldest first; `recovered` is the recovery condition, None without one.

    `closed`: steps outside of the rule's schedule, at which nothing is known and every episode ends.
    """
    since, fired, resolved = _firings(truth, over_of(truth, recovered), timing, step_ms, closed)
    unknown, known = runs(truth == UNKNOWN)
    silence = list(zip(unknown.tolist(), known.tolist(), strict=True))
    told = Told(timing, step_ms, silence)
    ends = resolved.tolist()
    return [
        Episode(began, start, None if end == len(truth) else end, told.take(start, end))
        for began, start, end in zip(since.tolist(), fired.tolist(), ends, strict=True)
    ]


def phases(truth: I1, recovered: I1 | None, timing: Timing, step_ms: int, closed: Flags | None = None) -> I1:
    """The phase of the state machine after every step, as `Phase` numbers them."""
    over = over_of(truth, recovered)
    _, fired, resolved = _firings(truth, over, timing, step_ms, closed)
    edges = np.zeros(len(truth) + 1, np.int64)
    np.add.at(edges, fired, 1)
    np.add.at(edges, resolved, -1)
    active = np.cumsum(edges[:-1]) > 0
    found: I1 = np.where(truth == TRUE, Phase.PENDING.value, Phase.NORMAL.value).astype(np.int8)
    found[active] = np.where(over[active], Phase.RECOVERING.value, Phase.FIRING.value)
    return found


def times(truth: I1, recovered: I1 | None, timing: Timing, step_ms: int, closed: Flags | None = None) -> int:
    """How many firings there are."""
    return len(_firings(truth, over_of(truth, recovered), timing, step_ms, closed)[1])


def runs(flags: Flags) -> tuple[I8, I8]:
    """Starts and ends (exclusive) of the stretches in which `flags` hold."""
    edges = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    if len(flags) and flags[0]:
        edges = np.concatenate([[0], edges])
    if len(edges) % 2:
        edges = np.concatenate([edges, [len(flags)]])
    return edges[0::2].astype(np.int64), edges[1::2].astype(np.int64)


def over_of(truth: I1, recovered: I1 | None) -> Flags:
    """Where the condition of recovery holds; a condition that fires holds against it."""
    over: Flags = truth == FALSE if recovered is None else (recovered == TRUE) & (truth != TRUE)
    return over


def _firings(truth: I1, over: Flags, timing: Timing, step_ms: int, closed: Flags | None) -> tuple[I8, I8, I8]:
    """Starts of waiting, firings and ends (the length where there is none), of the episodes that really happen."""
    starts, ends = runs(truth == TRUE)
    fires = starts + _steps(timing.for_ms, step_ms)
    long = fires < ends
    starts, fires = starts[long], fires[long]
    resolved = np.minimum(
        _next_end(fires, *runs(over), _steps(timing.keep_ms, step_ms), len(truth)),
        _next_end(fires, *_silences(truth), _steps(LOST_MS, step_ms) - 1, len(truth)),
    )
    if closed is not None:
        resolved = np.minimum(resolved, _next_end(fires, *runs(closed), 0, len(truth)))
    following = np.searchsorted(starts, resolved)
    chosen, at = [], 0
    following_list = following.tolist()
    while at < len(fires):
        chosen.append(at)
        at = following_list[at]
    return starts[chosen], fires[chosen], resolved[chosen]


def _silences(truth: I1) -> tuple[I8, I8]:
    return runs(truth == UNKNOWN)


def _next_end(fires: I8, starts: I8, ends: I8, wait: int, size: int) -> I8:
    """For each firing the first step after it at which a stretch has lasted `wait` steps; `size` without one."""
    at = starts + wait
    at = at[at < ends]
    at = np.concatenate([at, [size]])
    return at[np.searchsorted(at, fires, side="right")]


def _steps(ms: int, step_ms: int) -> int:
    """Steps until so much time is over."""
    return -(-ms // step_ms)


class Told:
    """When people are told of one episode after the other: cooldown, flapping, repetition, silence while nothing is known."""

    def __init__(self, timing: Timing, step_ms: int, silence: list[tuple[int, int]]) -> None:
        self._timing = timing
        self._step_ms = step_ms
        self._silence = silence
        self._silence_ends = [end for _, end in silence]
        self._last_ms: int | None = None
        self._flap: tuple[int, float] | None = None

    def take(self, fired: int, resolved: int) -> tuple[int, ...]:
        """The steps of the notices of an episode; the step at which it ends is not one of them."""
        due = fired * self._step_ms
        cooldown = max(self._timing.cooldown_ms, FLAP_MS if self._flapping(due) else 0)
        if self._last_ms is not None:
            due = max(due, self._last_ms + cooldown)
        found = []
        while (at := self._known(_steps(due, self._step_ms))) < resolved:
            found.append(at)
            self._last_ms = at * self._step_ms
            if self._timing.repeat_ms is None:
                break
            due = self._last_ms + max(self._timing.repeat_ms, self._timing.cooldown_ms, self._step_ms)
        return tuple(found)

    def _flapping(self, at_ms: int) -> bool:
        before_ms, score = self._flap or (at_ms, 0.0)
        score = score * 0.5 ** ((at_ms - before_ms) / FLAP_MS) + 1.0
        self._flap = (at_ms, score)
        return bool(score >= FLAPS)

    def _known(self, step: int) -> int:
        """The first step from `step` on at which something is known."""
        place = bisect_left(self._silence_ends, step + 1)
        if place < len(self._silence) and self._silence[place][0] <= step:
            return self._silence[place][1]
        return step
