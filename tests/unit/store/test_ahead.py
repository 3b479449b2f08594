"""Trades wait for their sample step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.store.ahead import Ahead
from tests.kit.facts import trade


def test_ahead_trade_waits_for_the_step_that_holds_it() -> None:
    ahead = Ahead()
    assert [t.trade_id for t in ahead.on_trades([trade(trade_id=1, time_ms=100)])] == [1]
    assert ahead.on_step(500) == []
    assert [t.trade_id for t in ahead.on_trades([trade(trade_id=2, time_ms=499), trade(trade_id=3, time_ms=500)])] == [2]
    assert [t.trade_id for t in ahead.on_step(1000)] == [3]
    assert ahead.on_step(1500) == []


@given(st.lists(st.one_of(st.integers(0, 50).map(lambda t: ("trade", t)), st.integers(0, 50).map(lambda t: ("step", t)))))
def test_ahead_hands_out_every_trade_once_and_none_before_its_step(facts: list[tuple[str, int]]) -> None:
    ahead, until, given_out = Ahead(), None, []
    for number, (kind, moment) in enumerate(facts):
        if kind == "step":
            until = max(until or 0, moment)
            ready = ahead.on_step(moment)
        else:
            ready = ahead.on_trades([trade(trade_id=number, time_ms=moment)])
        assert all(until is None or t.time_ms < until for t in ready)
        given_out += [t.trade_id for t in ready]
    given_out += [t.trade_id for t in ahead.on_step(100)]
    assert sorted(given_out) == [number for number, (kind, _) in enumerate(facts) if kind == "trade"]
