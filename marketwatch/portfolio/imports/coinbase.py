"""Coinbase: the transaction history, below its lines of preamble.

::

    ID,Timestamp,Transaction Type,Asset,Quantity Transacted,Price Currency,Price at Transaction,Subtotal,Total (...),Fees,...
    65c1,2024-01-31 12:34:56 UTC,Buy,BTC,0.01,USD,$42000.50,$420.01,$426.00,$5.99,Bought 0.01 BTC for 426.00 USD

Older files say `Spot Price Currency` and `Spot Price at Transaction`, and have no ID and no currency signs. A conversion names
the coin that came in only in its notes: `Converted 0.5 ETH to 0.03 BTC`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from ...model.market import DOLLARS
from ...model.portfolio import TransactionKind
from .draft import CellError, Context, Draft, code, code_of, moment, note, number, number_or_none, parsed, price_of
from .pairs import FIAT
from .table import Row

_UNITS = "$€£¥ "
_KINDS = {
    "buy": TransactionKind.BUY,
    "advanced trade buy": TransactionKind.BUY,
    "advance trade buy": TransactionKind.BUY,
    "sell": TransactionKind.SELL,
    "advanced trade sell": TransactionKind.SELL,
    "advance trade sell": TransactionKind.SELL,
    "convert": TransactionKind.SELL,
    "card spend": TransactionKind.SELL,
    "card buy back": TransactionKind.BUY,
    "send": TransactionKind.TRANSFER_OUT,
    "receive": TransactionKind.TRANSFER_IN,
    "deposit": TransactionKind.TRANSFER_IN,
    "withdrawal": TransactionKind.TRANSFER_OUT,
    "exchange deposit": TransactionKind.TRANSFER_OUT,
    "exchange withdrawal": TransactionKind.TRANSFER_IN,
    "pro deposit": TransactionKind.TRANSFER_OUT,
    "pro withdrawal": TransactionKind.TRANSFER_IN,
    "airdrop": TransactionKind.AIRDROP,
}
_EARNED = ("reward", "income", "earn", "interest", "staking", "incentive")
_CONVERTED = re.compile(r"converted ([\d.,]+) (\S+) to ([\d.,]+) (\S+)", re.IGNORECASE)


def parse(row: Row, context: Context) -> Iterable[Draft]:
    """One transaction a row."""
    written = row.text("transaction type").lower()
    kind = _KINDS.get(written)
    if kind is None and any(word in written for word in _EARNED):
        kind = TransactionKind.REWARD
    if kind is None:
        raise CellError("transaction type", f"{written[:40]!r} is not known; enter it by hand and take the row out.")
    coin, quantity = code(row, "asset"), abs(number(row, "quantity transacted"))
    money = coin in FIAT or coin in DOLLARS
    if money and kind in (TransactionKind.TRANSFER_IN, TransactionKind.TRANSFER_OUT):
        kind = TransactionKind.DEPOSIT if kind is TransactionKind.TRANSFER_IN else TransactionKind.WITHDRAWAL
    column = "price currency" if row.text("price currency") else "spot price currency"
    currency = code(row, column)
    base = Draft(
        row.line, kind, coin, quantity, moment(row, "timestamp"), currency=currency, note=note(row, "notes"),
        external_id=row.text("id")[:200],
    )  # fmt: skip
    if written == "convert":
        yield _converted(row, base, context)
    elif kind in (TransactionKind.BUY, TransactionKind.SELL):
        yield _traded(row, base)
    else:
        yield base._replace(price=None if money else _spot(row))


def _spot(row: Row) -> Decimal | None:
    column = "price at transaction" if row.text("price at transaction") else "spot price at transaction"
    return number_or_none(row, column, units=_UNITS)


def _traded(row: Row, base: Draft) -> Draft:
    if base.coin == base.currency:
        raise CellError("asset", f"{base.coin} is traded against itself; enter it by hand and take the row out.")
    fee = number_or_none(row, "fees and/or spread", units=_UNITS)
    subtotal = number_or_none(row, "subtotal", units=_UNITS)
    price = _spot(row)
    if subtotal is not None:
        price = price_of(abs(subtotal), base.quantity, "quantity transacted", buying=base.kind is TransactionKind.BUY)
    if price is None:
        raise CellError("subtotal", "A trade needs its subtotal or its price.")
    return base._replace(price=price, fee=abs(fee) if fee is not None else Decimal(0), fee_currency=base.currency)


def _converted(row: Row, base: Draft, context: Context) -> Draft:
    """A sale for another coin, at the value that the row names. The spread is in what came in."""
    found = _CONVERTED.search(row.text("notes"))
    if found is None:
        raise CellError("notes", "A conversion names both coins here, such as: Converted 0.5 ETH to 0.03 BTC.")
    target, received = code_of(found[4].rstrip(".,"), "notes"), parsed(found[3], "notes")
    if target == base.coin or not received:
        raise CellError("notes", f"{base.coin} is converted into itself or into nothing.")
    subtotal, rate = number_or_none(row, "subtotal", units=_UNITS), None
    if subtotal and base.currency in context.par and target not in context.par:
        rate = price_of(abs(subtotal), received, "notes", buying=True) or None
    price = price_of(received, base.quantity, "quantity transacted", buying=False)
    return base._replace(price=price, currency=target, rate=rate)
