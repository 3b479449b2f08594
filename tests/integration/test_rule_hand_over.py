"""Whose rule it is: told to its author and to admins, and handed over by either of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketwatch.model.accounts import Role, Scope
from tests.kit.clients import Client
from tests.kit.watches import World, world

RULE = {"name": "Fast fall", "expression": "change(5m) < -3", "symbols": ["BTCUSDT"]}
PAGE, ROUTE = "/alerts/rules/fast-fall/author", "/api/rules/fast-fall/author"


class Town(NamedTuple):
    """Two admins, somebody who was one, and somebody who never was; the rule is of the one who was."""

    world: World
    client: Client
    ids: dict[str, str]
    bearers: dict[str, dict[str, str]]

    async def ask(self, who: str, method: str, path: str, status: int = 200, **more: Any) -> Any:
        async with self.client.request(method, path, headers=self.bearers.get(who), **more) as answer:
            found = await answer.json()
            assert answer.status == status, found
            return found["data"] if found["success"] else found["error"]

    async def text(self, who: str, path: str) -> str:
        async with self.client.get(path, headers=self.bearers.get(who)) as answer:
            assert answer.status == 200
            return await answer.text()

    async def noted(self) -> list[tuple[str, str, str]]:
        entries = await self.world.people.store.audit_before(10**9, 50)
        return [(one.actor, one.subject, one.result) for one in entries if one.action == "hand over rule"]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with world(tmp_path, accounts="open") as made, made.client() as client:
        made.desk.take_file([])
        found = Town(made, client, {}, {})
        for name in ("keeper", "ann", "bob", "eve"):
            person = await made.person(name, Role.VIEWER if name == "eve" else Role.ADMIN)
            found.ids[name], found.bearers[name] = person.user_id, await made.bearer(person)
        await found.ask("ann", "POST", "/api/rules", 201, json=RULE)
        ann = await made.people.users.find(found.ids["ann"])
        await made.people.users.set_standing(ann, Role.TRADER, active=True)
        made.people.identities.forget(ann.user_id)
        yield found


async def test_author_is_told_to_themself_and_to_admins_by_interface_page_and_stream(town: Town) -> None:
    row = {"user_id": town.ids["ann"], "username": "ann"}
    for who, known in (("ann", row), ("bob", row), ("eve", None), ("", None)):
        for path in ("/api/rules", "/api/rules/fast-fall", "/api/rules/fast-fall/versions"):
            found = await town.ask(who, "GET", path)
            assert (found if isinstance(found, dict) else found[0])["author"] == known, (who, path)
    for who, said in (
        ("ann", "version 1 · yours"),
        ("bob", "version 1 · by ann"),
        ("eve", "version 1</p>"),
        ("", "version 1</p>"),
    ):
        assert said in await town.text(who, "/alerts/rules/fast-fall"), who
        assert ("by ann" in await town.text(who, "/alerts")) is (who == "bob"), who
    for who in ("bob", "eve"):
        async with town.client.get("/stream/alerts", headers=town.bearers[who]) as answer:
            text = (await answer.content.readuntil(b"Fast fall")).decode()
            text += (await answer.content.readuntil(b"</ul>")).decode()
        assert ("by ann" in text) is (who == "bob"), who


async def test_rule_is_handed_over_by_its_author_and_by_admins_and_by_nobody_else(town: Town) -> None:
    refused = await town.ask("eve", "PUT", ROUTE, 403, json={"username": "nobody"})
    assert "Only an admin or its author" in refused["message"]
    for name in ("nobody", "eve", "ann"):
        refused = await town.ask("bob", "PUT", ROUTE, 400, json={"username": name})
        assert f"'{name}' is not the name of an account that may write rules" in refused["message"]
    made = await town.ask("ann", "PUT", ROUTE, json={"username": "Bob"})
    assert (made["version"], made["author"]) == (1, None)
    await town.ask("ann", "PUT", ROUTE, 403, json={"username": "bob"})
    assert (await town.ask("bob", "PUT", ROUTE, json={"username": "keeper"}))["author"]["username"] == "keeper"
    ann, bob, keeper = (town.ids[name] for name in ("ann", "bob", "keeper"))
    assert await town.noted() == [
        ("bob", "fast-fall", f"ok: from {bob} to {keeper}"),
        ("ann", "fast-fall", "refused: 403"),
        ("ann", "fast-fall", f"ok: from {ann} to {bob}"),
        ("eve", "fast-fall", "refused: 403"),
    ]
    assert town.world.watch.state.rules["fast-fall"].owner_id == keeper


async def test_page_hands_over_and_says_why_a_rule_about_money_is_not(town: Town) -> None:
    assert f'href="{PAGE}"' in await town.text("ann", "/alerts/rules/fast-fall")
    assert f'href="{PAGE}"' not in await town.text("eve", "/alerts/rules/fast-fall")
    assert '<option value="bob">' in await town.text("bob", PAGE)
    assert "<option" not in await town.text("ann", PAGE)
    async with town.client.post(PAGE, data={"username": "eve"}, headers=town.bearers["ann"]) as answer:
        assert (answer.status, "may write rules; name an admin" in await answer.text()) == (400, True)
    async with town.client.post(PAGE, data={"username": "bob"}, headers=town.bearers["ann"], allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/alerts/rules/fast-fall")
    money = {"name": "Loss", "expression": "portfolio('main').upnl < -5"}
    await town.ask("bob", "POST", "/api/rules", 201, json=money)
    text = await town.text("keeper", "/alerts/rules/loss/author")
    assert "cannot be handed over" in text
    assert '<form class="sheet"' not in text
    assert "tells its figures to them alone" in await town.text("keeper", "/alerts/rules/loss")
    assert "your portfolios" in await town.text("bob", "/alerts/rules/loss")
    refused = await town.ask("keeper", "PUT", "/api/rules/loss/author", 403, json={"username": "keeper"})
    assert "cannot be handed over" in refused["message"]


async def test_key_without_the_scope_of_admins_hands_over_its_owners_rules_only(town: Town) -> None:
    _, secret = await town.world.people.keys.make(town.ids["bob"], "bot", [Scope.READ, Scope.WRITE])
    town.bearers["bot"] = {"Authorization": f"Bearer {secret}"}
    await town.ask("bot", "PUT", ROUTE, 403, json={"username": "keeper"})
    await town.ask("bob", "PUT", ROUTE, json={"username": "bob"})
    assert (await town.ask("bot", "PUT", ROUTE, json={"username": "keeper"}))["author"]["username"] == "keeper"


async def test_there_are_no_authors_without_accounts(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client(owner=True) as client:
        made.desk.take_file([])
        async with client.post("/api/rules", json=RULE) as answer:
            assert (await answer.json())["data"]["author"] is None
        async with client.get("/alerts/rules/fast-fall") as answer:
            text = await answer.text()
        assert "yours" not in text
        assert "Hand over" not in text
        assert (await client.put(ROUTE, json={"username": "x"})).status == 404
