from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.web.limits import Budgets, RateLimit, client_address, client_key


def test_rate_limit_first_minute_allows_exactly_the_limit() -> None:
    limit = RateLimit(100)
    assert [limit.take("a", n * 0.1) for n in range(100)] == [0.0] * 100
    assert limit.take("a", 10.0) > 0
    assert limit.take("b", 10.0) == 0.0


def test_rate_limit_after_the_wait_it_named_allows_again() -> None:
    limit = RateLimit(10)
    for _ in range(10):
        limit.take("a", 0.0)
    wait = limit.take("a", 5.0)
    assert 55.0 <= wait <= 70.0
    assert limit.take("a", 5.0 + wait + 0.001) == 0.0


@given(st.lists(st.floats(0.0, 40.0), min_size=1, max_size=120), st.integers(1, 20))
def test_rate_limit_any_arrivals_never_twice_the_limit_a_minute(pauses: list[float], most: int) -> None:
    limit = RateLimit(most)
    now = 0.0
    allowed: deque[float] = deque()
    for pause in pauses:
        now += pause
        wait = limit.take("a", now)
        assert wait >= 0.0
        if not wait:
            allowed.append(now)
        while allowed and allowed[0] <= now - 60.0:
            allowed.popleft()
        assert len(allowed) <= 2 * most


@given(st.lists(st.floats(0.0, 30.0), max_size=60), st.integers(1, 5))
def test_rate_limit_named_wait_is_always_enough(pauses: list[float], most: int) -> None:
    limit = RateLimit(most)
    now = 0.0
    for pause in pauses:
        now += pause
        wait = limit.take("a", now)
        if wait:
            now += wait + 0.001
            assert limit.take("a", now) == 0.0


def test_rate_limit_many_clients_stays_bounded() -> None:
    limit = RateLimit(1, max_clients=100)
    for number in range(10_000):
        limit.take(str(number), 0.0)
    assert len(limit) == 100


def test_budgets_unknown_budget_is_free() -> None:
    budgets = Budgets({"data": 1})
    assert budgets.take("free", "1.1.1.1", 0.0) == 0.0
    assert budgets.clients == 0
    assert budgets.take("data", "1.1.1.1", 0.0) == 0.0
    assert budgets.take("data", "1.1.1.1", 0.0) > 0.0


@pytest.mark.parametrize(
    ("forwarded", "hops", "expected"),
    [
        (["1.2.3.4"], 0, "10.0.0.1"),
        ([], 1, "10.0.0.1"),
        (["6.6.6.6, 1.2.3.4"], 1, "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4, 10.0.0.9"], 2, "1.2.3.4"),
        (["6.6.6.6", "1.2.3.4"], 1, "1.2.3.4"),
        (["1.2.3.4"], 2, "10.0.0.1"),
        (["6.6.6.6, not-an-address"], 1, "10.0.0.1"),
        (["1.2.3.4:51234"], 1, "1.2.3.4"),
        (["[2001:db8::1]:443"], 1, "2001:db8::1"),
        ([""], 1, "10.0.0.1"),
    ],
)
def test_client_address_counts_hops_from_the_right(forwarded: list[str], hops: int, expected: str) -> None:
    assert client_address("10.0.0.1", forwarded, hops) == expected


@given(st.lists(st.text(max_size=40), max_size=4), st.integers(0, 4))
def test_client_address_any_header_never_raises(forwarded: list[str], hops: int) -> None:
    assert client_address("10.0.0.1", forwarded, hops)


def test_client_key_groups_ipv6_by_household() -> None:
    assert client_key("2001:db8:1:2:3::4") == client_key("2001:db8:1:2:ffff::1")
    assert client_key("2001:db8:1:2::1") != client_key("2001:db8:1:3::1")
    assert client_key("::ffff:1.2.3.4") == client_key("1.2.3.4") == "1.2.3.4"
    assert client_key("local") == "local"
