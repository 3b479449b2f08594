"""A run of the market with rules, and each of its alerts run again from what was stored: same ids, values and order."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import SystemClock
from marketwatch.errors import NotFound
from marketwatch.model.alerts import Alert, Alerts, AlertState
from marketwatch.model.market import Pulse
from marketwatch.ports import WriteBatch
from marketwatch.replay.pins import IncidentPins
from marketwatch.replay.rerun import Rerun, read_script
from marketwatch.store.writer import StoreWriter
from tests.kit.alerts import alert, rule
from tests.kit.streams import open_stream, serving
from tests.kit.watches import START_MS, World, publish_trades, trade, world

RULES = [
    rule("fall", expression="change(30s) < -0.05", symbols=("*",)),
    rule("rise", expression="change(1m) > 0.1 for 2s", recover="change(1m) < 0", symbols=("BTCUSDT", "ETHUSDT")),
    rule("ratio", expression="price('BTCUSDT') / price('ETHUSDT') > 20.02", symbols=("ETHUSDT",), cooldown_ms=60_000),
    rule("whale", expression="whales(1m) >= 2", symbols=("BTCUSDT",)),
]


class Run(World):
    """A world in which rules were evaluated while it was recorded. `told`: every change, in order."""

    told: list[Alert]


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, played=False, clock=SystemClock()) as made:
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
        Lookout(watch=watch, sample_ms=500).use(RULES)
        told: list[Alert] = []
        watch.bus.subscribe(Alerts, lambda batch: told.extend(batch.alerts), name="test")
        walk(made)
        await writer.flush()
        made.slot.put(watch)
        made.told = told  # type: ignore[attr-defined]
        yield made
        await writer.aclose()


def walk(made: World, seconds: int = 600) -> None:
    """A seeded walk of two pairs; ETHUSDT trades in every third step only, and BTCUSDT rests for a minute."""
    dice = random.Random(7)
    price = {"BTCUSDT": 50_000.0, "ETHUSDT": 2_500.0}
    for number in range(seconds * 2):
        at = START_MS + number * 500 + 100
        batch = []
        for symbol in price:
            price[symbol] = round(price[symbol] * (1 + dice.gauss(0, 1e-4)), 2)
        if not 800 < number < 920:
            batch.append(trade("BTCUSDT", 1_000 + number, price["BTCUSDT"], 4.0 if dice.random() < 0.01 else 0.1, at))
        if number % 3 == 0:
            batch.append(trade("ETHUSDT", 9_000 + number, price["ETHUSDT"], 2.0, at + 50, sold=True))
        if batch:
            publish_trades(made.watch, *batch)
    made.watch.bus.publish(Pulse(made.watch.venue, START_MS + seconds * 1_000 + 5_000))


def fired(alerts: list[Alert]) -> list[Alert]:
    """Each episode as it was when it fired, in order."""
    first: dict[str, Alert] = {}
    for one in alerts:
        if one.state is AlertState.FIRING:
            first.setdefault(one.alert_id, one)
    return list(first.values())


def known(one: Alert) -> tuple[Any, ...]:
    """What a rerun must say again."""
    return one.alert_id, one.fired_ms, one.trigger_value, one.context["terms"], one.context["trades"], one.context["price"]


async def test_every_alert_of_a_run_fires_again_with_its_id_and_values(run: World) -> None:
    before: list[Alert] = fired(run.told)  # type: ignore[attr-defined]
    assert {one.rule_id for one in before} == {"fall", "rise", "ratio", "whale"}
    ends = {one.rule_id: one for one in before} | {one.rule_id + "first": one for one in reversed(before)}
    for one in ends.values():
        script = await read_script(run.store, run.watch, one.alert_id, 500)
        rerun = Rerun(script, settings=run.settings, watch=run.watch)
        again = fired([found for step in rerun for found in step.alerts])
        assert rerun.errors == 0
        mine = [was for was in before if (was.rule_id, was.symbol) == (one.rule_id, one.symbol)]
        # What fired while the windows of the rerun were still filling is not told again.
        wanted = [was for was in mine if one.fired_ms <= was.fired_ms < script.to_ms]
        assert [known(found) for found in again if found.fired_ms >= one.fired_ms] == [known(was) for was in wanted]


async def test_rerun_of_the_same_script_gives_the_same_bytes(run: World) -> None:
    one = fired(run.told)[0]  # type: ignore[attr-defined]
    script = await read_script(run.store, run.watch, one.alert_id, 500)
    runs = [[step.alerts for step in Rerun(script, settings=run.settings, watch=run.watch)] for _ in range(2)]
    assert repr(runs[0]) == repr(runs[1])


async def test_alert_without_its_rule_or_samples_cannot_be_run_again(run: World) -> None:
    old = alert("old", fired_ms=START_MS - 10**9, context={"rule": {"expression": "price > 1"}})
    await run.store.write(WriteBatch(alerts=[alert("bare"), old]))
    for alert_id, words in (("bare", "was not stored with it"), ("old", "No samples"), ("nobody", "no alert")):
        with pytest.raises(NotFound, match=words):
            await read_script(run.store, run.watch, alert_id, 500)


async def test_stream_fires_the_alert_again_between_begin_and_end(run: World) -> None:
    one = fired(run.told)[-1]  # type: ignore[attr-defined]
    async with serving(run.build()) as port:
        stream = await open_stream(port, f"/api/replay/stream?alert_id={one.alert_id}&speed=1000")
        assert "text/event-stream" in stream.head
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] != "end":
            events.append(json.loads((await asyncio.wait_for(stream.event(), 20)).data))
    assert (events[0]["type"], events[-1]["refired"]) == ("begin", True)
    assert {event["meta"]["source"] for event in events} == {"replay"}
    assert one.alert_id in [event["data"]["alert_id"] for event in events if event["type"] == "alert"]
    times = [event["time"] for event in events if event["type"] == "step"]
    assert times == sorted(times)
    assert len(times) > 100
