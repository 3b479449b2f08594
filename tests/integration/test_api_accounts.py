"""The API of accounts as a program meets it: grants, profile, sessions, keys, second factor, invitations, audit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from marketwatch.accounts.audit import verify_chain
from marketwatch.accounts.sessions import Place
from marketwatch.clock import ManualClock
from marketwatch.model.accounts import Role, Scope
from marketwatch.web.holders import HOLDERS, RECHECK_S
from tests.kit.clients import Client
from tests.kit.watches import OWNER, PASSWORD, World, world

PLACE = Place("192.0.2.1")


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, accounts="open") as found:
        yield found


async def sent(client: Client, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any) -> Any:
    """The data of an answer, or its error."""
    answer = await client.request(method, path, json=body, **more)
    found = await answer.json()
    assert answer.status == status, found
    assert answer.headers["Cache-Control"] == "no-store"
    return found["data"] if status < 400 else found["error"]


def bearer(grant: dict[str, Any]) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {grant['access_token']}"}}


async def test_program_registers_logs_in_refreshes_and_logs_out(client: Client) -> None:
    asked = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    grant = await sent(client, "POST", "/api/users/register", asked, status=201)
    assert (grant["token_type"], grant["expires_in"]) == ("Bearer", 600)
    me = await sent(client, "GET", "/api/users/me", **bearer(grant))
    assert (me["user_id"], me["username"], me["role"], me["second_factor"]) == (grant["user_id"], "ada", "admin", False)
    assert await sent(client, "GET", f"/api/users/{me['user_id']}", **bearer(grant)) == me
    again = await sent(client, "POST", "/api/users/login", {"email": "ADA@example.org", "password": PASSWORD})
    fresh = await sent(client, "POST", "/api/users/refresh", {"refresh_token": again["refresh_token"]})
    await sent(client, "POST", "/api/users/refresh", {"refresh_token": again["refresh_token"]}, status=401)
    await sent(client, "GET", "/api/users/me", status=401, **bearer(fresh))
    assert await sent(client, "POST", "/api/users/logout", {}, **bearer(grant)) == {"ended": 1}
    await sent(client, "GET", "/api/users/me", status=401, **bearer(grant))
    third = await sent(client, "POST", "/api/users/login", {"username": "ada", "password": PASSWORD})
    assert await sent(client, "POST", "/api/users/logout", {"refresh_token": third["refresh_token"]}) == {"ended": 1}
    await sent(client, "POST", "/api/users/refresh", {"refresh_token": third["refresh_token"]}, status=401)


async def test_profile_preferences_and_password_are_changed(made: World, client: Client) -> None:
    await made.person("bob")
    grant = await sent(client, "POST", "/api/users/login", {"username": "bob", "password": PASSWORD})
    mine = bearer(grant)
    row = await sent(client, "PUT", "/api/users/me", {"username": "rob", "email": "rob@example.org"}, **mine)
    assert (row["username"], row["email"]) == ("rob", "rob@example.org")
    await sent(client, "PUT", "/api/users/me", {"username": "KEEPER"}, status=409, **mine)
    wanted = {"theme": "light", "currency": "EUR", "time_zone": "Europe/Berlin", "symbols": ["BTCUSDT"]}
    assert await sent(client, "PUT", "/api/users/me/preferences", wanted, **mine) == wanted
    assert await sent(client, "GET", "/api/users/me/preferences", **mine) == wanted
    for bad in ({"theme": "pink"}, {"time_zone": "Mars/Base"}, {"symbols": ["<b>"]}, {"more": 1}):
        await sent(client, "PUT", "/api/users/me/preferences", bad, status=400, **mine)
    other = await sent(client, "POST", "/api/users/login", {"username": "rob", "password": PASSWORD})
    wrong = {"password": "wrong-wrong", "new_password": "kettle-moss-41"}
    await sent(client, "POST", "/api/users/me/password", wrong, status=401, **mine)
    weak = {"password": PASSWORD, "new_password": "password1"}
    await sent(client, "POST", "/api/users/me/password", weak, status=400, **mine)
    assert await sent(client, "POST", "/api/users/me/password", {**weak, "new_password": "kettle-moss-41"}, **mine) == {
        "ended": 1
    }
    await sent(client, "GET", "/api/users/me", status=401, **bearer(other))
    await sent(client, "GET", "/api/users/me", **mine)


async def test_session_ended_elsewhere_is_out_at_once(made: World, client: Client) -> None:
    await made.person("bob")
    here, there = [await sent(client, "POST", "/api/users/login", {"username": "bob", "password": PASSWORD}) for _ in range(2)]
    sessions = await sent(client, "GET", "/api/users/me/sessions", **bearer(here))
    assert [one["current"] for one in sessions].count(True) == 1
    other = next(one["session_id"] for one in sessions if not one["current"])
    await sent(client, "GET", "/api/users/me", **bearer(there))
    assert await sent(client, "DELETE", f"/api/users/me/sessions/{other}", **bearer(here)) == {"ended": 1}
    await sent(client, "GET", "/api/users/me", status=401, **bearer(there))
    await sent(client, "DELETE", f"/api/users/me/sessions/{other}", status=404, **bearer(here))


async def test_key_is_shown_once_and_stops_when_it_is_deleted(made: World, client: Client) -> None:
    mine: dict[str, Any] = {"headers": await made.bearer(await made.person("bob"))}
    made_key = await sent(client, "POST", "/api/users/me/keys", {"name": "bot", "scopes": ["read"]}, status=201, **mine)
    key: dict[str, Any] = {"headers": {"Authorization": f"Bearer {made_key['key']}"}}
    assert (await sent(client, "GET", "/api/users/me", **key))["username"] == "bob"
    (row,) = await sent(client, "GET", "/api/users/me/keys", **mine)
    assert row["last_used_at"] is not None
    assert made_key["key"] not in str(row)
    await sent(client, "DELETE", f"/api/users/me/keys/{row['key_id']}", **mine)
    await sent(client, "GET", "/api/users/me", status=401, **key)


async def test_second_factor_is_enrolled_used_and_switched_off(made: World, client: Client) -> None:
    assert isinstance(made.clock, ManualClock)
    mine: dict[str, Any] = {"headers": await made.bearer(await made.person("bob"))}
    await sent(client, "POST", "/api/users/me/totp", {"password": "wrong-wrong"}, status=401, **mine)
    begun = await sent(client, "POST", "/api/users/me/totp", {"password": PASSWORD}, **mine)
    assert begun["uri"].startswith("otpauth://totp/marketwatch:bob?secret=")
    totp = pyotp.TOTP(begun["secret"])
    step = made.clock.now_ms() // 30_000
    codes = await sent(client, "POST", "/api/users/me/totp/confirm", {"otp": totp.generate_otp(step)}, **mine)
    login = {"username": "bob", "password": PASSWORD}
    needed = await sent(client, "POST", "/api/users/login", login, status=401)
    assert needed["details"] == [{"field": "otp", "needed": True}]
    await sent(client, "POST", "/api/users/login", {**login, "otp": totp.generate_otp(step)}, status=401)
    await sent(client, "POST", "/api/users/login", {**login, "otp": totp.generate_otp(step + 1)})
    await sent(client, "POST", "/api/users/login", {**login, "otp": codes["recovery_codes"][0]})
    await sent(client, "POST", "/api/users/me/totp/disable", {"password": PASSWORD}, **mine)
    made.clock.move_to(made.clock.now_ms() + 120_000)
    await sent(client, "POST", "/api/users/login", login)


async def test_admin_invites_gives_roles_switches_off_and_reads_the_log(tmp_path: Path) -> None:
    async with world(tmp_path, accounts="invite") as made, made.client() as client:
        await made.person("ada", Role.ADMIN)
        admin: dict[str, Any] = {"headers": OWNER}
        await sent(client, "POST", "/api/users/register", {"username": "bob", "password": PASSWORD}, status=403)
        invited = await sent(client, "POST", "/api/invitations", {"role": "viewer"}, status=201, **admin)
        asked = {"username": "bob", "password": PASSWORD, "invitation": invited["code"]}
        grant = await sent(client, "POST", "/api/users/register", asked, status=201)
        await sent(client, "POST", "/api/users/register", {**asked, "username": "eve"}, status=403)
        people = sorted(await sent(client, "GET", "/api/users", **admin), key=lambda one: str(one["username"]))
        assert [(one["username"], one["role"]) for one in people] == [("ada", "admin"), ("bob", "viewer")]
        await sent(client, "GET", "/api/users", status=403, **bearer(grant))
        path = f"/api/users/{grant['user_id']}/standing"
        assert (await sent(client, "PUT", path, {"role": "trader"}, **admin))["role"] == "trader"
        await sent(client, "PUT", f"/api/users/{people[0]['user_id']}/standing", {"role": "viewer"}, status=409, **admin)
        await sent(client, "PUT", path, {"role": "trader", "active": False}, **admin)
        await sent(client, "GET", "/api/users/me", status=401, **bearer(grant))
        second = await sent(client, "POST", "/api/invitations", {"email": "carl@example.org"}, status=201, **admin)
        gone = f"/api/invitations/{second['details']['invitation_id']}"
        await sent(client, "DELETE", gone, **admin)
        await sent(client, "DELETE", gone, status=404, **admin)
        log = await sent(client, "GET", "/api/audit", **admin)
        assert [one["action"] for one in log[:3]] == ["withdraw invitation", "invite", "change role"]
        assert await sent(client, "GET", f"/api/audit?before={log[-2]['sequence']}&limit=1", **admin) == [log[-1]]
        assert (await verify_chain(made.people.store)).problem == ""


async def test_change_of_shared_things_is_in_the_audit_log_and_a_refused_one_too(made: World, client: Client) -> None:
    ada, bob = await made.person("ada", Role.ADMIN), await made.person("bob")
    for user in (ada, bob):
        headers = await made.bearer(user)
        await client.delete("/api/rules/none", headers=headers)
    entries = await made.people.store.audit_before(2**53, 2)
    found = [(one.actor, one.action, one.result) for one in reversed(entries)]
    assert found == [
        ("ada", "DELETE /api/rules/{rule_id}", "refused: 404"),
        ("bob", "DELETE /api/rules/{rule_id}", "refused: 403"),
    ]


async def _until_closed(stream: Any, socket: Any) -> None:
    """Read both to their ends."""

    async def read() -> None:
        while not stream.content.at_eof():
            await stream.content.readany()

    async def receive() -> None:
        while not socket.closed:
            await socket.receive()

    await asyncio.gather(read(), receive())


async def test_stream_and_socket_close_within_a_minute_of_their_session(made: World, client: Client) -> None:
    assert isinstance(made.clock, ManualClock)
    bob = await made.person("bob")
    ada = await made.person("ada")
    app = client.app
    assert app is not None
    theirs, others = await made.bearer(bob), await made.bearer(ada)
    stream = await client.get("/api/market/stream", headers=theirs)
    kept = await client.get("/api/market/stream", headers=others)
    socket = await client.ws_connect("/ws/prices?coins=BTC", headers=theirs, autoping=False)
    assert len(app[HOLDERS]) == 3
    assert await app[HOLDERS].recheck() == 0
    await made.people.sessions.end_all(bob.user_id)
    looking = asyncio.create_task(app[HOLDERS].run(made.clock))
    closed = asyncio.create_task(_until_closed(stream, socket))
    await asyncio.sleep(0)
    await made.clock.advance(RECHECK_S)
    async with asyncio.timeout(20):
        await closed
    assert socket.close_code == 1008
    assert len(app[HOLDERS]) == 1
    looking.cancel()
    kept.close()


async def test_stream_of_a_deleted_key_and_of_a_lower_role_ends_too(made: World) -> None:
    bob = await made.person("bob")
    key, text = await made.people.keys.make(bob.user_id, "bot", [Scope.READ])
    by_key = await made.people.identities.by_bearer(text, "")
    _, secret = await made.people.sessions.begin(bob.user_id, PLACE)
    by_cookie = await made.people.identities.by_cookie(secret, "")
    assert by_cookie is not None
    assert await made.people.identities.still(by_key)
    await made.people.keys.drop(bob.user_id, key.key_id)
    assert not await made.people.identities.still(by_key)
    assert await made.people.identities.still(by_cookie)
    await made.people.users.set_standing(bob, Role.VIEWER, active=True)
    assert not await made.people.identities.still(by_cookie)


async def test_without_accounts_their_routes_are_not_there(tmp_path: Path) -> None:
    async with world(tmp_path) as made, made.client(owner=True) as client:
        for path in ("/login", "/register", "/profile", "/admin", "/api/users", "/api/users/me", "/api/audit"):
            assert (await client.get(path)).status == 404, path
        assert (await client.post("/api/users/login", json={"username": "a", "password": "b"})).status == 404
