"""The books at hand: portfolios with their folded ledgers, and the only way in which their transactions change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from ..errors import Conflict, NotFound
from ..model.portfolio import Portfolio, Transaction
from .entry import checked, order
from .errors import LedgerError
from .ledger import Ledger
from .marks import Kept
from .ports import BookStore

Reach = Callable[[], AbstractAsyncContextManager[BookStore]]
Follower = Callable[[Sequence[Kept]], None]


class Book(NamedTuple):
    """A portfolio, its transactions in the order of the ledger, and the ledger."""

    portfolio: Portfolio
    transactions: tuple[Transaction, ...]
    ledger: Ledger


class Library:
    """Books of all owners, loaded once. Whatever changes a book goes through `change`: checked, booked, stored, then told.

    `reach` lends the database. Followers get all books at hand, now and after every change.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._books: dict[str, Book] = {}
        self._turn = asyncio.Lock()
        self._followers: list[Follower] = []
        self.broken: dict[str, str] = {}
        """Stored portfolios whose transactions cannot be booked, and why: another program must have written those."""

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Tell `follower` of the books; the returned callable ends that."""
        self._followers.append(follower)
        follower(self._kept())

        def leave() -> None:
            self._followers.remove(follower)

        return leave

    async def load(self) -> None:
        """Read every portfolio that is not deleted. Raises StoreError."""
        async with self._turn, self._reach() as store:
            found, broken = [], {}
            for one in await store.every_portfolio():
                try:
                    found.append(await _read(store, one))
                except LedgerError as error:
                    broken[one.portfolio_id] = str(error)
        self._books = {book.portfolio.portfolio_id: book for book in found}
        self.broken = broken
        self._tell()

    def book(self, owner_id: str, portfolio_id: str) -> Book:
        """The book of an owner. Raises NotFound, for another's as well."""
        found = self._books.get(portfolio_id)
        if found is None or found.portfolio.owner_id != owner_id:
            raise NotFound(f"There is no portfolio {portfolio_id[:64]!r}.")
        return found

    def books_of(self, owner_id: str) -> list[Book]:
        """Oldest first."""
        found = [book for book in self._books.values() if book.portfolio.owner_id == owner_id]
        return sorted(found, key=lambda book: (book.portfolio.created_ms, book.portfolio.portfolio_id))

    async def add_portfolio(self, portfolio: Portfolio) -> Book:
        """A new, empty book. Raises Conflict."""
        async with self._turn, self._reach() as store:
            await store.add_portfolio(portfolio)
        book = Book(portfolio, (), Ledger(portfolio.base_currency, portfolio.cost_method))
        self._put(book)
        return book

    async def change_portfolio(self, portfolio: Portfolio) -> Portfolio:
        """Rename, delete (`deleted_ms`) or restore; `version` is the one that was seen. Raises NotFound, Conflict."""
        async with self._turn, self._reach() as store:
            changed = await store.change_portfolio(portfolio)
            book = None if changed.deleted_ms is not None else await _read(store, changed)
        if book is None:
            self._books.pop(changed.portfolio_id, None)
            self._tell()
        else:
            self._put(book)
        return changed

    async def change(
        self,
        owner_id: str,
        portfolio_id: str,
        *,
        put: Sequence[Transaction] = (),
        drop: Sequence[str] = (),
        version: int | None = None,
        now_ms: int,
    ) -> Book:
        """Add, replace and remove transactions, all or nothing. `version`: the one that was seen, None takes any.

        Raises TransactionError, LedgerError (also for a later entry that the change leaves without cover), NotFound, Conflict.
        """
        async with self._turn:
            book = self.book(owner_id, portfolio_id)
            if version is not None and version != book.portfolio.version:
                raise Conflict(f"The portfolio {book.portfolio.name[:64]!r} was changed meanwhile; look at it again.")
            entries = [checked(one, book.portfolio.base_currency) for one in put]
            gone = {one.transaction_id for one in entries} | set(drop)
            left = tuple(one for one in book.transactions if one.transaction_id not in gone)
            unknown = set(drop) - {one.transaction_id for one in book.transactions}
            if unknown:
                raise NotFound(f"There is no transaction {min(unknown)[:64]!r} in this portfolio.")
            booked = await asyncio.to_thread(_changed, book, left, entries)
            async with self._reach() as store:
                stored = await store.write_transactions(
                    book.portfolio._replace(updated_ms=now_ms), put=entries, drop=list(drop)
                )
            book = booked._replace(portfolio=stored)
            self._put(book)
        return book

    def _put(self, book: Book) -> None:
        self._books[book.portfolio.portfolio_id] = book
        self._tell()

    def _kept(self) -> list[Kept]:
        return [Kept(book.portfolio, book.ledger) for book in self._books.values()]

    def _tell(self) -> None:
        kept = self._kept()
        for follower in self._followers:
            follower(kept)


async def _read(store: BookStore, portfolio: Portfolio) -> Book:
    entries = await store.transactions(portfolio.owner_id, portfolio.portfolio_id)
    return await asyncio.to_thread(_booked, portfolio, tuple(entries))


def _changed(book: Book, left: tuple[Transaction, ...], entries: Sequence[Transaction]) -> Book:
    """Entries behind all others are appended to a fork of the ledger; anything else is a fresh replay. Both say the same."""
    ordered = sorted(entries, key=order)
    if len(left) < len(book.transactions) or not ordered or not book.ledger.follows(ordered[0]):
        return _booked(book.portfolio, (*left, *ordered))
    ledger = book.ledger.fork()
    for one in ordered:
        ledger.append(one)
    return Book(book.portfolio, (*left, *ordered), ledger)


def _booked(portfolio: Portfolio, transactions: tuple[Transaction, ...]) -> Book:
    ordered = tuple(sorted(transactions, key=order))
    return Book(portfolio, ordered, Ledger.replay(portfolio, ordered))
