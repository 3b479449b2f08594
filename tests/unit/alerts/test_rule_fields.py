"""What a rule may say beside its condition: when it is evaluated, that nobody is told, whose watchlist, what to do."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from marketwatch.alerts.episodes import rule_facts, rule_of
from marketwatch.alerts.machine import Cause
from marketwatch.alerts.rule_file import read_file
from marketwatch.alerts.rulebook import Rulebook, versioned, with_mute
from marketwatch.alerts.snapshot import restore, snapshot
from marketwatch.alerts.standing import Side
from marketwatch.alerts.yaml_tree import RulesFileError
from marketwatch.clock import ManualClock
from marketwatch.model.alerts import FOREVER_MS, AlertState, Rule, Rules, Watchlists
from tests.kit.scene import Scene
from tests.kit.watches import START_MS

UP = Rule("up", 1, "Up", "price > 100")
"""START_MS is a Friday, 00:00 UTC."""


def test_rule_is_evaluated_inside_of_its_schedule_only() -> None:
    scene = Scene(UP._replace(schedule="Fri 00:01-00:02 UTC"))
    scene.tell(*[101.0] * 119)
    assert scene.alerts == []
    standing = scene.lookout.standing("up", "BTCUSDT")
    assert standing is not None
    assert standing.side is Side.PAUSED
    assert standing.reason.endswith("(Fri 00:01-00:02 UTC); it opens Fri 2025-11-21 00:01 UTC.")
    scene.tell(101.0, 101.0)
    assert [(one.state, one.fired_ms) for one in scene.alerts] == [(AlertState.FIRING, START_MS + 60_000)]


def test_what_fires_when_the_schedule_closes_ends_with_its_own_cause() -> None:
    waiting = Rule("wait", 1, "Wait", "price > 100", for_ms=3_600_000)
    scene = Scene(UP._replace(schedule="Fri 00:00-00:01 UTC"), waiting._replace(schedule="Fri 00:00-00:01 UTC"))
    scene.tell(*[101.0] * 121)
    ended = [one for one in scene.alerts if one.state is AlertState.RESOLVED]
    assert {(one.rule_id, one.resolved_ms) for one in ended} == {("up", START_MS + 60_000), ("wait", START_MS + 60_000)}
    assert {one.context["resolution"] for one in ended} == {Cause.CLOSED}
    assert scene.watch.state.alerts == {}
    assert len(scene.notified) == 1


def test_closed_rule_that_comes_back_after_a_restart_ends_what_fired() -> None:
    first = Scene(UP._replace(schedule="Fri 00:00-00:01 UTC"))
    first.tell(101.0)
    saved = orjson.loads(orjson.dumps(snapshot(first.lookout.evaluator)))
    second = Scene(UP._replace(schedule="Fri 00:00-00:01 UTC"), start_ms=START_MS + 120_000)
    restore(second.lookout.evaluator, saved, first.alerts)
    second.tell(101.0)
    assert [one.context["resolution"] for one in second.alerts] == [Cause.CLOSED]


def muted(until_ms: int | None) -> Rules:
    return Rules(with_mute([UP], "up", until_ms))


def test_muted_rule_records_and_tells_nobody_and_one_notice_comes_when_the_mute_ends() -> None:
    scene = Scene(UP._replace(muted_until_ms=START_MS + 10_000, repeat_ms=1000))
    scene.tell(*[101.0] * 18)
    assert [one.state for one in scene.alerts] == [AlertState.FIRING]
    assert (scene.notified, scene.alerts[0].context["notices"]) == ([], 0)
    scene.tell(101.0, 101.0)
    assert scene.notified == [scene.alerts[0].alert_id]
    assert scene.alerts[-1].context["notices"] == 1


def test_mute_and_its_end_leave_version_and_episode_alone() -> None:
    scene = Scene(UP)
    scene.tell(101.0)
    scene.watch.bus.publish(muted(FOREVER_MS))
    scene.tell(*[101.0] * 5)
    assert scene.states == [("BTCUSDT", "firing")]
    scene.tell(99.0, 101.0)
    assert (len(scene.notified), scene.states[1:]) == (1, [("BTCUSDT", "resolved"), ("BTCUSDT", "firing")])
    scene.watch.bus.publish(muted(None))
    scene.tell(101.0)
    assert scene.notified == [scene.alerts[0].alert_id, scene.alerts[-1].alert_id]


def test_episode_that_was_told_before_the_mute_is_not_told_again_after_it() -> None:
    scene = Scene(UP)
    scene.tell(101.0)
    scene.watch.bus.publish(muted(START_MS + 2000))
    scene.tell(*[101.0] * 8)
    assert len(scene.notified) == 1


def test_episode_of_a_muted_rule_is_not_told_because_of_a_restart() -> None:
    first = Scene(UP)
    first.tell(101.0)
    saved = orjson.loads(orjson.dumps(snapshot(first.lookout.evaluator)))
    second = Scene(UP._replace(muted_until_ms=FOREVER_MS), start_ms=first.now)
    found = restore(second.lookout.evaluator, saved, [])
    assert found is not None
    assert found.notify == []


@pytest.mark.parametrize(("field", "value"), [("note", "Call the desk."), ("muted_until_ms", FOREVER_MS)])
def test_note_and_mute_make_no_new_version(field: str, value: Any) -> None:
    changed = UP._replace(**{field: value})
    assert versioned([changed], {"up": UP._replace(version=7)}) == [changed._replace(version=7)]
    assert versioned([changed._replace(schedule="Mon")], {"up": UP})[0].version == 2
    assert versioned([changed._replace(intrabar=True)], {"up": UP})[0].version == 2


def test_rule_of_an_older_record_is_read_with_what_it_did_not_know() -> None:
    facts = rule_facts(UP._replace(note="x", intrabar=True))
    old = {name: value for name, value in facts.items() if name not in ("schedule", "intrabar", "note", "muted_until_ms")}
    assert rule_of(orjson.loads(orjson.dumps(facts))) == UP._replace(note="x", intrabar=True)
    assert rule_of(old) == UP


# Watchlists


def test_rule_about_a_watchlist_follows_it_and_keeps_the_episodes_of_symbols_that_stay() -> None:
    scene = Scene(UP._replace(symbols=("watchlist/main",)))
    scene.tell(101.0)
    standing = scene.lookout.standing("up", "BTCUSDT")
    assert standing is not None
    assert (standing.side, standing.reason) == (Side.ERROR, "There is no watchlist 'main'.")
    scene.watch.bus.publish(Watchlists("file", {"main": ("BTCUSDT", "ETHUSDT")}))
    scene.tell(101.0)
    scene.tell(101.0, symbol="ETHUSDT")
    assert scene.states == [("BTCUSDT", "firing"), ("ETHUSDT", "firing")]
    scene.watch.bus.publish(Watchlists("file", {"main": ("BTCUSDT",), "other": ("ETHUSDT",)}))
    assert [(one.symbol, one.context["resolution"]) for one in scene.alerts[2:]] == [("ETHUSDT", Cause.UNLISTED)]
    scene.tell(101.0, 99.0)
    assert scene.states[3:] == [("BTCUSDT", "resolved")]
    assert scene.alerts[-1].alert_id == scene.alerts[0].alert_id


def test_lists_of_two_sources_are_joined_and_that_of_the_file_counts() -> None:
    scene = Scene()
    scene.watch.bus.publish(Watchlists("file", {"main": ("A",)}))
    scene.watch.bus.publish(Watchlists("accounts", {"main": ("B",), "mine": ("C",)}))
    assert scene.watch.state.watchlists == {"main": ("A",), "mine": ("C",)}
    scene.watch.bus.publish(Watchlists("file", {}))
    assert scene.watch.state.watchlists == {"main": ("B",), "mine": ("C",)}


# The file

FILE = b"""\
watchlists:
  main: [btcusdt, ETHUSDT]
rules:
  - name: Up
    expression: price > 100
    symbols: [watchlist/main, SOLUSDT]
    schedule: Mon-Fri 08:00-18:00 Europe/Berlin
    intrabar: yes
    muted: 2027-01-01T00:00:00Z
    note: |
      Look at the book.
      Then call.
tests: anything
"""


def test_file_says_schedule_mute_note_and_watchlists() -> None:
    found = read_file(FILE)
    rule = found.rules[-1]
    assert found.watchlists == {"main": ("BTCUSDT", "ETHUSDT")}
    assert rule.symbols == ("watchlist/main", "SOLUSDT")
    assert (rule.schedule, rule.intrabar) == ("Mon-Fri 08:00-18:00 Europe/Berlin", True)
    assert (rule.muted_until_ms, rule.note) == (1_798_761_600_000, "Look at the book.\nThen call.")
    assert read_file(FILE.replace(b"2027-01-01T00:00:00Z", b"yes")).rules[-1].muted_until_ms == FOREVER_MS


@pytest.mark.parametrize(
    ("old", "new", "place", "word"),
    [
        (b"Berlin", b"Berlim", (7, 35), "time zone"),
        (b"2027-01-01T00:00:00Z", b"maybe", (9, 12), "yes or no"),
        (b"main: [", b"ma in: [", (2, 3), "watchlist"),
        (b"  main: [btcusdt, ETHUSDT]", b"  - main", (2, 3), "watchlists"),
        (b"note: |", b"note: " + b"x" * 501 + b"\n    recover: |", (10, 11), "500"),
    ],
)
def test_mistake_in_the_new_fields_is_told_with_its_place(old: bytes, new: bytes, place: tuple[int, int], word: str) -> None:
    with pytest.raises(RulesFileError) as caught:
        read_file(FILE.replace(old, new))
    assert (caught.value.line, caught.value.column) == place
    assert word in str(caught.value)


async def test_mute_by_hand_outlives_a_change_of_the_file_that_says_nothing_about_it(tmp_path: Any) -> None:
    path, events, held = tmp_path / "rules.yml", list[Any](), dict[str, Rule]()

    def take(rules: list[Rule]) -> None:
        held.update({rule.rule_id: rule for rule in rules})

    async def written(text: str) -> Rule:
        path.write_text(text)
        await book.refresh()
        return held["file-up"]

    book = Rulebook(path=path, clock=ManualClock(0), publish=events.append, on_change=take, current=lambda: held)
    plain = "rules:\n  - name: Up\n    expression: price > 1\n"
    assert (await written(plain)).muted_until_ms is None
    held["file-up"] = held["file-up"]._replace(muted_until_ms=5)
    assert (await written(plain + "    for: 1s\n")).muted_until_ms == 5
    assert (await written(plain + "    muted: yes\n")).muted_until_ms == FOREVER_MS
    held["file-up"] = held["file-up"]._replace(muted_until_ms=None)
    assert (await written(plain + "    muted: yes\n    note: x\n")).muted_until_ms is None
    held["file-up"] = held["file-up"]._replace(muted_until_ms=7)
    assert (await written(plain)).muted_until_ms is None
    await written(plain + "watchlists:\n  main: [A]\n")
    assert [event for event in events if isinstance(event, Watchlists)] == [Watchlists("file", {"main": ("A",)})]
