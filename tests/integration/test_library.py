"""Books over a real database: checked, booked, stored, told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from marketwatch.clock import SystemClock
from marketwatch.errors import Conflict, NotFound, StoreError
from marketwatch.model.portfolio import CostMethod
from marketwatch.portfolio.errors import LedgerError
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.library import Library
from marketwatch.portfolio.marks import Kept
from marketwatch.portfolio.ports import BookStore
from marketwatch.store.books import StoredBooks
from marketwatch.store.sqlite import SqliteStore
from tests.kit.books import D, entry, portfolio
from tests.kit.facts import T0

MAIN = portfolio("fifo", created_ms=T0, updated_ms=T0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "books.db", clock=SystemClock())
    await opened.open()
    yield opened
    await opened.close()


def library_of(store: SqliteStore) -> Library:
    @asynccontextmanager
    async def reach() -> AsyncIterator[BookStore]:
        yield StoredBooks(store)

    return Library(reach)


async def test_changes_are_stored_told_and_found_again(store: SqliteStore) -> None:
    library, told = library_of(store), list[Sequence[Kept]]()
    leave = library.follow(told.append)
    await library.add_portfolio(MAIN)
    book = await library.change("owner", "p1", put=[entry("buy", "BTC", 2, 100)], now_ms=T0 + 5)
    book = await library.change("owner", "p1", put=[entry("sell", "BTC", 1, 150, at=5)], now_ms=T0 + 6)
    assert book.ledger.statement().realized == 50
    assert [len(kept) for kept in told] == [0, 1, 1, 1]
    leave()
    again = library_of(store)
    await again.load()
    assert again.book("owner", "p1").transactions == book.transactions
    assert again.book("owner", "p1").ledger.statement() == book.ledger.statement()
    assert again.book("owner", "p1").portfolio == book.portfolio


async def test_append_edit_and_removal_equal_a_fresh_replay(store: SqliteStore) -> None:
    library = library_of(store)
    await library.add_portfolio(MAIN)
    first, second = entry("buy", "BTC", 2, 100), entry("buy", "BTC", 2, 200, at=10)
    await library.change("owner", "p1", put=[second], now_ms=T0)
    await library.change("owner", "p1", put=[first], now_ms=T0)
    sold = entry("sell", "BTC", 3, 300, at=20)
    await library.change("owner", "p1", put=[sold], now_ms=T0)
    await library.change("owner", "p1", put=[first._replace(quantity=D(5))], now_ms=T0)
    book = await library.change("owner", "p1", drop=[second.transaction_id], now_ms=T0)
    expected = Ledger.replay(MAIN, [first._replace(quantity=D(5)), sold])
    assert book.ledger.statement() == expected.statement()
    assert (book.ledger.moves, book.ledger.flows) == (expected.moves, expected.flows)


async def test_refused_change_leaves_book_and_database_as_they_were(store: SqliteStore) -> None:
    library = library_of(store)
    await library.add_portfolio(MAIN)
    bought, sold = entry("buy", "BTC", 1, 100), entry("sell", "BTC", 1, 150, at=5)
    before = await library.change("owner", "p1", put=[bought, sold], now_ms=T0)
    with pytest.raises(LedgerError, match=sold.transaction_id):
        await library.change("owner", "p1", drop=[bought.transaction_id], now_ms=T0)
    with pytest.raises(LedgerError):
        await library.change("owner", "p1", put=[entry("sell", "BTC", 1, 1, at=9)], now_ms=T0)
    with pytest.raises(Conflict, match="changed meanwhile"):
        await library.change("owner", "p1", put=[entry("buy", "BTC", 1, 1, at=9)], version=1, now_ms=T0)
    with pytest.raises(NotFound):
        await library.change("owner", "p1", drop=["nothing"], now_ms=T0)
    with pytest.raises(NotFound):
        await library.change("somebody", "p1", put=[entry("buy", "BTC", 1, 1, at=9)], now_ms=T0)
    assert library.book("owner", "p1") is before
    assert len(await StoredBooks(store).transactions("owner", "p1")) == 2


async def test_failed_write_leaves_the_ledger_without_the_entry(store: SqliteStore) -> None:
    library = library_of(store)
    await library.add_portfolio(MAIN)
    one = entry("buy", "BTC", 1, 100, external_id="1")
    before = (await library.change("owner", "p1", put=[one], now_ms=T0)).ledger.statement()
    with pytest.raises(StoreError):
        await library.change("owner", "p1", put=[entry("buy", "BTC", 1, 1, at=3, external_id="1")], now_ms=T0)
    assert library.book("owner", "p1").ledger.statement() == before


async def test_deleted_portfolio_leaves_and_comes_back(store: SqliteStore) -> None:
    library = library_of(store)
    await library.add_portfolio(MAIN)
    book = await library.change("owner", "p1", put=[entry("buy", "BTC", 1, 100)], now_ms=T0)
    gone = await library.change_portfolio(book.portfolio._replace(deleted_ms=T0 + 9))
    assert library.books_of("owner") == []
    await library.change_portfolio(gone._replace(deleted_ms=None))
    assert [len(one.transactions) for one in library.books_of("owner")] == [1]


async def test_portfolio_that_another_program_broke_is_named_and_the_others_go_on(store: SqliteStore) -> None:
    books = StoredBooks(store)
    await books.add_portfolio(MAIN)
    await books.add_portfolio(MAIN._replace(portfolio_id="p2", name="Second", cost_method=CostMethod.AVERAGE))
    await books.write_transactions(MAIN, put=[entry("sell", "BTC", 1, 100)])
    library = library_of(store)
    await library.load()
    assert [book.portfolio.name for book in library.books_of("owner")] == ["Second"]
    assert "takes 1 BTC where 0 are held" in library.broken["p1"]
