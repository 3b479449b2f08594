"""Rules over the recorded pair as the exchange sends it: through sockets, sampler, evaluator, store, lab and replay.

What fires is what a plain reading of the trades says; the lab finds the same in the stored samples; each alert fires again when
its stored samples are run once more. Duplicated and shuffled frames change none of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketwatch.alerts.compiled import compiled
from marketwatch.alerts.lookout import Lookout
from marketwatch.config import Settings
from marketwatch.lab.lab import Lab
from marketwatch.lab.question import Durations, question
from marketwatch.model.alerts import Alert, Alerts, AlertState, Rule
from marketwatch.model.market import Trade
from marketwatch.ports import MarketStore
from marketwatch.replay.incident import read_incident
from marketwatch.replay.lanes import LaneReader
from marketwatch.replay.pins import IncidentPins
from marketwatch.replay.rerun import Rerun, read_script
from marketwatch.store import open_store
from marketwatch.store.writer import StoreWriter
from tests.kit.market_rig import Rig
from tests.kit.plain_reading import RULES, STEP_MS, WHALE_USD, Log, expected, logged
from tests.kit.venue_tape import Tape, load_tape

LATENESS_MS = 5000
"""Late enough that no shuffled frame comes after its step was closed: a plain reading knows no revisions."""


@pytest.fixture(scope="module")
def tape(recorded: Path) -> Tape:
    folder = recorded / "binance"
    return load_tape([folder / "spot_btcusdt_20240808.gz", folder / "spot_ethusdt_20240808.gz"])


class Lived(NamedTuple):
    """What came of a run: every batch of alerts, the trades that the venue sent, and how far the samples reach."""

    rig: Rig
    store: MarketStore
    batches: list[Alerts]
    trades: list[Trade]
    last: int

    def fired(self) -> list[Alert]:
        """Every episode as it was when it fired, in order."""
        first: dict[str, Alert] = {}
        for batch in self.batches:
            for alert in batch.alerts:
                if alert.state is AlertState.FIRING:
                    first.setdefault(alert.alert_id, alert)
        return list(first.values())

    def ends(self) -> dict[str, int | None]:
        """When each episode was over, None while it goes on."""
        newest = {alert.alert_id: alert for batch in self.batches for alert in batch.alerts}
        return {key: alert.resolved_ms for key, alert in newest.items()}


@asynccontextmanager
async def live(tape: Tape, folder: Path, *, disturbed: bool = False) -> AsyncIterator[Lived]:
    """Play the tape through the fake venue into a watch with the rules in force and a store."""
    settings: dict[str, Any] = {"windows": ("2m",), "whale_usd": WHALE_USD, "lateness_ms": LATENESS_MS, "stale_s": 3600.0}
    async with Rig(tape, speed=1, venue={"flat_out": True}, **settings) as rig:
        own = Settings.of(data_dir=folder, database_url=f"sqlite:///{folder / 'm.db'}")
        store = open_store(own, clock=rig.clock)
        await store.open()
        bus, instruments = rig.watch.bus, list(rig.watch.instruments.values())
        writer = StoreWriter(store=store, clock=rig.clock, settings=own, publish=bus.publish, instruments=instruments)
        writer.subscribe(bus)
        batches: list[Alerts] = []
        bus.subscribe(Alerts, batches.append, name="test")
        lookout = Lookout(watch=rig.watch, sample_ms=STEP_MS)
        IncidentPins(watch=rig.watch, sample_ms=STEP_MS)
        lookout.use(RULES)
        if disturbed:
            rig.venue.faults.duplicate("BTCUSDT", 3)
            rig.venue.faults.shuffle("ETHUSDT", 4)
        rig.venue.play()
        await rig.venue.wait_played(within_s=100)
        if disturbed:
            rig.venue.end_shuffle("ETHUSDT")
        await rig.settle(within_s=60)
        await writer.flush()
        ledgers = rig.venue.market.ledgers
        trades = [
            Trade(symbol, one.trade_id, float(one.price), float(one.quantity), one.time_ms, one.buyer_is_maker)
            for symbol in rig.symbols
            for one in ledgers[symbol].trades
        ]
        yield Lived(rig, store, batches, trades, lookout.evaluator.machine.time_ms // STEP_MS)
        await writer.aclose()
        await store.close()


def _until(logs: dict[str, Log], end_ms: int) -> dict[str, Log]:
    return {key: [entry for entry in log if entry[0] <= end_ms] for key, log in logs.items()}


def compare(lived: Lived, symbol: str) -> int:
    """Hold the run against the plain reading; answers how many entries agreed."""
    plain = expected(lived.trades, symbol, lived.last)
    ours = logged(lived.batches, symbol)
    assert ours == _until(plain, lived.last * STEP_MS)
    return sum(len(log) for log in ours.values())


@pytest.mark.slow
@pytest.mark.parametrize("disturbed", [False, True], ids=["in order", "duplicated and shuffled"])
async def test_rules_through_the_venue_fire_at_the_samples_of_a_plain_reading(
    tape: Tape, tmp_path: Path, disturbed: bool
) -> None:
    async with live(tape, tmp_path, disturbed=disturbed) as lived:
        assert compare(lived, "BTCUSDT") + compare(lived, "ETHUSDT") > 40
        stored = [one.alert_id for one in await lived.store.alerts(limit=1000) if one.state is not AlertState.PENDING]
        assert sorted(stored) == sorted(alert.alert_id for alert in lived.fired())
        outbox = await lived.store.outbox(limit=10_000)
        assert len({notice.notification_id for notice in outbox}) == len(outbox)
        told = sum(len(batch.notify) for batch in lived.batches)
        assert len(outbox) == told > 10


@pytest.mark.slow
async def test_lab_and_replay_find_again_what_fired_live(tape: Tape, tmp_path: Path) -> None:
    async with live(tape, tmp_path) as lived:
        for rule in RULES:
            await _same_in_the_lab(lived, rule)
        last = {(alert.rule_id, alert.symbol): alert for alert in lived.fired()}
        assert len(last) > 7
        lanes = LaneReader(lived.store)
        for alert in last.values():
            await _same_in_replay(lived, alert)
            await _same_in_lanes(lived, alert, lanes)


async def _same_in_the_lab(lived: Lived, rule: Rule) -> None:
    symbols, ends = lived.rig.symbols, lived.ends()
    from_ms = min(one.time_ms for one in lived.trades) // STEP_MS * STEP_MS
    to_ms = lived.last * STEP_MS
    asked = question(
        rule.expression,
        symbols=symbols,
        watched=symbols,
        from_ms=from_ms,
        to_ms=to_ms,
        sample_ms=STEP_MS,
        reference=lived.rig.watch.reference,
        recover=rule.recover,
        durations=Durations(compiled(rule, symbols).timing(-1).for_ms, rule.keep_firing_ms, rule.cooldown_ms),
    )
    found = await Lab(lived.store).preview(asked)
    ours = {(one.symbol, one.fired_ms): one for one in found.firings}
    theirs = [alert for alert in lived.fired() if alert.rule_id == rule.rule_id and alert.fired_ms < to_ms]
    assert ours.keys() == {(alert.symbol, alert.fired_ms) for alert in theirs}, rule.rule_id
    for alert in theirs:
        mine, end_ms = ours[alert.symbol, alert.fired_ms], ends[alert.alert_id]
        assert mine.resolved_ms == (end_ms if end_ms is not None and end_ms <= to_ms else None)
        assert mine.trigger_value == (None if alert.trigger_value is None else pytest.approx(alert.trigger_value, rel=1e-9))


async def _same_in_replay(lived: Lived, alert: Alert) -> None:
    script = await read_script(lived.store, lived.rig.watch, alert.alert_id, STEP_MS)
    again = [
        one
        for step in Rerun(script, settings=lived.rig.settings, watch=lived.rig.watch)
        for one in step.alerts
        if one.state is AlertState.FIRING and one.fired_ms == alert.fired_ms
    ]
    assert [one.alert_id for one in again[:1]] == [alert.alert_id], alert
    mine = again[0]
    assert (mine.trigger_value, mine.context["terms"]) == (alert.trigger_value, alert.context["terms"])
    assert mine.context["trades"] == alert.context["trades"]


async def _same_in_lanes(lived: Lived, alert: Alert, lanes: LaneReader) -> None:
    """The rule's terms along the minutes around the alert: at its step they are what its record holds, and the rule fires."""
    watch = lived.rig.watch
    incident = await read_incident(lived.store, watch, alert.alert_id, 300_000)
    found = await lanes.read(incident, watch)
    step = (alert.fired_ms - found.first_ms) // STEP_MS
    values = {one.text: one.values[step] for one in found.lanes}
    assert found.agrees is True, (alert, found.note)
    assert found.lanes
    for term, value in alert.context["terms"].items():
        assert values[term] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (alert.rule_id, term)
