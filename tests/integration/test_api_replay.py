"""Replay over the interface: what is stored around an alert, and the same run once more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketwatch.model.alerts import Alerts
from marketwatch.ports import WriteBatch
from marketwatch.replay.pins import IncidentPins
from marketwatch.store.writer import StoreWriter
from marketwatch.web.envelope import iso
from tests.kit.alerts import alert
from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, play, publish_trades, trade, world

FIRED_MS = START_MS + 5_000


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    """Ten seconds of market, an alert in their middle, and all of it in the store through the writer."""
    async with world(tmp_path, played=False) as found:
        watch = found.watch
        writer = StoreWriter(
            store=found.store,
            clock=found.clock,
            settings=found.settings,
            publish=watch.bus.publish,
            instruments=list(watch.instruments.values()),
        )
        writer.subscribe(watch.bus)
        IncidentPins(watch=watch, sample_ms=500)
        play(watch)
        context = {"terms": {"change(5m)": -3.25}, "price": 50_009.0, "rule": {"expression": "change(5m) <= -3"}}
        watch.bus.publish(Alerts(FIRED_MS, [alert(fired_ms=FIRED_MS, context=context)], []))
        publish_trades(watch, trade("BTCUSDT", 2_000, 50_100.0, 1.0, START_MS + 20_000))
        await writer.flush()
        found.slot.put(watch)
        yield found
        await writer.aclose()


async def ask(client: Client, path: str, **headers: str) -> tuple[int, Any]:
    """Status, and data or error."""
    answer = await client.get(path, headers=headers)
    body = await answer.json()
    return answer.status, body.get("data", body.get("error"))


async def test_replay_holds_alert_events_trades_and_marker(client: Client) -> None:
    status, found = await ask(client, "/api/replay?alert_id=a1")
    assert status == 200
    assert (found["alert"]["alert_id"], found["symbol"], found["sample_ms"]) == ("a1", "BTCUSDT", 500)
    assert (found["from"], found["to"]) == (iso(FIRED_MS - 300_000), iso(FIRED_MS + 300_000))
    own = [event for event in found["events"] if event["symbol"] == "BTCUSDT"]
    assert [event["price"] for event in own if event["trades"]][:20] == [50_000.0 + step for step in range(20)]
    assert own[4]["time"] == iso(START_MS + 2_000)
    assert (own[4]["volume"], own[4]["notional"]) == (4.0, 4.0 * 50_004.0)
    assert found["marker"] == {
        "time": iso(FIRED_MS),
        "symbol": "BTCUSDT",
        "price": 50_009.0,
        "metric": "change(5m)",
        "value": -3.25,
        "threshold": -3.0,
        "resolved_at": None,
    }


async def test_trades_before_and_after_the_alert_are_pinned(client: Client) -> None:
    _, found = await ask(client, "/api/replay?alert_id=a1")
    assert [one["trade_id"] for one in found["trades"]] == [*range(1_000, 1_020), 2_000]
    assert found["trades"][4] | {"time": ""} == {
        "trade_id": 1_004, "time": "", "price": 50_004.0, "quantity": 4.0, "value_usd": 200_016.0, "is_buyer_maker": False,
        "is_whale": True,
    }  # fmt: skip
    assert found["trades_left_out"] == 0


async def test_pinned_incident_survives_retention(made: World, client: Client) -> None:
    before = await ask(client, "/api/replay?alert_id=a1")
    await made.store.retain(now_ms=START_MS + 400 * 86_400_000, days=7.0, max_bytes=1)
    assert await ask(client, "/api/replay?alert_id=a1") == before


async def test_replay_of_an_alert_that_only_the_store_knows(made: World, client: Client) -> None:
    await made.store.write(WriteBatch(alerts=[alert("old", fired_ms=START_MS - 10**9, symbol="*")]))
    status, found = await ask(client, "/api/replay?alert_id=old&minutes=1")
    assert (status, found["events"], found["trades"], found["symbol"]) == (200, [], [], "BTCUSDT")
    assert found["marker"]["price"] is None


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/replay?alert_id=nobody", 404, 'There is no alert "nobody" to replay'),
        ("/api/replay", 400, '"alert_id" is missing'),
        ("/api/replay?alert_id=a1&minutes=0", 400, "1 to 60"),
        ("/api/replay?alert_id=a1&minutes=61", 400, "1 to 60"),
        ("/api/replay?alert_id=a1&speed=1", 400, '"speed" is unknown'),
    ],
)
async def test_replay_asked_wrongly_says_what_is_wrong(client: Client, path: str, status: int, words: str) -> None:
    found = await ask(client, path)
    assert found[0] == status
    assert words in found[1]["message"]
