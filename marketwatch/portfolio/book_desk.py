"""The book desk: everybody's portfolios and watchlists at hand, every change committed first and in force at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from ..bus import Publish
from ..clock import Clock
from ..errors import Conflict, InvalidRequest, NotFound, StoreError, Unavailable
from ..model.portfolio import CostMethod, Portfolio, Transaction
from ..ports import MarketStore, UserDatabase
from ..trouble import Trouble
from .book import MOST_ENTRIES, Book, opened, rewritten, unreadable
from .entry import asset, checked
from .errors import EntryUnreadable
from .imports.read import Preview, key_of, preview
from .marker import Marker
from .ports import BookStore
from .watchlists import WatchlistDesk

MOST_PORTFOLIOS = 100
_MOST_NAME = 100
_RETRY_S = 10.0
Stores = Callable[[MarketStore], BookStore]
Change = Callable[[Book], tuple[Sequence[Transaction], Sequence[str]]]
"""Entries to put and ids to drop, from the book as it is."""


class BookDesk:
    """Owns the ledgers of all portfolios that are not deleted, and keeps the marker of the watch supplied with them.

    What it answers is committed; a database that is away changes nothing. One piece of work after the other. Raises NotFound
    for what is another's, Conflict, InvalidRequest and Unavailable, each with the remedy. `lists`: the watchlists.
    """

    def __init__(self, *, database: UserDatabase, stores: Stores, clock: Clock) -> None:
        self._database = database
        self._stores = stores
        self._clock = clock
        self._marker: Marker | None = None
        self._books: dict[str, Book] = {}
        self._known = False
        self._trouble = Trouble(clock, key="books", over="Portfolios and watchlists are read again.")
        self._turn = asyncio.Lock()
        self._asked = asyncio.Event()
        self.lists = WatchlistDesk(self.working)

    # The watch of the moment

    async def begin(self, publish: Publish, marker: Marker | None = None) -> None:
        """Another watch begins: its bus hears of the watchlists, its marker marks the portfolios. A database that is not open
        is read by `run`."""
        self._marker = marker
        self._trouble.begin(publish)
        self.lists.begin(publish)
        if self._database.at_hand:
            await self.load()
        else:
            self._asked.set()

    @property
    def begun(self) -> bool:
        """Whether there may be anything in the database; asking does not make one."""
        return self._database.begun

    async def load(self) -> None:
        """Read everything. A database that cannot be read is told in a notice; `run` tries again."""
        async with self._turn:
            self._known = False
            try:
                if self._database.begun:
                    async with self._database.reach() as store:
                        await self._read(self._stores(store))
                self._known = True
            except StoreError as error:
                self._asked.set()
                self._trouble.tell(f"Portfolios and watchlists cannot be read now: {error}")
                return
        self._trouble.end()
        self._mark()

    async def run(self) -> None:
        """Read what is not known, again and again until that works; until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.load()
            if not self._known:
                await self._clock.sleep(_RETRY_S)
                self._asked.set()

    async def _read(self, store: BookStore) -> None:
        found = {}
        for one in await store.every_portfolio():
            found[one.portfolio_id] = await _stored(store, one)
        self._books = found
        await self.lists.read(store)
        self._known = True

    # What there is

    async def shelf(self, owner_id: str) -> list[Book]:
        """The owner's books that are not deleted, oldest first."""
        await self._ready()
        return [book for book in self._books.values() if book.portfolio.owner_id == owner_id]

    def at_hand(self, owner_id: str, portfolio_id: str) -> Book | None:
        """A book as it is now, None where the owner has no such one, or it is deleted."""
        book = self._books.get(portfolio_id)
        return book if book is not None and book.portfolio.owner_id == owner_id else None

    def every(self) -> list[Book]:
        """Everybody's books that are not deleted: for the program itself, never for a person."""
        return list(self._books.values())

    async def book(self, owner_id: str, portfolio_id: str) -> Book:
        """A book, also a deleted one."""
        await self._ready()
        found = self.at_hand(owner_id, portfolio_id)
        if found is not None:
            return found
        async with self.working() as store:
            return await self._current(store, owner_id, portfolio_id)

    async def bin(self, owner_id: str) -> list[Portfolio]:
        """The owner's deleted portfolios, latest deleted first."""
        async with self.working() as store:
            gone = [one for one in await store.portfolios(owner_id, deleted=True) if one.deleted_ms is not None]
        return sorted(gone, key=lambda one: -(one.deleted_ms or 0))

    # Portfolios

    async def create(self, owner_id: str, name: str, base_currency: str, method: CostMethod) -> Book:
        """A new, empty portfolio."""
        now_ms = self._clock.now_ms()
        made = Portfolio(
            secrets.token_hex(8), owner_id, _named(name), _code(base_currency), method, created_ms=now_ms, updated_ms=now_ms
        )
        async with self.working() as store:
            if sum(book.portfolio.owner_id == owner_id for book in self._books.values()) >= MOST_PORTFOLIOS:
                raise Conflict(f"There are {MOST_PORTFOLIOS} portfolios, which are the most; delete one that is not needed.")
            await store.add_portfolio(made)
            book = self._books[made.portfolio_id] = opened(made, ())
        self._mark()
        return book

    async def rename(self, owner_id: str, portfolio_id: str, name: str, version: int | None = None) -> Book:
        """Another name. `version`: the one that the change was made from; Conflict where that is past."""
        return await self._change(owner_id, portfolio_id, version, name=_named(name))

    async def remove(self, owner_id: str, portfolio_id: str) -> Book:
        """Into the bin; one that is there stays there."""
        return await self._change(owner_id, portfolio_id, None, deleted_ms=self._clock.now_ms())

    async def restore(self, owner_id: str, portfolio_id: str) -> Book:
        """Out of the bin."""
        return await self._change(owner_id, portfolio_id, None, deleted_ms=None)

    async def _change(self, owner_id: str, portfolio_id: str, version: int | None, **values: str | int | None) -> Book:
        async with self.working() as store:
            book = await self._current(store, owner_id, portfolio_id)
            one = book.portfolio
            _same("portfolio", one.name, one.version, version)
            if "deleted_ms" in values and (values["deleted_ms"] is None) == (one.deleted_ms is None):
                return book
            fields = one._asdict() | values | {"updated_ms": self._clock.now_ms()}
            changed = await self._written(store, portfolio_id, store.change_portfolio(Portfolio(**fields)))
            book = book._replace(portfolio=changed)
            self._keep(book)
        self._mark()
        return book

    @asynccontextmanager
    async def leaving(self, owner_id: str) -> AsyncIterator[None]:
        """Around the deletion of all that is the owner's: nothing is written meanwhile, and none of it is known afterwards."""
        async with self._turn:
            try:
                yield
            except StoreError:
                self._known = False
                self._asked.set()
                raise
            self._books = {name: book for name, book in self._books.items() if book.portfolio.owner_id != owner_id}
            self.lists.forget(owner_id)
        self._mark()

    # Transactions

    async def add(self, owner_id: str, portfolio_id: str, entry: Transaction) -> tuple[Book, Transaction]:
        """Book another transaction; its ids are given here."""
        made = entry._replace(transaction_id=secrets.token_hex(8), portfolio_id=portfolio_id)

        def put(book: Book) -> tuple[list[Transaction], list[str]]:
            return [checked(made, book.portfolio.base_currency)], []

        book = await self._rewrite(owner_id, portfolio_id, put)
        return book, book.entry(made.transaction_id)

    async def change(
        self, owner_id: str, portfolio_id: str, transaction_id: str, entry: Transaction, version: int | None = None
    ) -> tuple[Book, Transaction]:
        """Put `entry` in the place of a transaction, which keeps its ids and its origin; everything is booked anew."""

        def put(book: Book) -> tuple[list[Transaction], list[str]]:
            old = book.entry(transaction_id)
            _same("transaction", f"{old.kind.value} of {old.coin}", old.version, version)
            made = entry._replace(
                transaction_id=old.transaction_id,
                portfolio_id=old.portfolio_id,
                source=old.source,
                external_id=old.external_id,
                import_id=old.import_id,
                sequence=old.sequence if entry.time_ms == old.time_ms else 0,
                version=old.version + 1,
            )
            return [checked(made, book.portfolio.base_currency)], []

        book = await self._rewrite(owner_id, portfolio_id, put)
        return book, book.entry(transaction_id)

    async def drop(self, owner_id: str, portfolio_id: str, transaction_ids: Iterable[str]) -> Book:
        """Take transactions out for good. Conflict where what came later needs them."""
        ids = list(transaction_ids)
        return await self._rewrite(owner_id, portfolio_id, lambda book: ([], [book.entry(one).transaction_id for one in ids]))

    async def look(
        self, owner_id: str, portfolio_id: str, data: bytes, mapping: Mapping[str, str] | None = None
    ) -> tuple[Book, Preview]:
        """What an import of a CSV file would do; nothing is stored."""
        book = await self.book(owner_id, portfolio_id)
        return book, await asyncio.to_thread(_read_file, book, data, mapping, None)

    async def take(
        self, owner_id: str, portfolio_id: str, data: bytes, mapping: Mapping[str, str] | None = None
    ) -> tuple[Book, Preview, str]:
        """Import a CSV file, all of it or nothing; also the id that its transactions carry."""
        import_id = secrets.token_hex(8)
        book = await self.book(owner_id, portfolio_id)
        found = await asyncio.to_thread(_read_file, book, data, mapping, import_id)
        new = found.new
        if not new:
            return book, found, import_id

        def put(now: Book) -> tuple[list[Transaction], list[str]]:
            if now.portfolio.version != book.portfolio.version:
                raise Conflict(f"The portfolio {now.portfolio.name!r} was changed meanwhile; import the file again.")
            return new, []

        return await self._rewrite(owner_id, portfolio_id, put), found, import_id

    async def _rewrite(self, owner_id: str, portfolio_id: str, change: Change) -> Book:
        async with self.working() as store:
            book = await self._current(store, owner_id, portfolio_id)
            put, drop = change(book)
            made = await asyncio.to_thread(rewritten, book, put, drop)
            if len(made.entries) > MOST_ENTRIES:
                raise Conflict(f"A portfolio holds {MOST_ENTRIES} transactions at most; begin another one.")
            stamped = book.portfolio._replace(updated_ms=self._clock.now_ms())
            write = store.write_transactions(stamped, put=put, drop=drop)
            made = made._replace(portfolio=await self._written(store, portfolio_id, write))
            self._keep(made)
        self._mark()
        return made

    # Their parts

    @asynccontextmanager
    async def working(self) -> AsyncIterator[BookStore]:
        """One piece of work on the open database. Raises Unavailable where it cannot be had."""
        async with self._turn:
            try:
                async with self._database.reach() as market:
                    store = self._stores(market)
                    if not self._known:
                        await self._read(store)
                    yield store
            except StoreError as error:
                self._known = False
                self._asked.set()
                raise Unavailable(f"Nothing was changed, for the database is away: {error}") from None

    async def _ready(self) -> None:
        if not self._known:
            async with self.working():
                pass
            self._mark()

    async def _current(self, store: BookStore, owner_id: str, portfolio_id: str) -> Book:
        found = self.at_hand(owner_id, portfolio_id)
        if found is not None:
            return found
        return await _stored(store, await store.portfolio(owner_id, portfolio_id))

    async def _written(self, store: BookStore, portfolio_id: str, write: Awaitable[Portfolio]) -> Portfolio:
        """The portfolio as it was written. Where another process was faster, what it wrote is read."""
        try:
            return await write
        except (Conflict, NotFound):
            self._known = False
            self._asked.set()
            raise

    def _keep(self, book: Book) -> None:
        if book.portfolio.deleted_ms is None:
            self._books[book.portfolio.portfolio_id] = book
        else:
            self._books.pop(book.portfolio.portfolio_id, None)

    def _mark(self) -> None:
        if self._marker is not None:
            self._marker.use([book.kept for book in self._books.values() if book.ledger is not None])


async def _stored(store: BookStore, portfolio: Portfolio) -> Book:
    """A book as the database has it; one that makes no sense says so and is in nobody's way."""
    if portfolio.trouble:
        return unreadable(portfolio, portfolio.trouble)
    try:
        entries = await store.transactions(portfolio.owner_id, portfolio.portfolio_id)
    except EntryUnreadable as error:
        return unreadable(portfolio, str(error))
    return await asyncio.to_thread(opened, portfolio, entries)


def _read_file(book: Book, data: bytes, mapping: Mapping[str, str] | None, import_id: str | None) -> Preview:
    known = {key_of(one) for one in book.entries}
    return preview(data, book.portfolio, known, import_id=import_id, mapping=mapping or None)


def _named(name: str) -> str:
    found = " ".join(name.split())
    if not found or len(found) > _MOST_NAME or not found.isprintable():
        shown = name if len(name) <= 40 else name[:37] + "..."
        raise InvalidRequest(f"{shown!r} cannot be a name; write 1 to {_MOST_NAME} characters.", [{"field": "name"}])
    return found


def _code(base_currency: str) -> str:
    try:
        return asset(base_currency)
    except ValueError as error:
        raise InvalidRequest(str(error), [{"field": "base_currency"}]) from None


def _same(what: str, name: str, present: int, given: int | None) -> None:
    if given is not None and given != present:
        raise Conflict(
            f"The {what} {name[:64]!r} has version {present} by now, and the change was made from version {given}; "
            "look at the newest version and change that."
        )
