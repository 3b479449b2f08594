"""The state machine: against its plain definition, and the promises that people rely on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.alerts.machine import (
    FLAP_MS,
    GRACE_MS,
    LOST_MS,
    MOST_FIRING,
    OUTAGE_MS,
    Cause,
    Machine,
    Outcome,
    Phase,
    Timing,
)
from tests.kit.plain_alerts import FALSE, TRUE, UNKNOWN, PlainAlert

STEP_MS = 500
START_MS = 1_763_683_200_000
Log = list[tuple[int, str]]

timings = st.builds(
    Timing,
    st.sampled_from([0, 500, 1000, 2500]),
    st.sampled_from([0, 500, 1500]),
    st.sampled_from([0, 2000, 10_000]),
    st.sampled_from([None, 1000, 3000]),
    st.just(-1),
)
truths = st.lists(st.sampled_from([TRUE, TRUE, FALSE, FALSE, UNKNOWN]), min_size=1, max_size=60)


def machine(*timing: Timing, symbols: int = 1) -> Machine:
    return Machine(timing, symbols, step_ms=STEP_MS)


def one_step(under: Machine, time_ms: int, truth: Any, recovered: Any = ()) -> Outcome:
    """A step with truths as lists: (rules x symbols) and (recovery conditions x symbols)."""
    table = np.array(truth, np.int8).reshape(-1, under.symbols)
    return under.step(time_ms, table, np.array(recovered, np.int8).reshape(-1, under.symbols))


def logged(outcome: Outcome, time_ms: int, cell: int = 0) -> Log:
    told = [(time_ms, f"notice {one.number}") for one in outcome.notices if one.cell == cell]
    return [(time_ms, change.cause.value) for change in outcome.changes if change.cell == cell] + told


def run(under: Machine, steps: list[Any], recoveries: list[Any] | None = None, start: int = 0) -> list[Outcome]:
    return [
        one_step(under, START_MS + (start + number) * STEP_MS, truth, () if recoveries is None else recoveries[number])
        for number, truth in enumerate(steps)
    ]


@given(timings, st.booleans(), st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 9]), st.integers(-1, 1), st.integers(-1, 1))))
def test_machine_does_what_the_plain_definition_says(timing: Timing, recovers: bool, steps: list[tuple[int, int, int]]) -> None:
    under = machine(timing._replace(recover=0 if recovers else -1))
    plain = PlainAlert(timing, recovers, STEP_MS)
    log, now = Log(), START_MS
    for leap, truth, recovery in steps:
        now += leap * STEP_MS
        log += logged(one_step(under, now, [truth], [recovery]), now)
        plain.step(now, truth, recovery)
        assert Phase(int(under.phase[0])).name.lower() == plain.state
    assert log == plain.log


@given(timings, truths)
def test_episode_has_exactly_one_beginning_one_end_and_one_first_notice_at_most(timing: Timing, steps: list[int]) -> None:
    log = [entry for n, outcome in enumerate(run(machine(timing), [[t] for t in steps])) for entry in logged(outcome, n)]
    open_since, firsts = None, 0
    for at, what in log:
        if what == Cause.FIRED:
            assert open_since is None
            open_since, firsts = at, 0
        elif what == Cause.RECOVERED:
            assert open_since is not None
            open_since = None
        else:
            assert open_since is not None
            firsts += what == "notice 1"
            assert firsts <= 1


@given(timings, st.lists(st.lists(st.integers(-1, 1), min_size=4, max_size=4), max_size=30), st.permutations(range(4)))
def test_order_of_symbols_is_all_one(timing: Timing, steps: list[list[int]], order: list[int]) -> None:
    straight = run(machine(timing, symbols=4), steps)
    mixed = run(machine(timing, symbols=4), [[row[at] for at in order] for row in steps])
    for a, b in zip(straight, mixed, strict=True):
        renamed = [change._replace(cell=order[change.cell]) for change in b.changes]
        assert sorted(renamed) == sorted(a.changes)
        assert sorted(one._replace(cell=order[one.cell]) for one in b.notices) == sorted(a.notices)


@given(timings, truths, st.integers(0, 60))
def test_restart_between_two_steps_changes_nothing(timing: Timing, steps: list[int], cut: int) -> None:
    rows = [[truth] for truth in steps]
    whole = run(machine(timing), rows)
    first, second = machine(timing), machine(timing)
    cut = min(cut, len(rows))
    parts = run(first, rows[:cut])
    second.load(first.time_ms, first.save(), restored=True)
    parts += run(second, rows[cut:], start=cut)
    assert parts == whole
    assert second.save() == _after(timing, rows)


def _after(timing: Timing, rows: list[list[int]]) -> list[dict[str, Any]]:
    whole = machine(timing)
    run(whole, rows)
    return whole.save()


def test_truth_that_is_unknown_once_resets_what_is_pending() -> None:
    under = machine(Timing(for_ms=1000))
    outcomes = run(under, [[TRUE], [TRUE], [UNKNOWN], [TRUE], [TRUE], [TRUE]])
    fired = [number for number, outcome in enumerate(outcomes) if outcome.changes]
    assert fired == [5]


def test_step_that_is_left_out_resets_what_is_pending() -> None:
    under = machine(Timing(for_ms=1000))
    one_step(under, START_MS, [TRUE])
    assert one_step(under, START_MS + 5000, [TRUE]).changes == []
    assert under.since[0] == START_MS + 5000


def test_recovery_has_to_hold_without_a_break() -> None:
    under = machine(Timing(keep_ms=1000))
    outcomes = run(under, [[TRUE], [FALSE], [FALSE], [UNKNOWN], [FALSE], [FALSE], [FALSE]])
    assert [[change.cause for change in outcome.changes] for outcome in outcomes] == [
        [Cause.FIRED], [Cause.RECOVERING], [], [Cause.AGAIN], [Cause.RECOVERING], [], [Cause.RECOVERED],
    ]  # fmt: skip


def test_condition_that_holds_is_stronger_than_its_recovery() -> None:
    under = machine(Timing(recover=0))
    run(under, [[TRUE], [TRUE]], [[TRUE], [TRUE]])
    assert under.phase[0] == Phase.FIRING


def test_episode_inside_the_cooldown_is_recorded_and_told_when_the_cooldown_ends() -> None:
    under = machine(Timing(cooldown_ms=2000))
    outcomes = run(under, [[TRUE], [FALSE], [TRUE], [TRUE], [TRUE], [TRUE]])
    assert [bool(outcome.changes) for outcome in outcomes] == [True, True, True, False, False, False]
    assert [[one.number for one in outcome.notices] for outcome in outcomes] == [[1], [], [], [], [1], []]


def test_episode_that_ends_inside_the_cooldown_is_not_told() -> None:
    outcomes = run(machine(Timing(cooldown_ms=2000)), [[TRUE], [FALSE], [TRUE], [FALSE], [FALSE], [FALSE]])
    assert sum(len(outcome.notices) for outcome in outcomes) == 1


def test_nobody_is_told_while_nothing_is_known() -> None:
    outcomes = run(machine(Timing(repeat_ms=500)), [[TRUE], [UNKNOWN], [UNKNOWN], [TRUE]])
    assert [[one.number for one in outcome.notices] for outcome in outcomes] == [[1], [], [], [2]]


def test_cell_that_flaps_is_told_of_once_in_ten_minutes() -> None:
    under = machine(Timing())
    outcomes = run(under, [[TRUE], [FALSE]] * 30)
    assert sum(len(outcome.notices) for outcome in outcomes) == 5
    assert any(change.flapping for outcome in outcomes for change in outcome.changes)
    later = START_MS + 60 * STEP_MS + FLAP_MS * 4
    assert [one.number for one in one_step(under, later, [TRUE]).notices] == [1]


def test_episode_of_which_nothing_is_known_for_an_hour_is_over() -> None:
    under = machine(Timing())
    one_step(under, START_MS, [TRUE])
    one_step(under, START_MS + LOST_MS - 1, [UNKNOWN])
    assert under.phase[0] == Phase.FIRING
    assert [change.cause for change in one_step(under, START_MS + LOST_MS, [UNKNOWN]).changes] == [Cause.NO_DATA]


def test_rush_of_episodes_is_spread_over_steps_and_none_is_lost() -> None:
    under = machine(Timing(), symbols=2 * MOST_FIRING + 5)
    everything = [TRUE] * under.symbols
    outcomes = run(under, [everything] * 4)
    assert [len(outcome.changes) for outcome in outcomes] == [MOST_FIRING, MOST_FIRING, 5, 0]
    assert [outcome.held_back for outcome in outcomes] == [MOST_FIRING + 5, 5, 0, 0]


def _restarted(under: Machine, timing: Timing) -> Machine:
    again = machine(timing)
    again.load(under.time_ms, under.save(), restored=True)
    return again


def test_outage_up_to_an_hour_freezes_what_is_pending() -> None:
    timing = Timing(for_ms=2000)
    under = machine(timing)
    run(under, [[TRUE], [TRUE], [TRUE]])
    again = _restarted(under, timing)
    back = START_MS + 1000 + OUTAGE_MS
    assert one_step(again, back, [TRUE]).changes == []
    assert [change.cause for change in one_step(again, back + 500, [TRUE]).changes] == [Cause.FIRED]


def test_unknown_after_a_restart_holds_what_is_pending_for_a_while() -> None:
    timing = Timing(for_ms=2000)
    under = machine(timing)
    run(under, [[TRUE], [TRUE], [TRUE]])
    again = _restarted(under, timing)
    back = START_MS + 60_000
    for number in range(20):
        one_step(again, back + number * STEP_MS, [UNKNOWN])
    assert again.phase[0] == Phase.PENDING
    assert one_step(again, back + 20 * STEP_MS, [TRUE]).changes == []
    assert [change.cause for change in one_step(again, back + 21 * STEP_MS, [TRUE]).changes] == [Cause.FIRED]
    assert back + 21 * STEP_MS < back + GRACE_MS


def test_false_after_a_restart_resets_what_is_pending_at_once() -> None:
    timing = Timing(for_ms=2000)
    under = machine(timing)
    run(under, [[TRUE], [TRUE]])
    again = _restarted(under, timing)
    one_step(again, START_MS + 60_000, [FALSE])
    assert again.phase[0] == Phase.NORMAL


def test_firing_goes_on_after_an_outage_without_a_second_notice() -> None:
    under = machine(Timing())
    one_step(under, START_MS, [TRUE])
    outcome = one_step(_restarted(under, Timing()), START_MS + OUTAGE_MS, [TRUE])
    assert (outcome.changes, outcome.notices) == ([], [])


@pytest.mark.parametrize("truth", [TRUE, FALSE])
def test_outage_of_more_than_an_hour_begins_anew(truth: int) -> None:
    under = machine(Timing())
    one_step(under, START_MS, [TRUE])
    outcome = one_step(_restarted(under, Timing()), START_MS + OUTAGE_MS + 1, [truth])
    causes = [change.cause for change in outcome.changes]
    assert causes == ([Cause.OUTAGE, Cause.FIRED] if truth == TRUE else [Cause.OUTAGE])


def test_time_that_does_not_go_on_changes_nothing() -> None:
    under = machine(Timing())
    one_step(under, START_MS, [TRUE])
    assert one_step(under, START_MS, [FALSE]) == one_step(under, START_MS - 500, [FALSE]) == Outcome([], [], [])
    assert under.phase[0] == Phase.FIRING
