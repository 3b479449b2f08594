"""Two people with accounts on one program: whatever one asks for what is the other's is not found, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from marketwatch.store.books import books_of
from marketwatch.store.reads import Reads
from tests.kit.databases import MakeStore
from tests.kit.watches import World, world

Client = TestClient[web.Request, web.Application]
CSV = "time,type,coin,quantity,price,currency\n2025-11-20 10:00:00,buy,BTC,0.5,40000,USDT\n"
BUY = {"type": "buy", "coin_id": "BTC", "quantity": "1", "price": "10"}
FORM = {**BUY, "time": "", "currency": "", "rate": "", "fee": "", "fee_currency": "", "note": "", "version": ""}
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
OURS = re.compile(r"\{(portfolio_id|watchlist_id|transaction_id)")
BODIES: dict[str, Any] = {
    "PUT /api/portfolio/P": {"name": "Mine now"},
    "POST /api/portfolio/P/assets": {"coin_id": "BTC", "quantity": "1", "purchase_price": "10"},
    "POST /api/portfolio/P/transactions": BUY,
    "PUT /api/portfolio/P/transactions/T": BUY,
    "POST /api/portfolio/P/import": {"csv": CSV},
    "PUT /api/watchlist/W": {"name": "mine", "items": ["ETH"]},
}
FORMS: dict[str, Any] = {
    "POST /portfolio/P/rename": {"name": "Mine again"},
    "POST /portfolio/P/transactions": FORM,
    "POST /portfolio/P/transactions/T": FORM,
    "POST /portfolio/P/import": {"csv": CSV.replace("0.5", "0.25"), "confirm": "yes"},
    "POST /watchlist/W/add": {"symbol": "ETHBTC", "note": "x"},
    "POST /watchlist/W/item": {"symbol": "BTCUSDT", "note": "x", "act": "note"},
}
LAST = ("delete", "restore", "DELETE")


class Owned(NamedTuple):
    """What somebody has."""

    headers: dict[str, str]
    user_id: str
    ids: dict[str, str]


@pytest.fixture
async def made(make_store: MakeStore, tmp_path: Path) -> AsyncIterator[World]:
    store = make_store()
    await store.open()
    try:
        async with world(tmp_path, on=store, accounts="open") as found:
            yield found
    finally:
        await store.close()


async def owning(made: World, client: Client, name: str) -> Owned:
    """Somebody with a portfolio of one purchase and a watchlist."""
    user = await made.person(name)
    headers = await made.bearer(user)

    async def posted(path: str, body: Any) -> Any:
        async with client.post(path, json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            return (await answer.json())["data"]

    portfolio = (await posted("/api/portfolio", {"name": f"Savings of {name}"}))["portfolio_id"]
    bought = await posted(f"/api/portfolio/{portfolio}/transactions", BUY)
    listed = await posted("/api/watchlist", {"name": "main", "items": ["BTC"]})
    return Owned(
        headers,
        user.user_id,
        {"portfolio_id": portfolio, "transaction_id": bought["transaction_id"], "watchlist_id": listed["watchlist_id"]},
    )


async def everything(made: World, owner_id: str) -> Any:
    """All that the database has of somebody."""
    assert isinstance(made.store, Reads)
    books = books_of(made.store)
    held = [one for gone in (False, True) for one in await books.portfolios(owner_id, deleted=gone)]
    return held, [await books.transactions(owner_id, one.portfolio_id) for one in held], await books.watchlists(owner_id)


def routes_of(app: web.Application) -> list[tuple[str, str]]:
    """Method and pattern of every route with an id of ours; what takes something away comes last."""
    found = set()
    for route in app.router.routes():
        pattern = "" if route.resource is None else re.sub(r"\{(\w+):[^/]*\}", r"{\1}", route.resource.canonical)
        if OURS.search(pattern) and route.method != "HEAD":
            found.add((route.method, pattern))
    return sorted(found, key=lambda one: (any(word in f"{one[0]} {one[1]}" for word in LAST), one[1].count("{") != 2, one))


async def ask(client: Client, method: str, pattern: str, ids: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
    """Status and text; of a stream that has begun, no text."""
    path = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], pattern)
    known = f"{method} " + re.sub(r"\{(\w)\w+\}", lambda found: found[1].upper(), pattern)
    more = UPGRADE if pattern.startswith("/ws/") else {}
    given = {"json": BODIES[known]} if known in BODIES else {"data": FORMS[known]} if known in FORMS else {}
    async with client.request(method, path, headers={**headers, **more}, allow_redirects=False, **given) as answer:
        endless = pattern.startswith(("/stream/", "/ws/")) and answer.status < 400
        return answer.status, "" if endless else await answer.text()


async def test_books_of_another_account_are_not_found_by_any_route_and_stay_as_they_are(made: World) -> None:
    async with made.client() as client:
        bob, eve = await owning(made, client, "bob"), await owning(made, client, "eve")
        before = await everything(made, bob.user_id), await everything(made, eve.user_id)
        assert client.app is not None
        walked = routes_of(client.app)
        assert len(walked) > 25
        for method, pattern in walked:
            strangers = [bob.ids]
            if "transaction_id" in pattern:
                strangers.append({**bob.ids, "portfolio_id": eve.ids["portfolio_id"]})
            for ids in strangers:
                status, text = await ask(client, method, pattern, ids, eve.headers)
                assert status == 404, (method, pattern, status, text)
                assert "Savings of bob" not in text, (method, pattern)
        assert (await everything(made, bob.user_id), await everything(made, eve.user_id)) == before
        for path in ("/api/portfolio", "/api/watchlist", "/portfolio", "/watchlist"):
            async with client.get(path, headers=eve.headers) as answer:
                text = await answer.text()
                assert eve.ids["portfolio_id"] in text or eve.ids["watchlist_id"] in text
                assert bob.ids["portfolio_id"] not in text
                assert bob.ids["watchlist_id"] not in text
        await _own(client, walked, bob)
        assert await everything(made, eve.user_id) == before[1]


async def _own(client: Client, walked: list[tuple[str, str]], bob: Owned) -> None:
    """The same questions are good ones when the owner asks them: what was refused was the person."""
    for method, pattern in walked:
        gone = method == "DELETE" or pattern.endswith("/delete")
        if pattern.startswith("/ws/"):
            async with client.ws_connect(f"/ws/portfolio/{bob.ids['portfolio_id']}", headers=bob.headers):
                continue
        ids = bob.ids
        if gone:
            ids = {**ids, "transaction_id": await _newest(client, bob), "watchlist_id": await _another(client, bob)}
        status, text = await ask(client, method, pattern, ids, bob.headers)
        assert status in (200, 201, 303), (method, pattern, status, text)
        if gone and pattern.endswith(("{portfolio_id}", "{portfolio_id}/delete")):
            assert (await ask(client, "POST", "/api/portfolio/{portfolio_id}/restore", ids, bob.headers))[0] == 200


async def _newest(client: Client, bob: Owned) -> str:
    async with client.get(f"/api/portfolio/{bob.ids['portfolio_id']}/transactions", headers=bob.headers) as answer:
        return str((await answer.json())["data"][0]["transaction_id"])


async def _another(client: Client, bob: Owned) -> str:
    """A list that may be deleted."""
    async with client.get("/api/watchlist", headers=bob.headers) as answer:
        name = f"list-{len((await answer.json())['data'])}"
    async with client.post("/api/watchlist", json={"name": name}, headers=bob.headers) as answer:
        return str((await answer.json())["data"]["watchlist_id"])
