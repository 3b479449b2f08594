"""A portfolio written down for other programs: CSV for spreadsheets, JSON for another marketwatch. Both can be read again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from ..model.portfolio import CostMethod, Portfolio, Transaction, TransactionKind
from .amounts import plain
from .entry import checked
from .errors import ImportRefused, TransactionError
from .imports.generic import FIELDS, guarded

FORMAT = "marketwatch-portfolio"
VERSION = 1


def to_csv(transactions: Iterable[Transaction]) -> str:
    """The generic import format, oldest first. No cell begins a formula: an apostrophe stands before what would."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(FIELDS)
    for one in transactions:
        texts = (one.note, one.source, one.external_id or one.transaction_id)
        writer.writerow(
            (
                iso(one.time_ms), one.kind.value, guarded(one.coin), plain(one.quantity), _plain(one.price),
                guarded(one.currency), _plain(one.rate), plain(one.fee), guarded(one.fee_currency), *map(guarded, texts),
            )
        )  # fmt: skip
    return out.getvalue()


def iso(time_ms: int) -> str:
    """`2024-01-31T12:34:56.789Z`."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}Z"


def _plain(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    transaction_id: str
    kind: TransactionKind
    coin: str
    quantity: Decimal
    time_ms: int
    price: Decimal | None
    currency: str
    rate: Decimal | None
    fee: Decimal
    fee_currency: str
    note: str
    source: str
    external_id: str | None
    import_id: str | None
    sequence: int


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    base_currency: str
    cost_method: CostMethod


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal["marketwatch-portfolio"]
    version: Literal[1]
    portfolio: _Head
    transactions: list[_Entry]


def to_json(portfolio: Portfolio, transactions: Sequence[Transaction]) -> bytes:
    """Everything but ids of owner and portfolio. Amounts are strings, so that no digit is lost."""
    file: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "portfolio": {
            "name": portfolio.name,
            "base_currency": portfolio.base_currency,
            "cost_method": portfolio.cost_method,
        },
        "transactions": [{field: getattr(one, field) for field in _Entry.__struct_fields__} for one in transactions],
    }
    return msgspec.json.encode(file)


def from_json(data: bytes, portfolio: Portfolio) -> tuple[Portfolio, list[Transaction]]:
    """What `to_json` wrote, as the named portfolio's: with the file's name, base currency and method. Raises ImportRefused."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ImportRefused(f"The file is no export of a portfolio: {error}.") from error
    head = file.portfolio
    named = portfolio._replace(name=head.name[:100], base_currency=head.base_currency, cost_method=head.cost_method)
    found = []
    for number, one in enumerate(file.transactions, 1):
        values = {field: getattr(one, field) for field in one.__struct_fields__}
        try:
            found.append(checked(Transaction(portfolio_id=portfolio.portfolio_id, **values), head.base_currency))
        except TransactionError as error:
            raise ImportRefused(f"Transaction {number} of the file cannot be booked: {error}") from error
    return named, found
