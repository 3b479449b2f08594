"""AccountStore in both databases: one contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from marketwatch.accounts.ports import AccountStore
from marketwatch.errors import StoreError
from marketwatch.model.accounts import (
    ApiKey,
    AuditEntry,
    Invitation,
    PasswordReset,
    RefreshToken,
    Role,
    Scope,
    Session,
    User,
)
from marketwatch.ports import DurableStore
from marketwatch.store.accounts import StoredAccounts
from marketwatch.store.reads import Reads, Step
from tests.kit.databases import MakeStore

T = 1_763_683_200_000
DAY = 86_400_000


@dataclass
class Both:
    database: DurableStore
    accounts: AccountStore


@pytest.fixture
async def both(make_store: MakeStore) -> AsyncIterator[Both]:
    opened = make_store()
    await opened.open()
    yield Both(opened, StoredAccounts(cast("Reads", opened)))
    await opened.close()


@pytest.fixture
def store(both: Both) -> AccountStore:
    return both.accounts


def user(user_id: str = "u1", name: str = "Ada", email: str | None = "Ada@Example.org", role: Role = Role.TRADER) -> User:
    return User(user_id, name, email, "$2b$hash", role, T, preferences='{"theme":"dark"}')


def session(session_id: str = "s1", user_id: str = "u1", kind: str = "browser", **given: object) -> Session:
    made = Session(session_id, user_id, kind, f"hash-{session_id}", T, T, T + 30 * DAY, "192.0.2.1", "Firefox")
    return made._replace(**given)  # type: ignore[arg-type]


def invitation(**given: object) -> Invitation:
    return Invitation("i1", "code", Role.TRADER, None, "u1", T, T + DAY)._replace(**given)  # type: ignore[arg-type]


def reset(**given: object) -> PasswordReset:
    return PasswordReset("u1", "link", "u2", T, T + 3_600_000)._replace(**given)  # type: ignore[arg-type]


async def test_user_first_one_is_admin_and_all_fields_come_back(store: AccountStore) -> None:
    assert await store.count_users() == 0
    whole = user()._replace(totp_secret="ABC", totp_confirmed=True, totp_step=2**40, outside="https://id|7", active=False)
    assert await store.add_user(whole)
    assert await store.user("u1") == whole._replace(role=Role.ADMIN)
    assert await store.add_user(user("u2", "Bob", None, Role.VIEWER))
    found = await store.users()
    assert [(one.user_id, one.role) for one in found] == [("u1", Role.ADMIN), ("u2", Role.VIEWER)]
    assert await store.user_outside("https://id|7") == found[0]
    assert await store.user("u\x00") is None


async def test_user_is_found_by_name_and_address_in_any_case(store: AccountStore) -> None:
    await store.add_user(user())
    for name in ("ADA", " ada ", "ADA@EXAMPLE.ORG"):
        found = await store.user_named(name)
        assert found is not None
        assert found.username == "Ada"
    assert await store.user_named("bob") is None


@pytest.mark.parametrize(
    "other",
    [user("u2", "ADA", None), user("u2", "Bob", "ADA@example.org"), user("u1", "Bob", None)],
    ids=["name", "mail", "id"],
)
async def test_user_with_a_name_that_is_taken_is_refused(store: AccountStore, other: User) -> None:
    assert await store.add_user(user())
    assert not await store.add_user(other)
    assert await store.count_users() == 1


async def test_user_twenty_at_once_make_one_admin(store: AccountStore) -> None:
    made = await asyncio.gather(*(store.add_user(user(f"u{n}", f"name{n}", None)) for n in range(20)))
    assert all(made)
    assert sorted(one.role for one in await store.users()).count(Role.ADMIN) == 1


async def test_invitation_lets_one_person_in_and_a_refused_one_does_not_use_it(store: AccountStore) -> None:
    await store.add_user(user())
    await store.add_invitation(invitation(email="Bob@Example.org"))
    assert not await store.add_user(user("u2", "ada", None)._replace(created_ms=T + 1), "i1")
    found = await store.invitation("code")
    assert found is not None
    assert found.used_ms is None
    assert await store.invitation_for("BOB@example.org", T + 1) == found
    assert await store.invitation_for("BOB@example.org", T + DAY) is None
    assert not await store.add_user(user("u2", "bob", None)._replace(created_ms=T + DAY), "i1")
    assert await store.add_user(user("u2", "bob", None)._replace(created_ms=T + 1), "i1")
    assert not await store.add_user(user("u3", "eve", None)._replace(created_ms=T + 1), "i1")
    assert await store.invitations() == [found._replace(used_ms=T + 1, used_by="u2")]
    assert not await store.drop_invitation("i1")
    assert await store.count_users() == 2


async def test_profile_password_and_preferences_are_changed(store: AccountStore) -> None:
    await store.add_user(user())
    await store.add_user(user("u2", "Bob", "bob@example.org"))
    assert not await store.set_profile("u2", "ADA", None)
    assert not await store.set_profile("u2", "Bob", "ada@example.org")
    assert await store.set_profile("u2", "BOB", None)
    assert await store.set_password("u2", "new")
    assert await store.set_preferences("u2", '{"currency":"EUR"}')
    found = await store.user("u2")
    assert found is not None
    assert (found.username, found.email, found.password_hash, found.preferences) == ("BOB", None, "new", '{"currency":"EUR"}')
    assert not await store.set_password("u9", "new")


async def test_last_active_admin_stays_one(store: AccountStore) -> None:
    await store.add_user(user())
    await store.add_user(user("u2", "Bob", None))
    assert not await store.set_standing("u1", Role.TRADER, active=True)
    assert not await store.set_standing("u1", Role.ADMIN, active=False)
    assert await store.set_standing("u2", Role.ADMIN, active=True)
    assert await store.set_standing("u1", Role.VIEWER, active=False)
    assert not await store.set_standing("u2", Role.VIEWER, active=True)


async def test_totp_step_counts_once_and_recovery_codes_too(store: AccountStore) -> None:
    await store.add_user(user())
    assert await store.set_totp("u1", "SECRET", confirmed=True, step=5)
    assert [await store.use_totp_step("u1", step) for step in (5, 4, 6, 6, 8, 7)] == [False, False, True, False, True, False]
    await store.put_recovery_codes("u1", ["a", "b"])
    await store.put_recovery_codes("u1", ["c", "d"])
    assert await store.recovery_codes_left("u1") == 2
    used = await asyncio.gather(*(store.use_recovery_code("u1", "c", T) for _ in range(5)))
    assert used.count(True) == 1
    assert not await store.use_recovery_code("u1", "a", T)
    assert not await store.use_recovery_code("u2", "d", T)
    assert await store.set_totp("u1", None, confirmed=False, step=0)
    assert await store.recovery_codes_left("u1") == 0


async def test_sessions_are_listed_touched_and_ended(store: AccountStore) -> None:
    for one in (session(), session("s2", created_ms=T + 5), session("s3", "u2")):
        await store.add_session(one)
    assert [one.session_id for one in await store.sessions_of("u1")] == ["s2", "s1"]
    assert await store.session_of_token("hash-s1") == session()
    assert await store.touch_session("s1", T + 9, "192.0.2.9")
    assert await store.session("s1") == session(seen_ms=T + 9, address="192.0.2.9")
    assert await store.end_session("s2")
    assert not await store.end_session("s2")
    await store.add_session(session("s4"))
    assert await store.end_sessions_of("u1", but="s4") == 1
    assert [one.session_id for one in await store.sessions_of("u1")] == ["s4"]
    assert await store.session("s3") is not None


async def test_sessions_that_are_over_or_idle_are_dropped(store: AccountStore) -> None:
    await store.add_session(session("over", expires_ms=T + 10))
    await store.add_session(session("idle", seen_ms=T - 100))
    await store.add_session(session("program", kind="api", seen_ms=T - 100), RefreshToken("r", "program", T, T + DAY))
    await store.add_session(session("fresh", seen_ms=T + 9))
    assert await store.drop_ended(T + 10, 50) == 2
    assert {one.session_id for one in await store.sessions_of("u1")} == {"program", "fresh"}
    assert await store.refresh_token("r") is not None


async def test_refresh_token_is_used_once_and_goes_with_its_session(store: AccountStore) -> None:
    await store.add_session(session(kind="api", token_hash=None), RefreshToken("r0", "s1", T, T + DAY))
    tries = [store.rotate("r0", T + 1, RefreshToken(f"n{number}", "s1", T + 1, T + DAY)) for number in range(5)]
    assert (await asyncio.gather(*tries)).count(True) == 1
    first = await store.refresh_token("r0")
    assert first == RefreshToken("r0", "s1", T, T + DAY, T + 1)
    followers = [await store.refresh_token(f"n{number}") for number in range(5)]
    assert sum(one is not None for one in followers) == 1
    assert await store.end_session("s1")
    assert await store.refresh_token("r0") is None


async def test_api_keys_belong_to_somebody(store: AccountStore) -> None:
    key = ApiKey("k1", "u1", "bot", "hash", "mw_ab", (Scope.READ, Scope.WRITE), T, T + DAY)
    await store.add_api_key(key)
    assert await store.api_key("hash") == key
    assert await store.touch_api_key("k1", T + 3)
    assert await store.api_keys_of("u1") == [key._replace(used_ms=T + 3)]
    assert not await store.drop_api_key("u2", "k1")
    assert await store.drop_api_key("u1", "k1")
    assert await store.api_key("hash") is None


def entry(sequence: int, digest: str = "d") -> AuditEntry:
    return AuditEntry(sequence, T + sequence, "Ada", "log in", "u1", "ok", "192.0.2.1", "p", digest)


async def test_audit_numbers_are_used_once_and_rows_are_read_both_ways(store: AccountStore) -> None:
    assert await store.last_audit() is None
    made = await asyncio.gather(*(store.append_audit(entry(1, f"d{n}")) for n in range(5)))
    assert made.count(True) == 1
    for sequence in (2, 3, 4):
        assert await store.append_audit(entry(sequence))
    assert await store.last_audit() == entry(4)
    assert [one.sequence for one in await store.audit_before(4, 2)] == [3, 2]
    assert [one.sequence for one in await store.audit_after(2, 10)] == [3, 4]


async def test_audit_rows_cannot_be_changed(both: Both) -> None:
    await both.accounts.append_audit(entry(1))
    database = cast("Reads", both.database)
    tampering = {"sqlite": "UPDATE audit_log SET actor = ?1", "postgresql": "UPDATE audit_log SET actor = $1"}
    with pytest.MonkeyPatch.context() as patch:
        from marketwatch.store import postgres, sqlite_steps

        patch.setattr(sqlite_steps, "sqlite_queries", lambda: {"tamper": tampering["sqlite"]})
        patch.setattr(postgres, "queries", lambda: {"tamper": tampering["postgresql"]})
        with pytest.raises(StoreError, match="only added to"):
            await database.changes([Step("tamper", ("Eve",))])
    assert await both.accounts.last_audit() == entry(1)


async def test_accounts_are_in_the_backup(both: Both, tmp_path: Path) -> None:
    store = both.accounts
    await store.add_user(user())
    await store.add_session(session(kind="api"), RefreshToken("r0", "s1", T, T + DAY))
    await store.put_recovery_codes("u1", ["a"])
    await store.add_api_key(ApiKey("k1", "u1", "bot", "hash", "mw_ab", (Scope.READ,), T))
    await store.add_invitation(invitation())
    await store.append_audit(entry(1))
    await store.add_reset(reset())
    await both.database.backup(tmp_path / "backup")
    await store.set_password("u1", "other")
    await both.database.restore(tmp_path / "backup", force=True)
    assert await store.user("u1") == user()._replace(role=Role.ADMIN)
    assert await store.sessions_of("u1") == [session(kind="api")]
    assert await store.refresh_token("r0") is not None
    assert await store.recovery_codes_left("u1") == 1
    assert len(await store.api_keys_of("u1")) == len(await store.invitations()) == 1
    assert await store.last_audit() == entry(1)
    assert await store.reset("link") == reset()
