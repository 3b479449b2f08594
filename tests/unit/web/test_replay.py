"""The replay page: words, table, escaping; the list of alerts to choose from."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketwatch.model.alerts import Alert, Alerts, AlertState
from marketwatch.model.system import Level
from marketwatch.ports import WriteBatch
from tests.kit.alerts import alert
from tests.kit.facts import step, traded
from tests.kit.pages import HOSTILE
from tests.kit.watches import START_MS, world

FIRED_MS = START_MS + 5_000


def samples() -> WriteBatch:
    """Ten seconds of one symbol in steps of half a second: prices 100, 101, ... 119."""
    return WriteBatch(samples=[step(START_MS + 500 * n, {"BTCUSDT": traded(100.0 + n)}) for n in range(20)])


def hostile() -> Alert:
    """An alert whose every text is hostile."""
    context = {
        "terms": {HOSTILE: 1.5, "other": HOSTILE},
        "windows": {HOSTILE: {"filled": HOSTILE, "length": None, "flags": [HOSTILE]}, "5m": 3},
        "rule": {"expression": HOSTILE, "for_ms": HOSTILE, "recover": 7},
        "price": HOSTILE,
    }
    return alert(HOSTILE, rule_name=HOSTILE, metric=HOSTILE, fired_ms=FIRED_MS, severity=Level.CRITICAL, context=context)


async def test_replay_shows_marker_terms_and_table_without_javascript(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client() as client:
        context = {"terms": {"change(5m)": -3.25}, "windows": {"5m": {"filled": 20, "length": 600, "flags": ["warmup"]}}}
        await made.store.write(samples())
        await made.store.write(WriteBatch(alerts=[alert(fired_ms=FIRED_MS, context=context)]))
        answer = await client.get("/replay?alert_id=a1")
        text = await answer.text()
    assert answer.status == 200
    assert '<body data-source="replay">' in text
    assert "<strong>Replay</strong>" in text
    assert "change(5m)</dt><dd>−3.25" in text
    assert "20 of 600 steps, warmup" in text
    assert text.count('<tr class="marked">') == 1
    row = text.split('<tr class="marked">')[1].split("</tr>")[0]
    for figure in ("100.00", "119.00", "00:00:00"):
        assert figure in row


async def test_hostile_alert_reaches_the_page_escaped(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client() as client:
        await made.store.write(samples())
        made.watch.bus.publish(Alerts(FIRED_MS, [hostile()], []))
        for path in ("/replay", "/replay?alert_id="):
            answer = await client.get(
                path if path == "/replay" else "/replay", params={"alert_id": HOSTILE} if "=" in path else {}
            )
            text = await answer.text()
            assert answer.status == 200
            assert "<script>alert" not in text
            assert "&lt;script&gt;" in text


async def test_replay_without_an_alert_offers_the_recent_ones_or_says_that_there_are_none(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client() as client:
        assert "No alert has fired yet" in await (await client.get("/replay")).text()
        facts = [alert("a"), alert("b", fired_ms=FIRED_MS + 1), alert("p", state=AlertState.PENDING, rule_id="r2")]
        made.watch.bus.publish(Alerts(FIRED_MS, facts[:1], []))
        made.watch.bus.publish(Alerts(FIRED_MS, [facts[0]._replace(state=AlertState.RESOLVED, resolved_ms=FIRED_MS)], []))
        made.watch.bus.publish(Alerts(FIRED_MS, facts[1:], []))
        text = await (await client.get("/replay")).text()
        alerts_page = await (await client.get("/alerts")).text()
    assert text.index('href="/replay?alert_id=b"') < text.index('href="/replay?alert_id=a"')
    for link in ("a", "b"):
        assert f'href="/replay?alert_id={link}"' in alerts_page
    assert "alert_id=p" not in text + alerts_page


async def test_replay_answers_json_to_who_asks_for_it(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client() as client:
        await made.store.write(WriteBatch(alerts=[alert(fired_ms=FIRED_MS)]))
        answer = await client.get("/replay?alert_id=a1&minutes=1", headers={"Accept": "application/json"})
        assert (await answer.json())["data"]["alert"]["alert_id"] == "a1"
        browser = await client.get("/replay?alert_id=a1", headers={"Accept": "text/html,application/json;q=0.9"})
        assert browser.content_type == "text/html"
        assert "Nothing is stored of BTCUSDT" in await browser.text()


@pytest.mark.parametrize(
    ("query", "status"), [("alert_id=nobody", 404), ("alert_id=a&minutes=x", 400), ("alert_id=a&b=c", 400)]
)
async def test_replay_page_asked_wrongly_is_a_designed_error(tmp_path: Path, query: str, status: int) -> None:
    async with world(tmp_path) as made, made.client() as client:
        answer = await client.get(f"/replay?{query}")
        text = await answer.text()
    assert answer.status == status
    assert 'href="/"' in text
