"""Binance: the spot trade history in its two layouts, and the transaction history ("statement").

::

    Date(UTC),Pair,Side,Price,Executed,Amount,Fee
    2024-01-31 12:34:56,BTCUSDT,BUY,42000.5,0.001BTC,42.0005USDT,0.000001BTC

    Date(UTC),Market,Type,Price,Amount,Total,Fee,Fee Coin
    2019-01-31 12:34:56,ETHBTC,SELL,0.031,2,0.062,0.000062,BTC

    User_ID,UTC_Time,Account,Operation,Coin,Change,Remark
    123,2024-01-31 12:34:56,Spot,Transaction Buy,BTC,0.001,

In a statement a trade is told in several rows of one second: what was spent, what came in, the fee.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby

from ...model.market import DOLLARS
from ...model.portfolio import TransactionKind
from .draft import CellError, Context, Draft, Reading, RowProblem, code, code_of, moment, note, number, parsed, price_of
from .pairs import FIAT, money_rank, split
from .table import Row, Table

_AMOUNT = re.compile(r"([\d.,]+(?:[eE][+-]?\d+)?)\s*(\D\w*)")
_SIDES = {"buy": TransactionKind.BUY, "sell": TransactionKind.SELL}
_TRADE = frozenset(
    {
        "buy", "sell", "fee", "transaction buy", "transaction spend", "transaction sold", "transaction revenue",
        "transaction fee", "transaction related", "binance convert", "small assets exchange bnb",
        "small assets exchange bnb (spot)", "large otc trading", "convert fiat to crypto spot", "auto-invest transaction",
        "buy crypto", "buy crypto with fiat", "asset conversion transfer",
    }
)  # fmt: skip
_FEES = frozenset({"fee", "transaction fee"})
_INSIDE = (
    "transfer between", "main and funding account transfer", "subscription", "redemption", "savings purchase",
    "savings principal redemption", "staking purchase", "transfer_in", "transfer_out", "internal transfer",
)  # fmt: skip
_GIVEN = ("airdrop", "distribution", "token swap", "launchpool", "megadrop", "hodler")
_EARNED = (
    "interest", "reward", "cashback", "referral", "commission", "rebate", "voucher", "mining", "bonus", "earnings",
)  # fmt: skip


def trade(row: Row, _context: Context) -> Iterable[Draft]:
    """A row of the newer trade history."""
    pair = row.text("pair").upper()
    kind = _side(row, "side")
    total, quote = _with_unit(row, "amount")
    base = pair[: -len(quote)] if pair.endswith(quote) else ""
    if not base:
        raise CellError("pair", f"{pair[:40]!r} and the amount {row.text('amount')[:40]!r} do not go together.")
    executed = row.text("executed").replace(" ", "").upper()
    if not executed.endswith(base):
        raise CellError("executed", f"{executed[:40]!r} is not a quantity of {base}.")
    fee, fee_currency = Decimal(0), ""
    if row.text("fee"):
        fee, fee_currency = _fee(row, base)
    quantity = parsed(executed[: -len(base)], "executed")
    price = number(row, "price")
    if not price:
        price = price_of(total, quantity, "executed", buying=kind is TransactionKind.BUY)
    yield Draft(
        row.line, kind, code_of(base, "pair"), quantity, moment(row, "date(utc)"), price, code_of(quote, "amount"),
        fee=fee, fee_currency=fee_currency, external_id=row.text("trade id") or row.text("id"),
    )  # fmt: skip


def old_trade(row: Row, _context: Context) -> Iterable[Draft]:
    """A row of the older trade history."""
    found = split(row.text("market"))
    if found is None:
        raise CellError("market", f"Nobody can tell the two coins of {row.text('market')[:40]!r} apart.")
    fee = number(row, "fee") if row.text("fee") else Decimal(0)
    yield Draft(
        row.line, _side(row, "type"), code_of(found[0], "market"), number(row, "amount"), moment(row, "date(utc)"),
        number(row, "price"), code_of(found[1], "market"), fee=fee,
        fee_currency=code(row, "fee coin") if row.text("fee coin") else "",
    )  # fmt: skip


def _side(row: Row, column: str) -> TransactionKind:
    kind = _SIDES.get(row.text(column).lower())
    if kind is None:
        raise CellError(column, f"{row.text(column)[:40]!r} is neither BUY nor SELL.")
    return kind


def _with_unit(row: Row, column: str) -> tuple[Decimal, str]:
    """`42.0005USDT`."""
    text = row.text(column).upper()
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise CellError(column, f"{text[:40]!r} is not an amount with its coin, such as 42.5USDT.")
    return parsed(found[1], column), found[2]


def _fee(row: Row, base: str) -> tuple[Decimal, str]:
    """The fee's coin may begin with a digit where it is the base (`0.11INCH`)."""
    text = row.text("fee").replace(" ", "").upper()
    if base[:1].isdigit() and text.endswith(base):
        return parsed(text[: -len(base)], "fee"), base
    fee, currency = _with_unit(row, "fee")
    return fee, code_of(currency, "fee")


# The statement


def statement(table: Table, context: Context, reading: Reading) -> None:
    """The whole transaction history; trades are put together from the rows of a second and an account."""
    titles = dict(zip(table.columns, table.titles, strict=True))
    trades: list[tuple[int, Row]] = []
    for row in table.rows:
        try:
            time_ms = moment(row, "utc time")
            if row.text("operation").lower() in _TRADE:
                number(row, "change"), code(row, "coin")
                trades.append((time_ms, row))
            else:
                reading.drafts.extend(_single(row, time_ms, reading))
        except CellError as error:
            reading.problems.append(RowProblem(row.line, titles.get(error.column, error.column), str(error)))
    trades.sort(key=lambda one: (one[0], one[1].text("account").lower()))
    for (time_ms, _), group in groupby(trades, key=lambda one: (one[0], one[1].text("account").lower())):
        rows = [row for _, row in group]
        try:
            reading.drafts.extend(_joined(rows, time_ms))
        except CellError as error:
            reading.problems.append(RowProblem(rows[0].line, titles.get(error.column, error.column), str(error)))


def _single(row: Row, time_ms: int, reading: Reading) -> Iterator[Draft]:
    operation = row.text("operation").lower()
    coin, change = code(row, "coin"), number(row, "change")
    if any(word in operation for word in _INSIDE):
        reading.skip(row, f"{row.text('operation')[:60]!r} moves {coin} between accounts of the same person.")
        return
    kind = _kind(operation, coin, change)
    if kind is None:
        raise CellError("operation", f"{row.text('operation')[:60]!r} is not known; enter it by hand and take the row out.")
    if change:
        yield Draft(row.line, kind, coin, abs(change), time_ms, note=note(row, "remark"))


def _kind(operation: str, coin: str, change: Decimal) -> TransactionKind | None:
    money = coin in DOLLARS or coin in FIAT
    if "deposit" in operation:
        return TransactionKind.DEPOSIT if money else TransactionKind.TRANSFER_IN
    if "withdraw" in operation or operation == "send":
        return TransactionKind.WITHDRAWAL if money else TransactionKind.TRANSFER_OUT
    if change < 0:
        return TransactionKind.FEE if "fee" in operation or "interest" in operation else None
    if any(word in operation for word in _GIVEN):
        return TransactionKind.AIRDROP
    if any(word in operation for word in _EARNED):
        return TransactionKind.REWARD
    return TransactionKind.TRANSFER_IN if operation in ("receive", "crypto box", "p2p trading") else None


def _joined(rows: list[Row], time_ms: int) -> Iterator[Draft]:
    """The trades of one second. Several fills of one pair become one trade; two pairs are told apart by their order."""
    fees: dict[str, Decimal] = {}
    sums: dict[str, Decimal] = {}
    for row in rows:
        into = fees if row.text("operation").lower() in _FEES else sums
        coin = code(row, "coin")
        into[coin] = into.get(coin, Decimal(0)) + number(row, "change")
    came = [(coin, change) for coin, change in sums.items() if change > 0]
    went = [(coin, -change) for coin, change in sums.items() if change < 0]
    line = rows[0].line
    if not came and not went:
        came_and_went: list[tuple[tuple[str, Decimal], tuple[str, Decimal]]] = []
    elif len(came) == 1 and len(went) == 1:
        came_and_went = [(came[0], went[0])]
    else:
        came_and_went = list(_in_order(rows))
    left = {coin: -fee for coin, fee in fees.items() if fee < 0}
    for (got, gained), (gave, given) in came_and_went:
        yield _exchange(line, time_ms, got, gained, gave, given, left)
    for coin, fee in left.items():
        yield Draft(line, TransactionKind.FEE, coin, fee, time_ms)


def _in_order(rows: list[Row]) -> Iterator[tuple[tuple[str, Decimal], tuple[str, Decimal]]]:
    """Rows that came in beside rows that went out, in the order of the file, when there are as many of both."""
    changes = [(code(row, "coin"), number(row, "change")) for row in rows if row.text("operation").lower() not in _FEES]
    came = [(coin, change) for coin, change in changes if change > 0]
    went = [(coin, -change) for coin, change in changes if change < 0]
    if len(came) != len(went) or any(one[0] == other[0] for one, other in zip(came, went, strict=True)):
        coins = ", ".join(sorted({coin for coin, _ in changes}))
        raise CellError(
            "utc time", f"The trades of this second ({coins}) cannot be told apart; import the spot trade history instead."
        )
    yield from zip(came, went, strict=True)


def _exchange(line: int, time_ms: int, got: str, gained: Decimal, gave: str, given: Decimal, fees: dict[str, Decimal]) -> Draft:
    """One trade, with the fee in one of its coins, else in the first that is left."""
    buying = money_rank(gave) <= money_rank(got)
    (coin, quantity), (currency, total) = ((got, gained), (gave, given)) if buying else ((gave, given), (got, gained))
    fee_currency = next((name for name in (got, gave, *fees) if name in fees), "")
    fee = fees.pop(fee_currency, Decimal(0))
    kind = TransactionKind.BUY if buying else TransactionKind.SELL
    price = price_of(total, quantity, "change", buying=buying)
    return Draft(line, kind, coin, quantity, time_ms, price, currency, fee=fee, fee_currency=fee_currency)
