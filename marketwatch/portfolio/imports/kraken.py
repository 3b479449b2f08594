"""Kraken: trades and ledgers, as `History > Export` writes them.

::

    "txid","ordertxid","pair","time","type","ordertype","price","cost","fee","vol","margin","misc","ledgers"
    "T6-A","O-B","XXBTZUSD","2024-01-31 12:34:56.1234","buy","limit","42000.5","42.0005","0.10","0.001","0","",""

    "txid","refid","time","type","subtype","aclass","asset","wallet","amount","fee","balance"
    "L1","R1","2024-01-31 12:34:56","trade","","currency","ZUSD","spot / main","-42.0005","0.10","957.89"
    "L2","R1","2024-01-31 12:34:56","trade","","currency","XXBT","spot / main","0.001","0","0.001"

A trade in the ledgers is two rows with one `refid`. A withdrawal or deposit that was only asked for has no `txid` yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from ...model.market import DOLLARS
from ...model.portfolio import TransactionKind
from .draft import CellError, Context, Draft, Reading, RowProblem, code_of, moment, number, number_or_none, price_of
from .pairs import FIAT, kraken_asset, money_rank, split_kraken
from .table import Row, Table

_SIDES = {"buy": TransactionKind.BUY, "sell": TransactionKind.SELL}
_JOINED = frozenset({"trade", "spend", "receive"})
_NOTHING = Decimal(0)


def trade(row: Row, _context: Context) -> Iterable[Draft]:
    """A row of the trades. The price follows from cost and volume, which is what moved."""
    kind = _SIDES.get(row.text("type").lower())
    if kind is None:
        raise CellError("type", f"{row.text('type')[:40]!r} is neither buy nor sell.")
    found = split_kraken(row.text("pair"))
    if found is None:
        raise CellError("pair", f"Nobody can tell the two coins of {row.text('pair')[:40]!r} apart.")
    margin = number_or_none(row, "margin")
    if margin:
        raise CellError("margin", "This is a trade on margin, which a book of what is owned cannot hold; take the row out.")
    coin, currency = code_of(found[0], "pair"), code_of(found[1], "pair")
    quantity, price = number(row, "vol"), number(row, "price")
    cost = number_or_none(row, "cost")
    if cost is not None and cost != price * quantity:
        price = price_of(cost, quantity, "vol", buying=kind is TransactionKind.BUY)
    yield Draft(
        row.line, kind, coin, quantity, moment(row, "time"), price, currency, fee=number_or_none(row, "fee") or _NOTHING,
        fee_currency=currency, external_id=row.text("txid"),
    )  # fmt: skip


def ledgers(table: Table, _context: Context, reading: Reading) -> None:
    """All ledgers; the two rows of a trade are found by their reference."""
    titles = dict(zip(table.columns, table.titles, strict=True))
    pairs: dict[str, list[Row]] = {}
    for row in table.rows:
        kind = row.text("type").lower()
        if not row.text("txid"):
            reading.skip(row, "It was only asked for; the row with its txid counts.")
        elif kind in _JOINED:
            pairs.setdefault(row.text("refid"), []).append(row)
        elif _is_inside(row):
            reading.skip(row, f"It moves {row.text('asset')[:20]} between accounts of the same person.")
        else:
            _attempt(reading, titles, [row], _single)
    for rows in pairs.values():
        _attempt(reading, titles, rows, _joined)


def _attempt(reading: Reading, titles: dict[str, str], rows: list[Row], parse: Callable[[list[Row]], list[Draft]]) -> None:
    try:
        reading.drafts.extend(parse(rows))
    except CellError as error:
        reading.problems.append(RowProblem(rows[0].line, titles.get(error.column, error.column), str(error)))


def _is_inside(row: Row) -> bool:
    """Between spot, staking and futures wallets of the same person."""
    kind, sub = row.text("type").lower(), row.text("subtype").lower()
    moved = ("spottostaking", "stakingfromspot", "stakingtospot", "spotfromstaking", "spottofutures", "spotfromfutures")
    return (kind == "transfer" and sub in moved) or (
        kind == "earn" and sub in ("allocation", "deallocation", "autoallocation", "migration", "autoallocate")
    )


def _asset(row: Row) -> str:
    return code_of(kraken_asset(row.text("asset")), "asset")


def _single(rows: list[Row]) -> list[Draft]:
    row = rows[0]
    written, coin = row.text("type").lower(), _asset(row)
    amount, fee = number(row, "amount"), number_or_none(row, "fee") or _NOTHING
    money = coin in FIAT or coin in DOLLARS
    if written == "deposit":
        kind = TransactionKind.DEPOSIT if money else TransactionKind.TRANSFER_IN
    elif written == "withdrawal":
        kind = TransactionKind.WITHDRAWAL if money else TransactionKind.TRANSFER_OUT
    elif written in ("staking", "earn", "dividend", "reward", "credit") and amount >= 0:
        kind = TransactionKind.REWARD
    elif written == "airdrop" or (written == "transfer" and amount >= 0):
        kind = TransactionKind.AIRDROP if written == "airdrop" else TransactionKind.TRANSFER_IN
    elif written == "transfer":
        kind = TransactionKind.TRANSFER_OUT
    elif written in ("adjustment", "invite bonus") and amount >= 0:
        kind = TransactionKind.REWARD
    else:
        raise CellError("type", f"{row.text('type')[:40]!r} is not known; enter it by hand and take the row out.")
    time_ms, own = moment(row, "time"), row.text("txid")
    if amount:
        return [Draft(row.line, kind, coin, abs(amount), time_ms, fee=abs(fee), fee_currency=coin, external_id=own)]
    return [Draft(row.line, TransactionKind.FEE, coin, abs(fee), time_ms, external_id=own)] if fee else []


def _joined(rows: list[Row]) -> list[Draft]:
    """The rows of one reference as a trade, and a fee of its own where both rows have one."""
    sums: dict[str, Decimal] = {}
    fees: dict[str, Decimal] = {}
    for row in rows:
        coin = _asset(row)
        sums[coin] = sums.get(coin, _NOTHING) + number(row, "amount")
        fees[coin] = fees.get(coin, _NOTHING) + abs(number_or_none(row, "fee") or _NOTHING)
    came = [(coin, amount) for coin, amount in sums.items() if amount > 0]
    went = [(coin, -amount) for coin, amount in sums.items() if amount < 0]
    first = rows[0]
    if len(came) != 1 or len(went) != 1:
        raise CellError("refid", f"{first.text('refid')[:40]!r} has no second row; export the ledgers of all assets together.")
    (got, gained), (gave, given) = came[0], went[0]
    buying = money_rank(gave) <= money_rank(got)
    (coin, quantity), (currency, total) = ((got, gained), (gave, given)) if buying else ((gave, given), (got, gained))
    paid = [(name, fee) for name, fee in fees.items() if fee]
    fee_currency, fee = next(((name, fee) for name, fee in paid if name == currency), paid[0] if paid else ("", _NOTHING))
    time_ms, reference = moment(first, "time"), first.text("refid")
    kind = TransactionKind.BUY if buying else TransactionKind.SELL
    found = [
        Draft(
            first.line, kind, coin, quantity, time_ms, price_of(total, quantity, "amount", buying=buying), currency, fee=fee,
            fee_currency=fee_currency, external_id=reference,
        )
    ]  # fmt: skip
    for name, other in paid:
        if name != fee_currency:
            found.append(Draft(first.line, TransactionKind.FEE, name, other, time_ms, external_id=f"{reference}-fee"))
    return found
