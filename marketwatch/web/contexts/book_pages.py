"""The pages around portfolios: list, detail, form of a transaction, import, watchlists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ...model.portfolio import Portfolio, Transaction, TransactionKind
from ...portfolio.amounts import plain
from ...portfolio.imports.read import Preview
from .. import format as fmt
from .book import HoldingsView, SummaryView, WorthView, book_href
from .book_course import CourseView
from .import_columns import ColumnsView

MOST_ROWS = 200
FIELDS = ("type", "coin_id", "quantity", "price", "currency", "fee", "fee_currency", "rate", "time", "note")
KINDS = tuple((kind.value, kind.value.replace("_", " ").capitalize()) for kind in TransactionKind)


@dataclass(frozen=True, slots=True)
class PortfoliosPage:
    """`gone`: deleted ones as name and where to restore them. `entry`: what the form says."""

    rows: tuple[SummaryView, ...]
    gone: tuple[tuple[str, str], ...]
    entry: Mapping[str, str]
    mistake: str


class EntryView(NamedTuple):
    """A transaction in the table."""

    href: str
    time: str
    kind: str
    coin: str
    quantity: str
    price: str
    fee: str
    note: str


@dataclass(frozen=True, slots=True)
class PortfolioPage:
    """`worth` and `holdings` are None where it cannot be valued, which `trouble` explains. `undo`: it is deleted."""

    href: str
    name: str
    detail: str
    worth: WorthView | None
    holdings: HoldingsView | None
    course: CourseView | None
    entries: tuple[EntryView, ...]
    more: int
    earlier: str
    later: str
    undo: bool
    trouble: str
    stream: str


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """The form of a new transaction, or of one that is there: then `drop` is where its removal is sent."""

    title: str
    back: str
    name: str
    action: str
    drop: str
    base: str
    entry: Mapping[str, str]
    kinds: tuple[tuple[str, str], ...]
    mistake: str
    field: str


class FileRow(NamedTuple):
    """A row of a file as it was read."""

    line: int
    duplicate: bool
    time: str
    kind: str
    coin: str
    quantity: str
    price: str
    fee: str


@dataclass(frozen=True, slots=True)
class FileView:
    """What a file holds."""

    title: str
    new: int
    duplicates: int
    rows: tuple[FileRow, ...]
    more: int
    problems: tuple[tuple[int, str, str], ...]
    problem_count: int
    skipped: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True)
class ImportPage:
    """Paste or choose a file; then `file` is what it holds and `text` the file itself, to be confirmed. `columns`: where it can
    be told which column holds what."""

    back: str
    name: str
    action: str
    mistake: str
    problems: tuple[tuple[int, str, str], ...]
    file: FileView | None
    columns: ColumnsView | None
    text: str


class ItemView(NamedTuple):
    """A symbol of a watchlist."""

    symbol: str
    href: str
    note: str
    price: str
    change: fmt.Signed


class ListView(NamedTuple):
    """A watchlist."""

    watchlist_id: str
    name: str
    version: int
    items: tuple[ItemView, ...]


@dataclass(frozen=True, slots=True)
class WatchlistsPage:
    """`add`: a symbol that is to be put into one of the lists."""

    lists: tuple[ListView, ...]
    add: str
    symbols: tuple[str, ...]
    mistake: str


def entry_view(one: Transaction, portfolio: Portfolio) -> EntryView:
    """A row of the table of transactions."""
    price = fmt.UNKNOWN if one.price is None else f"{plain(one.price)} {one.currency}"
    return EntryView(
        href=f"{book_href(portfolio)}/transactions/{one.transaction_id}",
        time=fmt.date_time(one.time_ms),
        kind=one.kind.value.replace("_", " "),
        coin=one.coin,
        quantity=plain(one.quantity),
        price=price,
        fee=f"{plain(one.fee)} {one.fee_currency}" if one.fee else "",
        note=one.note,
    )


def fields_of(one: Transaction) -> dict[str, str]:
    """The form that would make this transaction."""
    return {
        "type": one.kind.value,
        "coin_id": one.coin,
        "quantity": plain(one.quantity),
        "price": "" if one.price is None else plain(one.price),
        "currency": one.currency,
        "fee": plain(one.fee) if one.fee else "",
        "fee_currency": one.fee_currency if one.fee else "",
        "rate": "" if one.rate is None else plain(one.rate),
        "time": fmt.iso(one.time_ms),
        "note": one.note,
        "version": str(one.version),
    }


def file_view(found: Preview) -> FileView:
    """A file that was read, for the preview."""
    duplicates = sum(row.duplicate for row in found.rows)
    return FileView(
        title=found.title,
        new=len(found.rows) - duplicates,
        duplicates=duplicates,
        rows=tuple(_file_row(row.line, row.duplicate, row.transaction) for row in found.rows[:MOST_ROWS]),
        more=max(0, len(found.rows) - MOST_ROWS),
        problems=tuple((one.line, one.column, one.message) for one in found.problems[:MOST_ROWS]),
        problem_count=len(found.problems),
        skipped=tuple((one.line, one.column, one.message) for one in found.skipped[:MOST_ROWS]),
    )


def _file_row(line: int, duplicate: bool, one: Transaction) -> FileRow:
    return FileRow(
        line,
        duplicate,
        fmt.date_time(one.time_ms),
        one.kind.value.replace("_", " "),
        one.coin,
        plain(one.quantity),
        fmt.UNKNOWN if one.price is None else f"{plain(one.price)} {one.currency}",
        f"{plain(one.fee)} {one.fee_currency}" if one.fee else "",
    )
