"""The matrix of routes and roles: the whole route table, with every role, and with other people's ids."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from marketwatch.accounts.sessions import Place
from marketwatch.clock import ManualClock
from marketwatch.model.accounts import Role, Scope
from marketwatch.store import open_store
from marketwatch.web.callers import session_cookie
from marketwatch.web.guard import OWNER as OWNER_KEY
from marketwatch.web.guard import RANK_OF, SAFE
from tests.kit.clients import Client
from tests.kit.watches import OWNER, PASSWORD, World, test_settings, world

ROLES = {"guest": 0, "viewer": 1, "trader": 2, "admin": 3, "owner": 4}
STREAMS = re.compile(r"^/(stream/|ws/|api/(market|alerts|replay)/stream)")
REFUSED = (401, 403)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, accounts="open") as found:
        yield found


def table(app: web.Application) -> list[tuple[str, str, Any]]:
    """Method, a path of the pattern, and handler of every route."""
    found = []
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            pattern = route.resource.canonical
            found.append((route.method, re.sub(r"\{[^}]*\}", "x", pattern), route.handler))
    return sorted(found, key=lambda row: row[:2])


async def headers_of(made: World, role: str) -> dict[str, str]:
    if role == "guest":
        return {}
    if role == "owner":
        return OWNER
    named = await made.people.store.user_named(role)
    return await made.bearer(named or await made.person(role, Role(role)))


def test_every_route_declares_who_may_call_it(tmp_path: Path) -> None:
    settings = test_settings(data_dir=tmp_path)
    app = World(settings=settings, clock=ManualClock(), store=open_store(settings)).build()
    rows = table(app)
    assert len(rows) > 60
    assert [row[:2] for row in rows if getattr(row[2], "guard", None) not in RANK_OF] == []
    questions = {("POST", "/api/rules/preview"), ("POST", "/api/rules/explain")}
    assert {row[:2] for row in rows if row[0] not in SAFE and row[2].guard == "guest"} == questions


@pytest.mark.parametrize("guests", [True, False])
@pytest.mark.parametrize("role", ROLES)
async def test_every_route_lets_in_whom_it_declares_and_nobody_else(tmp_path: Path, role: str, guests: bool) -> None:
    async with world(tmp_path, accounts="open", guests=guests, rate_limit=10**6) as made:
        await made.person("first", Role.ADMIN)
        app = made.build()
        rows = table(app)
        headers = await headers_of(made, role)
        async with TestClient(TestServer(app)) as client:
            for method, path, handler in rows:
                if STREAMS.match(path) or handler.guard == "anyone":
                    continue
                needed = 0 if handler.guard == "guest" and guests else int(RANK_OF[handler.guard])
                answer = await client.request(method, path, headers=headers, allow_redirects=False)
                refused = answer.status in REFUSED or (
                    answer.status == 303 and answer.headers["Location"].startswith("/login?back=")
                )
                assert refused is (ROLES[role] < needed), (method, path, handler.guard, answer.status)


@pytest.mark.parametrize("guests", [True, False])
async def test_streams_and_sockets_follow_the_setting_for_guests(tmp_path: Path, guests: bool) -> None:
    async with world(tmp_path, accounts="open", guests=guests) as made, made.client() as client:
        viewer = await made.bearer(await made.person("ada", Role.VIEWER))
        for path in ("/stream/overview", "/api/market/stream", "/api/alerts/stream"):
            async with client.get(path) as answer:
                assert answer.status == (200 if guests else 401), path
            async with client.get(path, headers=viewer) as answer:
                assert answer.status == 200
        answer = await client.get("/ws/prices", headers={"Upgrade": "websocket"})
        assert answer.status == (400 if guests else 401)


_PLACE = Place("192.0.2.1")


async def test_other_peoples_ids_are_not_found(made: World) -> None:
    """Every route with an id, asked by a trader for what is somebody else's: 404, as for what does not exist."""
    await made.person("ada", Role.ADMIN)
    bob, eve = await made.person("bob"), await made.person("eve")
    grant = await made.people.grant(bob, _PLACE)
    key, _ = await made.people.keys.make(bob.user_id, "bot", [Scope.READ])
    session = (await made.people.sessions.of_user(bob.user_id))[0]
    ids = {"user_id": bob.user_id, "session_id": session.session_id, "key_id": key.key_id}
    headers = await made.bearer(eve)
    bodies: dict[str, Any] = {
        "PUT /api/users/{user_id}": {"username": "mallory"},
        "DELETE /api/users/{user_id}": {"confirm": "bob", "password": PASSWORD},
        "PUT /api/users/{user_id}/preferences": {},
        "POST /api/users/{user_id}/password": {"password": "x", "new_password": "kettle-moss-41"},
        "POST /api/users/{user_id}/keys": {"name": "x", "scopes": ["read"]},
        "POST /api/users/{user_id}/totp": {"password": "x"},
        "POST /api/users/{user_id}/totp/confirm": {"otp": "000000"},
        "POST /api/users/{user_id}/totp/disable": {"password": "x"},
    }
    walked = 0
    async with made.client() as client:
        app = client.app
        assert app is not None
        for route in app.router.routes():
            pattern = route.resource.canonical if route.resource is not None else ""
            if "{user_id" not in pattern or getattr(route.handler, "guard", "") != "viewer" or route.method == "HEAD":
                continue
            for others in (ids, dict.fromkeys(ids, "u_nobody"), {**ids, "user_id": eve.user_id}):
                path = re.sub(r"\{(\w+)[^}]*\}", lambda found, others=others: others[found[1]], pattern)  # type: ignore[misc]
                if others["user_id"] == eve.user_id and "session_id" not in pattern and "key_id" not in pattern:
                    continue
                shape = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", pattern)
                answer = await client.request(route.method, path, headers=headers, json=bodies.get(f"{route.method} {shape}"))
                assert answer.status == 404, (route.method, path, await answer.text())
                walked += 1
        assert walked > 20
        mine = {"Authorization": f"Bearer {grant.access_token}"}
        row = await (await client.get(f"/api/users/{bob.user_id}", headers=mine)).json()
        assert row["data"]["username"] == "bob"
        assert len(await made.people.keys.of_user(bob.user_id)) == 1


async def test_session_of_another_cannot_be_ended_from_the_page(made: World) -> None:
    bob, eve = await made.person("bob"), await made.person("eve")
    session, _ = await made.people.sessions.begin(bob.user_id, _PLACE)
    _, secret = await made.people.sessions.begin(eve.user_id, _PLACE)
    async with made.client() as client:
        cookie = _cookie(client, secret)
        answer = await client.post("/profile/sessions/end", data={"session_id": session.session_id}, headers=cookie)
        assert answer.status == 404
        assert await made.people.sessions.find(bob.user_id, session.session_id) is not None


def _cookie(client: Client, secret: str) -> dict[str, str]:
    app = client.app
    assert app is not None
    return {"Cookie": f"{session_cookie(app[OWNER_KEY], secure=False)}={secret}", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({}, 403),
    ],
    ids=str,
)
async def test_cookie_of_a_session_counts_only_from_our_own_pages(made: World, headers: dict[str, str], status: int) -> None:
    bob = await made.person("bob")
    _, secret = await made.people.sessions.begin(bob.user_id, _PLACE)
    async with made.client() as client:
        sent = {"Cookie": _cookie(client, secret)["Cookie"], **headers}
        answer = await client.post("/profile/sessions/end-others", headers=sent, allow_redirects=False)
        assert answer.status == status


async def test_token_needs_no_origin_and_a_bad_one_is_not_helped_by_a_cookie(made: World) -> None:
    bob = await made.person("bob")
    _, secret = await made.people.sessions.begin(bob.user_id, _PLACE)
    async with made.client() as client:
        good = {**await made.bearer(bob), "Sec-Fetch-Site": "cross-site", "Origin": "https://tool.example"}
        assert (await client.put("/api/users/me/preferences", json={}, headers=good)).status == 200
        for bad in ("Bearer nonsense", "Bearer ", "Basic Ym9iOng=", "nonsense"):
            mixed = {**_cookie(client, secret), "Authorization": bad}
            assert (await client.get("/api/users/me", headers=mixed)).status == 401
            assert (await client.put("/api/users/me/preferences", json={}, headers=mixed)).status == 401


@pytest.mark.parametrize("scopes", [["read"], ["write"], ["read", "write"], ["read", "write", "admin"]], ids=",".join)
async def test_api_key_may_what_its_scopes_say_and_never_change_the_account(made: World, scopes: list[str]) -> None:
    ada = await made.person("ada", Role.ADMIN)
    _, text = await made.people.keys.make(ada.user_id, "bot", [Scope(one) for one in scopes])
    headers = {"Authorization": f"Bearer {text}"}
    async with made.client() as client:
        read = await client.get("/api/users/me", headers=headers)
        assert read.status == (200 if "read" in scopes else 403)
        people = await client.get("/api/users", headers=headers)
        assert people.status == (200 if {"read", "admin"} <= set(scopes) else 403)
        invited = await client.post("/api/invitations", json={}, headers=headers)
        assert invited.status == (201 if {"write", "admin"} <= set(scopes) else 403)
        for method, path in (
            ("PUT", "/api/users/me"),
            ("DELETE", "/api/users/me"),
            ("POST", "/api/users/me/keys"),
            ("POST", "/api/users/me/totp"),
        ):
            assert (await client.request(method, path, json={}, headers=headers)).status == 403


async def test_cors_lets_listed_pages_call_the_api_with_a_token_alone(tmp_path: Path) -> None:
    app_origin = "https://app.example.org"
    async with world(tmp_path, accounts="open", cors=(app_origin,)) as made, made.client() as client:
        bob = await made.person("bob")
        bearer = {**await made.bearer(bob), "Origin": app_origin, "Sec-Fetch-Site": "cross-site"}
        for path in ("/api/users/me", "/api/market/prices", "/api/nothing"):
            answer = await client.get(path, headers=bearer)
            assert answer.headers["Access-Control-Allow-Origin"] == app_origin
            assert "Origin" in answer.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in answer.headers
        asked = {"Origin": app_origin, "Access-Control-Request-Method": "PUT"}
        allowed = await client.options("/api/users/me/preferences", headers=asked)
        assert allowed.status == 204
        assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
        cross = {**asked, "Sec-Fetch-Site": "cross-site"}
        signing = {"username": "bob", "password": PASSWORD}
        login = await client.post("/api/users/login", json=signing, headers=cross)
        assert login.status == 200
        for other in ("https://evil.example", "null", "https://app.example.org.evil.example", "http://app.example.org"):
            answer = await client.get("/api/market/prices", headers={"Origin": other})
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert (await client.options("/api/market/prices", headers={**asked, "Origin": other})).status == 405
        page = await client.get("/", headers={"Origin": app_origin})
        assert "Access-Control-Allow-Origin" not in page.headers
        _, secret = await made.people.sessions.begin(bob.user_id, _PLACE)
        stolen = {**_cookie(client, secret), "Origin": app_origin, "Sec-Fetch-Site": "cross-site"}
        assert (await client.put("/api/users/me/preferences", json={}, headers=stolen)).status == 403


async def test_limits_count_by_account_else_by_address(tmp_path: Path) -> None:
    async with world(tmp_path, accounts="open", rate_limit=3, rate_limit_data=4) as made, made.client() as client:
        bob, eve = [await made.bearer(await made.person(name)) for name in ("bob", "eve")]
        for who in (bob, eve):
            first = await client.get("/api/users/me", headers=who)
            assert first.status == 200
        assert [(await client.get("/api/market/prices")).status for _ in range(3)] == [200, 200, 429]
    async with world(tmp_path / "keys", accounts="open", rate_limit_data=4) as made, made.client() as client:
        people = [await made.person(name) for name in ("bob", "eve")]
        texts = [(await made.people.keys.make(people[0].user_id, "bot", [Scope.READ]))[1]]
        texts.append((await made.people.grant(people[1], _PLACE)).access_token)
        for text in texts:
            await client.get("/api/users/me", headers={"Authorization": f"Bearer {text}"})
        for text in texts:
            headers = {"Authorization": f"Bearer {text}"}
            statuses = [(await client.get("/api/users/me", headers=headers)).status for _ in range(5)]
            assert statuses == [200] * 4 + [429]
        answer = await client.get("/api/users/me", headers={"Authorization": f"Bearer {texts[0]}"})
        assert int(answer.headers["Retry-After"]) >= 1
        assert "this account" in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("path", ["/api/users/login", "/api/users/register", "/login", "/register"])
async def test_signing_in_is_tried_five_times_a_minute(made: World, path: str) -> None:
    async with made.client() as client:
        statuses = []
        for number in range(6):
            body = {"username": f"x{number}", "password": "y"}
            sent = {"json": body} if path.startswith("/api") else {"data": body}
            statuses.append((await client.post(path, **sent)).status)  # type: ignore[arg-type]
        assert 429 not in statuses[:5]
        assert statuses[5] == 429
