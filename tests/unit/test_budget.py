"""How often commands may be sent when they are counted by the day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.stream.budget import DAY_S, CommandBudget


def test_budget_without_a_bound_goes_at_its_shortest_pace() -> None:
    budget = CommandBudget(0, shortest_s=2.0)
    assert budget.pause_s(10_000) == 2.0
    assert budget.has_room(10**9, 0.0)


@given(st.integers(10, 10**6), st.integers(1, 500))
def test_budget_even_rounds_never_use_up_a_day(a_day: int, commands: int) -> None:
    budget = CommandBudget(a_day, shortest_s=0.1)
    rounds = DAY_S / budget.pause_s(commands)
    assert rounds * commands <= 0.9 * a_day + 1e-6


def test_budget_refuses_what_does_not_fit_and_begins_anew_the_next_day() -> None:
    budget = CommandBudget(10, shortest_s=1.0)
    budget.spend(8, 100.0)
    assert budget.has_room(2, 200.0)
    assert not budget.has_room(3, 200.0)
    assert budget.has_room(10, DAY_S + 1)
    budget.spend(1, DAY_S + 1)
    assert budget.used == 1
