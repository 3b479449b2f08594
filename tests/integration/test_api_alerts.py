"""Alerts and rules over the interface and its stream, as they happen and as they are stored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from marketwatch.errors import StoreUnavailable
from marketwatch.model.alerts import Alerts, AlertState, Rules
from marketwatch.model.system import Level
from marketwatch.ports import WriteBatch
from marketwatch.web.envelope import iso
from tests.kit.alerts import alert, rule
from tests.kit.clients import Client
from tests.kit.streams import open_stream, serving
from tests.kit.watches import START_MS, World, world

HOSTILE = "<script>'\"&"


async def ask(client: Client, path: str) -> tuple[int, Any]:
    """Status, and data or error."""
    answer = await client.get(path)
    body = await answer.json()
    return answer.status, body.get("data", body.get("error"))


async def ids(client: Client, query: str = "") -> str:
    status, found = await ask(client, "/api/alerts" + query)
    assert status == 200, found
    return "".join(row["alert_id"] for row in found)


async def test_alert_has_the_contract_s_shape(made: World, client: Client) -> None:
    fact = alert(fired_ms=START_MS, context={"terms": {"change(5m)": -3.25}, "quality": []}, acknowledged_ms=START_MS + 1)
    made.watch.bus.publish(Alerts(START_MS, [fact], []))
    expected = {
        "alert_id": "a1",
        "rule_id": "r1",
        "rule_version": 1,
        "rule_name": "Fast fall",
        "symbol": "BTCUSDT",
        "metric": "change(5m)",
        "threshold": -3.0,
        "trigger_value": -3.25,
        "timestamp": "2025-11-21T00:00:00.000Z",
        "state": "firing",
        "resolved_at": None,
        "severity": "warning",
        "late": False,
        "acknowledged_at": "2025-11-21T00:00:00.001Z",
        "context": {"terms": {"change(5m)": -3.25}, "quality": []},
    }
    assert await ask(client, "/api/alerts") == (200, [expected])
    assert await ask(client, "/api/alerts/a1") == (200, {**expected, "deliveries": []})


async def test_rule_has_the_contract_s_shape(made: World, client: Client) -> None:
    one = rule(
        symbols=("BTCUSDT",), for_ms=30_000, recover="change(5m) > -1", keep_firing_ms=1_500, cooldown_ms=600_000,
        repeat_ms=3_600_000, severity=Level.CRITICAL, channels=("app", "mail"), expires_ms=START_MS,
        schedule="Mon-Fri", intrabar=True, note="Look at the book first.", muted_until_ms=START_MS,
    )  # fmt: skip
    made.watch.bus.publish(Rules([one, rule("r2", name="b"), rule("r3", name="C", symbols=("watchlist/main",))]))
    status, found = await ask(client, "/api/rules")
    assert (status, [row["rule_id"] for row in found]) == (200, ["r2", "r3", "r1"])
    assert found[2] == {
        "rule_id": "r1",
        "version": 1,
        "name": "Fast fall",
        "expression": "change(5m) <= -3",
        "symbols": ["BTCUSDT"],
        "for": "30s",
        "recover": "change(5m) > -1",
        "keep_firing_for": "1500ms",
        "cooldown": "10m",
        "repeat": "1h",
        "severity": "critical",
        "channels": ["app", "mail"],
        "enabled": True,
        "expires_at": "2025-11-21T00:00:00.000Z",
        "origin": "file",
        "schedule": "Mon-Fri",
        "intrabar": True,
        "note": "Look at the book first.",
        "muted_until": "2025-11-21T00:00:00.000Z",
        "author": None,
    }
    assert (found[0]["symbols"], found[0]["for"], found[0]["repeat"]) == ("*", "0s", None)
    assert found[1]["symbols"] == "watchlist/main"
    assert await ask(client, "/api/rules/r1") == (200, found[2])


async def test_rule_answers_older_versions_from_the_store(made: World, client: Client) -> None:
    await made.store.write(WriteBatch(rules=[rule(name="old"), rule(version=2, name="new"), rule("gone", name="removed")]))
    made.watch.bus.publish(Rules([rule(version=2, name="new")]))
    for query, name in (("r1", "new"), ("r1?version=1", "old"), ("r1?version=2", "new"), ("gone", "removed")):
        status, found = await ask(client, "/api/rules/" + query)
        assert (status, found["name"]) == (200, name)
    assert (await ask(client, "/api/rules/r1?version=3"))[1]["message"] == 'There is no rule "r1" with version 3.'


async def test_alerts_of_memory_and_store_are_one_list(made: World, client: Client) -> None:
    facts = [
        alert("a", fired_ms=START_MS, state=AlertState.RESOLVED, resolved_ms=START_MS + 1, acknowledged_ms=START_MS + 5),
        alert("b", fired_ms=START_MS + 1_000, symbol="ETHUSDT"),
        alert("c", fired_ms=START_MS + 2_000),
        alert("stale", fired_ms=START_MS + 2_500, state=AlertState.PENDING),
    ]
    await made.store.write(WriteBatch(alerts=facts))
    await made.store.acknowledge("b", START_MS + 7)
    made.watch.bus.publish(Alerts(START_MS, facts[1:3], []))
    now = [
        facts[2]._replace(state=AlertState.RESOLVED, resolved_ms=START_MS + 9_000),
        alert("d", fired_ms=START_MS + 3_000, rule_id="r2", state=AlertState.PENDING),
    ]
    made.watch.bus.publish(Alerts(START_MS, now, []))
    assert await ids(client) == "dcba"
    assert await ids(client, "?state=firing") == "b"
    assert await ids(client, "?state=resolved") == "ca"
    assert await ids(client, "?state=pending") == "d"
    assert await ids(client, "?coin_id=ethereum") == "b"
    assert await ids(client, f"?from={iso(START_MS + 1_000)}&to={START_MS + 3_000}") == "cb"
    assert await ids(client, "?limit=2") == "dc"
    assert (await ask(client, "/api/alerts/b"))[1]["acknowledged_at"] == iso(START_MS + 7)
    assert (await ask(client, "/api/alerts/a"))[1]["resolved_at"] == iso(START_MS + 1)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/alerts?state=loud", 400, 'was "loud"; it must be one of pending, firing, recovering, resolved'),
        ("/api/alerts?coin_id=NOPE", 404, "NOPE"),
        ("/api/alerts?since=1", 400, '"since" is unknown'),
        ("/api/alerts?limit=0", 400, "1 to 1000"),
        ("/api/alerts/nobody", 404, 'There is no alert "nobody".'),
        ("/api/rules/nobody", 404, 'There is no rule "nobody".'),
        ("/api/rules/r1?version=0", 400, "version"),
        ("/api/rules?x=1", 400, '"x" is unknown'),
        ("/api/alerts/stream?coins=BTC", 400, '"coins" is unknown'),
        ("/api/alerts/" + "x" * 201, 400, "1 to 200 characters"),
    ],
)
async def test_alerts_asked_wrongly_say_what_is_wrong(client: Client, path: str, status: int, words: str) -> None:
    found = await ask(client, path)
    assert found[0] == status
    assert words in found[1]["message"]


async def test_alerts_are_answered_from_memory_while_the_store_is_away(made: World, client: Client) -> None:
    await made.store.close()
    assert (await ask(client, "/api/alerts"))[0] == 503
    assert (await ask(client, "/api/alerts/a1"))[0] == 503
    made.watch.bus.publish(Alerts(START_MS, [alert()], []))
    assert await ids(client) == "a1"
    assert (await ask(client, "/api/alerts/a1"))[0] == 200
    with pytest.raises(StoreUnavailable):
        await made.store.alerts()


async def test_rules_follow_every_change_at_once(made: World, client: Client) -> None:
    assert await ask(client, "/api/rules") == (200, [])
    made.watch.bus.publish(Rules([rule()]))
    assert len((await ask(client, "/api/rules"))[1]) == 1


async def test_alert_stream_begins_with_the_active_ones_and_goes_on_with_changes(tmp_path: Path) -> None:
    async with world(tmp_path) as made, serving(made.build()) as port:
        made.watch.bus.publish(Alerts(START_MS, [alert("a"), alert("b", symbol="ETHUSDT")], []))
        stream = await open_stream(port, "/api/alerts/stream")
        first = json.loads((await stream.event()).data)
        assert [row["alert_id"] for row in first["data"]] == ["a", "b"]
        assert first["meta"] == {"timestamp": iso(made.clock.now_ms()), "source": "live"}
        resolved = alert("a", state=AlertState.RESOLVED, resolved_ms=START_MS + 1, rule_name=HOSTILE)
        made.watch.bus.publish(Alerts(START_MS, [alert("a", state=AlertState.RECOVERING)], []))
        made.watch.bus.publish(Alerts(START_MS, [resolved], []))
        event, body = await _next(made, stream)
        assert [(row["alert_id"], row["state"], row["rule_name"]) for row in body["data"]] == [("a", "resolved", HOSTILE)]
        assert event
        made.watch.bus.publish(Alerts(START_MS, [alert("c")], []))
        again = await open_stream(port, "/api/alerts/stream", Last_Event_ID=event)
        _, body = await _next(made, again)
        assert [row["alert_id"] for row in body["data"]] == ["c"]


async def _next(made: World, stream: Any) -> tuple[str, Any]:
    """The next event, time going on meanwhile."""
    waiting = asyncio.ensure_future(stream.event())
    for _ in range(200):
        if waiting.done():
            break
        await made.clock.advance(0.5)  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
    event = await asyncio.wait_for(waiting, 5)
    return event.event_id, json.loads(event.data)
