"""Explanations over HTTP: of rules in force, now and at the moment of every alert, and of what one is typing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import ManualClock
from marketwatch.ports import WriteBatch
from marketwatch.web.envelope import iso
from tests.integration.test_lab import LIVE, SECONDS, lived, wander
from tests.kit.alerts import rule
from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")
RULES = {name: given for name, given in LIVE.items() if name != "e"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world that has just lived through the wandering market, with its rules in force and its samples stored. Nobody changes
    anything of it."""
    async with world(
        tmp_path_factory.mktemp("explain"), played=False, clock=ManualClock(START_MS + SECONDS * 1000 + 500)
    ) as found:
        lookout = Lookout(watch=found.watch, sample_ms=500)
        found.slot.put(found.watch, lookout)
        lookout.use([rule(name, symbols=("BTCUSDT", "ETHUSDT"), **given) for name, given in RULES.items()])
        wander(found.watch)
        await found.store.write(
            WriteBatch(
                instruments=list(found.watch.instruments.values()),
                samples=list(lived()[0]),
                alerts=[one for one in lived()[1].values() if one.rule_id in RULES and "notices" in one.context],
            )
        )
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def client(made: World) -> AsyncIterator[Client]:
    async with made.client() as found:
        yield found


async def get(client: Client, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    found = await answer.json()
    assert answer.status == status, found
    return found["data"] if status == 200 else found["error"]


async def ask(client: Client, status: int = 200, **body: Any) -> Any:
    answer = await client.post("/api/rules/explain", json=body)
    found = await answer.json()
    assert answer.status == status, found
    return found["data"] if status == 200 else found["error"]


@pytest.mark.parametrize("name", sorted(RULES))
async def test_every_alert_is_explained_at_the_moment_at_which_it_fired(client: Client, name: str) -> None:
    fired = [one for one in lived()[1].values() if one.rule_id == name and "notices" in one.context][:6]
    assert fired
    for alert in fired:
        found = await get(client, f"/api/rules/{name}/explain?symbol={alert.symbol}&at={iso(alert.fired_ms)}")
        assert (found["truth"], found["state"], found["alert_id"]) == ("true", "firing", alert.alert_id)
        assert found["sentence"].startswith("The rule is true: ")
        values = {one["term"]: one["value"] for one in found["terms"]}
        assert values == pytest.approx(alert.context["terms"], rel=1e-9)
        assert {one["source"] for one in found["terms"]} == {"stored"}


async def test_rule_is_explained_now_as_the_evaluator_has_it(made: World, client: Client) -> None:
    found = await get(client, "/api/rules/b/explain?symbol=btc")
    assert made.slot.rules is not None
    standing = made.slot.rules.standing("b", "BTCUSDT")
    assert standing is not None
    assert {one["term"]: one["value"] for one in found["terms"]} == standing.values
    assert (found["symbol"], found["rule_version"], found["side"]) == ("BTCUSDT", 1, standing.side)
    assert found["comparisons"][0]["text"] == "volatility(60) > 0.15"
    quiet = await get(client, "/api/rules/b/explain?symbol=ETHBTC")
    assert (quiet["side"], quiet["truth"]) == ("paused", "unknown")


async def test_rule_that_is_not_there_and_times_to_come_are_refused(client: Client) -> None:
    assert "no rule" in (await get(client, "/api/rules/zzz/explain?symbol=BTC", 404))["message"]
    assert "still to come" in (await get(client, "/api/rules/b/explain?symbol=BTC&at=2030-01-01T00:00:00Z", 400))["message"]
    assert (await client.get("/api/rules/explain")).status == 405


async def test_terms_that_memory_holds_are_live_and_the_others_come_from_stored_samples(made: World, client: Client) -> None:
    found = await ask(client, expression="price > 1 and sma(60) > 1 or zscore(volume(10s), 1m) > 50", symbol="ETH")
    table = made.watch.engine.table
    assert table is not None
    terms = {one["term"]: one for one in found["terms"]}
    assert terms["price"]["value"] == float(table.points["price"][1])
    assert terms["sma(60)"]["value"] == float(table.values["60"]["sma"][1])
    assert {terms[name]["source"] for name in ("price", "sma(60)")} == {"live"}
    derived = terms["zscore(volume(10s), 1m)"]
    assert derived["source"] == "stored"
    assert derived["time"] < found["time"]
    again = await ask(client, expression="zscore(volume(10s), 1m)", symbol="ETH", at=derived["time"])
    assert again["terms"][-1]["value"] == pytest.approx(derived["value"], rel=1e-9)
    assert found["truth"] == "true"


async def test_term_that_needs_more_than_is_stored_is_said_to_be_warming_up(client: Client) -> None:
    found = await ask(client, expression="sma(7d) > 1 and correlation('ETHUSDT', 30s) > -2", symbol="BTC")
    terms = {one["term"]: one for one in found["terms"]}
    assert (terms["sma(7d)"]["value"], terms["sma(7d)"]["source"]) == (None, "warming up")
    assert terms["correlation('ETHUSDT', 30s)"]["source"] == "stored"
    assert -1 <= terms["correlation('ETHUSDT', 30s)"]["value"] <= 1
    assert (found["truth"], found["comparisons"][0]["truth"]) == ("unknown", "unknown")


async def test_asking_leaves_the_engine_and_the_rules_alone(made: World, client: Client) -> None:
    before = made.watch.engine.windows, dict(made.watch.state.rules)
    await ask(client, expression="volatility(7m) > 1 and beta('ETHUSDT', 7m) > 0", symbol="BTC")
    assert (made.watch.engine.windows, dict(made.watch.state.rules)) == before


@pytest.mark.parametrize(
    ("expression", "column", "hint"), [("pric > 1", 1, "Did you mean price"), ("price >", 8, ""), ("rsi(14, 2m) < 3", 9, "1m")]
)
async def test_mistake_is_told_with_column_message_and_hint(client: Client, expression: str, column: int, hint: str) -> None:
    error = await ask(client, 400, expression=expression, symbol="BTC")
    (detail,) = error["details"]
    assert detail["column"] == column
    assert hint in detail["hint"]
    assert detail["message"]


async def test_number_is_explained_as_a_number(client: Client) -> None:
    found = await ask(client, expression="price * 2", symbol="BTC")
    assert found["sentence"].startswith("price * 2 is ")
    assert found["comparisons"] == [
        {"text": "price * 2", "truth": "unknown", "left": None, "right": None, "sentence": found["sentence"]}
    ]
