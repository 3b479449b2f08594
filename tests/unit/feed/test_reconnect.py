"""Delays between attempts, and the venue's limit on their number."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.feed.reconnect import ATTEMPTS, CAP_S, DELIVERED_CAP_S, Attempts, Backoff


class Highest(Random):
    """Draws the upper end, which shows the ceiling."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(Highest())
    assert [backoff.next_s() for _ in range(9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]


def test_a_minute_of_data_resets_the_ceiling() -> None:
    backoff = Backoff(Highest())
    for _ in range(8):
        backoff.next_s()
    backoff.ended(60.0)
    assert backoff.next_s() == 0.5


def test_line_that_is_cut_again_and_again_is_back_within_seconds() -> None:
    backoff = Backoff(Highest())
    for _ in range(50):
        backoff.ended(5.0)
        assert backoff.next_s() <= DELIVERED_CAP_S
    backoff.ended(0.0)
    assert backoff.next_s() == CAP_S


@given(st.integers(0, 2**32), st.lists(st.sampled_from([0.0, 1.0, 61.0]), max_size=60))
def test_delays_are_jittered_below_the_cap(seed: int, endings: list[float]) -> None:
    backoff = Backoff(Random(seed))
    for delivered_s in endings:
        backoff.ended(delivered_s)
        assert 0.0 <= backoff.next_s() <= CAP_S


def test_attempts_stay_below_the_limit_of_any_five_minutes() -> None:
    attempts, now, made = Attempts(), 0.0, list[float]()
    while now < 900.0:
        now += attempts.wait_s("a", now)
        attempts.spend("a", now)
        made.append(now)
        now += 0.1
    assert max(sum(start <= at < start + 300.0 for at in made) for start in made) <= ATTEMPTS < 300


def test_addresses_are_counted_apart() -> None:
    attempts = Attempts(most=1)
    attempts.spend("a", 0.0)
    assert attempts.wait_s("a", 100.0) == 200.0
    assert attempts.wait_s("b", 100.0) == 0.0
