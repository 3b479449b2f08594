"""The pages through the real application."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marketwatch.web.assets import Assets
from tests.kit.watches import world


@pytest.mark.parametrize("path", ["/", "/symbols/BTCUSDT", "/symbols/BTCUSDT?range=7d", "/status", "/search?q=zz"])
async def test_page_is_whole_and_not_cached(tmp_path: Path, path: str) -> None:
    async with world(tmp_path) as w, w.client() as client:
        answer = await client.get(path)
        text = await answer.text()
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")


async def test_overview_shows_prices_without_javascript(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.client() as client:
        text = await (await client.get("/?sort=price&dir=asc")).text()
    assert re.findall(r'<tr id="r(\d)"', text) == ["1", "0", "2"]
    assert "50,019.00" in text


async def test_pages_wait_for_a_market_and_ask_again(tmp_path: Path) -> None:
    async with world(tmp_path, played=False) as w, w.client() as client:
        for path in ("/", "/symbols/BTCUSDT"):
            answer = await client.get(path)
            assert answer.status == 503
            assert answer.headers["Refresh"] == "2"
            assert "Connecting to the market" in await answer.text()
        assert (await client.get("/search?q=stat", allow_redirects=False)).status == 303


async def test_status_without_a_market_shows_the_program_and_what_is_waited_for(tmp_path: Path) -> None:
    async with world(tmp_path, played=False) as w, w.client() as client:
        w.slot.waiting = "Binance did not answer within 5 s."
        answer = await client.get("/status")
        text = await answer.text()
    assert (answer.status, answer.headers["Refresh"]) == (200, "5")
    assert "No market is open yet. Binance did not answer within 5 s." in text
    assert {"box-store", "box-process"} <= set(re.findall(r'id="([\w-]+)"', text))
    assert '<th scope="row">stale_s</th>' in text
    assert "SQLite" in text


@pytest.mark.parametrize("asked", ["btc", "bitcoin", "Btcusdt"])
async def test_other_names_lead_to_the_symbols_page(tmp_path: Path, asked: str) -> None:
    async with world(tmp_path) as w, w.client() as client:
        answer = await client.get(f"/symbols/{asked}", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/symbols/BTCUSDT")


async def test_unknown_symbol_and_unknown_page_are_designed(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.client() as client:
        for path in ("/symbols/%3Cscript%3E", "/nothing/here", "/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml"):
            answer = await client.get(path)
            text = await answer.text()
            assert answer.status == 404
            assert "<script>" not in text
            assert 'href="/"' in text


async def test_search_leads_to_the_only_match(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.client() as client:
        answer = await client.get("/search?q=bitcoin", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/symbols/BTCUSDT")
        fragment = await (await client.get("/search?q=eth", headers={"HX-Request": "true"})).text()
    assert "<html" not in fragment
    assert "/symbols/ETHUSDT" in fragment


@pytest.mark.parametrize(
    ("back", "location"),
    [
        ("/status", "/status"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nX: y", "/"),
    ],
)
async def test_theme_is_kept_and_leads_back_inside(tmp_path: Path, back: str, location: str) -> None:
    async with world(tmp_path) as w, w.client() as client:
        answer = await client.post("/theme", data={"theme": "light", "back": back}, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, location)
        assert 'data-theme="light"' in await (await client.get("/")).text()
        answer = await client.post("/theme", data={"theme": "pink"}, allow_redirects=False)
        assert "Set-Cookie" not in answer.headers


async def test_assets_of_the_page_are_immutable_and_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.client() as client:
        text = await (await client.get("/symbols/BTCUSDT")).text()
        addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
        assert len(addresses) >= 6
        for address in addresses:
            answer = await client.get(address)
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
        plain = await client.get("/static/app.css")
        assert (plain.status, "immutable" in plain.headers["Cache-Control"]) == (200, False)


def test_asset_that_does_not_exist_is_an_error_of_the_template(root: Path) -> None:
    assets = Assets(root / "static")
    assert assets.url("app.css") == f"/static/{assets.version}/app.css"
    with pytest.raises(KeyError):
        assets.url("../pyproject.toml")


@pytest.mark.parametrize("path", ["/stream/overview", "/stream/symbol/BTCUSDT", "/stream/status"])
async def test_stream_begins_with_the_state_of_the_moment(tmp_path: Path, path: str) -> None:
    async with world(tmp_path) as w, w.client() as client, client.get(path) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        seen = b""
        while b'hx-target="#clock"' not in seen:
            seen += await answer.content.readany()
    assert b"data: " in seen


async def test_stream_of_an_unknown_symbol_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.client() as client:
        assert (await client.get("/stream/symbol/NOPE")).status == 404
