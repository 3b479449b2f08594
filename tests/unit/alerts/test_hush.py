"""What is silenced, snoozed or seen is not told: decided by event time, kept in the episode, the same after a restart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.alerts.snapshot import restore, snapshot
from marketwatch.model.alerts import Alert, Rule
from marketwatch.model.silences import Seen, Silence, Silences, glob
from tests.kit.scene import Scene
from tests.kit.watches import START_MS, status

S = 1000
UP = Rule("up", 1, "Up", "price > 100")


def silence(until_s: float, *, from_s: float = 0, silence_id: str = "s1", **given: Any) -> Silence:
    """From and until so many seconds after the start."""
    return Silence(silence_id, START_MS + round(from_s * S), START_MS + round(until_s * S), **given)


def say(scene: Scene, *silences: Silence) -> None:
    scene.watch.bus.publish(Silences(list(silences)))


def acknowledge(scene: Scene, alert: Alert, at_ms: int | None) -> None:
    scene.watch.bus.publish(Seen(alert._replace(acknowledged_ms=at_ms)))


def newest(scene: Scene) -> Alert:
    return scene.alerts[-1]


def test_silenced_episode_is_recorded_with_its_silence_and_never_told() -> None:
    scene = Scene(UP)
    say(scene, silence(3))
    scene.tell(*[101.0] * 10)
    (alert,) = scene.watch.state.alerts.values()
    assert scene.notified == []
    assert alert.context["silenced"] == {"silence_id": "s1", "later": False}
    assert alert.context["notices"] == 0
    assert len(scene.alerts) == 1


def test_snoozed_episode_that_still_fires_at_the_end_is_told_once() -> None:
    scene = Scene(UP)
    say(scene, silence(3, remind=True))
    scene.tell(*[101.0] * 5)
    assert (scene.notified, newest(scene).context["silenced"]) == ([], {"silence_id": "s1", "later": True})
    scene.tell(*[101.0] * 10)
    assert scene.notified == [newest(scene).alert_id]
    assert newest(scene).context["notices"] == 1
    assert scene.batches[-1].time_ms == START_MS + 3 * S


def test_snooze_of_an_alert_that_was_told_reminds_once_at_its_end() -> None:
    scene = Scene(UP)
    scene.tell(101.0, 101.0)
    assert len(scene.notified) == 1
    say(scene, silence(4, from_s=1.5, remind=True, rule_id="up", symbol="BTCUSDT"))
    scene.tell(*[101.0] * 10)
    assert scene.notified == [newest(scene).alert_id] * 2
    assert (newest(scene).context["notices"], scene.batches[-1].time_ms) == (2, START_MS + 4 * S)


def test_snoozed_episode_that_is_over_before_the_end_is_never_told() -> None:
    scene = Scene(UP)
    say(scene, silence(4, remind=True))
    scene.tell(101.0, 101.0, 99.0, *[99.0] * 10)
    assert (scene.notified, scene.states) == ([], [("BTCUSDT", "firing"), ("BTCUSDT", "resolved")])


def test_snooze_that_is_taken_back_tells_what_it_held_and_reminds_of_nothing_else() -> None:
    scene = Scene(UP)
    scene.tell(101.0)
    snooze = silence(20, from_s=0.6, remind=True)
    say(scene, snooze)
    scene.tell(101.0)
    scene.tell(101.0, symbol="ETHUSDT")
    assert len(scene.notified) == 1
    say(scene, snooze._replace(ended_ms=START_MS + 2 * S))
    scene.tell(*[101.0] * 50)
    assert [scene.watch.state.alerts[key].symbol for key in scene.notified] == ["BTCUSDT", "ETHUSDT"]


def test_repeats_rest_under_a_silence_and_go_on_after_it() -> None:
    scene = Scene(UP._replace(repeat_ms=1000))
    scene.tell(101.0, 101.0, 101.0)
    assert len(scene.notified) == 2
    say(scene, silence(4, from_s=1.6))
    scene.tell(*[101.0] * 4)
    assert len(scene.notified) == 2
    scene.tell(*[101.0] * 4)
    assert (len(scene.notified), newest(scene).context["notices"]) == (4, 4)


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        ({}, []),
        ({"symbol": "BTC*"}, ["ETHUSDT"]),
        ({"symbol": "ETHUSD?"}, ["BTCUSDT"]),
        ({"rule_id": "up", "severity": "warning"}, []),
        ({"rule_id": "up", "severity": "critical"}, ["BTCUSDT", "ETHUSDT"]),
        ({"rule_id": "u"}, ["BTCUSDT", "ETHUSDT"]),
    ],
)
def test_all_patterns_of_a_silence_must_match(patterns: dict[str, Any], told: list[str]) -> None:
    scene = Scene(UP)
    say(scene, silence(60, **patterns))
    scene.tell(101.0)
    scene.tell(101.0, symbol="ETHUSDT")
    assert [scene.watch.state.alerts[key].symbol for key in scene.notified] == told


def test_silence_holds_from_its_start_in_event_time_and_not_when_it_is_heard() -> None:
    scene = Scene(UP._replace(recover="99"))
    say(scene, silence(3, from_s=2))
    scene.tell(101.0, 98.0)
    assert len(scene.notified) == 1
    scene.tell(98.0, 101.0, 98.0, 98.0, 101.0)
    assert [(batch.time_ms - START_MS) / S for batch in scene.batches if batch.notify] == [0.5, 3.5]


def test_acknowledged_alert_is_not_repeated_until_that_is_taken_back() -> None:
    scene = Scene(UP._replace(repeat_ms=1000))
    scene.tell(101.0)
    alert = newest(scene)
    acknowledge(scene, alert, START_MS + 600)
    scene.tell(*[101.0] * 8)
    assert len(scene.notified) == 1
    assert scene.watch.state.alerts[alert.alert_id].acknowledged_ms == START_MS + 600
    acknowledge(scene, alert, None)
    scene.tell(*[101.0] * 2)
    assert len(scene.notified) == 2
    assert newest(scene).acknowledged_ms is None


def test_acknowledgement_stays_on_the_alert_when_it_is_over() -> None:
    scene = Scene(UP)
    scene.tell(101.0)
    acknowledge(scene, newest(scene), START_MS + 600)
    scene.tell(99.0)
    assert (newest(scene).state.value, newest(scene).acknowledged_ms) == ("resolved", START_MS + 600)


@pytest.mark.parametrize("remind", [False, True])
@pytest.mark.parametrize("cut", range(1, 12))
@pytest.mark.parametrize("saved", ["snapshot", "store"])
def test_restart_neither_tells_what_is_silenced_nor_doubles_it_later(cut: int, remind: bool, saved: str) -> None:
    """`store`: the snapshot is lost, and only what was committed is known."""
    rule = UP._replace(cooldown_ms=500)
    quiet = silence(4, from_s=1, remind=remind)
    whole = Scene(rule)
    say(whole, quiet)
    whole.tell(90.0, 90.0, *[101.0] * 12)
    scene = Scene(rule)
    say(scene, quiet)
    scene.tell(*[90.0, 90.0, *[101.0] * 12][:cut])
    told = list(scene.notified)
    active = list(scene.watch.state.alerts.values())
    kept = snapshot(scene.lookout.evaluator) if saved == "snapshot" else None
    scene.lookout.evaluator.forget()
    again = Scene(rule, start_ms=scene.now)
    say(again, quiet)
    restore(again.lookout.evaluator, kept, active)
    again.tell(*[90.0, 90.0, *[101.0] * 12][cut:])
    assert told + again.notified == whole.notified
    assert len(whole.notified) == int(remind)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_glob_is_its_plain_definition(pattern: str, text: str) -> None:
    def plain(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return plain(pattern[1:], text) or (bool(text) and plain(pattern, text[1:]))
        return bool(text) and pattern[0] in ("?", text[0]) and plain(pattern[1:], text[1:])

    assert glob(pattern, text) is plain(pattern, text)


def test_hostile_glob_ends_at_once() -> None:
    assert not glob("*a" * 50 + "b", "a" * 200)


def test_rule_about_the_market_is_silenced_by_its_star() -> None:
    scene = Scene(Rule("feed", 1, "Feed", "feed_lag > 1s or reconnects >= 0"))
    scene.watch.bus.publish(status(scene.watch, START_MS))
    say(scene, silence(60, rule_id="feed", symbol="*"))
    scene.tell(101.0)
    assert (scene.states, scene.notified) == ([("*", "firing")], [])
