"""`/api/screener` and `/api/screens`: what passes now, and screens that are their owner's alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.clients import Client
from tests.kit.watches import World, world

BY_OWNER = True


async def ask(client: Client, method: str, path: str, status: int = 200, **given: Any) -> Any:
    async with client.request(method, path, **given) as answer:
        body = await answer.json()
        assert answer.status == status, body
        return body["data"] if body["success"] else body["error"]


async def test_screener_answers_values_by_column_and_names_what_is_not_known(made: World) -> None:
    query = {"filter": "price > 1000", "columns": "price, price > 10000, change(24h)", "sort": "price", "dir": "asc"}
    async with made.client() as guest:
        found = await ask(guest, "GET", "/api/screener", params=query)
    assert found["columns"] == [
        {"name": "price", "kind": "number"},
        {"name": "price > 10000", "kind": "bool"},
        {"name": "change(1d)", "kind": "percent"},
    ]
    assert [one["symbol"] for one in found["matches"]] == ["ETHUSDT", "BTCUSDT"]
    assert found["matches"][1]["values"] == {"price": 50_019.0, "price > 10000": 1.0, "change(1d)": None}
    assert found["matches"][0]["values"]["price > 10000"] == 0.0
    assert (found["passing"], found["total"]) == (2, 3)
    assert found["unknown"] == [{"symbol": "ETHBTC", "reason": "no data yet"}]


async def test_screener_refuses_with_the_place_of_every_mistake(client: Client) -> None:
    query = {"filter": "price >", "columns": "price, rsi(14)"}
    error = await ask(client, "GET", "/api/screener", 400, params=query)
    assert [(one["field"], one["column"]) for one in error["details"]] == [("filter", 8), ("columns", 8)]
    assert "dir" in (await ask(client, "GET", "/api/screener", 400, params={"dir": "sideways"}))["message"]
    assert (await ask(client, "GET", "/api/screener", 400, params={"filter": "x" * 2001}))["code"] == "INVALID_REQUEST"


async def test_screener_is_limited_to_a_watchlist_of_ones_own(made: World, client: Client) -> None:
    body = {"name": "main", "items": ["ETH", "SOLUSDT"]}
    listed = (await ask(client, "POST", "/api/watchlist", 201, json=body))["watchlist_id"]
    found = await ask(client, "GET", "/api/screener", params={"filter": "price > 1", "watchlist": listed})
    assert [one["symbol"] for one in found["matches"]] == ["ETHUSDT"]
    assert (found["passing"], found["total"]) == (1, 1)
    await ask(client, "GET", "/api/screener", 404, params={"watchlist": "nobodys"})
    async with made.client() as guest:
        await ask(guest, "GET", "/api/screener", 404, params={"watchlist": listed})


async def test_screens_are_saved_changed_ordered_and_deleted(client: Client) -> None:
    body = {"name": " Falling  fast ", "filter": "change(5m) < -1", "columns": "price, change(24h)", "sort": "change(24h)"}
    first = await ask(client, "POST", "/api/screens", 201, json=body)
    assert (first["name"], first["version"], first["position"], first["sort"]) == ("Falling fast", 1, 0, "change(24h)")
    second = await ask(client, "POST", "/api/screens", 201, json={"name": "Other"})
    path = f"/api/screens/{first['screen_id']}"
    changed = await ask(client, "PUT", path, json={"filter": "", "position": 5, "version": 1})
    assert (changed["filter"], changed["columns"], changed["version"]) == ("", "price, change(24h)", 2)
    assert [one["screen_id"] for one in await ask(client, "GET", "/api/screens")] == [second["screen_id"], first["screen_id"]]
    assert (await ask(client, "PUT", path, 409, json={"name": "x", "version": 1}))["code"] == "CONFLICT"
    assert (await ask(client, "PUT", path, 409, json={"name": "OTHER"}))["code"] == "CONFLICT"
    assert await ask(client, "GET", path) == changed
    assert await ask(client, "DELETE", path) == changed
    await ask(client, "GET", path, 404)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"name": ""}, "cannot be the name"),
        ({"name": "x" * 61}, "cannot be the name"),
        ({"name": "a\u202eb"}, "cannot be the name"),
        ({"name": "a", "filter": "price"}, "condition"),
        ({"name": "a", "columns": "position('BTC').value"}, "same for every symbol"),
    ],
)
async def test_screen_that_cannot_be_is_not_saved(client: Client, body: dict[str, str], word: str) -> None:
    assert word in (await ask(client, "POST", "/api/screens", 400, json=body))["message"]
    assert await ask(client, "GET", "/api/screens") == []


async def test_screens_and_lists_of_others_are_not_found(tmp_path: Path) -> None:
    async with world(tmp_path, accounts="open") as made, made.client() as client:
        bob, eve = [await made.bearer(await made.person(name)) for name in ("bob", "eve")]
        mine = await ask(client, "POST", "/api/screens", 201, json={"name": "Mine"}, headers=bob)
        listed = (await ask(client, "POST", "/api/watchlist", 201, json={"name": "main"}, headers=bob))["watchlist_id"]
        path = f"/api/screens/{mine['screen_id']}"
        for method in ("GET", "PUT", "DELETE"):
            await ask(client, method, path, 404, headers=eve, **({"json": {"name": "x"}} if method == "PUT" else {}))
        assert await ask(client, "GET", "/api/screens", headers=eve) == []
        await ask(client, "POST", "/api/screens", 404, json={"name": "x", "watchlist_id": listed}, headers=eve)
        await ask(client, "GET", "/api/screener", 404, params={"watchlist": listed}, headers=eve)
        assert (await ask(client, "GET", path, headers=bob))["name"] == "Mine"
        for address in (f"/screener?screen={mine['screen_id']}", f"/screener?in={listed}", f"/stream/screener?in={listed}"):
            async with client.get(address, headers=eve) as answer:
                assert answer.status == 404, address
        for act in ("", "/delete", "/restore", "/move"):
            async with client.post(f"/screener/screens/{mine['screen_id']}{act}", data={"name": "x"}, headers=eve) as answer:
                assert answer.status == 404, act
        async with client.get(f"/screener?screen={mine['screen_id']}", allow_redirects=False) as answer:
            assert answer.status in (303, 401)
