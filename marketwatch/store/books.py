"""Portfolios, watchlists and screens in the database: the queries behind `BookStore`, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..errors import Conflict, NotFound
from ..model.portfolio import CostMethod, Portfolio, Transaction, TransactionKind, Watchlist, WatchlistItem
from ..model.screens import Screen
from ..portfolio.errors import EntryUnreadable
from ..ports import MarketStore
from .reads import Bulk, Reads, Step
from .rows import clean


class StoredBooks:
    """BookStore over a database that its owner opens and closes."""

    def __init__(self, database: Reads) -> None:
        self._database = database

    # Portfolios

    async def portfolios(self, owner_id: str, *, deleted: bool = False) -> list[Portfolio]:
        return [_portfolio(row) for row in await self._database.rows("portfolios", clean(owner_id), deleted)]

    async def every_portfolio(self) -> list[Portfolio]:
        return [_portfolio(row) for row in await self._database.rows("every_portfolio")]

    async def portfolio(self, owner_id: str, portfolio_id: str) -> Portfolio:
        rows = await self._database.rows("portfolio", clean(owner_id), clean(portfolio_id))
        if not rows:
            raise NotFound(f"There is no portfolio {portfolio_id[:64]!r}.")
        return _portfolio(rows[0])

    async def add_portfolio(self, portfolio: Portfolio) -> None:
        one = portfolio
        row = (
            clean(one.portfolio_id), clean(one.owner_id), clean(one.name), key(one.name), one.base_currency,
            str(one.cost_method), one.created_ms, one.updated_ms, one.version, one.deleted_ms,
        )  # fmt: skip
        if not await self._database.changes([Step("add_portfolio", row)]):
            raise _name_taken("portfolio", one.name)

    async def change_portfolio(self, portfolio: Portfolio) -> Portfolio:
        one = portfolio
        row = (
            clean(one.owner_id), clean(one.portfolio_id), one.version, clean(one.name), key(one.name), one.updated_ms,
            one.deleted_ms,
        )  # fmt: skip
        if not await self._database.changes([Step("change_portfolio", row)]):
            stored = await self.portfolio(one.owner_id, one.portfolio_id)
            if stored.version != one.version:
                raise _changed_meanwhile("portfolio", one.name)
            raise _name_taken("portfolio", one.name)
        return one._replace(version=one.version + 1)

    async def transactions(self, owner_id: str, portfolio_id: str) -> list[Transaction]:
        return [
            _transaction(row)
            for row in await self._database.rows("portfolio_transactions", clean(owner_id), clean(portfolio_id))
        ]

    async def write_transactions(
        self, portfolio: Portfolio, *, put: Sequence[Transaction] = (), drop: Sequence[str] = ()
    ) -> Portfolio:
        one = portfolio
        owner_id, portfolio_id = clean(one.owner_id), clean(one.portfolio_id)
        if any(entry.portfolio_id != one.portfolio_id for entry in put):
            raise ValueError(f"A transaction of another portfolio cannot be written into {one.portfolio_id!r}.")
        steps: list[Step | Bulk] = [
            Step("touch_portfolio", (owner_id, portfolio_id, one.version, one.updated_ms)),
            Bulk("drop_transaction", [(owner_id, portfolio_id, clean(name)) for name in drop]),
            Bulk("put_transaction", [_row(entry) for entry in put]),
        ]
        if not await self._database.changes(steps):
            stored = await self.portfolio(one.owner_id, one.portfolio_id)
            if stored.deleted_ms is not None:
                raise Conflict(f"The portfolio {one.name!r} is deleted; restore it first.")
            raise _changed_meanwhile("portfolio", one.name)
        return one._replace(version=one.version + 1)

    # Watchlists

    async def watchlists(self, owner_id: str) -> list[Watchlist]:
        items: dict[str, list[WatchlistItem]] = {}
        for watchlist_id, symbol, note in await self._database.rows("watchlist_items", clean(owner_id)):
            items.setdefault(watchlist_id, []).append(WatchlistItem(symbol, note))
        return [
            Watchlist(watchlist_id, owner, name, tuple(items.get(watchlist_id, ())), position, version)
            for watchlist_id, owner, name, position, version in await self._database.rows("watchlists", clean(owner_id))
        ]

    async def add_watchlist(self, watchlist: Watchlist) -> None:
        one = watchlist
        row = (clean(one.watchlist_id), clean(one.owner_id), clean(one.name), key(one.name), one.position, one.version)
        if not await self._database.changes([Step("add_watchlist", row), Bulk("put_watchlist_item", _items(one))]):
            raise _name_taken("watchlist", one.name)

    async def change_watchlist(self, watchlist: Watchlist) -> Watchlist:
        one = watchlist
        owner_id, watchlist_id = clean(one.owner_id), clean(one.watchlist_id)
        steps: list[Step | Bulk] = [
            Step("change_watchlist", (owner_id, watchlist_id, one.version, clean(one.name), key(one.name), one.position)),
            Step("clear_watchlist", (owner_id, watchlist_id), must=False),
            Bulk("put_watchlist_item", _items(one)),
        ]
        if not await self._database.changes(steps):
            stored = next((other for other in await self.watchlists(owner_id) if other.watchlist_id == watchlist_id), None)
            if stored is None:
                raise NotFound(f"There is no watchlist {one.watchlist_id[:64]!r}.")
            if stored.version != one.version:
                raise _changed_meanwhile("watchlist", one.name)
            raise _name_taken("watchlist", one.name)
        return one._replace(version=one.version + 1)

    async def drop_watchlist(self, owner_id: str, watchlist_id: str) -> None:
        row = (clean(owner_id), clean(watchlist_id))
        if not await self._database.changes([Step("clear_watchlist", row, must=False), Step("drop_watchlist", row)]):
            raise NotFound(f"There is no watchlist {watchlist_id[:64]!r}.")

    # Screens

    async def screens(self, owner_id: str) -> list[Screen]:
        return [Screen(*row) for row in await self._database.rows("screens", clean(owner_id))]

    async def gone_screens(self, owner_id: str) -> list[Screen]:
        return [Screen(*row) for row in await self._database.rows("gone_screens", clean(owner_id))]

    async def recent_screens(self, most: int) -> list[Screen]:
        return [Screen(*row) for row in await self._database.rows("recent_screens", most)]

    async def touch_screen(self, owner_id: str, screen_id: str, time_ms: int) -> None:
        await self._database.changes([Step("touch_screen", (clean(owner_id), clean(screen_id), time_ms), must=False)])

    async def add_screen(self, screen: Screen) -> None:
        one = screen
        row = (clean(one.screen_id), clean(one.owner_id), *_texts(one), one.position, one.version)
        if not await self._database.changes([Step("add_screen", row)]):
            raise _name_taken("screen", one.name)

    async def change_screen(self, screen: Screen) -> Screen:
        one = screen
        row = (clean(one.owner_id), clean(one.screen_id), one.version, *_texts(one), one.position, one.deleted_ms)
        if not await self._database.changes([Step("change_screen", row)]):
            every = [*await self.screens(one.owner_id), *await self.gone_screens(one.owner_id)]
            stored = next((other for other in every if other.screen_id == one.screen_id), None)
            if stored is None:
                raise NotFound(f"There is no screen {one.screen_id[:64]!r}.")
            if stored.version != one.version:
                raise _changed_meanwhile("screen", one.name)
            raise _name_taken("screen", one.name)
        return one._replace(version=one.version + 1)

    async def drop_screen(self, owner_id: str, screen_id: str) -> None:
        if not await self._database.changes([Step("drop_screen", (clean(owner_id), clean(screen_id)))]):
            raise NotFound(f"There is no screen {screen_id[:64]!r}.")


def _texts(one: Screen) -> tuple[str, ...]:
    """From the name to the direction, in the order of the columns."""
    texts = (one.name, key(one.name), one.filter, one.columns, one.watchlist_id, one.sort, one.direction)
    return tuple(clean(text) for text in texts)


def key(name: str) -> str:
    """The name as names are compared: no difference between capitals, nor between one space and several."""
    return " ".join(clean(name).casefold().split())


def _name_taken(what: str, name: str) -> Conflict:
    return Conflict(f"There is a {what} named {name[:64]!r} already; choose another name.")


def _changed_meanwhile(what: str, name: str) -> Conflict:
    return Conflict(f"The {what} {name[:64]!r} was changed meanwhile; look at it again and repeat what you did.")


def _portfolio(row: Sequence[Any]) -> Portfolio:
    portfolio_id, owner_id, name, base_currency, written, created_ms, updated_ms, version, deleted_ms = row
    known = written in set(CostMethod)
    method = CostMethod(written) if known else CostMethod.AVERAGE
    trouble = "" if known else (
        f"Its cost method is {str(written)[:40]!r}, which is neither average nor fifo, so another program has changed it; "
        f"correct the row {portfolio_id!r} in the table portfolios and start again, or delete the portfolio."
    )  # fmt: skip
    return Portfolio(
        portfolio_id, owner_id, name, base_currency, method, created_ms, updated_ms, version, deleted_ms, trouble
    )  # fmt: skip


def _row(one: Transaction) -> tuple[Any, ...]:
    """In the order of the columns of `put_transaction`."""
    external = None if one.external_id is None else clean(one.external_id)
    imported = None if one.import_id is None else clean(one.import_id)
    return (
        clean(one.transaction_id), clean(one.portfolio_id), str(one.kind), clean(one.coin), one.quantity, one.time_ms,
        one.price, clean(one.currency), one.rate, one.fee, clean(one.fee_currency), clean(one.note), clean(one.source),
        external, imported, one.sequence, one.version,
    )  # fmt: skip


def _transaction(row: Sequence[Any]) -> Transaction:
    transaction_id, portfolio_id, kind, coin, quantity, time_ms, price, currency, rate, fee, *rest = row
    try:
        return Transaction(
            transaction_id, portfolio_id, TransactionKind(kind), coin, Decimal(quantity), time_ms, _decimal(price), currency,
            _decimal(rate), Decimal(fee), *rest,
        )  # fmt: skip
    except (ValueError, ArithmeticError):
        told = ", ".join(str(value)[:40] for value in (kind, quantity, price, rate, fee))
        raise EntryUnreadable(
            f"The transaction {transaction_id!r} holds what is no kind or no number ({told}), so another program has changed "
            "it; correct its row in the table portfolio_transactions, or delete that row.",
            transaction_id,
        ) from None


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _items(watchlist: Watchlist) -> list[tuple[Any, ...]]:
    unique = {clean(item.symbol): clean(item.note) for item in watchlist.items}
    return [(clean(watchlist.watchlist_id), symbol, place, note) for place, (symbol, note) in enumerate(unique.items())]


def books_of(store: MarketStore) -> StoredBooks:
    """The books in the database of an open store of ours."""
    assert isinstance(store, Reads), f"{type(store).__name__} keeps no books"
    return StoredBooks(store)
