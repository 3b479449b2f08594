"""Portfolios, watchlists and screens in both databases: exact amounts, owners kept apart, changes that meet each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketwatch.errors import Conflict, NotFound, StoreError
from marketwatch.model.portfolio import Portfolio, Watchlist, WatchlistItem
from marketwatch.model.screens import Screen
from marketwatch.portfolio.ports import BookStore
from marketwatch.store.books import StoredBooks
from marketwatch.store.postgres import PostgresStore
from marketwatch.store.sqlite import SqliteStore
from tests.kit.books import D, entry, history, portfolio
from tests.kit.databases import MakeStore
from tests.kit.facts import T0

Database = SqliteStore | PostgresStore


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[Database]:
    opened = make_store()
    assert isinstance(opened, Database)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def books(store: Database) -> BookStore:
    return StoredBooks(store)


MAIN = portfolio("fifo", created_ms=T0, updated_ms=T0)
OTHERS = MAIN._replace(portfolio_id="p9", owner_id="somebody")


async def test_portfolio_comes_back_as_it_was_added(books: BookStore) -> None:
    named = MAIN._replace(portfolio_id="p2", name="币安 'quoted'", base_currency="EUR", created_ms=T0 + 1)
    await books.add_portfolio(MAIN)
    await books.add_portfolio(named)
    assert await books.portfolios("owner") == [MAIN, named]
    assert await books.portfolio("owner", "p2") == named


async def test_what_belongs_to_another_is_not_found(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    await books.add_portfolio(OTHERS)
    await books.write_transactions(MAIN, put=[entry("buy", "BTC", 1, 2)])
    assert await books.portfolios("somebody") == [OTHERS]
    assert await books.transactions("somebody", "p1") == []
    with pytest.raises(NotFound):
        await books.portfolio("somebody", "p1")
    stolen = MAIN._replace(owner_id="somebody", name="mine now", version=2)
    with pytest.raises(NotFound):
        await books.change_portfolio(stolen)
    with pytest.raises(NotFound):
        await books.write_transactions(stolen, drop=["t000000000"])
    assert len(await books.transactions("owner", "p1")) == 1
    assert [one.owner_id for one in await books.every_portfolio()] == ["owner", "somebody"]


async def test_amounts_keep_every_digit(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    exact = entry(
        "buy", "BTC", "123456789012345678.123456789012345678", "0.000000000000000001", fee="999999999999.000000000001",
        rate="1.1", currency="EUR", note="'; DROP TABLE portfolios; --", external_id="7", source="kraken",
    )  # fmt: skip
    free = entry("airdrop", "币", "1e-8", at=1)
    await books.write_transactions(MAIN, put=[free, exact])
    assert await books.transactions("owner", "p1") == [exact, free]


async def test_generated_histories_come_back_equal(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    entries = [one._replace(transaction_id=f"{seed}-{one.transaction_id}") for seed in range(20) for one in history(seed)]
    await books.write_transactions(MAIN, put=entries)
    found = await books.transactions("owner", "p1")
    assert sorted(found) == sorted(entries)
    assert [one.time_ms for one in found] == sorted(one.time_ms for one in entries)


async def test_entries_are_replaced_and_dropped_in_one_step(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    first, second = entry("buy", "BTC", 1, 2), entry("buy", "ETH", 1, 2, at=1)
    changed = await books.write_transactions(MAIN, put=[first, second])
    assert changed.version == 2
    edited = first._replace(quantity=D(5), version=2)
    changed = await books.write_transactions(changed._replace(updated_ms=T0 + 9), put=[edited], drop=[second.transaction_id])
    assert await books.transactions("owner", "p1") == [edited]
    assert await books.portfolio("owner", "p1") == MAIN._replace(version=3, updated_ms=T0 + 9)


async def test_change_on_an_old_version_is_a_conflict_and_changes_nothing(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    await books.write_transactions(MAIN, put=[entry("buy", "BTC", 1, 2)])
    with pytest.raises(Conflict, match="changed meanwhile"):
        await books.write_transactions(MAIN, put=[entry("buy", "ETH", 1, 2, at=1)], drop=["t000000000"])
    with pytest.raises(Conflict, match="changed meanwhile"):
        await books.change_portfolio(MAIN._replace(name="Second"))
    assert [one.coin for one in await books.transactions("owner", "p1")] == ["BTC"]


async def test_only_one_of_two_changes_at_once_is_made(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    tries = [books.write_transactions(MAIN, put=[entry("buy", "BTC", 1, 2, at=at)]) for at in range(4)]
    said = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Portfolio) for one in said) == 1
    assert sum(isinstance(one, Conflict) for one in said) == 3
    assert len(await books.transactions("owner", "p1")) == 1


async def test_names_are_unique_for_an_owner_whatever_the_capitals(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    await books.add_portfolio(OTHERS)
    with pytest.raises(Conflict, match="named 'MAIN'"):
        await books.add_portfolio(MAIN._replace(portfolio_id="p2", name="MAIN"))
    second = MAIN._replace(portfolio_id="p2", name="Second")
    await books.add_portfolio(second)
    with pytest.raises(Conflict, match="choose another name"):
        await books.change_portfolio(second._replace(name=" mAiN "))
    assert (await books.change_portfolio(second._replace(name="SECOND"))).version == 2


async def test_deleted_portfolio_is_out_of_sight_and_can_be_restored(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    held = await books.write_transactions(MAIN, put=[entry("buy", "BTC", 1, 2)])
    gone = await books.change_portfolio(held._replace(deleted_ms=T0 + 5))
    assert await books.portfolios("owner") == []
    assert await books.every_portfolio() == []
    assert await books.portfolios("owner", deleted=True) == [gone]
    with pytest.raises(Conflict, match="restore it first"):
        await books.write_transactions(gone, put=[entry("buy", "BTC", 1, 2, at=1)])
    again = await books.change_portfolio(gone._replace(deleted_ms=None))
    assert await books.portfolios("owner") == [again]
    assert len(await books.transactions("owner", "p1")) == 1


async def test_restored_portfolio_whose_name_was_taken_meanwhile_is_a_conflict(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    gone = await books.change_portfolio(MAIN._replace(deleted_ms=T0 + 5))
    await books.add_portfolio(MAIN._replace(portfolio_id="p2"))
    with pytest.raises(Conflict, match="choose another name"):
        await books.change_portfolio(gone._replace(deleted_ms=None))


async def test_same_row_of_a_venue_is_not_stored_twice_and_the_import_stays_whole(books: BookStore) -> None:
    await books.add_portfolio(MAIN)
    first = entry("buy", "BTC", 1, 2, source="kraken", external_id="T1")
    held = await books.write_transactions(MAIN, put=[first])
    with pytest.raises(StoreError):
        await books.write_transactions(held, put=[entry("buy", "ETH", 1, 2, at=1), first._replace(transaction_id="other")])
    assert await books.transactions("owner", "p1") == [first]
    assert (await books.write_transactions(held, put=[entry("buy", "ETH", 1, 2, at=1)])).version == 3


async def test_entry_of_another_portfolio_is_refused(books: BookStore) -> None:
    await books.add_portfolio(OTHERS)
    with pytest.raises(ValueError, match="another portfolio"):
        await books.write_transactions(OTHERS, put=[entry("buy", "BTC", 1, 2)])


LIST = Watchlist("w1", "owner", "Main", (WatchlistItem("ETHUSDT", "halving"), WatchlistItem("币安USDT")), 1)


async def test_watchlists_keep_their_order_and_notes(books: BookStore) -> None:
    first = Watchlist("w2", "owner", "First", (), 0)
    await books.add_watchlist(LIST)
    await books.add_watchlist(first)
    await books.add_watchlist(LIST._replace(watchlist_id="w3", owner_id="somebody"))
    assert await books.watchlists("owner") == [first, LIST]
    turned = LIST._replace(items=(*reversed(LIST.items), LIST.items[0], WatchlistItem("BTCUSDT", "x")), name="main")
    changed = await books.change_watchlist(turned)
    assert changed.version == 2
    stored = (await books.watchlists("owner"))[1]
    assert [item.symbol for item in stored.items] == ["币安USDT", "ETHUSDT", "BTCUSDT"]
    assert (stored.name, stored.version) == ("main", 2)


async def test_watchlist_of_another_old_or_gone_is_not_changed(books: BookStore) -> None:
    await books.add_watchlist(LIST)
    await books.add_watchlist(LIST._replace(watchlist_id="w2", name="Other"))
    with pytest.raises(NotFound):
        await books.change_watchlist(LIST._replace(owner_id="somebody"))
    with pytest.raises(NotFound):
        await books.drop_watchlist("somebody", "w1")
    with pytest.raises(Conflict, match="changed meanwhile"):
        await books.change_watchlist(LIST._replace(version=7))
    with pytest.raises(Conflict, match="choose another name"):
        await books.change_watchlist(LIST._replace(name="OTHER"))
    with pytest.raises(Conflict, match="choose another name"):
        await books.add_watchlist(LIST._replace(watchlist_id="w4"))
    assert (await books.watchlists("owner"))[0].items == LIST.items
    await books.drop_watchlist("owner", "w1")
    assert [one.watchlist_id for one in await books.watchlists("owner")] == ["w2"]
    with pytest.raises(NotFound):
        await books.drop_watchlist("owner", "w1")


SCREEN = Screen("s1", "owner", "Falling 币安", "change(5m) < -1", "price, change(5m)", "w1", "change(5m)", "asc", 1)


async def test_screens_come_back_in_the_order_of_their_owner(books: BookStore) -> None:
    first = Screen("s2", "owner", "First")
    await books.add_screen(SCREEN)
    await books.add_screen(first)
    await books.add_screen(SCREEN._replace(screen_id="s3", owner_id="somebody"))
    assert await books.screens("owner") == [first, SCREEN]
    changed = await books.change_screen(SCREEN._replace(name="falling 币安", filter="", watchlist_id="", position=0))
    assert changed.version == 2
    assert await books.screens("owner") == [changed, first]


async def test_screen_of_another_old_or_gone_is_not_changed(books: BookStore) -> None:
    await books.add_screen(SCREEN)
    await books.add_screen(SCREEN._replace(screen_id="s2", name="Other"))
    for stolen in (SCREEN._replace(owner_id="somebody"), SCREEN._replace(screen_id="s9")):
        with pytest.raises(NotFound):
            await books.change_screen(stolen)
        with pytest.raises(NotFound):
            await books.drop_screen(stolen.owner_id, stolen.screen_id)
    with pytest.raises(Conflict, match="changed meanwhile"):
        await books.change_screen(SCREEN._replace(version=7))
    with pytest.raises(Conflict, match="choose another name"):
        await books.change_screen(SCREEN._replace(name="OTHER"))
    with pytest.raises(Conflict, match="choose another name"):
        await books.add_screen(SCREEN._replace(screen_id="s4"))
    await books.drop_screen("owner", "s1")
    assert [one.screen_id for one in await books.screens("owner")] == ["s2"]


async def test_deleted_screen_gives_its_name_free_and_comes_back_where_that_is_free(books: BookStore) -> None:
    await books.add_screen(SCREEN)
    gone = await books.change_screen(SCREEN._replace(deleted_ms=T0))
    assert (await books.screens("owner"), await books.gone_screens("owner")) == ([], [gone])
    other = SCREEN._replace(screen_id="s2")
    await books.add_screen(other)
    with pytest.raises(Conflict):
        await books.change_screen(gone._replace(deleted_ms=None))
    await books.change_screen(other._replace(deleted_ms=T0 + 1))
    assert [one.screen_id for one in await books.gone_screens("owner")] == ["s2", "s1"]
    back = await books.change_screen(gone._replace(deleted_ms=None))
    assert await books.screens("owner") == [back]


async def test_screens_that_were_looked_at_last_come_first(books: BookStore) -> None:
    for number, name in enumerate("abcd"):
        await books.add_screen(SCREEN._replace(screen_id=name, name=name, owner_id=f"o{number % 2}"))
    for time_ms, name in enumerate("bdz"):
        await books.touch_screen("o1", name, T0 + time_ms)
    await books.change_screen(SCREEN._replace(screen_id="c", name="c", owner_id="o0", deleted_ms=T0))
    assert [one.screen_id for one in await books.recent_screens(9)] == ["d", "b", "a"]
    assert [one.screen_id for one in await books.recent_screens(1)] == ["d"]


async def test_backup_carries_books(store: Database, tmp_path: Path) -> None:
    await StoredBooks(store).add_portfolio(MAIN)
    entries = history(3)
    await StoredBooks(store).write_transactions(MAIN, put=entries)
    await StoredBooks(store).add_watchlist(LIST)
    await StoredBooks(store).add_screen(SCREEN)
    await store.backup(tmp_path / "b.zst")
    await StoredBooks(store).change_portfolio(MAIN._replace(version=2, deleted_ms=T0))
    await store.restore(tmp_path / "b.zst", force=True)
    assert await StoredBooks(store).portfolios("owner") == [MAIN._replace(version=2)]
    assert sorted(await StoredBooks(store).transactions("owner", "p1")) == sorted(entries)
    assert await StoredBooks(store).watchlists("owner") == [LIST]
    assert await StoredBooks(store).screens("owner") == [SCREEN]
    assert (await store.stats()).rows["portfolio_transactions"] == len(entries)
