"""The end of an account, forgotten passwords and what admins see of the program, by page and API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from marketwatch.accounts.audit import verify_chain
from marketwatch.accounts.sessions import Place
from marketwatch.clock import ManualClock
from marketwatch.model.accounts import Role, Scope, User
from marketwatch.model.alerts import Rules
from marketwatch.model.portfolio import CostMethod
from marketwatch.model.system import MirrorStatus
from marketwatch.screener.question import Question
from marketwatch.web.api.desk import DESK
from marketwatch.web.callers import session_cookie
from marketwatch.web.guard import OWNER as OWNER_KEY
from tests.integration.test_api_accounts import sent
from tests.kit.clients import Client
from tests.kit.watches import OWNER, PASSWORD, World, world

PLACE = Place("192.0.2.1")
NEW = "kettle moss 41"
MONEY = "portfolio('main').upnl < -50"


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, accounts="open") as found:
        found.desk.take_file([])
        yield found


async def cookie(made: World, client: Client, user: User) -> dict[str, str]:
    """The headers of a browser that is signed in."""
    _, secret = await made.people.sessions.begin(user.user_id, PLACE)
    app = client.app
    assert app is not None
    return {"Cookie": f"{session_cookie(app[OWNER_KEY], secure=False)}={secret}", "Sec-Fetch-Site": "same-origin"}


async def posted(client: Client, path: str, form: dict[str, str], headers: dict[str, str], status: int = 303) -> str:
    """Where a form led, or the page that it answered."""
    answer = await client.post(path, data=form, headers=headers, allow_redirects=False)
    text = await answer.text()
    assert answer.status == status, text
    return answer.headers.get("Location") or text


async def settle(made: World, client: Client, user: User, headers: dict[str, str]) -> str:
    """A portfolio, lists, a screen, and two rules; answers the id of the portfolio."""
    book = await made.books.create(user.user_id, "Main", "USD", CostMethod.AVERAGE)
    await sent(client, "POST", "/api/watchlist", {"name": "mine"}, status=201, headers=headers)
    app = client.app
    assert app is not None
    await app[DESK].screens.create(user.user_id, "Cheap", Question("price < 10"))
    for name, expression in (("Loss", MONEY), ("High", "price > 60000")):
        asked = {"name": name, "expression": expression, "severity": "info"}
        await sent(client, "POST", "/api/rules", asked, status=201, headers=headers)
    return book.portfolio.portfolio_id


async def test_person_leaves_and_everything_that_runs_forgets_them_at_once(made: World, client: Client) -> None:
    await made.person("keeper", Role.ADMIN)
    ada = await made.person("ada", Role.ADMIN)
    mine = await made.bearer(ada)
    portfolio_id = await settle(made, client, ada, mine)
    _, key = await made.people.keys.make(ada.user_id, "bot", [Scope.READ])
    grant = await sent(client, "POST", "/api/users/login", {"username": "ada", "password": PASSWORD})
    stream = await client.get("/api/market/stream", headers=mine)
    book = await client.ws_connect(f"/ws/portfolio/{portfolio_id}", headers=mine)
    in_force: list[Rules] = []
    made.watch.bus.subscribe(Rules, in_force.append, name="test")
    ask = {"confirm": "ada", "password": PASSWORD}
    for wrong, status in (
        ({**ask, "confirm": "eve"}, 400),
        ({**ask, "password": "wrong-wrong"}, 401),
        ({"confirm": "ada"}, 401),
    ):
        await sent(client, "DELETE", "/api/users/me", wrong, status=status, headers=mine)
    assert await sent(client, "DELETE", "/api/users/me", ask, headers=mine) == {"done": True}
    for bearer in (mine["Authorization"], f"Bearer {key}", f"Bearer {grant['access_token']}"):
        await sent(client, "GET", "/api/users/me", status=401, headers={"Authorization": bearer})
    await sent(client, "POST", "/api/users/refresh", {"refresh_token": grant["refresh_token"]}, status=401)
    await sent(client, "POST", "/api/users/login", {"username": "ada", "password": PASSWORD}, status=401)
    async with asyncio.timeout(20):
        await stream.content.read()
        while not book.closed:
            await book.receive()
    assert made.books.every() == []
    assert [rule.name for rule in in_force[-1].rules] == [rule.name for rule in made.desk.in_force] == ["High"]
    assert made.desk.own[0].owner_id == "owner"
    assert (await verify_chain(made.people.store)).problem == ""
    entries = await made.people.store.audit_before(2**53, 9)
    assert ("ada", "delete account", ada.user_id) in [(one.actor, one.action, one.subject) for one in entries]


async def test_request_that_is_under_way_while_its_sender_leaves_makes_nothing(made: World, client: Client) -> None:
    ada = await made.person("ada", Role.ADMIN)
    await made.person("eve", Role.ADMIN)
    mine = await made.bearer(ada)
    whole = b'{"name": "Late", "base_currency": "USD", "cost_method": "average"}'
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield whole[:10]
        begun.set()
        await ended.wait()
        yield whole[10:]

    headers = {**mine, "Content-Type": "application/json"}
    asked = asyncio.create_task(client.post("/api/portfolio", data=slow(), headers=headers))
    await begun.wait()
    while not made.people.identities.remembered(mine["Authorization"].removeprefix("Bearer ")):
        await asyncio.sleep(0.01)
    await sent(client, "DELETE", f"/api/users/{ada.user_id}", {"confirm": "ada"}, headers=OWNER)
    ended.set()
    assert (await asked).status == 401
    assert made.books.every() == []


async def test_rule_of_somebody_who_left_is_not_found_and_its_id_is_not_given_again(made: World, client: Client) -> None:
    ada = await made.person("ada", Role.ADMIN)
    headers = await made.bearer(ada)
    await settle(made, client, ada, headers)
    await sent(client, "DELETE", f"/api/users/{ada.user_id}", {"confirm": "Ada"}, status=409, headers=OWNER)
    await made.person("eve", Role.ADMIN)
    await sent(client, "DELETE", f"/api/users/{ada.user_id}", {"confirm": "Ada"}, headers=OWNER)
    for method, path in (("GET", "/api/rules/loss"), ("DELETE", "/api/rules/loss"), ("POST", "/api/rules/loss/restore")):
        await sent(client, method, path, {} if method == "POST" else None, status=404, headers=OWNER)
    again = {"name": "Loss", "expression": "price < 1", "severity": "info"}
    assert (await sent(client, "POST", "/api/rules", again, status=201, headers=OWNER))["rule_id"] == "loss-2"


async def test_leaving_takes_the_second_factor_too(made: World, client: Client) -> None:
    assert isinstance(made.clock, ManualClock)
    bob = await made.person("bob")
    browser = await cookie(made, client, bob)
    secret = await made.people.second_factor.begin(bob)
    totp, step = pyotp.TOTP(secret), made.clock.now_ms() // 30_000
    found = await made.people.users.find(bob.user_id)
    await made.people.second_factor.confirm(found, totp.generate_otp(step))
    form = {"confirm": "bob", "password": PASSWORD}
    assert "The code is wrong" in await posted(client, "/profile/delete", form, browser, 401)
    assert 'name="otp"' in await (await client.get("/profile", headers=browser)).text()
    form["otp"] = totp.generate_otp(step + 1)
    assert await posted(client, "/profile/delete", form, browser) == "/login?done=deleted"
    assert await made.people.store.user(bob.user_id) is None
    assert "was deleted" in await (await client.get("/login?done=deleted")).text()


async def test_last_admin_cannot_leave_nor_be_deleted(made: World, client: Client) -> None:
    ada, bob = await made.person("ada", Role.ADMIN), await made.person("bob")
    browser = await cookie(made, client, ada)
    page = await posted(client, "/profile/delete", {"confirm": "ada", "password": PASSWORD}, browser, 409)
    assert "This is the last admin" in page
    own = f"/admin/people/{ada.user_id}"
    assert "delete it at /profile" in await posted(client, own, {"act": "delete", "confirm": "ada"}, browser, 400)
    theirs = f"/admin/people/{bob.user_id}"
    await posted(client, theirs, {"act": "delete", "confirm": ""}, browser, 400)
    assert await posted(client, theirs, {"act": "delete", "confirm": "bob"}, browser) == "/admin?done=deleted#people"
    assert (await client.get(theirs, headers=browser)).status == 404
    assert await made.people.store.user(ada.user_id) is not None
    trader = await made.bearer(await made.person("eve"))
    await sent(client, "DELETE", f"/api/users/{ada.user_id}", {"confirm": "ada"}, status=404, headers=trader)


async def link(client: Client, user: User, browser: dict[str, str]) -> str:
    """The code of a link, as the page shows it."""
    page = await posted(client, f"/admin/people/{user.user_id}", {"act": "link"}, browser, 200)
    found = re.search(r"/reset\?code=([\w-]+)", page)
    assert found is not None
    return found[1]


async def test_forgotten_password_is_set_by_a_link_once(made: World, client: Client) -> None:
    assert isinstance(made.clock, ManualClock)
    ada, bob = await made.person("ada", Role.ADMIN), await made.person("bob")
    browser, theirs = await cookie(made, client, ada), await made.bearer(bob)
    older = await link(client, bob, browser)
    code = await link(client, bob, browser)
    for path, shown in ((f"/reset?code={older}", "leads nowhere"), ("/reset", "leads nowhere"), (f"/reset?code={code}", "bob")):
        answer = await client.get(path)
        assert shown in await answer.text()
        assert answer.headers["Referrer-Policy"] == "strict-origin"
        assert answer.headers["Cache-Control"] == "no-store"
    ours = {"Sec-Fetch-Site": "same-origin"}
    assert "commonest" in await posted(client, "/reset", {"code": code, "password": "password1"}, ours, 400)
    await sent(client, "GET", "/api/users/me", headers=theirs)
    assert await posted(client, "/reset", {"code": code, "password": NEW}, ours) == "/login?done=password"
    assert "leads nowhere" in await posted(client, "/reset", {"code": code, "password": NEW}, ours, 403)
    await sent(client, "GET", "/api/users/me", status=401, headers=theirs)
    await sent(client, "POST", "/api/users/login", {"username": "bob", "password": PASSWORD}, status=401)
    await sent(client, "POST", "/api/users/login", {"username": "bob", "password": NEW})
    log = [(one.actor, one.action, one.result) for one in await made.people.store.audit_before(2**53, 20)]
    for entry in (("ada", "make password link", "ok"), ("bob", "set forgotten password", "ok")):
        assert entry in log
    assert ("unknown link", "set forgotten password", "refused") in log
    assert code not in str(log)


async def test_link_ends_after_an_hour_and_with_whoever_made_it(made: World, client: Client) -> None:
    assert isinstance(made.clock, ManualClock)
    await made.person("ada", Role.ADMIN)
    eve, bob = await made.person("eve", Role.ADMIN), await made.person("bob")
    path = f"/api/users/{bob.user_id}/reset"
    row = await sent(client, "POST", path, status=201, headers=await made.bearer(eve))
    assert row["path"] == f"/reset?code={row['code']}"
    await sent(client, "POST", path, status=403, headers=await made.bearer(bob))
    await sent(client, "DELETE", f"/api/users/{eve.user_id}", {"confirm": "eve"}, headers=OWNER)
    ask = {"code": row["code"], "password": NEW}
    assert "used, over or not known" in (await sent(client, "POST", "/api/users/reset", ask, status=403))["message"]
    row = await sent(client, "POST", path, status=201, headers=OWNER)
    made.clock.move_to(made.clock.now_ms() + 3_600_000)
    await sent(client, "POST", "/api/users/reset", {**ask, "code": row["code"]}, status=403)
    await made.people.users.set_standing(bob, Role.TRADER, active=False)
    await sent(client, "POST", path, status=409, headers=OWNER)


@pytest.mark.parametrize("path", ["/reset", "/api/users/reset"])
async def test_links_are_tried_five_times_a_minute(made: World, client: Client, path: str) -> None:
    tries = []
    for number in range(6):
        body = {"code": f"code{number}", "password": NEW}
        sent_as: dict[str, Any] = {"json": body} if path.startswith("/api") else {"data": body}
        tries.append((await client.post(path, **sent_as)).status)
    assert tries == [403] * 5 + [429]


async def test_admins_see_settings_and_budgets_without_secrets(tmp_path: Path) -> None:
    secrets: dict[str, Any] = {
        "redis_url": "redis://:planted-word@cache.example:6379/0",
        "smtp_url": "smtps://u:planted-word@mail.example:465",
        "binance_rest_url": ("https://u:planted-word@proxy.example/api?key=planted-word",),
    }
    async with world(tmp_path, accounts="open", redis_commands_a_day=1000, **secrets) as made, made.client() as client:
        made.watch.bus.publish(MirrorStatus(850, 1000))
        found = await sent(client, "GET", "/api/system/settings", headers=OWNER)
        rows = {row["name"]: row["value"] for row in found["settings"]}
        assert (rows["REDIS_URL"], rows["MARKETWATCH_WEBHOOK_SECRET"]) == ("(set)", "")
        assert rows["BINANCE_REST_URL"] == "https://(hidden)@proxy.example/api?(hidden)"
        budgets = {row["name"]: row for row in found["budgets"]}
        assert (budgets["Redis commands"]["used"], budgets["Redis commands"]["limit"]) == (850, 1000)
        assert 0 < budgets["Database"]["used"] < budgets["Database"]["limit"] == 2e9
        ada = await made.person("ada", Role.ADMIN)
        page = await (await client.get("/admin", headers=await cookie(made, client, ada))).text()
        assert "planted-word" not in page + str(found)
        assert re.search(r'<meter [^>]*value="85.0" aria-label="Used of Redis commands"', page)
        await sent(client, "GET", "/api/system/settings", status=403, headers=await made.bearer(await made.person("bob")))
        await sent(client, "GET", "/api/system/settings", status=401)
