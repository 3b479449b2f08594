"""Rules written over the interface: committed, versioned, in force at once, and refused with the place of the mistake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketwatch.alerts.rule_file import MOST_RULES
from marketwatch.errors import StoreReadOnly, StoreUnavailable
from marketwatch.model.alerts import AlertState
from tests.kit.alerts import rule
from tests.kit.clients import Client, send
from tests.kit.watches import START_MS, World, desk_of, publish_trades, trade, world

BY_OWNER = True
RULE = {"name": "Fast fall", "expression": "change(5m) <= -3", "symbols": ["BTCUSDT"], "for": "30s", "cooldown": "10m"}


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        found.desk.take_file([rule("file-told", name="Told by file")])
        yield found


async def create(client: Client, **given: Any) -> Any:
    status, found = await send(client, "POST", "/api/rules", {**RULE, **given})
    assert status == 201, found
    return found


async def test_rule_written_is_answered_whole_committed_and_in_force(made: World, client: Client) -> None:
    expected = {
        "rule_id": "fast-fall",
        "version": 1,
        "recover": None,
        "keep_firing_for": "0s",
        "repeat": None,
        "severity": "warning",
        "channels": ["app"],
        "enabled": True,
        "expires_at": None,
        "origin": "user",
        **RULE,
    }
    found = await create(client)
    assert {key: found[key] for key in expected} == expected
    assert [one.rule_id for one in await made.store.rules()] == ["fast-fall"]
    assert made.watch.state.rules["fast-fall"].for_ms == 30_000
    assert {one["rule_id"] for one in (await send(client, "GET", "/api/rules"))[1]} == {"file-told", "fast-fall"}
    assert await send(client, "GET", "/api/rules/fast-fall") == (200, found)


async def test_rule_with_everything_comes_back_as_it_was_sent(client: Client) -> None:
    body = {
        "name": "Ünïcode 价格 <b>",
        "expression": "volatility(60) > 0.5",
        "symbols": "*",
        "for": "90s",
        "recover": 0.4,
        "keep_firing_for": "1m",
        "cooldown": "1500ms",
        "repeat": "1h",
        "severity": "critical",
        "channels": ["app", "webhook"],
        "enabled": False,
        "expires_at": "2027-01-01T00:00:00Z",
        "schedule": "Mon-Fri 08:00-18:00 Europe/Berlin",
        "intrabar": True,
        "note": "Look at the order book\nfirst.",
        "muted_until": "9999-12-31T23:59:59.999Z",
    }
    found = await create(client, **body)
    assert {key: found[key] for key in body} == {**body, "recover": "0.4", "expires_at": "2027-01-01T00:00:00.000Z"}
    again = {**found, "severity": "info"}
    assert await send(client, "PUT", f"/api/rules/{found['rule_id']}", again) == (200, {**again, "version": 2})


async def test_rule_that_cannot_be_taken_is_refused_with_every_mistake_and_its_column(made: World, client: Client) -> None:
    status, found = await send(
        client, "POST", "/api/rules", {**RULE, "expression": "chnge(5m) < -3 and", "for": "soon", "expires_at": "never"}
    )
    assert (status, found["code"]) == (400, "INVALID_REQUEST")
    by_field = {detail["field"]: detail for detail in found["details"]}
    assert set(by_field) == {"expression", "for", "expires_at"}
    assert all(set(detail) == {"field", "column", "message", "hint"} for detail in found["details"])
    assert by_field["expression"]["column"] in (1, 19)
    assert "soon" in by_field["for"]["message"]
    status, found = await send(client, "POST", "/api/rules", {**RULE, "expression": "price > 1 and volatilty(60) > 2"})
    assert [(one["column"], one["hint"]) for one in found["details"]] == [(15, "Did you mean volatility?")]
    assert await made.store.rules() == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "expression": "price > 1"},
        {"name": "a\nb", "expression": "price > 1"},
        {"name": "x" * 101, "expression": "price > 1"},
        {"name": "a", "expression": " "},
        {"name": "a", "expression": "price > 1", "recover": "volume("},
        {"name": "a", "expression": "price > 1 or price < 3", "symbols": []},
        {"name": "a", "expression": "price > 1", "channels": [" "]},
        {"name": "a", "expression": "price > 1", "cooldown": "31d"},
        {"name": "a", "expression": "price > 1", "severity": "loud"},
        {"name": "a", "expression": "price > 1", "expires_at": "0001-01-01T00:00:00+09:00"},
        {"name": "a", "expression": "price > 1", "colour": "red"},
        {"name": 3, "expression": "price > 1"},
        [],
    ],
)
async def test_rule_impossible_is_refused_and_nothing_is_kept(made: World, client: Client, body: Any) -> None:
    status, found = await send(client, "POST", "/api/rules", body)
    assert (status, found["code"]) == (400, "INVALID_REQUEST")
    assert await made.store.rules() == []
    assert set(made.watch.state.rules) == {"file-told"}


async def test_rule_changed_makes_the_next_version_and_keeps_the_first(client: Client) -> None:
    first = await create(client)
    status, second = await send(client, "PUT", "/api/rules/fast-fall", {**RULE, "name": "Faster", "version": 1})
    assert (status, second["version"], second["name"], second["rule_id"]) == (200, 2, "Faster", "fast-fall")
    assert await send(client, "GET", "/api/rules/fast-fall/versions") == (200, [second, first])
    assert await send(client, "GET", "/api/rules/fast-fall?version=1") == (200, first)
    assert await send(client, "PUT", "/api/rules/fast-fall", second) == (200, second)


async def test_rule_changed_from_a_past_version_is_a_conflict(made: World, client: Client) -> None:
    await create(client)
    await send(client, "PUT", "/api/rules/fast-fall", {**RULE, "for": "1m"})
    status, found = await send(client, "PUT", "/api/rules/fast-fall", {**RULE, "for": "2m", "version": 1})
    assert (status, found["code"]) == (409, "CONFLICT")
    assert made.watch.state.rules["fast-fall"].for_ms == 60_000
    other = await send(client, "PUT", "/api/rules/fast-fall", {**RULE, "rule_id": "another"})
    assert other[0] == 400


async def test_rule_deleted_ends_its_episode_and_comes_back_on_request(made: World, client: Client) -> None:
    from marketwatch.alerts.lookout import Lookout

    Lookout(watch=made.watch, sample_ms=made.settings.sample_ms)
    await create(client, expression="price > 1", **{"for": None})
    publish_trades(made.watch, trade("BTCUSDT", 5_000, 50_100.0, 1.0, START_MS + 14_000))
    publish_trades(made.watch, trade("BTCUSDT", 5_001, 50_100.0, 1.0, START_MS + 16_000))
    assert [(one.rule_id, one.state) for one in made.watch.state.alerts.values()] == [("fast-fall", AlertState.FIRING)]
    status, gone = await send(client, "DELETE", "/api/rules/fast-fall")
    assert (status, gone["version"]) == (200, 1)
    assert made.watch.state.alerts == {}
    assert set(made.watch.state.rules) == {"file-told"}
    assert (await send(client, "DELETE", "/api/rules/fast-fall"))[0] == 200
    assert (await send(client, "GET", "/api/rules/fast-fall"))[0] == 404
    assert (await send(client, "PUT", "/api/rules/fast-fall", RULE))[0] == 404
    assert await send(client, "GET", "/api/rules/fast-fall?version=1") == (200, gone)
    assert await send(client, "POST", "/api/rules/fast-fall/restore") == (200, gone)
    assert set(made.watch.state.rules) == {"file-told", "fast-fall"}


async def test_rule_restored_to_an_earlier_version_is_the_next_one_with_its_content(client: Client) -> None:
    first = await create(client)
    await send(client, "PUT", "/api/rules/fast-fall", {**RULE, "for": "5m"})
    assert await send(client, "POST", "/api/rules/fast-fall/restore?version=1") == (200, {**first, "version": 3})
    assert (await send(client, "POST", "/api/rules/fast-fall/restore?version=9"))[0] == 404


async def test_rule_switched_off_and_on_keeps_everything_else(made: World, client: Client) -> None:
    first = await create(client)
    status, off = await send(client, "PUT", "/api/rules/fast-fall/enabled", {"enabled": False})
    assert (status, off) == (200, {**first, "version": 2, "enabled": False})
    assert not made.watch.state.rules["fast-fall"].enabled
    assert (await send(client, "PUT", "/api/rules/fast-fall/enabled", {"enabled": True}))[1]["enabled"]


@pytest.mark.parametrize("rule_id", ["fast-fall", "file-told"])
async def test_rule_muted_keeps_its_version_and_is_muted_after_a_restart(made: World, client: Client, rule_id: str) -> None:
    await create(client)
    status, found = await send(client, "PUT", f"/api/rules/{rule_id}/muted", {"until": "2030-01-01T00:00:00Z"})
    assert (status, found["version"], found["muted_until"]) == (200, 1, "2030-01-01T00:00:00.000Z")
    assert made.watch.state.rules[rule_id].muted_until_ms == 1_893_456_000_000
    again = desk_of(made.store, made.clock, made.settings)
    await again.begin(made.watch.bus.publish)
    again.take_file([rule("file-told", name="Told by file")])
    await again.load()
    assert {one.rule_id: one.muted_until_ms for one in again.in_force}[rule_id] == 1_893_456_000_000
    assert (await send(client, "PUT", f"/api/rules/{rule_id}/muted", {"until": None}))[1]["muted_until"] is None
    assert (await send(client, "PUT", f"/api/rules/{rule_id}/muted", {"until": "soon"}))[0] == 400
    assert (await send(client, "PUT", "/api/rules/nothing/muted", {"until": None}))[0] == 404


async def test_rule_with_another_note_keeps_its_version(client: Client) -> None:
    first = await create(client)
    assert await send(client, "PUT", "/api/rules/fast-fall", {**first, "note": "Call."}) == (200, {**first, "note": "Call."})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "", RULE),
        ("DELETE", "", None),
        ("POST", "/restore", None),
    ],
)
async def test_rule_of_the_file_stays_and_the_sentence_says_where_it_stands(
    made: World, client: Client, method: str, path: str, body: Any
) -> None:
    status, found = await send(client, method, f"/api/rules/file-told{path}", body)
    assert (status, found["code"]) == (409, "CONFLICT")
    assert str(made.settings.rules_file) in found["message"]
    assert (await send(client, method, f"/api/rules/nothing{path}", body))[0] == 404


async def test_rule_names_differ_and_ids_do_too(client: Client) -> None:
    await create(client)
    status, found = await send(client, "POST", "/api/rules", {**RULE, "name": " fast FALL"})
    assert (status, found["details"][0]["field"]) == (409, "name")
    assert (await send(client, "POST", "/api/rules", {**RULE, "name": "told BY file"}))[0] == 409
    assert (await create(client, name="Fast, fall!"))["rule_id"] == "fast-fall-2"
    names = ("preview", "Explain", "new", "LAB", "file-told", "default-drawdown", "币安", "币", "--")
    made = [(await create(client, name=name))["rule_id"] for name in names]
    assert made[:6] == ["rule-preview", "rule-explain", "rule-new", "rule-lab", "rule-file-told", "rule-default-drawdown"]
    assert made[6:] == ["rule", "rule-2", "rule-3"]
    await send(client, "DELETE", "/api/rules/fast-fall")
    assert (await create(client))["rule_id"] == "fast-fall-3"
    assert (await send(client, "POST", "/api/rules/fast-fall/restore"))[0] == 409


async def test_rules_have_room_for_a_thousand_in_all(made: World, client: Client) -> None:
    made.desk.take_file([rule(f"file-{number}", name=f"rule {number}") for number in range(MOST_RULES - 1)])
    await create(client)
    status, found = await send(client, "POST", "/api/rules", {**RULE, "name": "one more"})
    assert (status, found["code"]) == (409, "CONFLICT")
    assert "1000" in found["message"]


@pytest.mark.parametrize("error", [StoreUnavailable("The disk is full; free some space."), StoreReadOnly("Another writes.")])
async def test_rule_written_while_the_database_is_away_is_503_and_changes_nothing(
    made: World, client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await create(client)

    async def refuse(*_: Any) -> None:
        raise error

    before = dict(made.watch.state.rules)
    with monkeypatch.context() as away:
        away.setattr(made.store, "write", refuse)
        for method, path, body in (
            ("POST", "/api/rules", {**RULE, "name": "Second"}),
            ("PUT", "/api/rules/fast-fall", {**RULE, "for": "2m"}),
            ("DELETE", "/api/rules/fast-fall", None),
        ):
            status, found = await send(client, method, path, body)
            assert (status, found["code"]) == (503, "UNAVAILABLE")
            assert str(error) in found["message"]
    assert made.watch.state.rules == before
    assert (await create(client, name="Second"))["rule_id"] == "second"


async def test_rules_written_at_once_get_versions_one_after_the_other(made: World, client: Client) -> None:
    await create(client)
    bodies = [{**RULE, "for": f"{seconds}s"} for seconds in range(1, 21)]
    answers = await asyncio.gather(*(send(client, "PUT", "/api/rules/fast-fall", body) for body in bodies))
    assert sorted(found["version"] for _, found in answers) == list(range(2, 22))
    stored = await made.store.rules("fast-fall", every_version=True)
    assert [one.version for one in stored] == list(range(21, 0, -1))
    assert made.watch.state.rules["fast-fall"] == stored[0]
    created = await asyncio.gather(*(send(client, "POST", "/api/rules", {**RULE, "name": "Same"}) for _ in range(5)))
    assert sorted(status for status, _ in created) == [201, 409, 409, 409, 409]


async def test_rule_of_a_stranger_is_refused_before_its_body_is_looked_at(made: World) -> None:
    async with made.client() as stranger:
        assert (await send(stranger, "POST", "/api/rules", {"nonsense": True}))[0] == 401
    assert await made.store.rules() == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_FIELDS = (
    *RULE,
    "recover",
    "keep_firing_for",
    "repeat",
    "severity",
    "channels",
    "enabled",
    "expires_at",
    "schedule",
    "note",
    "muted_until",
    "x",
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from(_FIELDS), _JSON | st.sampled_from(list(RULE.values())), max_size=8))
async def test_rule_hostile_body_is_refused_or_taken_as_it_was_written(made: World, client: Client, body: Any) -> None:
    text = json.dumps({"name": "n", "expression": "price > 1", **body})
    answer = await client.post("/api/rules", data=text.encode("utf-8", "replace"), headers={"Content-Type": "application/json"})
    told = await answer.json()
    assert answer.status in (201, 400, 409), told
    if answer.status == 201:
        rule_id = told["data"]["rule_id"]
        found = (await send(client, "GET", f"/api/rules/{rule_id}"))[1]
        assert await send(client, "PUT", f"/api/rules/{rule_id}", found) == (200, found)
        assert (await made.store.rules(rule_id))[0] == made.watch.state.rules[rule_id]
        await send(client, "DELETE", f"/api/rules/{rule_id}")
