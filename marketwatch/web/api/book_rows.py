"""What the API says of portfolios, and how it reads what is sent. Money and quantities are decimal strings."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from ...errors import InvalidRequest, NotFound
from ...model.market import DOLLARS
from ...model.portfolio import CostMethod, Portfolio, Transaction, TransactionKind
from ...model.valuation import PositionValue, Valuation
from ...portfolio.amounts import EXACT, PLACES, amount, plain
from ..envelope import iso
from .desk import Desk
from .parameters import read_time

_UNIT = Decimal(1).scaleb(-PLACES)
Id = Annotated[str, Meta(min_length=1, max_length=64, extra={"expects": "an id, 1 to 64 characters", "example": "p1"})]
Money = Annotated[str, Meta(description="A decimal number")]
Amount = Annotated[str, Meta(max_length=60, description="A decimal number such as 0.5")] | int | float
Code = Annotated[str, Meta(min_length=1, max_length=64, description="A code such as BTC, a symbol or a coin name")]
Currency = Annotated[str, Meta(max_length=24, description="A code such as USD; empty for what follows from the rest")]
Moment = Annotated[str, Meta(max_length=40, description="An ISO 8601 time")]
Note = Annotated[str, Meta(max_length=500)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class PortfolioBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new portfolio. Currency and method stay as they are for ever."""

    name: Annotated[str, Meta(max_length=200)]
    base_currency: Currency = "USD"
    cost_method: CostMethod = CostMethod.AVERAGE


class PortfolioChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version`: the one that the change was made from; 409 where that is past."""

    name: Annotated[str, Meta(max_length=200)]
    version: Version | None = None


class AssetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A purchase. Without a `purchase_date` it was made now; the price is in `currency`, the portfolio's own by default."""

    coin_id: Code
    quantity: Amount
    purchase_price: Amount
    purchase_date: Moment | None = None
    fee: Amount = "0"
    currency: Currency = ""
    fee_currency: Currency = ""
    note: Note = ""


class TransactionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction; which fields it needs stands in the documentation of portfolios. Without a `time` it is of now."""

    type: TransactionKind
    coin_id: Code
    quantity: Amount
    time: Moment | None = None
    price: Amount | None = None
    currency: Currency = ""
    rate: Amount | None = None
    fee: Amount = "0"
    fee_currency: Currency = ""
    note: Note = ""


class TransactionChange(TransactionBody, frozen=True, forbid_unknown_fields=True):
    """The whole transaction. `version`: the one that the change was made from; 409 where that is past."""

    version: Version | None = None


class PortfolioRow(msgspec.Struct, frozen=True):
    """A portfolio at the market, in its base currency. Null: not known, for want of a price or of a market."""

    portfolio_id: str
    name: str
    base_currency: str
    cost_method: CostMethod | None
    version: int
    created_at: str
    updated_at: str
    deleted_at: str | None
    transactions: int
    trouble: str | None
    total_value: Money | None = None
    total_cost: Money | None = None
    cash: Money | None = None
    net_invested: Money | None = None
    gain_loss: Money | None = None
    roi_pct: float | None = None
    unrealized_pnl: Money | None = None
    realized_pnl: Money | None = None
    income: Money | None = None
    expenses: Money | None = None
    change_today: Money | None = None
    change_today_pct: float | None = None
    missing_prices: list[str] = []
    as_of: str | None = None


class TransactionRow(msgspec.Struct, frozen=True):
    """One transaction. `source` and `external_id`: where it was imported from, and its id there."""

    transaction_id: str
    type: TransactionKind
    coin: str
    quantity: Money
    time: str
    price: Money | None
    currency: str
    rate: Money | None
    fee: Money
    fee_currency: str
    note: str
    source: str
    external_id: str | None
    import_id: str | None
    version: int


class PositionRow(msgspec.Struct, frozen=True):
    """What is held of one coin. `symbol`: the pair that prices it.

    `price_source`: `bid`, `trade` or `par`, as of `priced_at`."""

    coin_id: str
    symbol: str | None
    quantity: Money
    average_cost: Money | None
    cost: Money
    cost_known: bool
    price: float | None
    price_source: str | None
    priced_at: str | None
    value: Money | None
    unrealized_pnl: Money | None
    realized_pnl: Money
    income: Money
    change_today: Money | None
    change_today_pct: float | None
    allocation_pct: float | None


def money(value: Decimal | None) -> str | None:
    """Plain digits, at most 18 places."""
    if value is None:
        return None
    return plain(value if _places(value) <= PLACES else value.quantize(_UNIT, ROUND_HALF_EVEN, EXACT))


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _sum(value: Decimal) -> str:
    return money(value) or "0"


def portfolio_row(portfolio: Portfolio, count: int, value: Valuation | None, trouble: str = "") -> PortfolioRow:
    """A portfolio with `count` transactions; `value` None: it cannot be valued now."""
    row = PortfolioRow(
        portfolio_id=portfolio.portfolio_id,
        name=portfolio.name,
        base_currency=portfolio.base_currency,
        cost_method=None if portfolio.trouble else portfolio.cost_method,
        version=portfolio.version,
        created_at=iso(portfolio.created_ms),
        updated_at=iso(portfolio.updated_ms),
        deleted_at=None if portfolio.deleted_ms is None else iso(portfolio.deleted_ms),
        transactions=count,
        trouble=trouble or None,
    )
    if value is None:
        return row
    return msgspec.structs.replace(
        row,
        total_value=money(value.value),
        total_cost=money(value.cost),
        cash=money(value.cash),
        net_invested=money(value.net_invested),
        gain_loss=money(value.gain),
        roi_pct=value.roi_pct,
        unrealized_pnl=money(value.unrealized),
        realized_pnl=money(value.realized),
        income=money(value.income),
        expenses=money(value.expenses),
        change_today=money(value.change_today),
        change_today_pct=value.change_today_pct,
        missing_prices=list(value.missing_prices),
        as_of=iso(value.as_of_ms),
    )


def position_row(one: PositionValue) -> PositionRow:
    """A position of a valuation."""
    return PositionRow(
        coin_id=one.coin,
        symbol=one.symbol,
        quantity=_sum(one.quantity),
        average_cost=money(one.average_cost),
        cost=_sum(one.cost),
        cost_known=one.cost_known,
        price=None if one.price is None else float(one.price),
        price_source=None if one.source is None else one.source.value,
        priced_at=None if not one.mark_ms else iso(one.mark_ms),
        value=money(one.value),
        unrealized_pnl=money(one.unrealized),
        realized_pnl=_sum(one.realized),
        income=_sum(one.income),
        change_today=money(one.change_today),
        change_today_pct=one.change_today_pct,
        allocation_pct=one.allocation_pct,
    )


def transaction_row(one: Transaction) -> TransactionRow:
    """A stored transaction."""
    return TransactionRow(
        transaction_id=one.transaction_id,
        type=one.kind,
        coin=one.coin,
        quantity=_sum(one.quantity),
        time=iso(one.time_ms),
        price=money(one.price),
        currency=one.currency,
        rate=money(one.rate),
        fee=_sum(one.fee),
        fee_currency=one.fee_currency,
        note=one.note,
        source=one.source,
        external_id=one.external_id,
        import_id=one.import_id,
        version=one.version,
    )


def transaction_of(desk: Desk, body: TransactionBody) -> Transaction:
    """What a body says, without ids. Raises InvalidRequest naming the field."""
    return Transaction(
        transaction_id="",
        portfolio_id="",
        kind=body.type,
        coin=coin_of(desk, body.coin_id),
        quantity=read_amount(body.quantity, "quantity"),
        time_ms=read_moment(body.time, "time", desk.clock.now_ms()),
        price=None if body.price is None else read_amount(body.price, "price"),
        currency=body.currency,
        rate=None if body.rate is None else read_amount(body.rate, "rate"),
        fee=read_amount(body.fee, "fee"),
        fee_currency=body.fee_currency,
        note=body.note,
    )


def purchase_of(desk: Desk, body: AssetBody) -> Transaction:
    """The purchase that a body tells."""
    return Transaction(
        transaction_id="",
        portfolio_id="",
        kind=TransactionKind.BUY,
        coin=coin_of(desk, body.coin_id),
        quantity=read_amount(body.quantity, "quantity"),
        time_ms=read_moment(body.purchase_date, "purchase_date", desk.clock.now_ms()),
        price=read_amount(body.purchase_price, "purchase_price"),
        currency=body.currency,
        fee=read_amount(body.fee, "fee"),
        fee_currency=body.fee_currency,
        note=body.note,
    )


def coin_of(desk: Desk, coin_id: str) -> str:
    """The code of a coin: an asset of a watched pair or a dollar as it stands, else the base asset of a watched symbol or name,
    else what was written."""
    code = coin_id.strip().upper()
    watch = desk.slot.current
    if watch is None or code in DOLLARS:
        return code
    if any(code in (item.base.upper(), item.quote.upper()) for item in watch.instruments.values()):
        return code
    try:
        return watch.instruments[desk.coins.symbol(coin_id)].base.upper()
    except NotFound:
        return code


def read_amount(value: str | int | float, field: str) -> Decimal:
    """The number of a field. Raises InvalidRequest."""
    try:
        return amount(value if isinstance(value, str) else repr(value))
    except ValueError as error:
        raise InvalidRequest(f"The {field} cannot be taken: {error}", [{"field": field}]) from None


def read_moment(text: str | None, field: str, now_ms: int) -> int:
    """The time of a field, now without one. Raises InvalidRequest."""
    if text is None or not text.strip():
        return now_ms
    try:
        return read_time(text.strip())
    except (ValueError, OverflowError):
        message = f"The {field} was {text[:40]!r}; it must be an ISO 8601 time such as 2026-11-20T08:31:00Z."
        raise InvalidRequest(message, [{"field": field}]) from None
