"""Preferences where pages use them: the order of the overview, and the currency in which portfolios are told as well."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.clients import Client
from tests.kit.watches import OWNER, START_MS, World, history, warm, world

Headers = dict[str, str]


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, accounts="open") as found:
        warm(found.watch, history("BTCUSDT", "1d", 86_400_000, 5, START_MS, 40_000.0))
        yield found


async def prefer(client: Client, whose: Headers, **wanted: str | list[str]) -> None:
    async with client.put("/api/users/me/preferences", json=wanted, headers=whose) as answer:
        assert answer.status == 200, await answer.text()


async def page(client: Client, whose: Headers, path: str) -> str:
    async with client.get(path, headers=whose) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def order(client: Client, whose: Headers, path: str = "/") -> list[str]:
    """Symbols of the table from above to below."""
    rows = re.findall(r'<tr id="r\d+".*?href="/symbols/(\w+)"', await page(client, whose, path), re.S)
    assert len(rows) == 3
    return rows


async def test_overview_shows_the_symbols_first_that_its_reader_prefers(made: World, client: Client) -> None:
    ada, bob = [await made.bearer(await made.person(name)) for name in ("ada", "bob")]
    watched = list(made.watch.symbols)
    assert await order(client, ada) == watched
    await prefer(client, ada, symbols=["ETHBTC", "DOGEUSDT", "ETHUSDT"])
    assert await order(client, ada) == ["ETHBTC", "ETHUSDT", "BTCUSDT"]
    assert await order(client, ada, "/?sort=symbol&dir=asc") == sorted(watched)
    assert await order(client, bob) == await order(client, OWNER) == watched
    await prefer(client, ada, symbols=[])
    assert await order(client, ada) == watched


async def begin(client: Client, whose: Headers, name: str, base: str) -> str:
    """A portfolio of half a Bitcoin."""
    body = {"name": name, "base_currency": base}
    async with client.post("/api/portfolio", json=body, headers=whose) as answer:
        portfolio_id: str = (await answer.json())["data"]["portfolio_id"]
    asset = {"coin_id": "BTC", "quantity": "0.5", "purchase_price": "40000", "purchase_date": "2025-11-20T10:00:00Z"}
    async with client.post(f"/api/portfolio/{portfolio_id}/assets", json=asset, headers=whose) as answer:
        assert answer.status == 201, await answer.text()
    return f"/portfolio/{portfolio_id}"


async def test_portfolio_is_told_in_the_currency_of_its_owner_where_a_rate_is_known(made: World, client: Client) -> None:
    ada = await made.bearer(await made.person("ada"))
    address = await begin(client, ada, "Main", "USD")
    assert "<small>USD</small>" in await page(client, ada, address)
    await prefer(client, ada, currency="BTC")
    assert re.search(r"<small>USD · 0\.(4999|5000) BTC</small>", await page(client, ada, address))
    assert re.search(r'<small class="soft">0\.(4999|5000) BTC</small>', await page(client, ada, "/portfolio"))
    async with client.get(f"/stream{address}", headers=ada) as answer:
        text = b""
        while b"holdings" not in text:
            text += await answer.content.readany()
    assert re.search(r"<small>USD · 0\.(4999|5000) BTC</small>", text.decode())
    await prefer(client, ada, currency="EUR")
    assert "<small>USD</small>" in await page(client, ada, address)
    assert "EUR" not in await page(client, ada, "/portfolio")


async def test_portfolio_in_its_owners_currency_or_at_par_with_it_is_told_once(made: World, client: Client) -> None:
    ada = await made.bearer(await made.person("ada"))
    address = await begin(client, ada, "Main", "USDT")
    await prefer(client, ada, currency="USD")
    assert "<small>USDT</small>" in await page(client, ada, address)
    mine = await begin(client, OWNER, "Mine", "USDT")
    assert "<small>USDT</small>" in await page(client, OWNER, mine)


async def test_owner_without_an_account_keeps_preferences_in_a_cookie(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client(owner=True) as client:
        address = await begin(client, {}, "Main", "USD")
        assert "<small>USD</small>" in await page(client, {}, address)
        wanted = {"currency": "BTC", "symbols": "ethbtc, ETHUSDT"}
        async with client.post("/owner/preferences", data=wanted) as answer:
            assert answer.status == 200
            shown = await answer.text()
        assert "Your preferences were kept" in shown
        assert "<option selected>BTC</option>" in shown
        assert 'value="ETHBTC, ETHUSDT"' in shown
        assert await order(client, {}) == ["ETHBTC", "ETHUSDT", "BTCUSDT"]
        assert re.search(r"<small>USD · 0\.(4999|5000) BTC</small>", await page(client, {}, address))
        for wrong in ({"currency": "XYZ"}, {"currency": "BTC", "symbols": "<b>"}):
            async with client.post("/owner/preferences", data=wrong) as answer:
                assert (answer.status, 'role="alert"' in await answer.text()) == (400, True)
        assert await order(client, {"Authorization": ""}) == list(made.watch.symbols)
        client.session.cookie_jar.clear()
        assert await order(client, {"Cookie": "likes=%7B%22symbols%22%3A7"}) == list(made.watch.symbols)
