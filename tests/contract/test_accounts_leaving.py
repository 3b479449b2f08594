"""The end of an account in both databases: what goes with it, what stays, and links for a forgotten password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import pytest

from marketwatch.accounts.ports import AccountStore
from marketwatch.model.accounts import ApiKey, RefreshToken, Role, Scope
from marketwatch.model.alerts import Alert, AlertState, Rule, RuleRemoval
from marketwatch.model.portfolio import CostMethod, Portfolio, Watchlist, WatchlistItem
from marketwatch.model.screens import Screen
from marketwatch.model.system import Level
from marketwatch.portfolio.ports import BookStore
from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store.accounts import StoredAccounts
from marketwatch.store.books import StoredBooks
from marketwatch.store.reads import Reads
from tests.contract.test_accounts_store import DAY, T, entry, invitation, reset, session, user
from tests.kit.books import entry as transaction
from tests.kit.databases import MakeStore

HOUR = 3_600_000
MONEY = "Portfolio('main').upnl < -50"


@dataclass
class Whole:
    database: DurableStore
    accounts: AccountStore
    books: BookStore


@pytest.fixture
async def whole(make_store: MakeStore) -> AsyncIterator[Whole]:
    opened = make_store()
    await opened.open()
    database = cast("Reads", opened)
    yield Whole(opened, StoredAccounts(database), StoredBooks(database))
    await opened.close()


def rule(rule_id: str, version: int, expression: str, owner_id: str = "u2") -> Rule:
    name = f"{rule_id} of {owner_id}"
    return Rule(rule_id, version, name, expression, ("BTCUSDT",), severity=Level.INFO, origin="user", owner_id=owner_id)


def alert(alert_id: str, rule_id: str, owner_id: str) -> Alert:
    context = {"owner_id": owner_id, "terms": {"portfolio('main').upnl": -61.5, "price": 100.0}}
    return Alert(
        alert_id=alert_id, rule_id=rule_id, rule_version=1, rule_name=rule_id, symbol="BTCUSDT",
        metric="portfolio('main').upnl", threshold=-50.0, trigger_value=-61.5, fired_ms=T, state=AlertState.RESOLVED,
        severity=Level.INFO, resolved_ms=T + 1, context=context,
    )  # fmt: skip


async def settle(whole: Whole, user_id: str) -> None:
    """Everything that somebody may have."""
    accounts, books = whole.accounts, whole.books
    await accounts.add_session(
        session(f"s-{user_id}", user_id, "api"), RefreshToken(f"r-{user_id}", f"s-{user_id}", T, T + DAY)
    )
    await accounts.put_recovery_codes(user_id, ["a", "b"])
    await accounts.add_api_key(ApiKey(f"k-{user_id}", user_id, "bot", f"hash-{user_id}", "mw_ab", (Scope.READ,), T))
    await accounts.add_invitation(invitation(invitation_id=f"i-{user_id}", token_hash=f"code-{user_id}", invited_by=user_id))
    await accounts.add_reset(reset(user_id=user_id, token_hash=f"link-{user_id}", made_by="u9"))
    await accounts.add_reset(reset(user_id=f"x-{user_id}", token_hash=f"by-{user_id}", made_by=user_id))
    for number, deleted_ms in enumerate((None, T)):
        name = f"p{number}-{user_id}"
        made = Portfolio(name, user_id, name, "USD", CostMethod.AVERAGE, created_ms=T, updated_ms=T)
        await books.add_portfolio(made)
        bought = transaction("buy", "BTC", 1, 50_000, time_ms=T, id="t")._replace(portfolio_id=name)
        made = await books.write_transactions(made, put=[bought])
        if deleted_ms is not None:
            await books.change_portfolio(made._replace(deleted_ms=deleted_ms))
    await books.add_watchlist(Watchlist(f"w-{user_id}", user_id, "main", (WatchlistItem("BTCUSDT", ""),)))
    await books.add_screen(Screen(f"c-{user_id}", user_id, "mine", "price > 1", "price"))


async def test_user_leaves_with_all_that_is_their_own_and_nothing_of_anybody_else(whole: Whole) -> None:
    accounts, books = whole.accounts, whole.books
    for user_id in ("u1", "u2", "u3"):
        await accounts.add_user(user(user_id, user_id, None))
        await accounts.append_audit(entry(int(user_id[1:])))
        await settle(whole, user_id)
    assert await accounts.drop_user("u2", T)
    assert await accounts.user("u2") is None
    for user_id, count in (("u1", 1), ("u2", 0), ("u3", 1)):
        assert len(await accounts.sessions_of(user_id)) == len(await accounts.api_keys_of(user_id)) == count
        assert await accounts.recovery_codes_left(user_id) == 2 * count
        kept: list[object] = [await accounts.refresh_token(f"r-{user_id}"), await accounts.invitation(f"code-{user_id}")]
        kept += [await accounts.reset(f"link-{user_id}"), await accounts.reset(f"by-{user_id}")]
        assert [one is not None for one in kept] == [count == 1] * 4
        assert len(await books.portfolios(user_id, deleted=True)) == 2 * count
        assert len(await books.watchlists(user_id)) == len(await books.screens(user_id)) == count
        assert len(await books.transactions(user_id, f"p0-{user_id}")) == count
    for table in ("portfolio_transactions", "watchlist_items"):
        assert (await whole.database.stats()).rows[table] == {"portfolio_transactions": 4, "watchlist_items": 2}[table]
    assert [one.sequence for one in await accounts.audit_after(0, 9)] == [1, 2, 3]
    assert not await accounts.drop_user("u2", T)


async def test_rules_about_the_money_of_who_leaves_go_and_those_about_the_market_stay(whole: Whole) -> None:
    await whole.accounts.add_user(user("u1", "u1", None))
    await whole.accounts.add_user(user("u2", "u2", None))
    rules = [
        rule("loss", 1, "price > 1"), rule("loss", 2, MONEY),
        rule("market", 1, "price > 1"), rule("market", 2, MONEY), rule("market", 3, "price > 2"),
        rule("loss-of-u1", 1, MONEY, "u1"),
        rule("handed", 1, MONEY), rule("handed", 2, "price > 1", "u1"), rule("handed", 3, MONEY, "u1"),
    ]  # fmt: skip
    alerts = [alert("a1", "loss", "u2"), alert("a2", "market", "u2"), alert("a3", "loss-of-u1", "u1")]
    await whole.database.write(WriteBatch(rules=rules, alerts=alerts))
    assert await whole.accounts.drop_user("u2", T)
    left = await whole.database.rules(every_version=True)
    assert {(one.rule_id, one.version, one.owner_id) for one in left} == {
        ("market", 1, "owner"), ("market", 3, "owner"), ("loss-of-u1", 1, "u1"),
        ("handed", 2, "u1"), ("handed", 3, "u1"),
    }  # fmt: skip
    assert await whole.database.removals() == [RuleRemoval("loss", T)]
    found = {one.alert_id: one for one in await whole.database.alerts()}
    for gone in (found["a1"], found["a2"]):
        assert gone.trigger_value is None
        assert gone.context["terms"] == {"portfolio('main').upnl": None, "price": 100.0}
        assert "-61.5" not in str(gone)
    assert found["a3"] == alerts[2]


async def test_last_admin_stays_however_many_leave_at_once(whole: Whole) -> None:
    store = whole.accounts
    for number in range(1, 7):
        await store.add_user(user(f"u{number}", f"name{number}", None, Role.ADMIN))
    await store.set_standing("u6", Role.ADMIN, active=False)
    await settle(whole, "u1")
    leaving = await asyncio.gather(*(store.drop_user(f"u{number}", T) for number in range(1, 6)))
    assert leaving.count(True) == 4
    (last,) = [one for one in await store.users() if one.active]
    assert not await store.drop_user(last.user_id, T)
    assert await store.drop_user("u6", T)
    assert not await store.set_standing(last.user_id, Role.TRADER, active=True)


async def test_link_for_a_password_counts_once_and_ends_all_sessions(whole: Whole) -> None:
    store = whole.accounts
    await store.add_user(user())
    await store.add_session(session())
    await store.add_session(session("s2", kind="api"), RefreshToken("r2", "s2", T, T + DAY))
    await store.add_session(session("s3", "u3"))
    await store.add_reset(reset())
    newer = reset(token_hash="newer", created_ms=T + 1)
    await store.add_reset(newer)
    assert await store.reset("link") is None
    assert await store.reset("newer") == newer
    assert not await store.use_reset(reset(), T + 2, "$2b$other")
    assert not await store.use_reset(newer, newer.expires_ms, "$2b$other")
    assert len(await store.sessions_of("u1")) == 2
    used = await asyncio.gather(*(store.use_reset(newer, T + 2, f"$2b$other{n}") for n in range(5)))
    assert used.count(True) == 1
    found = await store.user("u1")
    assert found is not None
    assert (found.password_hash or "").startswith("$2b$other")
    assert await store.sessions_of("u1") == []
    assert await store.refresh_token("r2") is None
    assert len(await store.sessions_of("u3")) == 1
    await store.add_reset(newer)
    assert await store.set_password("u1", "$2b$by-hand")
    assert await store.reset("newer") is None
    await store.add_reset(newer)
    await store.drop_ended(newer.expires_ms, 7 * DAY)
    assert await store.reset("newer") is None
