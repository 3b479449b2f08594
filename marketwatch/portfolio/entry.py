"""What makes a transaction possible in itself, and the order in which transactions are booked."""

from __future__ import annotations

import re
from decimal import Decimal

from ..model.portfolio import INCOMING, TRADES, Transaction, TransactionKind
from .amounts import PLACES, bounded
from .errors import TransactionError

_ASSET = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff'\"<>]{1,24}")
_END_MS = 253_402_300_800_000
_RANK = {
    **dict.fromkeys(INCOMING, 0),
    TransactionKind.SELL: 1,
    TransactionKind.BUY: 2,
    TransactionKind.FEE: 3,
    TransactionKind.WITHDRAWAL: 4,
    TransactionKind.TRANSFER_OUT: 4,
}


def order(entry: Transaction) -> tuple[int, int, int, str]:
    """Sort key of a book: by time; within a millisecond by `sequence`, then what comes in before what goes out."""
    return entry.time_ms, entry.sequence, _RANK[entry.kind], entry.transaction_id


def asset(text: str) -> str:
    """The code of a coin or currency in capitals. Raises ValueError."""
    code = text.strip().upper()
    if not _ASSET.fullmatch(code):
        shown = text if len(text) <= 24 else text[:21] + "..."
        raise ValueError(f"{shown!r} is not the code of a coin or a currency; write one such as BTC or USD.")
    return code


def checked(entry: Transaction, base_currency: str) -> Transaction:
    """The entry with codes in capitals, the currency filled in and amounts without needless zeros.

    Raises TransactionError, naming the field, for what no ledger could book.
    """
    coin = _code(entry.coin, "coin")
    currency = _code(entry.currency or base_currency, "currency")
    fee_currency = _code(entry.fee_currency or currency, "fee_currency")
    _moment(entry.time_ms)
    quantity = _positive(entry.quantity, "quantity")
    price = None if entry.price is None else _from_zero(entry.price, "price")
    if entry.kind in TRADES and price is None:
        raise TransactionError(f"A {entry.kind.value} needs a price; write what one {coin} was worth in {currency}.", "price")
    if entry.kind in TRADES and coin == currency:
        raise TransactionError(f"{coin} cannot be traded against itself; name another currency.", "currency")
    rate = None if entry.rate is None else _positive(entry.rate, "rate")
    return entry._replace(
        coin=coin, currency=currency, fee_currency=fee_currency, quantity=quantity, price=price, rate=rate,
        fee=_from_zero(entry.fee, "fee"),
    )  # fmt: skip


def _code(text: str, field: str) -> str:
    try:
        return asset(text)
    except ValueError as error:
        raise TransactionError(str(error), field) from error


def _moment(time_ms: int) -> None:
    if not 0 <= time_ms < _END_MS:
        raise TransactionError("The time lies outside of the years 1970 to 9999.", "time")


def _from_zero(value: Decimal, field: str) -> Decimal:
    try:
        found = bounded(value)
    except ValueError as error:
        raise TransactionError(f"The {field} cannot be booked: {error}", field) from error
    if found < 0:
        raise TransactionError(f"The {field} was {found}; it cannot be negative.", field)
    return found


def _positive(value: Decimal, field: str) -> Decimal:
    found = _from_zero(value, field)
    if not found:
        raise TransactionError(f"The {field} was 0; it must be more (at most {PLACES} places count).", field)
    return found
