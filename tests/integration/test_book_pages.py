"""The pages of portfolios and watchlists by plain forms, as a browser without JavaScript sends them."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import FormData

from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, history, warm, world

BY_OWNER = True
FILE = """Date(UTC),Pair,Side,Price,Executed,Amount,Fee
2025-11-20 10:00:00,BTCUSDT,BUY,40000,0.5BTC,20000USDT,10USDT
2025-11-20 11:00:00,BTCUSDT,SELL,50000,0.1BTC,5000USDT,5USDT
"""
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        warm(found.watch, history("BTCUSDT", "1d", 86_400_000, 5, START_MS, 40_000.0))
        yield found


async def post(client: Client, path: str, data: dict[str, str] | FormData) -> tuple[int, str]:
    """Status, and where it leads to or the page."""
    async with client.post(path, data=data, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


async def page(client: Client, path: str) -> str:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def begin(client: Client, name: str = "Main") -> str:
    status, address = await post(client, "/portfolio", {"name": name})
    assert status == 303, address
    return address


async def test_portfolio_list_empty_says_what_to_do_and_leads_to_the_first_one(client: Client) -> None:
    assert "You have no portfolio yet" in await page(client, "/portfolio")
    address = await begin(client)
    shown = await page(client, address)
    assert "Nothing was entered yet" in shown
    assert f'href="{address}/import"' in shown
    assert f'href="{address}"' in await page(client, "/portfolio")


async def test_portfolio_page_shows_gain_positions_and_donut_without_a_style_attribute(client: Client) -> None:
    address = await begin(client)
    entry = {"type": "buy", "coin_id": "bitcoin", "quantity": "0.5", "price": "40000", "time": "2025-11-20T10:00:00Z"}
    assert await post(client, f"{address}/transactions", entry) == (303, address)
    shown = await page(client, address)
    assert "Allocation: BTC 100.0 %" in shown
    assert 'stroke-dasharray="100.00 100"' in shown
    assert re.search(r"<dt>Gain</dt><dd><b class=\"up\">\+[45],\d{3}\.\d\d", shown)
    assert "style=" not in shown
    assert 'hx-sse:connect="/stream/portfolio/' in shown
    assert "XIRR" in shown


async def test_transaction_that_cannot_be_booked_shows_the_form_again_with_what_was_typed(client: Client) -> None:
    address = await begin(client)
    entry = {"type": "sell", "coin_id": "BTC", "quantity": "1", "price": "9", "note": HOSTILE}
    status, shown = await post(client, f"{address}/transactions", entry)
    assert status == 409
    assert 'role="alert"' in shown
    assert 'value="9"' in shown
    assert HOSTILE not in shown
    status, shown = await post(client, f"{address}/transactions", {**entry, "quantity": "1,5"})
    assert (status, "decimal comma" in shown, 'aria-invalid="true"' in shown) == (400, True, True)


async def test_transaction_is_changed_and_deleted_by_its_form(client: Client) -> None:
    address = await begin(client)
    await post(client, f"{address}/transactions", {"type": "buy", "coin_id": "BTC", "quantity": "1", "price": "40000"})
    found = re.search(rf'href="({address}/transactions/[0-9a-f]+)"', await page(client, address))
    assert found is not None
    form = await page(client, found[1])
    assert 'value="40000"' in form
    changed = {"type": "buy", "coin_id": "BTC", "quantity": "2", "price": "30000", "version": "1"}
    assert await post(client, found[1], changed) == (303, address)
    assert "30000 USD" in await page(client, address)
    status, shown = await post(client, found[1], changed)
    assert (status, "has version 2" in shown) == (409, True)
    assert await post(client, f"{found[1]}/delete", {}) == (303, address)
    assert "Nothing was entered yet" in await page(client, address)


def upload(**fields: str) -> FormData:
    form = FormData()
    for name, text in fields.items():
        if name == "file":
            form.add_field("file", text.encode(), filename="trades.csv", content_type="text/csv")
        else:
            form.add_field(name, text, content_type="text/plain")
    return form


async def test_import_chosen_file_is_shown_then_confirmed(client: Client) -> None:
    address = await begin(client)
    status, shown = await post(client, f"{address}/import", upload(file=FILE))
    assert status == 200
    assert "Binance spot trade history" in shown
    assert "2 new, 0 that the portfolio has already" in shown
    assert "Nothing was entered yet" in await page(client, address)
    text = re.search(r'<textarea name="csv" hidden[^>]*>\n(.*?)</textarea>', shown, re.S)
    assert text is not None
    assert await post(client, f"{address}/import", upload(csv=text[1], confirm="yes")) == (303, address)
    assert "+993.00" in await page(client, address)
    assert "0 new, 2 that the portfolio has already" in (await post(client, f"{address}/import", upload(csv=FILE)))[1]


async def test_import_with_a_bad_line_names_it_and_offers_no_button(client: Client) -> None:
    address = await begin(client)
    status, shown = await post(client, f"{address}/import", upload(csv=FILE.replace("0.1BTC", HOSTILE)))
    assert (status, "1 that cannot be read" in shown, 'name="confirm"' in shown, HOSTILE in shown) == (200, True, False, False)
    status, shown = await post(client, f"{address}/import", upload(csv="what,is,this\n1,2,3\n"))
    assert (status, "not known" in shown) == (400, True)
    assert (await post(client, f"{address}/import", upload(csv=" ")))[0] == 400


FOREIGN = "Wann,Was,Coin,Menge,Kurs,Fee\n2025-11-20 10:00:00,buy,BTC,0.5,40000,none\n2025-11-20 11:00:00,sell,BTC,0.1,50000,\n"
COLUMNS = {"time": "wann", "type": "was", "coin": "coin", "quantity": "menge", "price": "kurs", "fee": "fee"}


def chosen(shown: str) -> dict[str, str]:
    """What the form of the columns would send as it stands, the file and the choice that it was shown for included."""
    found = dict.fromkeys(re.findall(r'<select id="(map-\w+)"', shown), "")
    for name, inside in re.findall(r'<select id="(map-\w+)"[^>]*>(.*?)</select>', shown, re.S):
        marked = re.search(r'<option value="([^"]*)" selected>', inside)
        found[name] = html.unescape(marked[1]) if marked else ""
    text = re.search(r'<textarea name="csv" hidden[^>]*>\n(.*?)</textarea>', shown, re.S)
    told = re.search(r'name="told" value="([^"]*)"', shown)
    assert text is not None
    assert told is not None
    return {**found, "csv": html.unescape(text[1]), "told": html.unescape(told[1])}


async def test_import_of_an_unknown_file_is_read_by_the_columns_that_a_person_names(client: Client) -> None:
    address = await begin(client)
    status, shown = await post(client, f"{address}/import", upload(file=FOREIGN))
    assert (status, "not known" in shown) == (400, True)
    form = chosen(shown)
    assert {name: column for name, column in form.items() if name.startswith("map-") and column} == {
        "map-coin": "coin",
        "map-fee": "fee",
    }
    assert "Wann · 2025-11-20 10:00:00" in shown
    form |= {f"map-{field}": column for field, column in COLUMNS.items()}
    status, shown = await post(client, f"{address}/import", upload(**form))
    assert (status, "1 that cannot be read" in shown, 'name="confirm"' in shown) == (200, True, False)
    form = chosen(shown)
    assert {field: form[f"map-{field}"] for field in COLUMNS} == COLUMNS
    status, shown = await post(client, f"{address}/import", upload(**{**form, "map-fee": ""}))
    assert (status, "2 new, 0 that the portfolio has already" in shown) == (200, True)
    assert await post(client, f"{address}/import", upload(**chosen(shown), confirm="yes")) == (303, address)
    assert "Transactions <small>2</small>" in await page(client, address)


async def test_import_confirmed_with_other_columns_than_those_shown_is_shown_again(client: Client) -> None:
    address = await begin(client)
    generic = "time,type,coin,quantity,price,other\n2025-11-20 10:00:00,buy,BTC,0.5,40000,30000\n"
    status, shown = await post(client, f"{address}/import", upload(csv=generic))
    assert (status, "1 new" in shown) == (200, True)
    changed = {**chosen(shown), "map-price": "other", "confirm": "yes"}
    status, shown = await post(client, f"{address}/import", upload(**changed))
    assert (status, "look at the rows again" in shown, "30000 USD" in shown) == (200, True, True)
    assert "Nothing was entered yet" in await page(client, address)
    status, shown = await post(client, f"{address}/import", upload(**{**chosen(shown), "map-coin": ""}))
    assert (status, "No column holds the coin" in shown, 'name="map-coin" aria-invalid="true"' in shown) == (400, True, True)
    again = {**chosen(shown), "map-coin": "coin"}
    assert "1 new" in (await post(client, f"{address}/import", upload(**again)))[1]


async def test_portfolio_deleted_can_be_taken_back(client: Client) -> None:
    address = await begin(client)
    assert await post(client, f"{address}/delete", {}) == (303, address)
    assert f'action="{address}/restore"' in await page(client, address)
    assert f'action="{address}/restore"' in await page(client, "/portfolio")
    assert await post(client, f"{address}/restore", {}) == (303, address)
    assert "Undo" not in await page(client, address)


async def test_portfolio_stream_sends_figures_to_its_owner_alone(made: World) -> None:
    async with made.client(owner=True) as client:
        address = await begin(client)
        await post(client, f"{address}/transactions", {"type": "buy", "coin_id": "BTC", "quantity": "1", "price": "40000"})
        async with client.get("/stream" + address) as answer:
            assert answer.status == 200
            text = b""
            while b"holdings" not in text:
                text += await answer.content.readany()
        assert b'hx-target="#worth"' in text
        for path in ("/portfolio", address, "/stream" + address, f"{address}/import", "/watchlist"):
            async with client.get(path, headers={"Authorization": ""}) as answer:
                assert answer.status == 401, path


async def test_portfolio_that_is_not_there_is_a_page_that_says_so(client: Client) -> None:
    for path in ("/portfolio/nothing", "/portfolio/nothing/import", "/stream/portfolio/nothing"):
        assert (await client.get(path)).status == 404


async def test_watchlist_is_made_filled_ordered_and_emptied_by_forms(made: World, client: Client) -> None:
    assert "You have no watchlist yet" in await page(client, "/watchlist?add=BTC")
    assert (await post(client, "/watchlist", {"name": "main", "symbol": "btc"})) == (303, "/watchlist")
    found = re.search(r'action="/watchlist/([0-9a-f]+)/add"', await page(client, "/watchlist"))
    assert found is not None
    one = f"/watchlist/{found[1]}"
    assert (await post(client, f"{one}/add", {"symbol": "eth", "note": HOSTILE}))[0] == 303
    assert HOSTILE not in await page(client, "/watchlist")
    assert (await post(client, f"{one}/add", {"symbol": "ETHUSDT"}))[0] == 409
    assert (await post(client, f"{one}/item", {"symbol": "ETHUSDT", "act": "up"}))[0] == 303
    assert made.watch.state.watchlists == {"main": ("ETHUSDT", "BTCUSDT")}
    assert (await post(client, f"{one}/item", {"symbol": "BTCUSDT", "act": "drop"}))[0] == 303
    assert made.watch.state.watchlists == {"main": ("ETHUSDT",)}
    assert (await post(client, "/watchlist", {"name": "a b"}))[0] == 400
    assert (await post(client, f"{one}/delete", {})) == (303, "/watchlist")
    assert made.watch.state.watchlists == {}
