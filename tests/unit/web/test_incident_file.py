"""The file of an incident: one page that holds all it needs, and nothing that breaks out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch import __version__
from marketwatch.alerts.episodes import rule_facts
from marketwatch.model.alerts import Alert
from marketwatch.model.market import Instrument, Source
from marketwatch.ports import WriteBatch
from marketwatch.web import incident_file
from marketwatch.web.assets import Assets
from marketwatch.web.incident_file import inert, player
from tests.kit.alerts import alert, rule
from tests.kit.facts import step, traded
from tests.kit.watches import START_MS, World, make_watch, world

FIRED_MS = START_MS + 5_000
BREAKING = "</script><!--<script>\u2028\u2029]]>&amp;'\"</style>"


def kept(symbol: str = "BTCUSDT", **more: Any) -> tuple[WriteBatch, Alert]:
    """Ten seconds of a symbol, and an alert in their middle."""
    samples = [step(START_MS + 500 * n, {symbol: traded(100.0 + n)}) for n in range(20)]
    context = {"terms": {"price": 109.0}, "rule": rule_facts(rule(expression="price > 108")), "price": 109.0}
    one = alert(fired_ms=FIRED_MS, symbol=symbol, metric="price", threshold=108.0, trigger_value=109.0, context=context)
    return WriteBatch(samples=samples), one._replace(**more)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        batch, one = kept()
        await found.store.write(batch)
        await found.store.write(WriteBatch(alerts=[one, one._replace(alert_id="a2", rule_name=BREAKING, metric=BREAKING)]))
        yield found


class Parts(HTMLParser):
    """The elements of a page, and the texts of those that hold no markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag in ("script", "style")
        if self._open:
            self.texts.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[-1] = (self.texts[-1][0], self.texts[-1][1] + data)


async def download(made: World, **query: str) -> tuple[Any, str]:
    async with made.client() as client:
        answer = await client.get("/replay/export", params={"alert_id": "a1", **query})
        return answer, await answer.text()


async def test_file_is_an_attachment_that_says_what_it_is(made: World) -> None:
    answer, text = await download(made)
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="incident-BTCUSDT-2025-11-21T00-00-05.html"'
    assert "<strong>Replay</strong>" in text
    assert f"Exported 2025-11-21 00:00:10 UTC by marketwatch {__version__}" in text
    assert "Charts by TradingView" in text
    assert "Apache License" in text
    assert len(text) < 1_000_000


async def test_file_holds_the_data_of_the_interface(made: World) -> None:
    _, text = await download(made, minutes="1")
    data = json.loads(next(body for tag, body in Parts(text).texts if tag == "script"))
    async with made.client() as client:
        asked = (await (await client.get("/api/replay?alert_id=a1&minutes=1")).json())["data"]
    own = [event for event in asked["events"] if event["symbol"] == "BTCUSDT"]
    assert own
    assert data == {**asked, "events": own}
    assert data["lanes"][0]["term"] == "price"


async def test_file_asks_for_nothing_and_allows_only_what_it_holds(made: World) -> None:
    _, text = await download(made)
    parts = Parts(text)
    policy = next(attrs["content"] for tag, attrs in parts.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert [tag for tag, _ in parts.texts] == ["style", "script", "script"]
    style, _, code = parts.texts
    for tag, body in (style, code):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for _, attrs in parts.tags:
        assert not {"style", "src", "action", "onclick", "onload", "srcset"} & attrs.keys()
        href = attrs.get("href") or "#"
        assert href == "https://www.tradingview.com/" or href.startswith(("#", "data:"))
    assert not re.search(r"url\(|@import", style[1])
    assert not re.search(r"(^|[;}\s])(import|export)\b\s*[\"'({]", code[1])


async def test_hostile_texts_stay_in_their_places(made: World) -> None:
    _, plain = await download(made)
    _, text = await download(made, alert_id="a2")
    assert [tag for tag, _ in Parts(text).tags] == [tag for tag, _ in Parts(plain).tags]
    body = next(body for tag, body in Parts(text).texts if tag == "script")
    assert json.loads(body)["alert"]["rule_name"] == BREAKING
    assert "\u2028" not in body


async def test_hostile_symbol_is_a_name_that_any_disk_takes(tmp_path: Path) -> None:
    async with world(tmp_path, played=False) as made:
        name = '../币\r\n"x;' + BREAKING
        made.watch = make_watch(made.settings, (Instrument(name, "币", "USDT"),), Source.DEMO)
        made.slot.put(made.watch)
        batch, one = kept(name)
        await made.store.write(batch)
        await made.store.write(WriteBatch(alerts=[one]))
        answer, text = await download(made)
    assert answer.status == 200
    assert re.fullmatch(r'attachment; filename="incident-[A-Za-z0-9-]+\.html"', answer.headers["Content-Disposition"])
    assert "<strong>Demo</strong>" in text
    assert json.loads(next(body for tag, body in Parts(text).texts if tag == "script"))["symbol"] == name


@pytest.mark.parametrize(("query", "status"), [({"alert_id": "nobody"}, 404), ({"minutes": "0"}, 400), ({"more": "1"}, 400)])
async def test_file_asked_wrongly_is_a_designed_error(made: World, query: dict[str, str], status: int) -> None:
    answer, text = await download(made, **query)
    assert answer.status == status
    assert "Content-Disposition" not in answer.headers
    assert 'href="/"' in text


async def test_file_that_would_be_too_large_is_refused(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_file, "MOST_BYTES", 100_000)
    answer, text = await download(made)
    assert answer.status == 400
    assert "choose fewer minutes" in text


@given(st.recursive(st.text() | st.sampled_from([BREAKING, "<!--", "</ScRiPt >"]), st.lists))
def test_inert_json_means_the_same_and_ends_no_element(value: object) -> None:
    text = inert(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_player_of_the_file_is_the_page_s_own_and_the_whole_library() -> None:
    assets = Assets()
    text, library = player(assets), assets.text("vendor/lightweight-charts-5.2.1.min.mjs")
    assert "TradingView Lightweight Charts™ v5.2.1" in text
    assert assets.text("replay.js").partition('.min.mjs";\n')[2] in text
    assert library.rpartition("export{")[0] in text
    assert "createChart: ue" in text
