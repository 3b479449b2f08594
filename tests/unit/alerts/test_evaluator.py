"""The evaluator in a watch that is fed by hand: what raises an alert, what does not, and what the alert says."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from marketwatch.alerts.episodes import alert_id
from marketwatch.alerts.lookout import Lookout
from marketwatch.alerts.machine import Cause
from marketwatch.alerts.snapshot import restore, snapshot
from marketwatch.alerts.standing import Side
from marketwatch.model.alerts import Alert, Alerts, AlertState, Rule
from marketwatch.model.market import Pulse, Staleness, Trades
from tests.kit.scene import Scene
from tests.kit.watches import START_MS, publish_trades, status, trade

UP = Rule("up", 1, "Up", "price > 100")


def test_alert_fires_at_the_step_whose_value_crosses_and_tells_everything_known() -> None:
    scene = Scene(UP._replace(recover="99"))
    scene.tell(90.0, 101.0)
    (alert,) = scene.alerts
    assert alert.fired_ms == START_MS + 1000
    assert alert.alert_id == alert_id("up", 1, "BTCUSDT", START_MS + 1000)
    assert (alert.metric, alert.threshold, alert.trigger_value) == ("price", 100.0, 101.0)
    assert alert.context["terms"] == {"price": 101.0}
    assert alert.context["trades"] == {"first_id": 2, "last_id": 2}
    assert alert.context["rule"]["expression"] == "price > 100"
    assert scene.notified == [alert.alert_id]
    assert scene.watch.state.alerts == {alert.alert_id: alert}


def test_recovery_threshold_keeps_it_firing_in_between() -> None:
    scene = Scene(UP._replace(recover="99"))
    scene.tell(101.0, 99.5, 100.5, 99.0)
    assert scene.states == [("BTCUSDT", "firing"), ("BTCUSDT", "resolved")]
    assert scene.alerts[-1].context["resolution"] == Cause.RECOVERED
    assert scene.alerts[-1].resolved_ms == START_MS + 2000
    assert [alert.state for alert in scene.watch.state.recent_alerts] == [AlertState.RESOLVED]


def test_pending_is_shown_never_notified_and_gone_when_it_ends() -> None:
    scene = Scene(UP._replace(for_ms=1000))
    scene.tell(101.0, 99.0)
    assert scene.states == [("BTCUSDT", "pending"), ("BTCUSDT", "resolved")]
    assert (scene.notified, len(scene.watch.state.alerts), len(scene.watch.state.recent_alerts)) == ([], 0, 0)
    scene.tell(101.0, 101.0, 101.0)
    assert scene.states[2:] == [("BTCUSDT", "pending"), ("BTCUSDT", "resolved"), ("BTCUSDT", "firing")]
    assert scene.alerts[-1].context["since_ms"] == START_MS + 1500
    assert [alert.state for alert in scene.watch.state.alerts.values()] == [AlertState.FIRING]


def test_for_behind_the_expression_counts() -> None:
    scene = Scene(UP._replace(expression="price > 100 for 1s"))
    scene.tell(101.0, 101.0)
    assert not scene.notified
    scene.tell(101.0)
    assert len(scene.notified) == 1


def test_symbol_that_never_had_data_never_fires() -> None:
    scene = Scene(Rule("any", 1, "Any", "gaps < 5"))
    scene.tell(101.0, 101.0)
    assert scene.states == [("BTCUSDT", "firing")]
    standing = scene.lookout.standing("any", "ETHUSDT")
    assert standing is not None
    assert standing.side is Side.NO_DATA


def test_rule_about_the_program_itself_fires_once_and_not_for_each_symbol() -> None:
    scene = Scene(Rule("store", 1, "Feed", "feed_lag > 1s or reconnects >= 0"))
    scene.watch.bus.publish(status(scene.watch, START_MS))
    scene.tell(101.0, 101.0)
    assert scene.states == [("*", "firing")]


def test_rule_about_named_symbols_fires_once_for_the_first_of_them() -> None:
    scene = Scene(Rule("ratio", 1, "Ratio", "price('BTCUSDT') / price('ETHUSDT') > 20"))
    scene.tell(10.0, symbol="ETHUSDT")
    scene.tell(250.0)
    assert scene.states == [("BTCUSDT", "firing")]


def test_rule_of_some_symbols_leaves_the_others_alone() -> None:
    scene = Scene(UP._replace(symbols=("ETHUSDT",)))
    scene.tell(101.0)
    scene.tell(101.0, symbol="ETHUSDT")
    assert scene.states == [("ETHUSDT", "firing")]


def test_quiet_symbol_rests_its_market_rules_and_not_those_about_its_data() -> None:
    scene = Scene(UP._replace(expression="whales(1m) < 1"), Rule("age", 1, "Age", "data_age > 1s"))
    scene.watch.bus.publish(Staleness("binance", "BTCUSDT", True, START_MS))
    scene.tell(101.0)
    assert scene.alerts == []
    standing = scene.lookout.standing("up", "BTCUSDT")
    assert standing is not None
    assert standing.side is Side.NO_DATA
    for _ in range(4):
        scene.now += 500
        scene.pulse()
    assert [alert.rule_id for alert in scene.alerts] == ["age"]
    scene.watch.bus.publish(Staleness("binance", "BTCUSDT", False, START_MS))
    scene.tell(101.0)
    assert [alert.rule_id for alert in scene.alerts] == ["age", "age", "up"]


def test_window_that_is_not_full_is_a_warm_up_with_a_reason() -> None:
    scene = Scene(Rule("vol", 1, "Vol", "volatility(60) > 0.0001"))
    scene.tell(*(100.0 + n % 3 for n in range(30)))
    standing = scene.lookout.standing("vol", "BTCUSDT")
    assert standing is not None
    assert (standing.side, standing.reason) == (Side.WARMUP, "The window 60 has 30 of 60 buckets.")
    assert scene.alerts == []
    scene.tell(*(100.0 + n % 3 for n in range(30)))
    assert scene.states == [("BTCUSDT", "firing")]


def test_window_that_the_engine_lacks_is_added_to_it() -> None:
    scene = Scene(Rule("fast", 1, "Fast", "change(3s) > 5"))
    assert "3s" in [window.name for window in scene.watch.engine.windows]
    scene.tell(*[100.0] * 8, 110.0)
    assert [alert.context["windows"]["3s"]["length"] for alert in scene.alerts] == [6]


@pytest.mark.parametrize(
    ("rule", "side", "words"),
    [
        (UP._replace(enabled=False), Side.PAUSED, "switched off"),
        (UP._replace(expires_ms=START_MS), Side.PAUSED, "expired"),
        (UP._replace(expression="price >"), Side.ERROR, "Column"),
        (UP._replace(symbols=("DOGEUSDT",)), Side.ERROR, "DOGEUSDT"),
        (UP._replace(recover="price"), Side.ERROR, "condition"),
        (UP._replace(symbols=("ETHUSDT",)), Side.PAUSED, "not about BTCUSDT"),
    ],
)
def test_rule_that_is_not_evaluated_says_why(rule: Rule, side: Side, words: str) -> None:
    scene = Scene(rule)
    scene.tell(101.0, 102.0)
    standing = scene.lookout.standing("up", "BTCUSDT")
    assert standing is not None
    assert (standing.side, words in standing.reason) == (side, True), standing.reason
    assert scene.alerts == []


def test_rule_that_expires_ends_its_episodes() -> None:
    scene = Scene(UP._replace(expires_ms=START_MS + 1500))
    scene.tell(101.0, 101.0, 101.0, 101.0)
    assert scene.states == [("BTCUSDT", "firing"), ("BTCUSDT", "resolved")]
    assert (scene.alerts[-1].resolved_ms, scene.alerts[-1].context["resolution"]) == (START_MS + 1500, Cause.EXPIRED)


def test_rule_that_is_changed_ends_its_episodes_and_others_go_on() -> None:
    other = Rule("z", 1, "Other", "price > 100", for_ms=1000)
    scene = Scene(UP, other)
    scene.tell(101.0, 101.0)
    scene.lookout.use([UP._replace(version=2, expression="price > 200"), other])
    assert scene.alerts[-1].context["resolution"] == Cause.CHANGED
    scene.tell(101.0)
    assert [(alert.rule_id, alert.state.value) for alert in scene.alerts] == [
        ("up", "firing"), ("z", "pending"), ("up", "resolved"), ("z", "resolved"), ("z", "firing"),
    ]  # fmt: skip


def test_repeat_tells_of_the_same_episode_again_with_its_number() -> None:
    scene = Scene(UP._replace(repeat_ms=1000))
    scene.tell(*[101.0] * 5)
    assert len(set(scene.notified)) == 1
    assert [alert.context["notices"] for alert in scene.alerts] == [1, 2, 3]


def test_alert_that_refilled_trades_raise_is_late() -> None:
    scene = Scene(Rule("high", 1, "High", "high(5m) > 200", symbols=("BTCUSDT",)))
    scene.tell(*[100.0] * 600)
    late = trade("BTCUSDT", 9_999, 250.0, 1.0, scene.now - 40_000)
    scene.watch.bus.publish(Trades("binance", scene.now, [late], refill=True))
    scene.tell(100.0)
    (alert,) = scene.alerts
    assert alert.late
    assert alert.context["terms"] == {"high(5m)": 250.0}


def test_alert_from_data_that_is_received_long_after_its_time_is_late() -> None:
    scene = Scene(UP)
    batch = Trades("binance", START_MS + 600_000, [trade("BTCUSDT", 1, 101.0, 1.0, START_MS + 100)])
    scene.watch.bus.publish(batch)
    scene.watch.bus.publish(Pulse("binance", START_MS + 1000))
    assert [alert.late for alert in scene.alerts] == [True]


def _played(rules: tuple[Rule, ...], cut: int | None) -> bytes:
    prices = [100.0 + ((n * 7919) % 13 - 6) / 3 for n in range(40)]
    scene = Scene(*rules)
    for number, price in enumerate(prices):
        if number == cut:
            saved = orjson.loads(orjson.dumps(snapshot(scene.lookout.evaluator)))
            fresh = Lookout(watch=scene.watch, sample_ms=500)
            scene.watch.bus._routes = {
                kind: tuple((name, handler) for name, handler in routes if getattr(handler, "__self__", None) not in
                            (scene.lookout, scene.lookout.evaluator))
                for kind, routes in scene.watch.bus._routes.items()
            }  # fmt: skip
            scene.lookout = fresh
            fresh.evaluator.set_rules(rules)
            assert restore(fresh.evaluator, saved) is None
        scene.tell(price, price - 0.5)
    return orjson.dumps([batch._asdict() | {"alerts": [alert._asdict() for alert in batch.alerts]} for batch in scene.batches])


RULES = (
    UP._replace(recover="99.5", keep_firing_ms=1000, cooldown_ms=3000, repeat_ms=2000),
    Rule("a", 1, "A", "price < 99", for_ms=500, repeat_ms=1000),
    Rule("b", 1, "B", "trade_rate(4) > 1", cooldown_ms=5000),
)


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 13, 21, 39])
def test_restart_in_the_middle_gives_the_bytes_of_an_uninterrupted_run(cut: int) -> None:
    assert _played(RULES, cut) == _played(RULES, None)
    assert len(_played(RULES, None)) > 5000


def _saved(scene: Scene) -> dict[str, Any]:
    saved: dict[str, Any] = orjson.loads(orjson.dumps(snapshot(scene.lookout.evaluator)))
    return saved


def _again(saved: dict[str, Any] | None, *rules: Rule, stored: list[Alert] | None = None) -> tuple[Scene, Alerts | None]:
    scene = Scene(*rules)
    return scene, restore(scene.lookout.evaluator, saved, stored)


def test_episode_that_was_not_committed_is_told_once_more_under_its_id() -> None:
    first = Scene(UP)
    first.tell(101.0)
    _, said = _again(_saved(first), UP, stored=[])
    assert said is not None
    assert said.notify == first.notified
    assert said.alerts == first.alerts


def test_episode_that_only_the_store_knows_goes_on_without_a_notice() -> None:
    first = Scene(UP)
    first.tell(101.0)
    scene, said = _again(None, UP, stored=first.alerts)
    assert said is None
    scene.now = first.now
    scene.tell(101.0, 99.0)
    assert scene.notified == []
    assert [alert.alert_id for alert in scene.alerts] == [first.alerts[0].alert_id]
    assert scene.states == [("BTCUSDT", "resolved")]


def test_episode_that_the_store_knows_as_resolved_is_over() -> None:
    first = Scene(UP)
    first.tell(101.0)
    saved = _saved(first)
    first.tell(99.0)
    scene, said = _again(saved, UP, stored=[first.alerts[-1]])
    assert said is None
    assert scene.lookout.evaluator.shown() == []


def test_episodes_of_rules_that_are_gone_end_at_the_restart() -> None:
    first = Scene(UP)
    first.tell(101.0)
    _, said = _again(_saved(first), UP._replace(version=2), stored=first.alerts)
    assert said is not None
    assert [(alert.state, alert.context["resolution"]) for alert in said.alerts] == [(AlertState.RESOLVED, Cause.CHANGED)]


@pytest.mark.parametrize("change", [{"cells": None}, {"cells": [{}]}, {"cells": [3]}, {"time_ms": None}, {"format": 99}])
def test_damaged_snapshot_is_refused_and_one_of_another_format_left_alone(change: dict[str, Any]) -> None:
    scene = Scene(UP)
    saved = {"format": 1, "time_ms": START_MS, "cells": [], **change}
    if "format" in change:
        assert restore(scene.lookout.evaluator, saved) is None
        return
    with pytest.raises(ValueError, match="damaged"):
        restore(scene.lookout.evaluator, saved)


def test_rules_whose_windows_find_no_room_are_told_and_the_others_go_on() -> None:
    many = [Rule(f"r{n:02}", 1, f"R{n}", f"change({n + 2}s) > 5") for n in range(80)]
    scene = Scene(UP, *many)
    assert "64" in scene.watch.state.notices["alert-windows"].message
    assert len(scene.watch.engine.windows) == 64
    scene.tell(101.0)
    assert [alert.rule_id for alert in scene.alerts] == ["up"]
    scene.lookout.use([UP])
    assert "alert-windows" not in scene.watch.state.notices


def test_rules_above_a_thousand_are_left_out() -> None:
    scene = Scene(*(UP._replace(rule_id=f"r{n:04}", expression=f"price > {n % 7}") for n in range(1010)))
    assert len(scene.lookout.evaluator.rules) == 1000


def test_facts_are_ordered_by_rule_and_symbol() -> None:
    scene = Scene(Rule("z", 1, "Z", "price > 1"), Rule("a", 1, "A", "price > 1"))
    publish_trades(
        scene.watch, trade("ETHUSDT", 1, 5.0, 1.0, START_MS + 10), trade("BTCUSDT", 1, 5.0, 1.0, START_MS + 20), pulse=False
    )
    scene.watch.bus.publish(Pulse("binance", START_MS + 900))
    assert [(alert.rule_id, alert.symbol) for alert in scene.alerts] == [
        ("a", "BTCUSDT"), ("a", "ETHUSDT"), ("z", "BTCUSDT"), ("z", "ETHUSDT"),
    ]  # fmt: skip
