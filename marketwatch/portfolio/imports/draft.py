"""What a row of a file becomes: a draft of a transaction, or an error that names line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import NamedTuple

from ...model.portfolio import TransactionKind
from ..amounts import EXACT, PLACES, UNIT, amount
from ..entry import asset
from .table import Row, Table

MOST_NOTE = 500
_TIME = re.compile(
    r"(?P<year>\d{4}|\d{2})-(?P<rest>\d{1,2}-\d{1,2})(?:[ T](?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?"
    r" ?(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?"
)


class CellError(Exception):
    """One cell cannot be used. `column`: its normal name."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


class RowProblem(NamedTuple):
    """What is wrong with a row, for people. `column`: the title as it stands in the file, empty for the row as a whole."""

    line: int
    column: str
    message: str


class Draft(NamedTuple):
    """A transaction as a file tells it. `external_id`: the venue's own id, empty where it gives none."""

    line: int
    kind: TransactionKind
    coin: str
    quantity: Decimal
    time_ms: int
    price: Decimal | None = None
    currency: str = ""
    rate: Decimal | None = None
    fee: Decimal = Decimal(0)
    fee_currency: str = ""
    note: str = ""
    external_id: str = ""
    source: str = ""


@dataclass(slots=True)
class Reading:
    """What was found in a file. `skipped`: rows that are no transactions, with the reason."""

    drafts: list[Draft] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    skipped: list[RowProblem] = field(default_factory=list)

    def skip(self, row: Row, message: str) -> None:
        self.skipped.append(RowProblem(row.line, "", message))


class Context(NamedTuple):
    """What a format needs to know of the portfolio. `par`: currencies at par with its base currency."""

    base_currency: str
    par: frozenset[str]


Parse = Callable[[Row, Context], Iterable[Draft]]


def each_row(table: Table, context: Context, parse: Parse, reading: Reading) -> None:
    """Parse every row by itself; a CellError becomes the row's problem."""
    titles = dict(zip(table.columns, table.titles, strict=True))
    for row in table.rows:
        try:
            reading.drafts.extend(parse(row, context))
        except CellError as error:
            reading.problems.append(RowProblem(row.line, titles.get(error.column, error.column), str(error)))


# Cells


def number(row: Row, column: str, *, units: str = "") -> Decimal:
    """A number, without one of the signs in `units` before it. Raises CellError."""
    return parsed(row.text(column), column, units=units)


def parsed(text: str, column: str, *, units: str = "") -> Decimal:
    """The same of a text."""
    written = re.sub(f"[{re.escape(units)}]", "", text) if units else text
    try:
        return amount(written)
    except ValueError as error:
        raise CellError(column, str(error)) from error


def number_or_none(row: Row, column: str, *, units: str = "") -> Decimal | None:
    """None for an empty cell."""
    return number(row, column, units=units) if row.text(column) else None


def code(row: Row, column: str) -> str:
    """The code of a coin or currency. Raises CellError."""
    return code_of(row.text(column), column)


def code_of(text: str, column: str) -> str:
    """The same of a text."""
    try:
        return asset(text)
    except ValueError as error:
        raise CellError(column, str(error) if text.strip() else "The coin is missing.") from error


def moment(row: Row, column: str) -> int:
    """A time in ms: `2024-01-31 12:34:56`, also with `T`, fractions, `Z` or an offset (none: UTC). Raises CellError."""
    text = row.text(column)
    found = _TIME.fullmatch(text)
    shown = text if len(text) <= 40 else text[:37] + "..."
    if found is None:
        problem = f"{shown!r} is not a time; write it like 2024-01-31 12:34:56." if text else "The time is missing."
        raise CellError(column, problem)
    year = found["year"] if len(found["year"]) == 4 else f"20{found['year']}"
    zone = "Z" if found["zone"] in (None, "UTC") else found["zone"]
    day = "-".join(part.zfill(2) for part in found["rest"].split("-"))
    clock = (found["clock"] or "00:00").zfill(5)
    clock = clock if clock[2] == ":" else f"0{clock}"
    try:
        when = datetime.fromisoformat(f"{year}-{day}T{clock}{zone}")
        return round(when.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise CellError(column, f"{shown!r} is no time of any calendar.") from error


def price_of(total: Decimal, quantity: Decimal, column: str, *, buying: bool) -> Decimal:
    """Price per unit of a total, to 18 places: for a purchase rounded down and for a sale up, so that no account ends short."""
    if quantity <= 0:
        raise CellError(column, "The quantity was 0; it must be more.")
    found = EXACT.divide(total, quantity).quantize(UNIT, ROUND_DOWN if buying else ROUND_UP, EXACT)
    if found.adjusted() >= PLACES:
        raise CellError(column, f"{total} for {quantity} is no price that can be booked.")
    return found


def note(row: Row, column: str) -> str:
    """Free text, shortened."""
    return row.text(column)[:MOST_NOTE]
