"""Who may call what: every route of the program, and every way in which a request can say where it comes from."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from marketwatch.clock import ManualClock
from marketwatch.web import guard
from marketwatch.web.guard import SAFE
from tests.kit.clients import Client
from tests.kit.watches import OWNER, TOKEN, World

OPEN = {
    ("POST", "/theme"),
    ("POST", "/api/rules/preview"),
    ("POST", "/api/rules/explain"),
    ("POST", "/owner"),
    ("POST", "/owner/leave"),
}
"""What everyone may send: it changes nothing, or nothing but a cookie of the sender."""
OPEN |= {("POST", f"/api/users/{name}") for name in ("register", "login", "reset", "refresh", "logout")}
OPEN |= {("POST", path) for path in ("/login", "/login/code", "/register", "/reset", "/logout")}


def changing(app: web.Application) -> set[tuple[str, str]]:
    """Method and pattern of every route that is not for reading."""
    found = set()
    for route in app.router.routes():
        if route.method not in SAFE and route.resource is not None:
            found.add((route.method, route.resource.canonical))
    return found


async def test_guard_every_changing_route_refuses_a_stranger_unless_it_is_listed_as_open(made: World) -> None:
    app = made.build()
    routes = changing(app)
    assert routes >= OPEN
    async with made.client() as client:
        for method, pattern in sorted(routes - OPEN):
            answer = await client.request(method, pattern.replace("{", "").replace("}", ""), json={})
            assert answer.status == 401, (method, pattern)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
async def test_guard_other_site_is_refused_even_with_the_cookie_and_on_open_routes(
    made: World, client: Client, headers: dict[str, str]
) -> None:
    await sign_in(client)
    for method, pattern in sorted(changing(made.build())):
        path = pattern.replace("{", "").replace("}", "")
        await advance(made)
        answer = await client.request(method, path, headers=headers, allow_redirects=False)
        assert answer.status == 403, (method, pattern)


async def advance(made: World) -> None:
    """Past the minute in which signing in is tried five times at most."""
    assert isinstance(made.clock, ManualClock)
    made.clock.move_to(made.clock.now_ms() + 120_000)


async def sign_in(client: Client) -> None:
    answer = await client.post("/owner", data={"token": TOKEN, "back": "/alerts"}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/alerts")


async def test_guard_sign_in_by_token_gives_a_cookie_that_scripts_cannot_read(client: Client) -> None:
    answer = await client.post("/owner", data={"token": TOKEN}, allow_redirects=False)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    page = await (await client.get("/owner")).text()
    assert "You are the owner here" in page
    assert "data-owner" in page


async def test_guard_sign_in_with_another_token_says_so_and_gives_nothing(client: Client) -> None:
    answer = await client.post("/owner", data={"token": "wrong"}, allow_redirects=False)
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert "not the owner" in await answer.text()


async def test_guard_sign_in_is_tried_five_times_a_minute_at_most(client: Client) -> None:
    statuses = [(await client.post("/owner", data={"token": "wrong"})).status for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2


async def test_guard_sign_in_leads_back_only_to_this_server(client: Client) -> None:
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: a=b"):
        answer = await client.post("/owner", data={"token": TOKEN, "back": back}, allow_redirects=False)
        if answer.status != 429:
            assert answer.headers["Location"] == "/"


async def test_guard_ticket_makes_an_owner_once(made: World) -> None:
    app = made.build()
    ticket = app[guard.OWNER].new_ticket()
    async with TestClient(TestServer(app)) as client:
        first = await client.get("/owner", params={"ticket": ticket}, allow_redirects=False)
        assert first.status == 303
        assert "HttpOnly" in first.headers["Set-Cookie"]
        client.session.cookie_jar.clear()
        second = await client.get("/owner", params={"ticket": ticket}, allow_redirects=False)
        assert second.status == 200
        assert "was used already" in await second.text()


async def test_guard_leaving_forgets_the_cookie(client: Client) -> None:
    await sign_in(client)
    await client.post("/owner/leave", headers={"Sec-Fetch-Site": "same-origin"})
    assert "You are the owner here" not in await (await client.get("/owner")).text()


async def test_guard_bearer_of_another_token_is_told_so(client: Client) -> None:
    page = await (await client.get("/owner", headers={"Authorization": "Bearer nonsense"})).text()
    assert "data-owner" not in page
    good = await (await client.get("/owner", headers=OWNER)).text()
    assert "data-owner" in good


async def test_guard_unknown_path_and_method_stay_404_and_405(client: Client) -> None:
    assert (await client.post("/api/nothing")).status == 404
    assert (await client.delete("/api/market/prices")).status == 405
