"""The lab's course along time is the evaluator's state machine: same firings, ends and notices at the same steps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketwatch.alerts.machine import Cause, Machine, Phase, Timing
from marketwatch.errors import InvalidRequest
from marketwatch.lab.course import episodes, phases, runs, times
from marketwatch.lab.question import Question, question
from marketwatch.lab.trial import pieces
from marketwatch.rules.errors import RuleError

I1 = NDArray[np.int8]
HOUR = 3_600_000
truths = st.lists(st.tuples(st.integers(-1, 1), st.integers(1, 6)), min_size=1, max_size=40).map(
    lambda parts: np.repeat([value for value, _ in parts], [length for _, length in parts]).astype(np.int8)
)


def live(
    truth: I1, recovered: I1 | None, timing: Timing, step_ms: int, closed: NDArray[np.bool_]
) -> list[tuple[int, int | None, tuple[int, ...]]]:
    """Step by step through the machine that runs live."""
    machine = Machine((timing._replace(recover=-1 if recovered is None else 0),), 1, step_ms=step_ms)
    found: list[tuple[int, int | None, tuple[int, ...]]] = []
    for step, said in enumerate(truth):
        over = np.zeros((0, 1), np.int8) if recovered is None else recovered[step].reshape(1, 1)
        if closed[step] and machine.end(np.array([0]), Cause.CLOSED):
            found[-1] = (found[-1][0], step, found[-1][2])
        outcome = machine.step((step + 1) * step_ms, np.array([[said]], np.int8), over)
        for change in outcome.changes:
            if change.cause is Cause.FIRED:
                found.append((step, None, ()))
            elif change.phase is Phase.NORMAL:
                found[-1] = (found[-1][0], step, found[-1][2])
        for _ in outcome.notices:
            found[-1] = (found[-1][0], found[-1][1], (*found[-1][2], step))
    return found


@settings(max_examples=300)
@given(
    truth=truths,
    recovery=st.none() | truths,
    step_ms=st.sampled_from([500, 1000, 100_000, 1_200_000]),
    steps=st.tuples(*[st.integers(0, 12)] * 3),
    odd_ms=st.integers(0, 400),
    repeat=st.none() | st.integers(0, 9),
    shut=st.none() | truths,
)
def test_course_of_any_truths_is_that_of_the_live_machine(
    truth: I1,
    recovery: I1 | None,
    step_ms: int,
    steps: tuple[int, int, int],
    odd_ms: int,
    repeat: int | None,
    shut: I1 | None,
) -> None:
    wait, keep, cooldown = steps
    timing = Timing(wait * step_ms + odd_ms, keep * step_ms, cooldown * step_ms, None if repeat is None else repeat * step_ms)
    recovered = None if recovery is None else np.resize(recovery, len(truth))
    closed = np.zeros(len(truth), np.bool_) if shut is None else np.resize(shut, len(truth)) > 0
    truth[closed] = 0
    found = episodes(truth, recovered, timing, step_ms, None if shut is None else closed)
    assert [(one.fired, one.resolved, one.notices) for one in found] == live(truth, recovered, timing, step_ms, closed)
    assert times(truth, recovered, timing, step_ms, None if shut is None else closed) == len(found)


def test_runs_of_flags_tell_starts_and_ends() -> None:
    starts, ends = runs(np.array([1, 1, 0, 1, 0, 0, 1], np.bool_))
    assert (starts.tolist(), ends.tolist()) == ([0, 3, 6], [2, 4, 7])
    assert len(runs(np.zeros(0, np.bool_))[0]) == 0


def asked(expression: str = "change(5m) < -1", **given_: object) -> Question:
    values: dict[str, object] = {
        "symbols": ("A",), "watched": ("A", "B"), "from_ms": 0, "to_ms": HOUR, "sample_ms": 500, "reference": "A", **given_,
    }  # fmt: skip
    return question(expression, **values)  # type: ignore[arg-type]


def test_question_reads_as_much_before_the_span_as_its_windows_reach() -> None:
    assert 300_000 <= asked().lead_ms <= 400_000
    assert asked("change(1h) < -1").lead_ms >= HOUR
    assert asked("ema(5m) > 1").lead_ms >= 12 * 300_000


def test_question_about_named_symbols_alone_is_about_the_first_of_them() -> None:
    found = asked("price('B') / price('A') > 20")
    assert found.symbols == ("B",)
    assert set(found.needs) == {"A", "B"}


@pytest.mark.parametrize(
    "given_",
    [
        {"symbols": ()},
        {"symbols": tuple(f"S{n}" for n in range(21))},
        {"to_ms": 0},
        {"to_ms": 32 * 24 * HOUR},
        {"expression": "reconnects > 5"},
    ],
)
def test_question_that_is_too_much_or_nothing_is_refused(given_: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        asked(**given_)  # type: ignore[arg-type]


def test_question_with_a_bad_recovery_says_that_it_is_the_recovery() -> None:
    with pytest.raises(RuleError, match="In the recovery"):
        asked(recover="pric > 1")


def test_pieces_of_a_long_span_follow_each_other_without_a_hole() -> None:
    found = list(pieces(asked(to_ms=20 * 24 * HOUR)))
    assert len(found) > 2
    assert all(before[2] == after[1] and after[0] < after[1] for before, after in pairwise(found))
    assert found[-1][2] == 20 * 24 * HOUR
    assert all(piece[2] % HOUR == 0 for piece in found)  # packed hours are read whole


@settings(max_examples=300)
@given(
    truth=truths,
    recovery=st.none() | truths,
    step_ms=st.sampled_from([500, 1_200_000]),
    wait=st.integers(0, 12),
    keep=st.integers(0, 12),
)
def test_phases_of_any_truths_are_those_of_the_live_machine(
    truth: I1, recovery: I1 | None, step_ms: int, wait: int, keep: int
) -> None:
    timing = Timing(wait * step_ms, keep * step_ms)
    recovered = None if recovery is None else np.resize(recovery, len(truth))
    machine = Machine((timing._replace(recover=-1 if recovered is None else 0),), 1, step_ms=step_ms)
    expected = []
    for step, said in enumerate(truth):
        over = np.zeros((0, 1), np.int8) if recovered is None else recovered[step].reshape(1, 1)
        machine.step((step + 1) * step_ms, np.array([[said]], np.int8), over)
        expected.append(int(machine.phase[0]))
    assert phases(truth, recovered, timing, step_ms).tolist() == expected
