"""Two people with an account, a portfolio of the same name and the same rule: each sees their own money, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import SystemClock
from marketwatch.model.accounts import Role
from marketwatch.model.alerts import Alert, Alerts, AlertState
from marketwatch.model.market import Pulse
from marketwatch.model.portfolio import CostMethod
from marketwatch.replay.pins import IncidentPins
from marketwatch.store.writer import StoreWriter
from marketwatch.web.envelope import iso
from tests.kit.books import entry
from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, history, publish_trades, trade, warm, world

STEP_MS, SECONDS, DAY_MS, HOUR_MS = 500, 120, 86_400_000, 3_600_000
UPNL = "portfolio('main').upnl"
RULE = {"expression": f"{UPNL} < -50", "recover": f"{UPNL} > 0", "severity": "info"}
OWNED = {"ann": 2, "bob": 1}
"""BTC, bought at 50,000: Ann has lost 50 below 49,975, Bob below 49,950."""


class Shared(NamedTuple):
    """What the two of them lived through. `bearers`: by name, of a guest none."""

    world: World
    client: Client
    bearers: dict[str, dict[str, str]]
    told: list[Alert]

    async def ask(self, who: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        more = {} if body is None else {"json": body}
        async with self.client.request(method, path, headers=self.bearers.get(who), **more) as answer:
            found = await answer.json()
            assert answer.status == status, found
            return found["data"] if found["success"] else found["error"]

    def fired(self, rule_id: str) -> Alert:
        return next(one for one in self.told if one.rule_id == rule_id and one.state is AlertState.FIRING)


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Shared]:
    async with world(tmp_path, played=False, clock=SystemClock(), accounts="open") as made, made.client() as client:
        watch, told = made.watch, list[Alert]()
        writer = StoreWriter(
            store=made.store, clock=made.clock, settings=made.settings, publish=watch.bus.publish,
            instruments=list(watch.instruments.values()),
        )  # fmt: skip
        writer.subscribe(watch.bus)
        IncidentPins(watch=watch, sample_ms=STEP_MS)
        lookout = Lookout(watch=watch, sample_ms=STEP_MS)
        made.slot.put(watch, lookout)
        await made.books.begin(watch.bus.publish, watch.marker)
        await made.desk.begin(watch.bus.publish)
        made.desk.take_file([])
        watch.bus.subscribe(Alerts, lambda batch: told.extend(batch.alerts), name="test")
        warm(watch, history("BTCUSDT", "1d", DAY_MS, 3, START_MS, 50_000.0))
        warm(watch, history("BTCUSDT", "1h", HOUR_MS, 30, START_MS, 50_000.0))
        found = Shared(made, client, {}, told)
        for name, quantity in OWNED.items():
            person = await made.person(name, Role.ADMIN)
            found.bearers[name] = await made.bearer(person)
            book = await made.books.create(person.user_id, "Main", "USD", CostMethod.AVERAGE)
            bought = entry("buy", "BTC", quantity, 50_000, time_ms=START_MS - HOUR_MS, id="x")
            await made.books.add(person.user_id, book.portfolio.portfolio_id, bought)
            await found.ask(name, "POST", "/api/rules", {"name": f"Loss of {name}", **RULE}, 201)
        play(made)
        await writer.flush()
        yield found
        await writer.aclose()


def play(made: World) -> None:
    """The price falls by a dollar a step from 50,000 to 49,940 and comes back half of the way."""
    for number in range(SECONDS * 2):
        price = 50_000.0 - min(number, 60) + max(0, min(number, 180) - 150)
        publish_trades(made.watch, trade("BTCUSDT", 1_000 + number, price, 0.1, START_MS + number * STEP_MS + 100))
    made.watch.bus.publish(Pulse(made.watch.venue, START_MS + SECONDS * 1_000 + 5_000))


async def test_each_ones_rule_fires_by_their_own_money_live_and_in_the_lab(shared: Shared) -> None:
    for name, quantity in OWNED.items():
        live = shared.fired(f"loss-of-{name}")
        assert live.trigger_value == -50.0 - quantity, name
        ask = {"expression": RULE["expression"], "recover": RULE["recover"], "symbols": ["BTCUSDT"]}
        ask |= {"from": iso(START_MS), "to": iso(START_MS + SECONDS * 1_000)}
        found = await shared.ask(name, "POST", "/api/rules/preview", ask)
        firings = [(one["symbol"], one["fired_at"], one["trigger_value"]) for one in found["firings"]]
        assert (firings, found["moves"]) == ([("*", iso(live.fired_ms), live.trigger_value)], []), name
    guest = await shared.ask("", "POST", "/api/rules/preview", ask)
    assert (guest["count"], len(guest["notes"])) == (0, 1)
    assert "somebody's own money" in guest["notes"][0]


async def test_figures_of_an_alert_are_told_to_its_author_alone(shared: Shared) -> None:
    live = shared.fired("loss-of-ann")
    for who, value in (("ann", live.trigger_value), ("bob", None), ("", None)):
        listed = await shared.ask(who, "GET", "/api/alerts?limit=10")
        one = next(one for one in listed if one["alert_id"] == live.alert_id)
        alone = await shared.ask(who, "GET", f"/api/alerts/{live.alert_id}")
        for found in (one, alone):
            assert (found["trigger_value"], found["context"]["terms"][UPNL]) == (value, value), who
            assert found["context"].get("private", False) is (value is None)
            assert "owner_id" not in str(found)
        replay = await shared.ask(who, "GET", f"/api/replay?alert_id={live.alert_id}")
        (lane,) = replay["lanes"]
        known = [value for value in lane["values"] if value is not None]
        assert (replay["marker"]["value"], replay["alert"]["trigger_value"], lane["at_alert"]) == (value, value, value)
        assert (bool(known), replay["lanes_agree"]) == (value is not None, True if value is not None else None), who
        for path in ("/replay", "/replay/export"):
            async with shared.client.get(f"{path}?alert_id={live.alert_id}", headers=shared.bearers.get(who)) as answer:
                text = await answer.text()
            assert answer.status == 200
            assert ("−52" in text) is (value is not None), (who, path)
            assert value is not None or "(private)" in text, (who, path)


async def test_shared_pages_and_streams_tell_nobody_the_figures(shared: Shared) -> None:
    async with shared.client.get("/alerts", headers=shared.bearers["ann"]) as answer:
        text = await answer.text()
    assert text.count("(private)") >= 2
    assert "−52" not in text
    async with shared.client.get("/api/alerts/stream", headers=shared.bearers["ann"]) as answer:
        async with asyncio.timeout(10):
            while b"data:" not in (first := await answer.content.readuntil(b"\n\n")):
                pass
    assert b'"private":true' in first
    assert b"-52" not in first


async def test_rule_is_explained_with_the_money_of_its_author(shared: Shared) -> None:
    fired_ms = shared.fired("loss-of-ann").fired_ms
    for at in ("", f"&at={iso(fired_ms)}"):
        own = await shared.ask("ann", "GET", f"/api/rules/loss-of-ann/explain?symbol=*{at}")
        assert (own["terms"][0]["value"], own["state"]) == (-52.0 if at else -60.0, "firing"), at
        for who in ("bob", ""):
            found = await shared.ask(who, "GET", f"/api/rules/loss-of-ann/explain?symbol=*{at}")
            assert (found["terms"][0]["value"], found["terms"][0]["source"]) == (None, "private")
            assert (found["truth"], found["comparisons"][0]["left"], found["state"]) == ("unknown", None, "firing")
    for then in ({}, {"at": iso(fired_ms)}):
        asked = {"expression": f"change({UPNL}, 5s) < 9 and {UPNL} < 0", "symbol": "BTC", **then}
        values = {}
        for who in ("ann", "bob", ""):
            found = await shared.ask(who, "POST", "/api/rules/explain", asked)
            values[who] = {one["term"]: one["value"] for one in found["terms"]}[UPNL]
        assert values == {"ann": -52.0 if then else -60.0, "bob": -26.0 if then else -30.0, "": None}, then


async def test_page_of_a_rule_shows_figures_to_its_author_and_its_condition_is_only_theirs_to_change(shared: Shared) -> None:
    for who, shown in (("ann", True), ("bob", False)):
        async with shared.client.get("/alerts/rules/loss-of-ann", headers=shared.bearers[who]) as answer:
            assert (f"{UPNL} −60" in (await answer.text()).replace("&#39;", "'")) is shown, who
    body = {"name": "Loss of ann", **RULE}
    refused = await shared.ask("bob", "PUT", "/api/rules/loss-of-ann", {**body, "expression": f"{UPNL} < -40"}, 403)
    assert "copy it as a rule of your own" in refused["message"]
    await shared.ask("bob", "PUT", "/api/rules/loss-of-ann", {**body, "severity": "critical"})
    await shared.ask("ann", "PUT", "/api/rules/loss-of-ann", {**body, "expression": f"{UPNL} < -40"})
    assert shared.world.watch.state.rules["loss-of-ann"].owner_id != shared.world.watch.state.rules["loss-of-bob"].owner_id


async def test_pages_say_portfolio_where_a_rule_looks_at_no_symbol(shared: Shared) -> None:
    async def text(path: str, **query: str) -> str:
        async with shared.client.get(path, params=query, headers=shared.bearers["ann"]) as answer:
            assert answer.status == 200
            return await answer.text()

    asked = {"expression": RULE["expression"], "symbols": "*", "span": "1h"}
    trial = await text("/alerts/rules/check", **asked)
    assert "for your portfolios now" in trial
    assert "it would not have fired for your portfolios." in trial
    assert "BTCUSDT" not in trial.partition("<main")[2]
    lab = await text("/alerts/lab", **asked)
    assert "no price to follow" in lab
    assert "What the price did then" not in lab
    rule = await text("/alerts/rules/loss-of-ann")
    assert '<th scope="row">Portfolio</th>' in rule
    assert "info · portfolio · " in rule
    assert "<b>Portfolio</b> Loss of ann" in await text("/alerts")
    market = await text("/alerts/rules/check", expression="price > 1 and portfolio('main').value > 1")
    assert "for BTCUSDT now" in market
