"""`/api/portfolio`: what a person owns, its transactions, what it is worth and how it did."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...model.valuation import Rate, Valuation
from ...portfolio.book import Book
from ..envelope import iso
from .action import Action
from .book_rows import (
    AssetBody,
    Id,
    PortfolioBody,
    PortfolioChange,
    PortfolioRow,
    PositionRow,
    TransactionBody,
    TransactionChange,
    TransactionRow,
    money,
    portfolio_row,
    position_row,
    purchase_of,
    transaction_of,
    transaction_row,
)
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .parameters import Limit

Offset = Annotated[
    int, Meta(ge=0, le=10**6, description="So many are left out", extra={"expects": "a whole number from 0", "number": True})
]


class OnePortfolio(msgspec.Struct, frozen=True):
    """Which portfolio."""

    portfolio_id: Id


class OneTransaction(msgspec.Struct, frozen=True):
    """Which transaction of which portfolio."""

    portfolio_id: Id
    transaction_id: Id


class PageOfOne(msgspec.Struct, frozen=True):
    """Which portfolio, and which part of its transactions."""

    portfolio_id: Id
    limit: Limit = 1000
    offset: Offset = 0


class PerformanceRow(msgspec.Struct, frozen=True):
    """How a portfolio stands and did, in its base currency; per cents are numbers. Null: it cannot be said."""

    portfolio_id: str
    base_currency: str
    total_value: str | None
    total_cost: str
    gain_loss: str | None
    roi_pct: float | None
    realized_pnl: str
    unrealized_pnl: str | None
    cash: str
    net_invested: str
    income: str
    expenses: str
    change_today: str | None
    change_today_pct: float | None
    twr_pct: float | None
    xirr_pct: float | None
    max_drawdown_pct: float | None
    benchmark_pct: float | None
    volatility_pct: float | None
    sharpe: float | None
    sortino: float | None
    cagr_pct: float | None
    calmar: float | None
    best_day_pct: float | None
    worst_day_pct: float | None
    days: int
    insufficient: bool
    positions: list[PositionRow]
    missing_prices: list[str]
    missing_history: list[str]
    as_of: str


class LiveRow(PortfolioRow, frozen=True):
    """A portfolio at the market with its positions: what `/ws/portfolio/{portfolio_id}` tells each second."""

    positions: list[PositionRow] = []


def valued(desk: Desk, book: Book) -> Valuation | None:
    """What a book is worth now; None while no market is open, or where its entries contradict each other."""
    if desk.slot.current is None or book.ledger is None:
        return None
    return desk.appraiser.value(book.kept, desk.market_now_ms())


def rate_into(desk: Desk, book: Book, currency: str) -> Rate | None:
    """From a book's base currency into another one; None where there is no market, no way, no need or no other one."""
    if desk.slot.current is None or not currency:
        return None
    return desk.appraiser.rate(book.portfolio.base_currency, currency, desk.market_now_ms())


def row_of(desk: Desk, book: Book) -> PortfolioRow:
    """A book as it is answered."""
    return portfolio_row(book.portfolio, len(book.entries), valued(desk, book), book.trouble)


def live_row(desk: Desk, book: Book) -> LiveRow:
    """A book with its positions, all of one valuation."""
    value = valued(desk, book)
    row = portfolio_row(book.portfolio, len(book.entries), value, book.trouble)
    positions = [] if value is None else [position_row(position) for position in value.positions]
    return LiveRow(**msgspec.structs.asdict(row), positions=positions)


async def listed(desk: Desk, _query: NoQuery, owner: str) -> list[PortfolioRow]:
    """Oldest first."""
    return [row_of(desk, book) for book in await desk.books.shelf(owner)]


async def one(desk: Desk, query: OnePortfolio, owner: str) -> PortfolioRow:
    """Also a deleted one. Raises NotFound."""
    return row_of(desk, await desk.books.book(owner, query.portfolio_id))


async def transactions(desk: Desk, query: PageOfOne, owner: str) -> list[TransactionRow]:
    """Newest first."""
    book = await desk.books.book(owner, query.portfolio_id)
    newest = book.entries[::-1][query.offset : query.offset + query.limit]
    return [transaction_row(entry) for entry in newest]


async def performance(desk: Desk, query: OnePortfolio, owner: str) -> PerformanceRow:
    """Raises NotFound, Unavailable while no market is open, Conflict."""
    book = await desk.books.book(owner, query.portfolio_id)
    now_ms = desk.market_now_ms()
    value = desk.appraiser.value(book.kept, now_ms)
    did = await desk.appraiser.performance(book.kept, now_ms, value)
    ratios = None if did is None else did.ratios
    return PerformanceRow(
        portfolio_id=book.portfolio.portfolio_id,
        base_currency=book.portfolio.base_currency,
        total_value=money(value.value),
        total_cost=money(value.cost) or "0",
        gain_loss=money(value.gain),
        roi_pct=value.roi_pct,
        realized_pnl=money(value.realized) or "0",
        unrealized_pnl=money(value.unrealized),
        cash=money(value.cash) or "0",
        net_invested=money(value.net_invested) or "0",
        income=money(value.income) or "0",
        expenses=money(value.expenses) or "0",
        change_today=money(value.change_today),
        change_today_pct=value.change_today_pct,
        twr_pct=None if did is None else did.twr_pct,
        xirr_pct=None if did is None else did.xirr_pct,
        max_drawdown_pct=None if did is None else did.max_drawdown_pct,
        benchmark_pct=None if did is None else did.benchmark_pct,
        volatility_pct=None if ratios is None else ratios.volatility_pct,
        sharpe=None if ratios is None else ratios.sharpe,
        sortino=None if ratios is None else ratios.sortino,
        cagr_pct=None if ratios is None else ratios.cagr_pct,
        calmar=None if ratios is None else ratios.calmar,
        best_day_pct=None if ratios is None else ratios.best_pct,
        worst_day_pct=None if ratios is None else ratios.worst_pct,
        days=0 if ratios is None else ratios.periods,
        insufficient=ratios is None or ratios.insufficient,
        positions=[position_row(position) for position in value.positions],
        missing_prices=list(value.missing_prices),
        missing_history=[] if did is None else list(did.missing),
        as_of=iso(now_ms),
    )


async def create(desk: Desk, _query: NoQuery, body: PortfolioBody, owner: str) -> PortfolioRow:
    """A new, empty portfolio."""
    return row_of(desk, await desk.books.create(owner, body.name, body.base_currency or "USD", body.cost_method))


async def rename(desk: Desk, query: OnePortfolio, body: PortfolioChange, owner: str) -> PortfolioRow:
    """The portfolio under its new name."""
    return row_of(desk, await desk.books.rename(owner, query.portfolio_id, body.name, body.version))


async def remove(desk: Desk, query: OnePortfolio, _body: None, owner: str) -> PortfolioRow:
    """The portfolio in the bin."""
    return row_of(desk, await desk.books.remove(owner, query.portfolio_id))


async def restore(desk: Desk, query: OnePortfolio, _body: None, owner: str) -> PortfolioRow:
    """The portfolio out of the bin."""
    return row_of(desk, await desk.books.restore(owner, query.portfolio_id))


async def buy(desk: Desk, query: OnePortfolio, body: AssetBody, owner: str) -> TransactionRow:
    """The purchase as it was booked."""
    return transaction_row((await desk.books.add(owner, query.portfolio_id, purchase_of(desk, body)))[1])


async def enter(desk: Desk, query: OnePortfolio, body: TransactionBody, owner: str) -> TransactionRow:
    """The transaction as it was booked."""
    return transaction_row((await desk.books.add(owner, query.portfolio_id, transaction_of(desk, body)))[1])


async def change(desk: Desk, query: OneTransaction, body: TransactionChange, owner: str) -> TransactionRow:
    """The transaction as it is booked now."""
    entry = transaction_of(desk, body)
    found = await desk.books.change(owner, query.portfolio_id, query.transaction_id, entry, body.version)
    return transaction_row(found[1])


async def drop(desk: Desk, query: OneTransaction, _body: None, owner: str) -> PortfolioRow:
    """The portfolio without the transaction."""
    return row_of(desk, await desk.books.drop(owner, query.portfolio_id, [query.transaction_id]))


_TAG = "portfolios"
_ONE = "/api/portfolio/{portfolio_id}"
_BOOKED = "Everything is booked anew; 409 where the books would not add up any more, naming the transaction."

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/portfolio", "All portfolios, at the market", NoQuery, list[PortfolioRow], listed, _TAG, operation="portfolios",
        owned=True,
    ),
    Endpoint(
        _ONE, "One portfolio, at the market", OnePortfolio, PortfolioRow, one, _TAG, operation="one_portfolio", owned=True,
        description="Also a deleted one.",
    ),
    Endpoint(
        f"{_ONE}/transactions", "Transactions", PageOfOne, list[TransactionRow], transactions, _TAG,
        operation="transactions", owned=True, description="Newest first.",
    ),
    Endpoint(
        f"{_ONE}/performance", "How a portfolio did", OnePortfolio, PerformanceRow, performance, _TAG,
        operation="portfolio_performance", owned=True, description="By day since the first transaction.",
    ),
)  # fmt: skip

ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", "/api/portfolio", "Begin a portfolio", NoQuery, PortfolioBody, PortfolioRow, create, _TAG,
        "create_portfolio", status=201, conflicts=True, owned=True,
    ),
    Action(
        "PUT", _ONE, "Rename a portfolio", OnePortfolio, PortfolioChange, PortfolioRow, rename, _TAG, "rename_portfolio",
        conflicts=True, owned=True,
    ),
    Action(
        "DELETE", _ONE, "Delete a portfolio", OnePortfolio, None, PortfolioRow, remove, _TAG, "delete_portfolio",
        description="It can be restored.", conflicts=True, owned=True,
    ),
    Action(
        "POST", f"{_ONE}/restore", "Bring a portfolio back", OnePortfolio, None, PortfolioRow, restore, _TAG,
        "restore_portfolio", conflicts=True, owned=True,
    ),
    Action(
        "POST", f"{_ONE}/assets", "Enter a purchase", OnePortfolio, AssetBody, TransactionRow, buy, _TAG, "add_asset",
        status=201, conflicts=True, owned=True,
    ),
    Action(
        "POST", f"{_ONE}/transactions", "Enter a transaction", OnePortfolio, TransactionBody, TransactionRow, enter, _TAG,
        "add_transaction", status=201, description=_BOOKED, conflicts=True, owned=True,
    ),
    Action(
        "PUT", f"{_ONE}/transactions/{{transaction_id}}", "Change a transaction", OneTransaction, TransactionChange,
        TransactionRow, change, _TAG, "change_transaction", description=_BOOKED, conflicts=True, owned=True,
    ),
    Action(
        "DELETE", f"{_ONE}/transactions/{{transaction_id}}", "Delete a transaction", OneTransaction, None, PortfolioRow, drop,
        _TAG, "delete_transaction", description=_BOOKED, conflicts=True, owned=True,
    ),
)  # fmt: skip
