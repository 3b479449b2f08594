"""LiveState: newest facts win, unknown symbols are counted, nothing grows without bound."""

from __future__ import annotations

import pytest

from marketwatch.model.alerts import Alert, Alerts, AlertState, Rules
from marketwatch.model.market import (
    Gap,
    GapReason,
    GapState,
    Instrument,
    Quote,
    Quotes,
    Staleness,
    Ticker,
    Tickers,
    Trade,
    Trades,
)
from marketwatch.model.system import Level, Notice
from marketwatch.state import LiveState
from tests.kit.alerts import alert, rule
from tests.kit.facts import T0


def _state() -> LiveState:
    return LiveState([Instrument("BTCUSDT", "BTC", "USDT"), Instrument("ETHUSDT", "ETH", "USDT")])


def _trade(symbol: str, number: int, price: float, time_ms: int) -> Trade:
    return Trade(symbol, number, price, 1.0, time_ms, False)


def test_on_trades_last_of_each_symbol_by_arrival_is_the_price() -> None:
    state = _state()
    state.on_trades(
        Trades("v", 50, [_trade("BTCUSDT", 1, 10.0, 40), _trade("ETHUSDT", 1, 5.0, 41), _trade("BTCUSDT", 2, 11.0, 42)])
    )
    btc = state.symbols["BTCUSDT"]
    assert (btc.price, btc.trade_id, btc.trade_ms, btc.received_ms) == (11.0, 2, 42, 50)
    assert state.symbols["ETHUSDT"].price == 5.0


def test_on_trades_refilled_old_trade_does_not_turn_the_price_back() -> None:
    state = _state()
    state.on_trades(Trades("v", 50, [_trade("BTCUSDT", 9, 11.0, 42)]))
    state.on_trades(Trades("v", 60, [_trade("BTCUSDT", 5, 9.0, 30)], refill=True))
    assert state.symbols["BTCUSDT"].price == 11.0


def test_on_trades_symbol_that_is_not_watched_is_counted() -> None:
    state = _state()
    state.on_trades(Trades("v", 50, [_trade("<b>X</b>", 1, 1.0, 1)]))
    assert state.unknown_symbols == {"<b>X</b>": 1}
    assert "<b>X</b>" not in state.symbols


def test_change_24h_unknown_parts_is_none_else_per_cent() -> None:
    state = _state()
    btc = state.symbols["BTCUSDT"]
    assert [entry.change_24h for entry in state.symbols.values()] == [None, None]
    state.on_tickers(Tickers("v", 5, [Ticker("BTCUSDT", 110.0, 100.0, 120.0, 90.0, 7.0, 700.0, 4)]))
    assert btc.price == 110.0
    assert btc.change_24h == pytest.approx(10.0, rel=1e-12)


def test_on_quotes_and_staleness_stand_with_the_symbol() -> None:
    state = _state()
    state.on_quotes(Quotes("v", 5, [Quote("BTCUSDT", 9.0, 1.0, 9.5, 2.0, 4), Quote("NONE", 1.0, 1.0, 1.0, 1.0, 4)]))
    state.on_staleness(Staleness("v", "BTCUSDT", True, 1))
    btc = state.symbols["BTCUSDT"]
    assert (btc.bid, btc.ask, btc.quote_ms, btc.stale) == (9.0, 9.5, 4, True)


def test_on_gap_newest_fact_replaces_the_older_and_old_ones_leave() -> None:
    state = _state()
    gap = Gap("g0", "v", "BTCUSDT", GapReason.ID_JUMP, GapState.OPEN, 0, 1, 5, 6)
    state.on_gap(gap)
    assert state.open_gaps("BTCUSDT") == [gap]
    state.on_gap(gap._replace(state=GapState.CLOSED, refilled=2))
    assert state.open_gaps() == []
    for number in range(600):
        state.on_gap(gap._replace(gap_id=f"n{number}"))
    assert len(state.gaps) == 500
    assert "g0" not in state.gaps


def test_on_notice_of_the_same_key_replaces_and_over_removes() -> None:
    state = _state()
    state.on_notice(Notice("k", Level.WARNING, "A.", 1))
    state.on_notice(Notice("k", Level.WARNING, "B.", 2))
    assert [notice.message for notice in state.notices.values()] == ["B."]
    state.on_notice(Notice("k", Level.WARNING, "B.", 3, over=True))
    assert state.notices == {}


def _publish(state: LiveState, *alerts: Alert, notify: tuple[str, ...] = ()) -> None:
    state.on_alerts(Alerts(T0, list(alerts), list(notify)))


def test_alerts_are_active_until_they_are_resolved() -> None:
    state = _state()
    _publish(state, alert("a"), alert("b", symbol="ETHUSDT"), notify=("a",))
    _publish(state, alert("a", state=AlertState.RECOVERING))
    assert [(key, fact.state) for key, fact in state.alerts.items()] == [
        ("a", AlertState.RECOVERING),
        ("b", AlertState.FIRING),
    ]
    ended = alert("a", state=AlertState.RESOLVED, resolved_ms=T0 + 1)
    _publish(state, ended)
    assert (list(state.alerts), list(state.recent_alerts), list(state.notified)) == (["b"], [ended], ["a"])


def test_pending_alert_gives_its_place_to_the_one_that_fires() -> None:
    state = _state()
    _publish(state, alert("waiting", state=AlertState.PENDING))
    _publish(state, alert("firing"))
    assert list(state.alerts) == ["firing"]
    _publish(state, alert("waiting", state=AlertState.RESOLVED))
    assert list(state.alerts) == ["firing"]


def test_pending_alert_that_never_fires_leaves_no_trace() -> None:
    state = _state()
    _publish(state, alert("waiting", state=AlertState.PENDING))
    _publish(state, alert("waiting", state=AlertState.RESOLVED))
    assert (state.alerts, list(state.recent_alerts)) == ({}, [])


def test_alerts_of_a_thousand_episodes_stay_bounded() -> None:
    state = _state()
    for number in range(1_000):
        _publish(state, alert(str(number)), notify=(str(number),))
        _publish(state, alert(str(number), state=AlertState.RESOLVED))
    assert (len(state.alerts), len(state.recent_alerts), len(state.notified)) == (0, 500, 100)
    assert not state._episodes


def test_rules_in_force_are_those_told_last() -> None:
    state = _state()
    state.on_rules(Rules([rule("a"), rule("b")]))
    state.on_rules(Rules([rule("b", version=2)]))
    assert {key: one.version for key, one in state.rules.items()} == {"b": 2}
