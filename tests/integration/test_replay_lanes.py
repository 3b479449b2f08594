"""Lanes of a replay: at the moment of every alert they show the values of its record, and the rule fires there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from marketwatch.alerts.episodes import rule_facts
from marketwatch.alerts.lookout import Lookout
from marketwatch.model.alerts import Alert, Alerts, AlertState
from marketwatch.ports import WriteBatch
from marketwatch.replay.incident import read_incident
from marketwatch.replay.lanes import MOST_LANES, LaneReader, Lanes
from marketwatch.replay.pins import IncidentPins
from marketwatch.store.writer import StoreWriter
from marketwatch.web.envelope import iso
from tests.integration.test_replay_rerun import RULES, fired, walk
from tests.kit.alerts import alert, rule
from tests.kit.watches import START_MS, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")
MOMENT_MS = START_MS + 60_000
MORE = [
    rule("still", expression="data_age > 10s", symbols=("BTCUSDT",)),
    rule("busy", expression="trade_rate(10s) > 1 and price > sma(20s)", symbols=("BTCUSDT",), keep_firing_ms=4_000),
    rule("upward", expression="crosses_above(price, ema(30s))", symbols=("ETHUSDT",)),
    rule("unusual", expression="zscore(price, 1m) > 2", symbols=("ETHUSDT",)),
]


class Run(NamedTuple):
    """A world in which rules were evaluated while it was recorded, and every change that was told, in order."""

    made: World
    told: list[Alert]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    async with world(tmp_path_factory.mktemp("lanes"), played=False) as made:
        watch = made.watch
        writer = StoreWriter(
            store=made.store,
            clock=made.clock,
            settings=made.settings,
            publish=watch.bus.publish,
            instruments=list(watch.instruments.values()),
        )
        writer.subscribe(watch.bus)
        IncidentPins(watch=watch, sample_ms=500)
        Lookout(watch=watch, sample_ms=500).use([*RULES, *MORE])
        told: list[Alert] = []
        watch.bus.subscribe(Alerts, lambda batch: told.extend(batch.alerts), name="test")
        walk(made)
        await writer.flush()
        made.slot.put(watch)
        yield Run(made, told)
        await writer.aclose()


async def keep(run: Run, one: Alert) -> None:
    await run.made.store.write(WriteBatch(alerts=[one]))


async def lanes_of(run: Run, alert_id: str, minutes: int = 5) -> Lanes:
    made = run.made
    incident = await read_incident(made.store, made.watch, alert_id, minutes * 60_000)
    return await LaneReader(made.store).read(incident, made.watch)


def standing(found: Lanes, time_ms: int) -> str:
    return next(one.state for one in found.stretches if one.from_ms <= time_ms <= one.to_ms)


async def test_lanes_at_the_moment_of_every_alert_are_its_record(run: Run) -> None:
    alerts = fired(run.told)
    assert {one.rule_id for one in alerts} == {one.rule_id for one in [*RULES, *MORE]}
    for one in alerts:
        found = await lanes_of(run, one.alert_id)
        step = (one.fired_ms - found.first_ms) // 500
        assert found.agrees is True, (one.rule_id, one.fired_ms - START_MS, found.note)
        assert found.note == ""
        assert standing(found, one.fired_ms) == "firing"
        assert standing(found, one.fired_ms - 500) in ("false", "unknown", "pending")
        for lane in found.lanes:
            if lane.text in one.context["terms"]:
                value = one.context["terms"][lane.text]
                assert lane.at_alert == value
                assert lane.values[step] == pytest.approx(value, rel=1e-9, abs=1e-9)


async def test_stretches_follow_the_states_that_were_told(run: Run) -> None:
    words = {AlertState.FIRING: "firing", AlertState.RECOVERING: "recovering", AlertState.RESOLVED: "false"}
    one = next(one for one in fired(run.told) if one.rule_id == "busy")
    found = await lanes_of(run, one.alert_id, 60)
    assert {"firing", "recovering"} <= {part.state for part in found.stretches}
    ends = {change.resolved_ms: change for change in run.told if change.rule_id == "busy" and change.resolved_ms is not None}
    for time_ms, change in ends.items():
        assert standing(found, time_ms) == words[change.state]
    for before, after in zip(found.stretches, found.stretches[1:], strict=False):
        assert after.from_ms == before.to_ms + 500
        assert after.state != before.state


async def test_lanes_draw_compared_terms_first_and_say_how_many_are_left_out(run: Run) -> None:
    wide = rule("wide", expression=" and ".join(f"abs(change({n}s)) < 50" for n in range(1, 12)))
    await keep(run, alert("wide", fired_ms=MOMENT_MS, context={"rule": rule_facts(wide)}))
    found = await lanes_of(run, "wide")
    assert len(found.lanes) == MOST_LANES
    assert found.lanes[0].text == "abs(change(1s))"
    assert [(line.operator, line.value, line.recovery) for line in found.lanes[0].thresholds] == [("<", 50.0, False)]
    assert found.left_out == 22 - MOST_LANES
    rise = await lanes_of(run, next(one for one in fired(run.told) if one.rule_id == "rise").alert_id)
    assert [(line.operator, line.value, line.recovery) for line in rise.lanes[0].thresholds] == [
        (">", 0.1, False),
        ("<", 0.0, True),
    ]


async def test_lanes_that_are_not_as_recorded_say_so(run: Run) -> None:
    one = next(one for one in fired(run.told) if one.rule_id == "fall")
    other = one._replace(alert_id="other", context={**one.context, "terms": {"change(30s)": -7.0}})
    await keep(run, other)
    found = await lanes_of(run, "other")
    assert found.agrees is False
    assert "not where it was live" in found.note
    assert found.lanes[0].at_alert == -7.0


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({}, "not stored with the alert"),
        ({"rule": {"expression": 7}}, "not stored with the alert"),
        ({"rule": None}, "not stored with the alert"),
        ({"rule": "price +"}, "not stored with the alert"),
    ],
)
async def test_lanes_of_an_alert_without_its_rule_are_none_with_a_reason(run: Run, context: dict[str, Any], words: str) -> None:
    key = f"bare {context}"
    await keep(run, alert(key, fired_ms=MOMENT_MS, context=context))
    found = await lanes_of(run, key)
    assert (found.lanes, found.stretches, found.agrees) == ((), (), None)
    assert words in found.note


async def test_lanes_of_a_rule_about_the_program_say_that_nobody_stores_it(run: Run) -> None:
    program = rule("program", expression="store_depth > 100")
    await keep(run, alert("program", symbol="*", fired_ms=MOMENT_MS, context={"rule": rule_facts(program)}))
    found = await lanes_of(run, "program")
    assert found.lanes == ()
    assert "about the program itself" in found.note


async def test_interface_answers_lanes_and_stretches(run: Run) -> None:
    one = next(one for one in fired(run.told) if one.rule_id == "rise")
    async with run.made.client() as client:
        answer = await client.get("/api/replay", params={"alert_id": one.alert_id, "minutes": "1"})
        found = (await answer.json())["data"]
    assert answer.status == 200
    assert found["lanes_agree"] is True
    lane = found["lanes"][0]
    assert (lane["term"], lane["unit"], lane["at_alert"]) == ("change(1m)", "%", one.trigger_value)
    step = (one.fired_ms - (one.fired_ms - 60_000)) // 500 - 1
    assert found["lanes_from"] == iso(one.fired_ms - 60_000 + 500)
    assert lane["values"][step] == pytest.approx(one.trigger_value, rel=1e-9)
    assert len(lane["values"]) == 240
    states = [part["state"] for part in found["stretches"]]
    assert states[states.index("firing") - 1] == "pending"
