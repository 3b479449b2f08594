"""The screener's page by plain forms and its stream, as a browser without JavaScript and one with it see them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from marketwatch.clock import ManualClock
from marketwatch.model.portfolio import WatchlistItem
from marketwatch.web.api.desk import DESK
from marketwatch.web.held_screens import HeldScreens
from marketwatch.web.live import LIVE
from marketwatch.web.live_screen import MOST_CHANNELS
from tests.kit.clients import Client
from tests.kit.watches import START_MS, World, publish_trades, trade, world

BY_OWNER = True
HOSTILE = "<script>alert(1)</script>"


async def page(client: Client, path: str = "/screener", status: int = 200, **query: str) -> str:
    async with client.get(path, params=query) as answer:
        text = await answer.text()
        assert answer.status == status, text[-3000:]
        return text


async def post(client: Client, path: str, data: Mapping[str, str]) -> tuple[int, str]:
    """Status, and where it leads to or the page."""
    async with client.post(path, data=data, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


def symbols(text: str) -> list[str]:
    return re.findall(r'<tr id="m-\d+"><th scope="row"><a href="[^"]*">(\w+)</a>', text)


async def save(client: Client, name: str = "Big", **more: str) -> str:
    """The id of a screen that was saved."""
    given = {"name": name, "filter": "price > 10000", "columns": "price, change(24h)", **more}
    status, address = await post(client, "/screener/screens", given)
    assert status == 303, address
    return parse_qs(urlsplit(address).query)["screen"][0]


async def test_empty_screener_shows_all_symbols_and_offers_screens_to_begin_with(client: Client) -> None:
    text = await page(client)
    assert symbols(text) == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
    assert "3 symbols, for there is no filter." in text
    for name in ("Falling fast", "Unusual volume", "Oversold on minutes"):
        found = re.search(rf'href="([^"]*)">{name}<', text)
        assert found is not None
        assert "not known yet" in await page(client, unescape(found[1]))


async def test_screen_by_address_shows_columns_in_words_and_sorts_by_links(client: Client) -> None:
    text = await page(client, filter="price > 1", columns="price, price > 10000, spread_bps, change(24h)", sort="price")
    assert symbols(text) == ["BTCUSDT", "ETHUSDT"]
    assert "2 of 3 symbols pass." in text
    assert "1 symbol not known yet" in text
    assert "<dt>no data yet</dt><dd>ETHBTC</dd>" in text
    row = re.search(r'<tr id="m-0">(.*?)</tr>', text)
    assert row is not None
    assert re.findall(r'<td class="(\w*)">(.*?)</td>', row[1])[:4] == [
        ("flat", "50,019.00"), ("flat", "yes"), ("flat", "0.2 bp"), ("none", "—"),
    ]  # fmt: skip
    turned = re.search(r'aria-sort="descending"><a href="([^"]*)">price', text)
    assert turned is not None
    assert symbols(await page(client, unescape(turned[1]))) == ["ETHUSDT", "BTCUSDT"]


async def test_mistakes_are_shown_at_their_place_beside_their_fields(client: Client) -> None:
    text = await page(client, filter="price > 1 and volum(5m) > 2", columns="price, nope")
    assert "price &gt; 1 and <mark>volum</mark>(5m)" in text
    assert "price, <mark>nope</mark>" in text
    assert text.count('aria-invalid="true"') == 2
    assert 'id="matches"' not in text
    assert "hx-sse:connect" not in text


async def test_hostile_texts_are_escaped_and_bounded(client: Client) -> None:
    given = dict.fromkeys(("filter", "columns", "sort", "dir", "name", "deleted"), HOSTILE)
    text = await page(client, "/screener?" + urlencode(given))
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert "1000 are the most" in await page(client, filter="price > " + "1" * 5000)
    hostile = f"price{HOSTILE}" * 60
    status, refused = await post(client, "/screener/screens", {"name": HOSTILE, "filter": hostile})
    assert (status, HOSTILE in refused) == (400, False)
    screen_id = await save(client, HOSTILE)
    assert HOSTILE not in await page(client, screen=screen_id)
    assert HOSTILE not in await page(client, "/screener/", 404)


async def test_screen_is_saved_opened_changed_moved_deleted_and_taken_back(client: Client) -> None:
    screen_id = await save(client)
    other = await save(client, "Other", filter="")
    text = await page(client, screen=screen_id)
    assert 'value="price &gt; 10000"' in text
    assert symbols(text) == ["BTCUSDT"]
    tried = await page(client, screen=screen_id, filter="price < 10000")
    assert symbols(tried) == ["ETHUSDT"]
    changed = {"name": "Small", "filter": "price < 10000", "columns": "price", "version": "1"}
    assert await post(client, f"/screener/screens/{screen_id}", changed) == (303, f"/screener?screen={screen_id}")
    assert symbols(await page(client, screen=screen_id)) == ["ETHUSDT"]
    status, conflict = await post(client, f"/screener/screens/{screen_id}", changed)
    assert (status, "has version 2" in conflict) == (409, True)
    await post(client, f"/screener/screens/{screen_id}/move", {"act": "down"})
    chips = re.findall(r'href="/screener\?screen=(\w+)"', await page(client))
    assert chips == [other, screen_id]
    status, address = await post(client, f"/screener/screens/{screen_id}/delete", {})
    assert "“Small” is deleted" in await page(client, address)
    assert "is deleted" not in await page(client, deleted="x")
    assert (await post(client, f"/screener/screens/{screen_id}/restore", {}))[0] == 303
    assert symbols(await page(client, screen=screen_id)) == ["ETHUSDT"]
    assert (await post(client, f"/screener/screens/{screen_id}/restore", {}))[0] == 404


async def test_deleted_screen_is_brought_back_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as before, before.client(owner=True) as client:
        ids = [await save(client, f"Screen {number}") for number in range(12)]
        assert isinstance(before.clock, ManualClock)
        for screen_id in ids:
            await before.clock.advance(1.0)
            await post(client, f"/screener/screens/{screen_id}/delete", {})
    async with world(tmp_path) as after, after.client(owner=True) as client:
        text = await page(client)
        assert re.findall(r"<li>(Screen \d+) <form", text) == [f"Screen {number}" for number in range(11, 1, -1)]
        assert "“Screen 11” is deleted" in await page(client, deleted=ids[11])
        assert (await post(client, f"/screener/screens/{ids[0]}/restore", {}))[0] == 404
        assert (await client.post(f"/api/screens/{ids[5]}/restore")).status == 200
        assert symbols(await page(client, screen=ids[5])) == ["BTCUSDT"]


async def test_past_of_saved_screens_is_kept_from_the_start_until_they_are_deleted(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client(owner=True) as client:
        app = client.app
        assert app is not None
        desk, engine = app[DESK], made.watch.engine
        held = HeldScreens(desk)
        screen_id = await save(client, "Month", filter="change(30d) > 5")
        await held.renew()
        assert [one.name for one in engine.lent] == ["30d"]
        assert len(desk.screener) == 0
        await post(client, f"/screener/screens/{screen_id}/delete", {})
        await held.renew()
        assert not engine.lent
        await post(client, f"/screener/screens/{screen_id}/restore", {})
        await HeldScreens(desk).renew()
        assert [one.name for one in engine.lent] == ["30d"]


async def test_screen_that_cannot_be_saved_keeps_what_was_typed(client: Client) -> None:
    status, text = await post(client, "/screener/screens", {"name": "Mine", "filter": "price >", "columns": "price"})
    assert (status, 'value="Mine"' in text, 'value="price &gt;"' in text) == (400, True, True)
    assert "look at the fields that are marked" in text
    status, text = await post(client, "/screener/screens", {"name": " ", "filter": "price > 1", "columns": "price"})
    assert (status, "Nothing cannot be the name" in text, symbols(text)) == (400, True, ["BTCUSDT", "ETHUSDT"])


async def test_screen_over_a_watchlist_follows_the_list_and_survives_its_end(client: Client) -> None:
    await post(client, "/watchlist", {"name": "main", "symbol": "ETH"})
    found = re.search(r'<option value="(\w+)">Watchlist main', await page(client))
    assert found is not None
    listed = found[1]
    screen_id = await save(client, "Listed", filter="price > 1", **{"in": listed})
    assert symbols(await page(client, screen=screen_id)) == ["ETHUSDT"]
    await post(client, f"/watchlist/{listed}/add", {"symbol": "BTC"})
    text = await page(client, screen=screen_id)
    assert symbols(text) == ["BTCUSDT", "ETHUSDT"]
    alert = re.search(r'href="(/alerts/rules/new[^"]*)"', text)
    assert alert is not None
    assert parse_qs(urlsplit(unescape(alert[1])).query) == {
        "name": ["Listed"], "expression": ["price > 1"], "symbols": ["watchlist/main"],
    }  # fmt: skip
    await post(client, f"/watchlist/{listed}/delete", {})
    assert "The watchlist of this screen is gone" in await page(client, screen=screen_id)


async def test_list_at_hand_follows_its_owner_and_stays_when_another_changes_theirs(made: World) -> None:
    lists = made.books.lists
    theirs = await lists.create("bob", "main", [WatchlistItem("BTCUSDT")])
    await lists.create("owner", "mine")
    assert lists.at_hand("bob", theirs.watchlist_id) == theirs
    changed = await lists.change("bob", theirs.watchlist_id, items=[WatchlistItem("ETHUSDT")])
    assert lists.at_hand("bob", theirs.watchlist_id) == changed
    assert lists.at_hand("owner", theirs.watchlist_id) is None
    await lists.drop("bob", theirs.watchlist_id)
    assert lists.at_hand("bob", theirs.watchlist_id) is None


async def test_alert_from_a_screen_fills_the_editor(client: Client) -> None:
    text = await page(client, filter="price > 1 and price < 60000")
    alert = re.search(r'href="(/alerts/rules/new[^"]*)"', text)
    assert alert is not None
    form = await page(client, unescape(alert[1]))
    assert 'name="expression" type="text" value="price &gt; 1 and price &lt; 60000"' in form
    assert "Make this an alert" not in await page(client)


async def test_guest_looks_but_is_offered_no_names_and_no_stars(made: World) -> None:
    async with made.client() as guest:
        text = await page(guest, filter="price > 1")
        assert symbols(text) == ["BTCUSDT", "ETHUSDT"]
        assert 'href="/owner">Sign in to save screens' in text
        assert "data-keeps" not in text
        assert (await post(guest, "/screener/screens", {"name": "x"}))[0] == 401


async def test_stars_lead_to_the_watchlists_for_who_has_some(made: World, client: Client) -> None:
    add = 'href="/watchlist?add=BTCUSDT"'
    paths = ("/", "/symbols/BTCUSDT", "/search?q=b", "/screener")
    for path in paths:
        assert add in await page(client, path), path
    async with made.client() as guest:
        for path in paths[:3]:
            assert "watchlist?add=" not in await page(guest, path), path
    shown = await page(client, "/watchlist?add=BTCUSDT")
    assert "Make the list with it" in shown
    await post(client, "/watchlist", {"name": "main", "symbol": "BTCUSDT"})
    shown = await page(client, "/watchlist?add=ETHUSDT")
    assert re.search(r'/add"><input type="hidden" name="symbol" value="ETHUSDT"><button class="button" autofocus>main<', shown)


async def test_stream_is_rendered_once_for_equal_screens_and_sends_what_changed(made: World, client: Client) -> None:
    query = urlencode({"filter": "price > 1", "columns": "price"})
    text = await page(client, f"/screener?{query}")
    address = re.search(r'hx-sse:connect="([^"]*)"', text)
    assert address is not None
    async with client.get(unescape(address[1])) as one, client.get(f"/stream/screener?{query}&columns=") as other:
        assert (one.status, other.status) == (200, 200)
        app = client.app
        assert app is not None
        live = app[LIVE]
        names = list(live._screens)
        assert len(names) == 1
        first = (await other.content.readuntil(b"\n\n")).decode()
        assert 'hx-target="#matches"' in first or "retry" in first
        live.tick()
        publish_trades(made.watch, trade("BTCUSDT", 2000, 51_000.0, 0.1, START_MS + 14_000))
        publish_trades(made.watch, trade("BTCUSDT", 2001, 51_000.0, 0.1, START_MS + 15_000))
        for _ in range(3):
            live.tick()
        got = b""
        while b"51,000.00" not in got:
            got = await one.content.readuntil(b"\n\n")
        assert b'hx-target="#m-0"' in got
        assert b"ETHUSDT" not in got


async def test_stream_of_a_screen_that_cannot_be_is_refused(client: Client) -> None:
    assert (await client.get("/stream/screener?filter=nope")).status == 400
    app = client.app
    assert app is not None
    for number in range(MOST_CHANNELS):
        app[LIVE].stream_address(f"screen//price%20%3E%20{number}/price///")
    answer = await client.get("/stream/screener?" + urlencode({"filter": "price > 1000"}, quote_via=quote))
    assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
    assert "try again in a moment" in await page(client, status=429, filter="price > 5000")
    assert "does not move by itself" in await page(client, filter="price > 3", columns="price", sort="price")


async def test_every_row_of_the_overview_has_a_star_for_who_keeps_lists(made: World, client: Client) -> None:
    star = r'<td class="add" hx-morph-skip-children><a class="star" href="/watchlist\?add=(\w+)"'
    assert re.findall(star, await page(client, "/")) == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
    async with made.client() as guest:
        assert not re.findall(star, await page(guest, "/"))
