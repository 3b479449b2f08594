"""The book desk on both databases: what a person does one by one equals a fresh replay, and a broken book is alone in that."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from marketwatch.clock import ManualClock
from marketwatch.errors import RequestError
from marketwatch.model.portfolio import LOCAL_OWNER, CostMethod, Transaction
from marketwatch.model.valuation import Valuations
from marketwatch.portfolio.book import Book
from marketwatch.portfolio.book_desk import BookDesk
from marketwatch.portfolio.entry import order
from marketwatch.portfolio.export import to_csv
from marketwatch.portfolio.ledger import Ledger
from marketwatch.store.books import books_of
from marketwatch.store.postgres import PostgresStore
from marketwatch.store.sqlite import SqliteStore
from tests.kit.books import entry, history
from tests.kit.databases import MakeStore
from tests.kit.facts import T0
from tests.kit.watches import START_MS, books_in, publish_trades, test_settings, trade, world

Database = SqliteStore | PostgresStore
OWNER = "somebody"


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[Database]:
    opened = make_store()
    assert isinstance(opened, Database)
    await opened.open()
    yield opened
    await opened.close()


def desk_on(store: Database) -> BookDesk:
    return books_in(store, ManualClock(T0), test_settings())


def told(ledger: Ledger | None) -> Any:
    """Everything that a ledger says, to the digit."""
    assert ledger is not None
    columns = [column.tolist() for column in ledger.trail.columns()]
    return ledger.statement(), ledger.moves, ledger.flows, list(ledger.trail.names), columns, ledger.last, ledger.count


async def replayed(store: Database, book: Book) -> tuple[Any, list[Transaction]]:
    """The same of what the database has, mixed, in a ledger of its own."""
    stored = await books_of(store).transactions(OWNER, book.portfolio.portfolio_id)
    mixed = stored[:]
    random.Random(len(mixed)).shuffle(mixed)
    return told(Ledger.replay(book.portfolio, mixed)), stored


async def act(desk: BookDesk, book: Book, rng: random.Random, fresh: list[Transaction]) -> Book:
    """What a person does next: mostly the next entry, sometimes one of earlier, a change, a deletion, a file."""
    portfolio_id, number = book.portfolio.portfolio_id, rng.random()
    if not book.entries or number < 0.45:
        return (await desk.add(OWNER, portfolio_id, fresh.pop(0)))[0]
    if number < 0.6:
        return (await desk.add(OWNER, portfolio_id, fresh.pop(rng.randrange(len(fresh)))))[0]
    chosen = rng.choice(book.entries)
    if number < 0.75:
        when = rng.choice((chosen.time_ms, rng.choice(book.entries).time_ms, chosen.time_ms + rng.randrange(10**7)))
        changed = rng.choice((chosen, rng.choice(fresh)))._replace(time_ms=when)
        return (await desk.change(OWNER, portfolio_id, chosen.transaction_id, changed))[0]
    if number < 0.9:
        return await desk.drop(OWNER, portfolio_id, [chosen.transaction_id])
    file = [fresh.pop(0) for _ in range(min(3, len(fresh)))]
    return (await desk.take(OWNER, portfolio_id, to_csv(file).encode()))[0]


@pytest.mark.parametrize("seed", range(4))
async def test_books_written_one_by_one_equal_a_fresh_replay_of_what_is_stored(store: Database, seed: int) -> None:
    rng, refused = random.Random(seed), 0
    base = ("USD", "EUR")[seed % 2]
    desk = desk_on(store)
    book = await desk.create(OWNER, "Main", base, (CostMethod.AVERAGE, CostMethod.FIFO)[seed // 2])
    fresh = [one for number in range(8) for one in history(seed * 100 + number, base)]
    rng.shuffle(fresh)
    fresh.sort(key=lambda one: one.time_ms + rng.randrange(600_000))
    for _ in range(60):
        if len(fresh) < 4:
            break
        before = book
        try:
            book = await act(desk, book, rng, fresh)
        except RequestError:
            refused += 1
            book = await desk.book(OWNER, before.portfolio.portfolio_id)
            assert book == before
        said, stored = await replayed(store, book)
        assert told(book.ledger) == said
        assert list(book.entries) == sorted(stored, key=order)
    again = await desk_on(store).book(OWNER, book.portfolio.portfolio_id)
    assert (again.portfolio, again.entries) == (book.portfolio, book.entries)
    assert told(again.ledger) == told(book.ledger)
    assert len(book.entries) > 5
    assert refused > 0


async def test_books_of_several_people_changed_at_once_equal_a_fresh_replay(store: Database) -> None:
    desk = desk_on(store)
    made = [await desk.create(OWNER, f"Book {number}", "USD", CostMethod.FIFO) for number in range(3)]

    async def fill(book: Book, offset: int) -> None:
        for number in range(10):
            one = entry("buy", "BTC", number + 1, 10 + offset, at=100 * (number % 4) + offset, fee="0.1")
            await desk.add(OWNER, book.portfolio.portfolio_id, one)

    await asyncio.gather(*(fill(book, offset) for offset, book in enumerate(made * 2)))
    for book in await desk.shelf(OWNER):
        assert len(book.entries) == 20
        assert told(book.ledger) == (await replayed(store, book))[0]


def _oversold(one: Transaction) -> Transaction:
    return one._replace(quantity=one.quantity * 3)


async def test_portfolio_that_another_program_oversold_is_named_and_alone_in_that(store: Database, tmp_path: Path) -> None:
    async with world(tmp_path, on=store) as made, made.client(owner=True) as client:

        async def sent(method: str, path: str, body: Any = None) -> Any:
            async with client.request(method, f"/api/portfolio{path}", json=body) as answer:
                found = await answer.json()
                return answer.status, found["data"] if found["success"] else found["error"]

        ids = []
        for name in ("Main", "Other"):
            ids.append((await sent("POST", "", {"name": name}))[1]["portfolio_id"])
            for kind, at in (("buy", "10"), ("sell", "11")):
                day = f"2025-11-20T{at}:00:00Z"
                body = {"type": kind, "coin_id": "BTC", "quantity": "2", "price": "40000", "time": day}
                assert (await sent("POST", f"/{ids[-1]}/transactions", body))[0] == 201
        broken, sound = ids
        books = books_of(store)
        wrong = (await books.transactions(LOCAL_OWNER, broken))[-1]
        await books.write_transactions(await books.portfolio(LOCAL_OWNER, broken), put=[_oversold(wrong)])
        await made.books.load()
        rows = {row["portfolio_id"]: row for row in (await sent("GET", ""))[1]}
        sentence = rows[broken]["trouble"]
        assert f"sell of 6 BTC, transaction {wrong.transaction_id}" in sentence
        assert "takes 6 BTC where 2 are held" in sentence
        assert sentence.endswith("correct the quantity.")
        assert (rows[broken]["total_value"], rows[sound]["trouble"], rows[sound]["realized_pnl"]) == (None, None, "0")
        assert rows[sound]["total_value"] is not None
        status, error = await sent("GET", f"/{broken}/performance")
        assert (status, sentence in error["message"]) == (409, True)
        assert (await sent("GET", f"/{sound}/performance"))[0] == 200
        for path in ("/portfolio", f"/portfolio/{broken}"):
            async with client.get(path) as answer:
                assert (answer.status, sentence in await answer.text()) == (200, True)
        marked: list[Valuations] = []
        made.watch.bus.subscribe(Valuations, marked.append, name="test")
        publish_trades(made.watch, trade("BTCUSDT", 99_000, 60_000.0, 1.0, START_MS + 20_000))
        publish_trades(made.watch, trade("BTCUSDT", 99_001, 60_000.0, 1.0, START_MS + 23_000))
        assert marked[-1].portfolio_ids == (sound,)
        assert (await sent("DELETE", f"/{broken}/transactions/{wrong.transaction_id}"))[0] == 200
        assert (await sent("GET", f"/{broken}"))[1]["trouble"] is None


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("quantity", "-2", "cannot be booked: the quantity was -2; it cannot be negative; another program"),
        ("quantity", "NaN", "cannot be"),
        ("kind", "gift", "holds what is no kind or no number (gift, 2,"),
        ("coin", "B T C", "cannot be booked: 'B T C' is not the code"),
    ],
)
async def test_row_that_another_program_made_nonsense_of_is_named(store: Database, column: str, value: str, words: str) -> None:
    desk = desk_on(store)
    book = await desk.create(OWNER, "Main", "USD", CostMethod.AVERAGE)
    other = await desk.create(OWNER, "Other", "USD", CostMethod.AVERAGE)
    _, bought = await desk.add(OWNER, book.portfolio.portfolio_id, entry("buy", "BTC", 2, 3))
    await _set(store, bought.transaction_id, column, value)
    again = desk_on(store)
    wrong, right = sorted(await again.shelf(OWNER), key=lambda one: one.portfolio.name)
    assert wrong.ledger is None
    assert words in wrong.trouble
    assert bought.transaction_id in wrong.trouble
    assert told(right.ledger) == told(other.ledger)
    if wrong.sealed:
        with pytest.raises(RequestError, match="Nothing can be written"):
            await again.add(OWNER, book.portfolio.portfolio_id, entry("buy", "BTC", 1, 1))
    else:
        mended = await again.drop(OWNER, book.portfolio.portfolio_id, [bought.transaction_id])
        assert mended.trouble == ""


async def test_portfolio_row_of_an_unknown_cost_method_is_named_and_in_nobodys_way(store: Database) -> None:
    desk = desk_on(store)
    book = await desk.create(OWNER, "Main", "USD", CostMethod.FIFO)
    other = await desk.create(OWNER, "Other", "USD", CostMethod.AVERAGE)
    await desk.add(OWNER, book.portfolio.portfolio_id, entry("buy", "BTC", 2, 3))
    await _set(store, book.portfolio.portfolio_id, "cost_method", "lifo", table="portfolios", key="portfolio_id")
    again = desk_on(store)
    wrong, right = sorted(await again.shelf(OWNER), key=lambda one: one.portfolio.name)
    assert (wrong.ledger, wrong.sealed) == (None, True)
    assert wrong.trouble.startswith("Its cost method is 'lifo', which is neither average nor fifo, so another program has")
    assert f"correct the row {book.portfolio.portfolio_id!r} in the table portfolios" in wrong.trouble
    assert told(right.ledger) == told(other.ledger)
    with pytest.raises(RequestError, match="Nothing can be written"):
        await again.add(OWNER, wrong.portfolio.portfolio_id, entry("buy", "BTC", 1, 1))
    await again.add(OWNER, right.portfolio.portfolio_id, entry("buy", "BTC", 1, 1))
    await again.remove(OWNER, wrong.portfolio.portfolio_id)
    assert [one.name for one in await again.bin(OWNER)] == ["Main"]
    await _set(store, book.portfolio.portfolio_id, "cost_method", "fifo", table="portfolios", key="portfolio_id")
    mended = await desk_on(store).restore(OWNER, book.portfolio.portfolio_id)
    assert (mended.trouble, len(mended.entries)) == ("", 1)
    assert mended.ledger is not None


async def _set(
    store: Database, name: str, column: str, value: str, *, table: str = "portfolio_transactions", key: str = "transaction_id"
) -> None:
    """As a person does with the database's own shell."""
    statement = f"UPDATE {table} SET {column} = '{value}' WHERE {key} = '{name}'"
    if isinstance(store, PostgresStore):
        connection = await asyncpg.connect(store._dsn.url)
        await connection.execute(statement)
        await connection.close()
        return
    with closing(sqlite3.connect(store.path)) as file, file:
        file.execute(statement)
