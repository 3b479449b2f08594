"""Accounts over a real database: registering, signing in, sessions, tokens, keys, the second factor, the audit chain."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pyotp
import pytest

from marketwatch.accounts.audit import BEGINNING, Audit, digest_of, verify_chain
from marketwatch.accounts.sessions import IDLE_S, LONGEST_S, REFRESH_S
from marketwatch.accounts.sign_in import SecondFactorNeeded
from marketwatch.errors import Conflict, Forbidden, InvalidRequest, RequestError, TooMany, Unauthorized
from marketwatch.model.accounts import Rank, Role, Scope, Way
from marketwatch.store.accounts import StoredAccounts
from marketwatch.store.sqlite import SqliteStore
from tests.kit.town import ELSEWHERE, PASSWORD, PLACE, START_MS, Town, town


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path) as found:
        yield found


async def test_register_makes_the_first_one_an_admin_and_others_traders(made: Town) -> None:
    assert (await made.person("ada")).role is Role.ADMIN
    assert (await made.person("bob", email="bob@example.org")).role is Role.TRADER
    for taken in ({"name": "BOB"}, {"name": "eve", "email": "BOB@example.org"}):
        with pytest.raises(Conflict):
            await made.person(**taken)


@pytest.mark.parametrize("name", ["", "a", "-ada", "ada lovelace", "ada@example.org", "x" * 33, "аda", "a\nb", "<b>"])
async def test_register_with_a_name_that_cannot_be_is_refused(made: Town, name: str) -> None:
    with pytest.raises(InvalidRequest, match="user name"):
        await made.person(name)


async def test_register_by_invitation_alone(tmp_path: Path) -> None:
    async with town(tmp_path, mode="invite") as made:
        with pytest.raises(Forbidden, match="first account"):
            await made.person("eve")
        first = await made.accounts.invitations.first()
        with pytest.raises(Forbidden, match="first account"):
            await made.person("eve", code="guess")
        ada = await made.person("ada", code=first)
        assert ada.role is Role.ADMIN
        assert await made.accounts.invitations.first() is None
        with pytest.raises(Forbidden, match="not known"):
            await made.person("eve", code=first)
        with pytest.raises(Forbidden, match="needs an invitation"):
            await made.person("eve")
        _, code = await made.accounts.invitations.make(ada.user_id, Role.VIEWER, "bob@example.org")
        with pytest.raises(Forbidden, match="another e-mail"):
            await made.person("eve", code=code)
        assert (await made.person("bob", code=code, email="Bob@example.org")).role is Role.VIEWER
        with pytest.raises(Forbidden):
            await made.person("bob2", code=code, email="bob@example.org")
        _, late = await made.accounts.invitations.make(ada.user_id, Role.TRADER)
        await made.clock.advance(8 * 86_400)
        with pytest.raises(Forbidden):
            await made.person("late", code=late)


async def test_sign_in_by_name_or_address_and_never_says_which_part_is_wrong(made: Town) -> None:
    await made.person("ada", email="ada@example.org")
    sign_in = made.accounts.sign_in
    assert (await sign_in.whole("ADA", PASSWORD, None, PLACE)).username == "ada"
    assert (await sign_in.whole("ada@example.org", PASSWORD, None, PLACE)).username == "ada"
    said = []
    for name, password in (("ada", "wrong-wrong"), ("nobody", PASSWORD)):
        with pytest.raises(Unauthorized) as refused:
            await sign_in.whole(name, password, None, ELSEWHERE)
        said.append(str(refused.value))
    assert len(set(said)) == 1


@pytest.mark.parametrize("name", ["ada", "nobody"])
async def test_sign_in_waits_longer_after_each_wrong_try_and_never_for_ever(made: Town, name: str) -> None:
    await made.person("ada")
    sign_in = made.accounts.sign_in
    waits = []
    for number in range(6):
        place = ELSEWHERE._replace(address=f"198.51.100.{number}")
        while True:
            try:
                await sign_in.password(name, "wrong-wrong", place)
            except TooMany as refused:
                waits.append(refused.retry_after_s)
                await made.clock.advance(refused.retry_after_s)
            except Unauthorized:
                break
    assert waits == [1, 2]
    await made.clock.advance(60)
    if name == "ada":
        assert (await sign_in.whole("ada", PASSWORD, None, ELSEWHERE)).username == "ada"


async def test_sign_in_to_an_account_that_is_off_is_refused(made: Town) -> None:
    await made.person("ada")
    bob = await made.person("bob")
    await made.accounts.users.set_standing(bob, Role.TRADER, active=False)
    with pytest.raises(Unauthorized):
        await made.accounts.sign_in.whole("bob", PASSWORD, None, PLACE)


async def test_second_factor_is_asked_for_and_each_code_counts_once(made: Town) -> None:
    ada = await made.person("ada")
    factor, sign_in = made.accounts.second_factor, made.accounts.sign_in
    secret = await factor.begin(ada)
    ada = await made.accounts.users.find(ada.user_id)
    assert not ada.second_factor
    with pytest.raises(InvalidRequest, match="code is wrong"):
        await factor.confirm(ada, "000000")
    totp = pyotp.TOTP(secret)
    codes = await factor.confirm(ada, totp.generate_otp(START_MS // 30_000))
    with pytest.raises(SecondFactorNeeded):
        await sign_in.whole("ada", PASSWORD, None, PLACE)
    with pytest.raises(Unauthorized, match="used before"):
        await sign_in.whole("ada", PASSWORD, totp.generate_otp(START_MS // 30_000), PLACE)
    await made.clock.advance(30)
    current = totp.generate_otp(START_MS // 30_000 + 1)
    tries = await asyncio.gather(*(sign_in.whole("ada", PASSWORD, current, PLACE) for _ in range(3)), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in tries) == 1
    assert (await sign_in.whole("ada", PASSWORD, codes[3].upper(), PLACE)).username == "ada"
    with pytest.raises(Unauthorized):
        await sign_in.whole("ada", PASSWORD, codes[3], PLACE)
    assert await factor.codes_left(ada) == 9
    ada = await made.accounts.users.find(ada.user_id)
    with pytest.raises(Conflict):
        await factor.begin(ada)
    await factor.end(ada)
    assert (await sign_in.whole("ada", PASSWORD, None, PLACE)).username == "ada"


async def test_ticket_of_the_second_step_ends_after_five_tries_or_five_minutes(made: Town) -> None:
    ada = await made.person("ada")
    sign_in = made.accounts.sign_in
    ticket = sign_in.new_ticket(ada)
    for _ in range(5):
        assert await sign_in.of_ticket(ticket) == ada
    assert await sign_in.of_ticket(ticket) is None
    late = sign_in.new_ticket(ada)
    await made.clock.advance(301)
    assert await sign_in.of_ticket(late) is None
    assert await sign_in.of_ticket("guess") is None


async def test_browser_session_is_known_until_it_is_idle_over_or_ended(made: Town) -> None:
    ada = await made.person("ada")
    sessions, identities = made.accounts.sessions, made.accounts.identities
    session, secret = await sessions.begin(ada.user_id, PLACE)
    caller = await identities.by_cookie(secret, PLACE.address)
    assert caller is not None
    assert (caller.user_id, caller.rank, caller.way, caller.by_cookie) == (ada.user_id, Rank.ADMIN, Way.SESSION, True)
    assert identities.remembered(secret) == caller
    await made.clock.advance(10)
    assert identities.remembered(secret) is None
    assert await identities.by_cookie(secret, PLACE.address) == caller
    await sessions.end(session)
    assert identities.remembered(secret) is None
    assert await identities.by_cookie(secret, PLACE.address) is None
    assert not await identities.still(caller)
    _, idle = await sessions.begin(ada.user_id, PLACE)
    await made.clock.advance(IDLE_S)
    assert await identities.by_cookie(idle, PLACE.address) is None
    _, used = await sessions.begin(ada.user_id, PLACE)
    for _ in range(LONGEST_S // IDLE_S + 1):
        assert await identities.by_cookie(used, ELSEWHERE.address) is not None
        assert (await sessions.of_user(ada.user_id))[0].address == ELSEWHERE.address
        await made.clock.advance(IDLE_S - 10)
    assert await identities.by_cookie(used, PLACE.address) is None
    assert await sessions.sweep() > 0


async def test_refresh_token_rotates_and_its_reuse_ends_the_family(made: Town) -> None:
    ada = await made.person("ada")
    accounts = made.accounts
    first = await accounts.grant(ada, PLACE)
    bystander = await accounts.grant(ada, ELSEWHERE)
    second = await accounts.refresh(first.refresh_token, PLACE)
    assert (await accounts.identities.by_bearer(second.access_token, "")).user_id == ada.user_id
    with pytest.raises(Unauthorized, match="used before"):
        await accounts.refresh(first.refresh_token, ELSEWHERE)
    for stolen in (second.access_token, first.access_token):
        with pytest.raises(Unauthorized):
            await accounts.identities.by_bearer(stolen, "")
    with pytest.raises(Unauthorized):
        await accounts.refresh(second.refresh_token, PLACE)
    third = await accounts.refresh(bystander.refresh_token, ELSEWHERE)
    await made.clock.advance(REFRESH_S)
    with pytest.raises(Unauthorized, match="expired"):
        await accounts.refresh(third.refresh_token, ELSEWHERE)


async def test_refresh_token_sent_twice_at_once_gives_one_answer_at_most(made: Town) -> None:
    ada = await made.person("ada")
    grant = await made.accounts.grant(ada, PLACE)
    done = await asyncio.gather(*(made.accounts.refresh(grant.refresh_token, PLACE) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in done) <= 1
    assert await made.accounts.sessions.of_user(ada.user_id) == []


async def test_api_key_has_scopes_last_use_and_an_end(made: Town) -> None:
    ada = await made.person("ada")
    keys, identities = made.accounts.keys, made.accounts.identities
    key, text = await keys.make(ada.user_id, "bot", [Scope.WRITE, Scope.READ], days=2)
    assert text.startswith(key.hint)
    caller = await identities.by_bearer(text, "")
    assert (caller.way, caller.scopes) == (Way.API_KEY, frozenset({Scope.READ, Scope.WRITE}))
    assert (await keys.of_user(ada.user_id))[0].used_ms == START_MS
    with pytest.raises(Unauthorized):
        await identities.by_bearer(text + "x", "")
    await made.clock.advance(2 * 86_400)
    with pytest.raises(Unauthorized):
        await identities.by_bearer(text, "")
    assert not await identities.still(caller)
    for name, scopes in (("", [Scope.READ]), ("x" * 61, [Scope.READ]), ("bot", [])):
        with pytest.raises(InvalidRequest):
            await keys.make(ada.user_id, name, scopes)


async def test_access_token_is_not_remembered_beyond_its_end(made: Town) -> None:
    ada = await made.person("ada")
    grant = await made.accounts.grant(ada, PLACE)
    await made.clock.advance(597)
    assert (await made.accounts.identities.by_bearer(grant.access_token, "")).user_id == ada.user_id
    assert made.accounts.identities.remembered(grant.access_token) is not None
    await made.clock.advance(3)
    assert made.accounts.identities.remembered(grant.access_token) is None
    with pytest.raises(Unauthorized):
        await made.accounts.identities.by_bearer(grant.access_token, "")


async def test_name_that_nobody_has_is_not_written_down(made: Town) -> None:
    await made.person("ada")
    with pytest.raises(Unauthorized):
        await made.accounts.sign_in.whole(PASSWORD, "oops", None, PLACE)
    (entry,) = await made.accounts.store.audit_before(2**53, 1)
    assert (entry.actor, entry.result) == ("unknown name", "refused")


async def test_lower_role_and_switching_off_count_at_once(made: Town) -> None:
    await made.person("ada")
    bob = await made.person("bob")
    accounts = made.accounts
    _, secret = await accounts.sessions.begin(bob.user_id, PLACE)
    trader = await accounts.identities.by_cookie(secret, "")
    assert trader is not None
    await accounts.users.set_standing(bob, Role.VIEWER, active=True)
    accounts.identities.forget(bob.user_id)
    assert not await accounts.identities.still(trader)
    viewer = await accounts.identities.by_cookie(secret, "")
    assert viewer is not None
    assert viewer.rank is Rank.VIEWER
    await accounts.users.set_standing(bob, Role.VIEWER, active=False)
    assert await accounts.identities.by_cookie(secret, "") is None


async def test_audit_notes_what_happened_and_never_a_secret(made: Town) -> None:
    ada = await made.person("ada")
    with pytest.raises(RequestError):
        await made.accounts.sign_in.whole("ada", "wrong-wrong", None, ELSEWHERE)
    await made.accounts.sign_in.whole("ada", PASSWORD, None, PLACE)
    found = await made.accounts.store.audit_after(0, 100)
    assert [(one.actor, one.action, one.result, one.address) for one in found] == [
        ("ada", "register", "ok", PLACE.address),
        ("ada", "log in", "refused", ELSEWHERE.address),
        ("ada", "log in", "ok", PLACE.address),
    ]
    assert found[0].subject == ada.user_id
    assert PASSWORD not in str(found)
    assert await verify_chain(made.accounts.store) == (3, found[-1].digest, "")


async def test_audit_many_at_once_make_one_chain(made: Town) -> None:
    other = Audit(made.accounts.store, made.clock)
    await asyncio.gather(*((made.accounts.audit if n % 2 else other).note("ada", f"act {n}") for n in range(20)))
    verdict = await verify_chain(made.accounts.store)
    assert (verdict.entries, verdict.problem) == (20, "")


@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        ("UPDATE audit_log SET actor = 'eve' WHERE sequence = 3", "Entry 3 was changed"),
        ("UPDATE audit_log SET time = time + 1 WHERE sequence = 1", "Entry 1 was changed"),
        ("DELETE FROM audit_log WHERE sequence = 3", "Entries 3 to 3 are missing"),
        ("DELETE FROM audit_log WHERE sequence <= 2", "Entries 1 to 2 are missing"),
        ("UPDATE audit_log SET sequence = 9 WHERE sequence = 5", "Entries 5 to 8 are missing"),
        ("UPDATE audit_log SET previous = 'x' WHERE sequence = 4", "does not follow entry 3"),
    ],
)
async def test_audit_shows_what_was_changed_behind_its_back(made: Town, tmp_path: Path, tampering: str, problem: str) -> None:
    for number in range(5):
        await made.accounts.audit.note("ada", f"act {number}")
    _tamper(tmp_path, tampering)
    assert problem in (await verify_chain(made.accounts.store)).problem


def _tamper(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "accounts.db")) as connection:
        connection.execute("DROP TRIGGER IF EXISTS audit_log_stays")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def test_audit_entry_written_anew_with_its_digest_breaks_the_chain_behind_it(made: Town, tmp_path: Path) -> None:
    for number in range(3):
        await made.accounts.audit.note("ada", f"act {number}")
    second = (await made.accounts.store.audit_after(1, 1))[0]._replace(actor="eve")
    _tamper(tmp_path, f"UPDATE audit_log SET actor = 'eve', digest = '{digest_of(second)}' WHERE sequence = 2")
    assert "Entry 3 does not follow" in (await verify_chain(made.accounts.store)).problem


async def test_audit_whose_end_is_cut_off_shows_against_a_head_that_was_noted(made: Town, tmp_path: Path) -> None:
    for number in range(3):
        last = await made.accounts.audit.note("ada", f"act {number}")
    noted = (last.sequence, last.digest)
    assert (await verify_chain(made.accounts.store, expect=noted)).problem == ""
    assert "written anew" in (await verify_chain(made.accounts.store, expect=(2, "f" * 64))).problem
    _tamper(tmp_path, "DELETE FROM audit_log WHERE sequence = 3")
    assert (await verify_chain(made.accounts.store)).problem == ""
    assert "its end is missing" in (await verify_chain(made.accounts.store, expect=noted)).problem


async def test_audit_goes_on_after_a_restart(made: Town, tmp_path: Path) -> None:
    await made.accounts.audit.note("ada", "before")
    await made.database.close()
    again = SqliteStore(tmp_path / "accounts.db", clock=made.clock)
    await again.open()
    try:
        store = StoredAccounts(again)
        entry = await Audit(store, made.clock).note("ada", "after\x00\n" + "x" * 500)
        assert entry.sequence == 2
        assert entry.previous != BEGINNING
        assert len(entry.action) == 200
        assert (await verify_chain(store)).problem == ""
    finally:
        await again.close()
