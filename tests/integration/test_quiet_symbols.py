"""A market whose symbols fall quiet and come back, and whose feed is cut: lab, lanes and rerun find what live found.

Staleness is judged by the feeds' own watchdog, by arrivals of trades and quotes that nobody stores.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import ManualClock
from marketwatch.feed.watchdog import Watchdog
from marketwatch.lab.lab import Lab
from marketwatch.lab.question import Durations, question
from marketwatch.model.alerts import Alert, Alerts, AlertState, Rule
from marketwatch.model.market import Gap, GapReason, GapState, Pulse, QuietCause, QuietSpan, Quote, Quotes, Trade, Trades
from marketwatch.model.system import FeedState
from marketwatch.replay.cursor import Cursor
from marketwatch.replay.incident import read_incident
from marketwatch.replay.lanes import LaneReader
from marketwatch.replay.pins import IncidentPins
from marketwatch.replay.rerun import Rerun, read_script
from marketwatch.store.writer import StoreWriter
from marketwatch.web.envelope import iso
from tests.kit.alerts import rule
from tests.kit.watches import START_MS, World, status, trade, world

pytestmark = pytest.mark.asyncio(loop_scope="module")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "ETHBTC")
SECONDS = 360
END_MS = START_MS + SECONDS * 1_000
CUT_MS = (START_MS + 220_000, START_MS + 232_000)
WARM_MS = START_MS + 90_000
"""By then every window has been full, so that it does not matter how long before the first trade somebody began to count."""
RULES = [
    rule("above", expression="price > sma(30s) for 2s", symbols=("*",)),
    rule("fall", expression="change(20s) < -0.02", symbols=("*",), recover="change(20s) > 0", cooldown_ms=30_000),
    rule("held", expression="price > 1 and change(10s) <= 0", symbols=("*",), keep_firing_ms=4_000),
    rule("ratio", expression="change('ETHUSDT', 20s) < change('BTCUSDT', 20s)", symbols=("ETHUSDT",)),
    rule("unusual", expression="abs(zscore(price, 30s)) > 1.5", symbols=("*",)),
    rule("quiet", expression="stale", symbols=("*",)),
    rule("known", expression="not stale and price > sma(1m)", symbols=("ETHUSDT",)),
]


class Run(NamedTuple):
    """A world in which rules were evaluated while it was stored, and every change that was told, in order."""

    made: World
    told: list[Alert]

    @property
    def fired(self) -> list[Alert]:
        """Each episode as it was when it fired, in order."""
        first: dict[str, Alert] = {}
        for one in self.told:
            if one.state is AlertState.FIRING:
                first.setdefault(one.alert_id, one)
        return list(first.values())

    def spans(self, one: Rule) -> list[tuple[str, int, int | None]]:
        """The episodes of a rule since everything was warm: symbol, beginning and end."""
        newest = {alert.alert_id: alert for alert in self.told if alert.rule_id == one.rule_id}
        fired = [newest[alert.alert_id] for alert in self.fired if alert.rule_id == one.rule_id]
        return sorted((one.symbol, one.fired_ms, one.resolved_ms) for one in fired if one.fired_ms > WARM_MS)


def arrivals(seed: int) -> Iterator[tuple[int, list[Trade], list[Quote]]]:
    """Trades and quotes every quarter of a second: seeded walks, and lulls of each symbol in which it trades no more; in some
    of them its quotes go on."""
    dice = random.Random(seed)
    price = dict(zip(SYMBOLS, (50_000.0, 2_500.0, 0.05), strict=True))
    number = 0
    lull: dict[str, tuple[int, bool]] = {}
    for time_ms in range(START_MS, END_MS, 250):
        trades, quotes = [], []
        for symbol, pace in zip(SYMBOLS, (2, 6, 14), strict=True):
            price[symbol] *= 1 + dice.gauss(0, 1e-4)
            until_ms, quoting = lull.get(symbol, (0, True))
            if time_ms >= until_ms and time_ms > START_MS + 40_000 and dice.random() < 0.012:
                lull[symbol] = until_ms, quoting = time_ms + dice.randrange(15_000, 90_000), dice.random() < 0.5
            if time_ms >= until_ms and dice.randrange(pace) == 0:
                number += 1
                trades.append(trade(symbol, number, price[symbol], 0.1, time_ms + dice.randrange(200)))
            if (time_ms >= until_ms or quoting) and dice.randrange(3) == 0:
                quotes.append(Quote(symbol, price[symbol] * 0.9999, 1.0, price[symbol] * 1.0001, 1.0, time_ms))
        trades.sort(key=lambda one: one.time_ms)
        yield time_ms + 250, trades, quotes


def play(made: World, seed: int) -> None:
    """Publish it as a feed does; what would have come during the cut is refilled behind it."""
    publish, venue = made.watch.bus.publish, made.watch.venue
    watchdog = Watchdog(SYMBOLS, stale_s=8.0, now=START_MS / 1000)
    publish(status(made.watch, START_MS))
    missed: list[Trade] = []
    for at_ms, trades, quotes in arrivals(seed):
        if CUT_MS[0] < at_ms <= CUT_MS[1]:
            if not missed:
                publish(status(made.watch, at_ms, FeedState.RECONNECTING))
            missed += trades
            continue
        if missed:
            watchdog.resumed(SYMBOLS, at_ms / 1000)
            publish(status(made.watch, at_ms))
        publish(Trades(venue, at_ms, trades))
        publish(Quotes(venue, at_ms, quotes))
        for fact in watchdog.follow(venue, {one.symbol for one in trades}, {one.symbol for one in quotes}, at_ms):
            publish(fact)
        publish(Pulse(venue, at_ms))
        if missed:
            refill(made, missed, at_ms)
            missed = []
    publish(Pulse(venue, END_MS + 5_000))


def refill(made: World, missed: list[Trade], at_ms: int) -> None:
    publish, venue = made.watch.bus.publish, made.watch.venue
    for symbol in SYMBOLS:
        gap = Gap(f"cut:{symbol}", venue, symbol, GapReason.DISCONNECT, GapState.OPEN, *CUT_MS)
        publish(gap)
        publish(Trades(venue, at_ms, [one for one in missed if one.symbol == symbol], refill=True))
        publish(gap._replace(state=GapState.CLOSED))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2])
async def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    clock = ManualClock(END_MS + 10_000)
    async with world(tmp_path_factory.mktemp("quiet"), played=False, clock=clock) as made:
        watch = made.watch
        writer = StoreWriter(
            store=made.store, clock=clock, settings=made.settings, publish=watch.bus.publish,
            instruments=list(watch.instruments.values()),
        )  # fmt: skip
        writer.subscribe(watch.bus)
        IncidentPins(watch=watch, sample_ms=500)
        Lookout(watch=watch, sample_ms=500).use(RULES)
        told: list[Alert] = []
        watch.bus.subscribe(Alerts, lambda batch: told.extend(batch.alerts), name="test")
        play(made, request.param)
        await writer.flush()
        made.slot.put(watch)
        yield Run(made, told)
        await writer.aclose()


async def spans(run: Run, cause: QuietCause) -> list[QuietSpan]:
    store = run.made.store
    found = [one for symbol in SYMBOLS for one in await store.quiet(symbol, from_ms=START_MS, to_ms=END_MS)]
    return [one for one in found if one.cause is cause]


async def in_the_lab(run: Run, one: Rule) -> list[tuple[str, int, int | None]]:
    made = run.made
    assert made.watch.state.samples is not None
    asked = question(
        one.expression, symbols=SYMBOLS if one.symbols == ("*",) else one.symbols, watched=made.watch.symbols,
        from_ms=START_MS, to_ms=made.watch.state.samples.time_ms + 500, sample_ms=500, reference=made.watch.reference,
        recover=one.recover, durations=Durations(one.for_ms or None, one.keep_firing_ms, one.cooldown_ms),
    )  # fmt: skip
    found = await Lab(made.store).preview(asked)
    return sorted((each.symbol, each.fired_ms, each.resolved_ms) for each in found.firings if each.fired_ms > WARM_MS)


async def test_lab_fires_for_quiet_symbols_when_live_did(run: Run) -> None:
    assert {one.symbol for one in await spans(run, QuietCause.STALE)} >= {"ETHUSDT", "ETHBTC"}
    assert {one.symbol for one in await spans(run, QuietCause.GAP)} == set(SYMBOLS)
    for one in RULES:
        assert run.spans(one), one.rule_id
        assert await in_the_lab(run, one) == run.spans(one), one.rule_id


def said(one: Alert) -> dict[str, float]:
    """The known values that a rerun must say again."""
    found = {"trigger": one.trigger_value, "price": one.context["price"], **one.context["terms"]}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.rule_id)
async def test_replay_of_quiet_symbols_fires_when_live_did(run: Run, one: Rule) -> None:
    mine = [alert for alert in run.fired if alert.rule_id == one.rule_id and alert.fired_ms > WARM_MS]
    alert = next((each for each in mine if each.fired_ms > CUT_MS[1] + 10_000), mine[-1])
    mine = [each for each in mine if each.symbol == alert.symbol]
    await same_in_the_rerun(run, alert, mine)
    await same_in_the_lanes(run, alert, mine)


async def same_in_the_rerun(run: Run, alert: Alert, mine: list[Alert]) -> None:
    script = await read_script(run.made.store, run.made.watch, alert.alert_id, 500)
    rerun = Rerun(script, settings=run.made.settings, watch=run.made.watch)
    again: dict[str, Alert] = {}
    for step in rerun:
        for one in step.alerts:
            if one.state is AlertState.FIRING and one.fired_ms > WARM_MS:
                again.setdefault(one.alert_id, one)
    assert rerun.errors == 0
    assert list(again) == [one.alert_id for one in mine if one.fired_ms < script.to_ms]
    for one in mine:
        if one.alert_id in again and one.fired_ms < CUT_MS[0]:
            assert said(again[one.alert_id]) == said(one)
        elif one.alert_id in again:  # sums that were amended by what was refilled differ in the last digits
            assert said(again[one.alert_id]) == pytest.approx(said(one), rel=1e-9, abs=1e-9)


async def same_in_the_lanes(run: Run, alert: Alert, mine: list[Alert]) -> None:
    incident = await read_incident(run.made.store, run.made.watch, alert.alert_id, 300_000)
    lanes = await LaneReader(run.made.store).read(incident, run.made.watch)
    assert lanes.agrees is True, (alert.symbol, alert.fired_ms - START_MS, lanes.note)
    begun = {one.from_ms for one in lanes.stretches if one.state == "firing"}
    assert begun >= {one.fired_ms for one in mine if max(WARM_MS, incident.from_ms) < one.fired_ms < incident.to_ms}


async def test_pages_of_the_past_show_a_quiet_symbol_as_quiet_then(run: Run) -> None:
    one = next(one for one in await spans(run, QuietCause.STALE) if one.symbol == "ETHUSDT" and not one.is_open)
    cursor = Cursor(store=run.made.store, slot=run.made.slot, settings=run.made.settings)
    for at_ms, stale in ((one.from_ms, False), (one.from_ms + 500, True), (one.to_ms, True), (one.to_ms + 500, False)):
        moment = await cursor.at(at_ms, END_MS)
        assert moment.watch.state.symbols["ETHUSDT"].stale is stale, at_ms - one.from_ms
    await cursor.aclose()


async def test_explanation_of_a_past_moment_says_that_the_rule_rested(run: Run) -> None:
    one = next(one for one in await spans(run, QuietCause.STALE) if one.symbol == "ETHUSDT" and not one.is_open)
    async with run.made.client() as client:
        for at_ms, rested in ((one.to_ms, True), (one.to_ms + 500, False)):
            asked = {"symbol": "ETHUSDT", "at": iso(at_ms)}
            answer = await client.get("/api/rules/above/explain", params=asked)
            said = (await answer.json())["data"]
            assert ("was quiet" in said["reason"]) is rested, said
            assert not rested or said["side"] == "no data"
