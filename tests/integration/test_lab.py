"""The rule lab over a real store: what it answers is what a live evaluator would have fired on the same samples."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import ManualClock
from marketwatch.model.alerts import Alert, Alerts
from marketwatch.model.market import Samples
from marketwatch.ports import WriteBatch
from marketwatch.watch import Watch
from marketwatch.web.envelope import iso
from tests.kit.alerts import rule
from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, make_watch, publish_trades, test_settings, trade, world

SECONDS = 600
HOSTILE = '<script>alert("x")</script>'


LIVE: dict[str, dict[str, Any]] = {
    "a": {"expression": "change(1m) <= -0.3"},
    "b": {"expression": "volatility(60) > 0.15", "for_ms": 3000, "recover": "0.12"},
    "c": {"expression": "drawdown(2m) < -0.5 for 5s", "keep_firing_ms": 20_000},
    "d": {"expression": "crosses_above(price, sma(2m))", "cooldown_ms": 60_000},
    "e": {"expression": "change(10s) < 0.2", "schedule": "Fri 00:02-00:05,00:06-00:08; Thu 19:09-19:11 America/New_York"},
}
ASKED: dict[str, dict[str, Any]] = {
    "a": {},
    "b": {"for": "3s", "recover": "0.12"},
    "c": {"keep_firing_for": "20s"},
    "d": {"cooldown": "1m"},
    "e": {"schedule": "Fri 00:02-00:05,00:06-00:08; Thu 19:09-19:11 America/New_York"},
}


@cache
def lived() -> tuple[tuple[Samples, ...], dict[str, Alert]]:
    """Ten minutes of a wandering market: its samples, and what the live evaluator fires while they come in."""
    watch = make_watch(test_settings())
    lookout = Lookout(watch=watch, sample_ms=500)
    rows: list[Samples] = []
    found: dict[str, Alert] = {}
    watch.bus.subscribe(Samples, rows.append, name="store")
    watch.bus.subscribe(Alerts, lambda batch: found.update({one.alert_id: one for one in batch.alerts}), name="test")
    lookout.use([rule(name, symbols=("BTCUSDT", "ETHUSDT"), **given) for name, given in LIVE.items()])
    wander(watch)
    return tuple(rows), found


def wander(watch: Watch) -> None:
    random = np.random.default_rng(4)
    price = np.array([50_000.0, 2_500.0])
    for number in range(SECONDS * 2):
        price *= np.exp(random.normal(0, 4e-4, 2))
        at = START_MS + number * 500 + 100
        trades = [trade("BTCUSDT", number + 1, round(float(price[0]), 2), 0.1, at)]
        if number % 3:
            trades.append(trade("ETHUSDT", number + 1, round(float(price[1]), 2), 2.0, at + 50))
        publish_trades(watch, *trades)
    publish_trades(watch, trade("BTCUSDT", 10**6, 50_000.0, 0.1, START_MS + SECONDS * 1000 + 10_000))


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose store holds the wandering market."""
    async with world(tmp_path, clock=ManualClock(START_MS + SECONDS * 1000)) as found:
        rows = list(lived()[0])
        await found.store.write(WriteBatch(instruments=list(found.watch.instruments.values()), samples=rows))
        yield found


async def ask(client: Client, status: int = 200, **body: Any) -> Any:
    """The answer to a question about the whole market of the test."""
    given = {"symbols": ["BTCUSDT", "ETHUSDT"], "from": iso(START_MS), "to": iso(START_MS + SECONDS * 1000), **body}
    answer = await client.post("/api/rules/preview", json={name: value for name, value in given.items() if value is not None})
    found = await answer.json()
    assert answer.status == status, found
    return found["data"] if status == 200 else found["error"]


@pytest.mark.parametrize("name", sorted(LIVE))
async def test_preview_of_stored_samples_fires_what_the_live_evaluator_fired(client: Client, name: str) -> None:
    end_ms = START_MS + SECONDS * 1000
    fired = [one for one in lived()[1].values() if one.rule_id == name and "notices" in one.context and one.fired_ms <= end_ms]
    found = await ask(client, expression=LIVE[name]["expression"], **ASKED[name])
    mine = {(one["symbol"], one["fired_at"]): (one["resolved_at"], one["trigger_value"]) for one in found["firings"]}
    assert len(fired) >= 2
    assert mine.keys() == {(one.symbol, iso(one.fired_ms)) for one in fired}
    for one in fired:
        resolved, value = mine[one.symbol, iso(one.fired_ms)]
        assert resolved == (iso(one.resolved_ms) if one.resolved_ms is not None and one.resolved_ms <= end_ms else None)
        assert value == (None if one.trigger_value is None else pytest.approx(one.trigger_value, rel=1e-9))
    assert found["count"] == len(fired)
    assert found["notices"] == sum(one.context["notices"] for one in fired)


async def test_preview_has_the_contract_s_shape(client: Client) -> None:
    more: dict[str, Any] = {"for": "2s"}
    found = await ask(client, expression="change(1m) <= -0.3", cooldown="1m", per_day=500, **more)
    assert {"count", "notices", "firings", "span", "completeness"} <= found.keys()
    assert found["span"] == {"from": iso(START_MS), "to": iso(START_MS + SECONDS * 1000)}
    assert 0 < found["notices"] <= found["count"]
    assert 70 < found["completeness"] <= 100
    assert [move["minutes"] for move in found["moves"]] == [5, 15, 60]
    assert found["moves"][0]["count"] > 0
    assert found["moves"][2]["count"] == 0
    assert found["suggestion"]["expression"].startswith("change(1m) <= -")


async def test_preview_of_a_bad_rule_names_the_column(client: Client) -> None:
    error = await ask(client, 400, expression="change(5m) < -3 and pric > 2")
    (detail,) = error["details"]
    assert detail["column"] == 21
    assert "price" in detail["hint"]


@pytest.mark.parametrize(
    "body",
    [
        {"expression": "price > 1", "symbols": []},
        {"expression": "price > 1", "for": "soon"},
        {"expression": "price > 1", "for": "400d"},
        {"expression": "price > 1", "from": "yesterday"},
        {"expression": "price > 1", "from": iso(START_MS + SECONDS * 1000)},
        {"expression": "price > 1", "from": 0},
        {"expression": "price > 1", "surprise": 1},
        {"expression": "reconnects > 5"},
        {"expression": "price > 1", "recover": "1 +"},
        {"expression": 7},
        {"expression": "price > 1", "per_day": -1},
    ],
)
async def test_preview_of_an_impossible_question_says_so(client: Client, body: dict[str, Any]) -> None:
    error = await ask(client, 400, **body)
    assert error["code"] == "INVALID_REQUEST"
    assert len(error["message"]) > 20


async def test_preview_takes_only_json_and_only_watched_coins(client: Client) -> None:
    answer = await client.post("/api/rules/preview", data="expression=price")
    assert answer.status == 415
    assert (await client.post("/api/rules/preview", data=b"{", headers={"Content-Type": "application/json"})).status == 400
    await ask(client, 404, expression="price > 1", symbols=["NOSUCH"])


async def test_lab_page_without_a_rule_shows_examples_and_the_catalogue(client: Client) -> None:
    text = await (await client.get("/alerts/lab")).text()
    assert "Write a rule" in text
    assert 'data-name="volatility"' in text


async def test_lab_page_as_a_plain_form_shows_firings_and_figures(client: Client) -> None:
    answer = await client.get("/alerts/lab?expression=change(1m)+<=+-0.3&symbols=BTCUSDT&symbols=ETHUSDT&span=1h&per_day=50")
    text = await answer.text()
    assert answer.status == 200
    assert "When it would have fired" in text
    assert "What the price did then" in text
    assert "For about 50 a day" in text
    assert "built-in" not in text
    assert '<li data-time="' in text
    assert '<option value="BTCUSDT" selected>' in text


async def streamed(client: Client, **fields: str) -> list[dict[str, Any]]:
    """The lines of the stream."""
    answer = await client.get("/stream/lab", params=fields)
    assert answer.status == 200
    assert answer.content_type == "application/x-ndjson"
    return [orjson.loads(line) for line in (await answer.read()).splitlines()]


async def test_lab_stream_ends_with_the_result(client: Client) -> None:
    given = {"expression": "change(1m) <= -0.3", "symbols": "BTCUSDT,ETHUSDT", "span": "1h", "page": "p1"}
    *progress, outcome = await streamed(client, **given)
    assert {one["type"] for one in progress} <= {"progress"}
    assert outcome["type"] == "outcome"
    assert outcome["html"].startswith('<div id="outcome"')
    assert "When it would have fired" in outcome["html"]
    (mistaken,) = [one for one in await streamed(client, expression="pric > 2") if one["type"] == "outcome"]
    assert "<mark>pric</mark>" in mistaken["html"]


async def test_lab_stream_tells_progress_while_it_works_and_stops_when_nobody_listens(made: World, client: Client) -> None:
    """The store is held: the page sees that work goes on, closes, and the next question finds the lab free."""
    held = asyncio.Event()
    samples = made.store.samples

    async def slow(*given: Any, **named: Any) -> Any:
        await held.wait()
        return await samples(*given, **named)

    made.store.samples = slow  # type: ignore[method-assign]
    answer = await client.get("/stream/lab?expression=price+>+1&page=p1")
    first = orjson.loads(await answer.content.readline())
    assert first["type"] == "progress"
    assert (first["place"], first["share"]) == (0, 0.0)
    waiting = await client.get("/stream/lab?expression=price+>+1&page=p2")
    assert orjson.loads(await waiting.content.readline())["place"] == 1
    answer.close()
    while orjson.loads(await waiting.content.readline())["place"]:
        pass
    held.set()
    lines = [orjson.loads(line) for line in (await waiting.read()).splitlines()]
    assert lines[-1]["type"] == "outcome"


async def test_lab_page_offers_the_editor_and_the_line_to_drag(made: World, client: Client) -> None:
    given = {"expression": "change(1m) <= -0.3 for 2s", "symbols": "*", "span": "1h", "cooldown": "1m", "per_day": "50"}
    text = html.unescape(await (await client.get("/alerts/lab", params=given)).text())
    assert 'href="/alerts/rules/new?expression=change%281m%29+%3C%3D+-0.3+for+2s&symbols=%2A&cooldown=1m"' in text
    assert 'data-before="change(1m) <= " data-after=" for 2s"' in text
    assert text.count(" selected>") == len(made.watch.symbols) + 1
    assert "would become" in text
    unsplit = await (await client.get("/alerts/lab?expression=price+>+1+and+price+<+9")).text()
    assert 'id="lab-line"' not in unsplit


async def test_lab_page_takes_schedule_and_intrabar_and_carries_them_to_the_editor(client: Client) -> None:
    given = {"expression": "price > 0", "symbols": "BTCUSDT", "schedule": "Sat", "intrabar": "yes"}  # it is a Friday
    shut = html.unescape(await (await client.get("/alerts/lab", params=given)).text())
    assert "symbols=BTCUSDT&schedule=Sat&intrabar=yes" in shut
    assert 'name="intrabar" value="yes" checked>' in shut
    assert 'name="schedule" type="text" value="Sat"' in shut
    always = await (await client.get("/alerts/lab", params={**given, "schedule": "Fri"})).text()
    assert ["Fired (UTC)" in text for text in (shut, always)] == [False, True]
    wrong = await (await client.get("/alerts/lab", params={**given, "schedule": "Someday"})).text()
    assert "In the schedule" in wrong
    assert "<mark>" not in wrong


async def test_lab_page_with_a_mistake_marks_the_column(client: Client) -> None:
    text = await (await client.get("/alerts/lab?expression=pric+>+2&symbols=BTCUSDT")).text()
    assert 'data-column="1"' in text
    assert "<mark>pric</mark>" in text
    assert 'aria-invalid="true"' in text


@pytest.mark.parametrize(
    "field", ["expression", "symbols", "for", "recover", "keep_firing_for", "cooldown", "per_day", "span", "schedule"]
)
async def test_lab_page_with_hostile_fields_escapes_them(client: Client, field: str) -> None:
    given = {"expression": "price > 1", field: f"price > {HOSTILE}" if field == "expression" else HOSTILE}
    answer = await client.get("/alerts/lab", params=given)
    assert answer.status == 200
    assert HOSTILE not in await answer.text()


async def test_lab_page_with_an_unwatched_symbol_says_so(client: Client) -> None:
    text = await (await client.get("/alerts/lab?expression=price+>+1&symbols=NOSUCH")).text()
    assert "NOSUCH" in text
    assert 'class="mistake"' in text
