"""What people do with alerts over the interface and by form: acknowledge, snooze, silence, and look after letters."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketwatch.clock import ManualClock
from marketwatch.model.alerts import Alerts, AlertState, Notification
from marketwatch.model.silences import Seen
from marketwatch.ports import WriteBatch
from marketwatch.store.alert_rows import notices_of
from marketwatch.watch import WatchSlot
from marketwatch.web.contexts.bell import bell_of, count_of
from tests.kit.alerts import alert
from tests.kit.clients import Client
from tests.kit.streams import open_stream, serving
from tests.kit.watches import OWNER, START_MS, World, world

BY_OWNER = True
NOW_MS = START_MS + 13_000


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, clock=ManualClock(NOW_MS)) as found:
        yield found


async def ask(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status, and data or error."""
    answer = await client.request(method, path, json=body)
    found = await answer.json()
    return answer.status, found.get("data", found.get("error"))


async def fire(made: World, *facts: Any) -> None:
    """Alerts in memory and in the database."""
    made.watch.bus.publish(Alerts(NOW_MS, list(facts), [fact.alert_id for fact in facts]))
    notices = [notice for fact in facts for notice in notices_of(fact, ("app", "webhook"), NOW_MS)]
    await made.store.write(WriteBatch(alerts=list(facts), notifications=notices))


async def dead(made: World, fact: Any) -> Notification:
    (notice,) = [row for row in await made.store.deliveries(alert_id=fact.alert_id) if row.channel == "webhook"]
    await made.store.mark_notice(notice._replace(state="dead", attempts=3, last_error="It answered 500."))
    return notice


async def test_acknowledged_alert_is_seen_everywhere_and_does_not_count(made: World, client: Client) -> None:
    await fire(made, alert(), alert("a2", symbol="ETHUSDT", rule_id="r2"))
    assert (bell_of(made.watch, NOW_MS).count, count_of(made.watch, NOW_MS).count) == (2, 2)
    status, row = await ask(client, "POST", "/api/alerts/a1/acknowledge")
    assert (status, row["acknowledged_at"]) == (200, "2025-11-21T00:00:13.000Z")
    assert (bell_of(made.watch, NOW_MS).count, count_of(made.watch, NOW_MS).count) == (1, 1)
    stored = await made.store.alert("a1")
    assert stored is not None
    assert stored.acknowledged_ms == NOW_MS
    assert (await ask(client, "GET", "/api/alerts/a1"))[1]["acknowledged_at"] == row["acknowledged_at"]
    status, row = await ask(client, "DELETE", "/api/alerts/a1/acknowledge")
    assert (status, row["acknowledged_at"], bell_of(made.watch, NOW_MS).count) == (200, None, 2)
    assert (await ask(client, "GET", "/api/alerts/a1"))[1]["acknowledged_at"] is None


async def test_acknowledgement_of_a_past_alert_shows_on_the_page(made: World, client: Client) -> None:
    over = alert("old", state=AlertState.RESOLVED, resolved_ms=START_MS, fired_ms=START_MS - 9_000)
    await made.store.write(WriteBatch(alerts=[over]))
    assert "Not seen" not in await (await client.get("/alerts")).text()
    assert (await ask(client, "POST", "/api/alerts/old/acknowledge"))[0] == 200
    assert "Not seen" in await (await client.get("/alerts")).text()


async def test_acknowledgement_travels_on_the_stream_of_alerts(made: World) -> None:
    await fire(made, alert())
    async with serving(made.build()) as port:
        stream = await open_stream(port, "/api/alerts/stream")
        first = json.loads((await stream.event()).data)["data"]
        made.watch.bus.publish(Seen(alert(acknowledged_ms=NOW_MS)))
        await made.clock.advance(1)  # type: ignore[attr-defined]
        second = json.loads((await stream.event()).data)["data"]
    assert [row["acknowledged_at"] for row in first + second] == [None, "2025-11-21T00:00:13.000Z"]


async def test_what_is_not_there_and_what_pends_cannot_be_acknowledged(made: World, client: Client) -> None:
    made.watch.bus.publish(Alerts(NOW_MS, [alert("p", state=AlertState.PENDING)], []))
    assert (await ask(client, "POST", "/api/alerts/nobody/acknowledge"))[0] == 404
    assert (await ask(client, "POST", "/api/alerts/p/acknowledge"))[0] == 409


async def test_silence_is_added_listed_and_ended(made: World, client: Client) -> None:
    await fire(made, alert())
    body = {"symbol": "BTC*", "severity": "warning", "for": "1h", "comment": "Maintenance"}
    status, row = await ask(client, "POST", "/api/silences", body)
    assert (status, row["state"], row["rule_id"], row["symbol"]) == (201, "active", "*", "BTC*")
    assert (row["starts_at"], row["ends_at"]) == ("2025-11-21T00:00:13.000Z", "2025-11-21T01:00:13.000Z")
    assert bell_of(made.watch, NOW_MS).count == 0
    assert (await ask(client, "GET", "/api/silences"))[1] == [row]
    text = await (await client.get("/alerts")).text()
    assert "symbol BTC*, severity warning" in text
    assert "silenced until 01:00" in text
    status, ended = await ask(client, "DELETE", f"/api/silences/{row['silence_id']}")
    assert (status, ended["state"], ended["ended_at"]) == (200, "expired", "2025-11-21T00:00:13.000Z")
    assert bell_of(made.watch, NOW_MS).count == 1
    (stored,) = await made.store.silences()
    assert (stored.ended_ms, stored.comment) == (NOW_MS, "Maintenance")
    assert (await ask(client, "DELETE", "/api/silences/nobody"))[0] == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "needs an end"),
        ({"for": "1h", "ends_at": "2025-12-01"}, "needs an end"),
        ({"for": "1"}, "must be a duration"),
        ({"for": "367d"}, "must be a duration"),
        ({"ends_at": "2025-11-20T00:00:00Z"}, "ends after its start"),
        ({"ends_at": "soon"}, "must be an ISO 8601 time"),
        ({"for": "1h", "symbol": ""}, "cannot be taken"),
        ({"for": "1h", "sybol": "BTC"}, "cannot be taken"),
    ],
)
async def test_silence_that_makes_no_sense_is_refused(client: Client, body: dict[str, Any], words: str) -> None:
    status, error = await ask(client, "POST", "/api/silences", body)
    assert status == 400
    assert words in error["message"]


@pytest.mark.parametrize(("lasts", "ends"), [("15m", "2025-11-21T00:15:13.000Z"), ("tomorrow", "2025-11-22T08:00:00.000Z")])
async def test_snooze_is_a_silence_of_the_alert_s_own_rule_and_symbol(
    made: World, client: Client, lasts: str, ends: str
) -> None:
    await fire(made, alert())
    status, row = await ask(client, "POST", "/api/alerts/a1/snooze", {"for": lasts})
    assert (status, row["rule_id"], row["symbol"], row["severity"], row["remind"]) == (201, "r1", "BTCUSDT", "*", True)
    assert row["ends_at"] == ends
    assert "snoozed until" in await (await client.get("/alerts")).text()


async def test_deliveries_are_listed_with_filters_and_stand_with_their_alert(made: World, client: Client) -> None:
    await fire(made, alert())
    await dead(made, alert())
    _, rows = await ask(client, "GET", "/api/deliveries?state=dead&channel=webhook")
    assert [(row["state"], row["attempts"], row["last_error"], row["sent_at"]) for row in rows] == [
        ("dead", 3, "It answered 500.", None)
    ]
    assert (await ask(client, "GET", "/api/deliveries?state=nosuch"))[0] == 400
    _, one = await ask(client, "GET", "/api/alerts/a1")
    assert sorted((row["channel"], row["state"]) for row in one["deliveries"]) == [("app", "sent"), ("webhook", "dead")]
    text = await (await client.get("/replay?alert_id=a1", headers={"Accept": "text/html"})).text()
    assert "It answered 500." in text


async def test_dead_letters_are_tried_again_or_discarded(made: World, client: Client) -> None:
    await fire(made, alert(), alert("a2", symbol="ETHUSDT"))
    first, second = [await dead(made, alert(name)) for name in ("a1", "a2")]
    assert (await ask(client, "POST", f"/api/deliveries/{first.notification_id}/retry"))[1] == {"retried": 1}
    assert (await ask(client, "POST", f"/api/deliveries/{first.notification_id}/retry"))[0] == 404
    assert (await ask(client, "POST", "/api/deliveries/retry"))[1] == {"retried": 1}
    assert (await ask(client, "DELETE", f"/api/deliveries/{second.notification_id}"))[0] == 200
    assert (await ask(client, "DELETE", f"/api/deliveries/{second.notification_id}"))[0] == 404
    states = {row.alert_id: row.state for row in await made.store.deliveries(channel="webhook")}
    assert states == {"a1": "waiting", "a2": "discarded"}


class Trials:
    """A way to the outside that works for `webhook` alone."""

    async def try_out(self, channel: str) -> str | None:
        return None if channel == "webhook" else f"No channel is called {channel!r}."


async def test_test_notice_tells_how_it_went(made: World, client: Client) -> None:
    assert (await ask(client, "POST", "/api/deliveries/test", {"channel": "webhook"}))[0] == 503
    slot: WatchSlot = made.slot
    slot.notices = Trials()
    status, row = await ask(client, "POST", "/api/deliveries/test", {"channel": "webhook"})
    assert (status, row) == (200, {"channel": "webhook", "delivered": True, "error": None})
    _, row = await ask(client, "POST", "/api/deliveries/test", {"channel": "x"})
    assert row == {"channel": "x", "delivered": False, "error": "No channel is called 'x'."}
    text = await (await client.post("/alerts/deliveries/test", data={"channel": "webhook"})).text()
    assert "the test notice was accepted" in text


def seen_at(made: World) -> int | None:
    return made.watch.state.alerts["a1"].acknowledged_ms


async def post(client: Client, path: str, origin: str = "/alerts?coin=BTCUSDT", **form: str) -> tuple[int, str]:
    """Status, and where it leads."""
    referer = str(client.make_url(origin))
    answer = await client.post(path, data=form, allow_redirects=False, headers={"Referer": referer})
    return answer.status, answer.headers.get("Location", "")


async def test_forms_do_the_same_and_lead_back_to_their_page(made: World, client: Client) -> None:
    await fire(made, alert())
    here = "/alerts?coin=BTCUSDT"
    assert await post(client, "/alerts/acknowledge", alert_id="a1") == (303, here)
    assert seen_at(made) == NOW_MS
    assert await post(client, "/alerts/acknowledge", alert_id="a1", undo="1") == (303, here)
    assert seen_at(made) is None
    assert await post(client, "/alerts/snooze", alert_id="a1", **{"for": "4h"}) == (303, here)
    (snooze,) = made.watch.state.silences.values()
    assert await post(client, "/alerts/silences/end", silence_id=snooze.silence_id) == (303, here)
    form = {"rule_id": "", "symbol": "ETH*", "severity": "", "for": "1h", "ends_at": "", "comment": "x", "remind": "1"}
    assert await post(client, "/alerts/silences", **form) == (303, "/alerts#silences")
    newest = list(made.watch.state.silences.values())[-1]
    assert (newest.rule_id, newest.symbol, newest.severity, newest.remind) == ("*", "ETH*", "*", True)
    assert await post(client, "/alerts/silences", ends_at="2025-11-21T09:30") == (303, "/alerts#silences")
    assert (await post(client, "/alerts/silences", ends_at="2020-01-01T00:00"))[0] == 400


@pytest.mark.parametrize("referer", ["https://evil.example/x", "//evil.example", "http://[", "", "/\\evil.example"])
async def test_form_leads_nowhere_else(made: World, client: Client, referer: str) -> None:
    await fire(made, alert())
    answer = await client.post(
        "/alerts/acknowledge", data={"alert_id": "a1"}, allow_redirects=False, headers={"Referer": referer}
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/alerts")


async def test_page_of_deliveries_filters_and_offers_what_can_be_done(made: World, client: Client) -> None:
    await fire(made, alert())
    notice = await dead(made, alert())
    text = await (await client.get("/alerts/deliveries?state=dead")).text()
    assert "It answered 500." in text
    assert "Try all that were given up again" in text
    key = notice.notification_id
    assert (await post(client, "/alerts/deliveries/retry", notification_id=key))[0] == 303
    assert (await post(client, "/alerts/deliveries/discard", notification_id=key))[0] == 303
    assert "There is no such notice." in await (await client.get("/alerts/deliveries?state=dead&channel=webhook")).text()


async def test_form_of_a_silence_is_filled_from_an_alert(made: World, client: Client) -> None:
    await fire(made, alert())
    text = await (await client.get("/alerts?like=a1")).text()
    assert 'name="rule_id" value="r1"' in text
    assert 'name="symbol" value="BTCUSDT"' in text
    assert '<details id="silence" class="first owner-only" open' in text
    assert (await client.get("/alerts?like=nobody")).status == 200


async def test_stranger_sees_no_way_to_act_and_is_refused(made: World) -> None:
    await fire(made, alert())
    async with made.client() as client:
        assert "data-owner" not in await (await client.get("/alerts")).text()
        assert (await client.post("/alerts/acknowledge", data={"alert_id": "a1"})).status == 401
        assert (await client.post("/alerts/acknowledge", data={"alert_id": "a1"}, headers=OWNER)).status == 200
