"""A portfolio marked to market: positions and totals in Decimal, prices as the market says them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext

from ..model.portfolio import NOTHING, Portfolio, Position, Statement
from ..model.valuation import Mark, MarkSource, PositionValue, Valuation
from .amounts import EXACT, from_float
from .day import Day, Since, day_of
from .ledger import Ledger

Marks = Callable[[str], Mark | None]
"""The mark of an asset in the base currency."""

Openings = Callable[[str], float | None]
"""The price of an asset in the base currency at 00:00 UTC."""


def value(portfolio: Portfolio, ledger: Ledger, marks: Marks, openings: Openings, now_ms: int) -> Valuation:
    """Everything that the page of a portfolio shows. Positions that are closed stay in the list, with what they realised.

    Today's change of a position is its value now less its value at 00:00 UTC less what was paid into it since; in per cent of
    what was there or came in. That of the whole is the value's change less what crossed the border since.
    """
    said = ledger.statement()
    with localcontext(EXACT):
        day = day_of(ledger, now_ms)
        found = {one.coin: marks(one.coin) for one in said.positions}
        worth = {one.coin: _worth(one, found[one.coin]) for one in said.positions}
        priced = said.cash_total + sum((amount for amount in worth.values() if amount is not None), NOTHING)
        missing = tuple(coin for coin, amount in worth.items() if amount is None)
        whole = None if missing else priced
        rows = tuple(_row(one, found[one.coin], worth[one.coin], whole, day, openings) for one in said.positions)
        change, change_pct = _change_of_all(whole, day, openings, found)
        return _totals(portfolio, said, whole, priced, rows, missing, now_ms)._replace(
            change_today=change, change_today_pct=change_pct
        )


def _worth(position: Position, mark: Mark | None) -> Decimal | None:
    if not position.quantity:
        return NOTHING
    return None if mark is None else position.quantity * from_float(mark.price)


def _row(
    position: Position, mark: Mark | None, worth: Decimal | None, whole: Decimal | None, day: Day, openings: Openings
) -> PositionValue:
    change, change_pct = _change(day.assets.get(position.coin), position, mark, worth, openings)
    return PositionValue(
        coin=position.coin,
        symbol=None if mark is None or mark.source is MarkSource.PAR else mark.symbol,
        quantity=position.quantity,
        average_cost=position.average_cost,
        cost=position.cost,
        cost_known=position.cost_known,
        price=None if mark is None else from_float(mark.price),
        source=None if mark is None else mark.source,
        mark_ms=None if mark is None else mark.time_ms,
        value=worth,
        unrealized=None if worth is None else worth - position.cost,
        realized=position.realized,
        income=position.income,
        change_today=change,
        change_today_pct=change_pct,
        allocation_pct=_percent(worth, whole),
    )


def _change(
    since: Since | None, position: Position, mark: Mark | None, worth: Decimal | None, openings: Openings
) -> tuple[Decimal | None, float | None]:
    if since is None or worth is None:
        return None, None
    opening = openings(position.coin) if since.before else 0.0
    if opening is None or (since.at_market and mark is None):
        return None, None
    before = since.before * from_float(opening)
    paid = since.paid + (since.at_market * from_float(mark.price) if mark is not None else NOTHING)
    change = worth - before - paid
    return change, _percent(change, before + max(paid, NOTHING))


def _change_of_all(
    whole: Decimal | None, day: Day, openings: Openings, marks: Mapping[str, Mark | None]
) -> tuple[Decimal | None, float | None]:
    if whole is None:
        return None, None
    before = paid = NOTHING
    for asset, since in day.assets.items():
        opening = openings(asset) if since.before else 0.0
        if opening is None:
            return None, None
        before += since.before * from_float(opening)
    for flow in day.flows:
        mark = marks.get(flow.asset)
        if flow.value is None and mark is None:
            return None, None
        paid += flow.value if flow.value is not None else flow.quantity * from_float(mark.price if mark is not None else 0.0)
    change = whole - before - paid
    return change, _percent(change, before + max(paid, NOTHING))


def _totals(
    portfolio: Portfolio,
    said: Statement,
    whole: Decimal | None,
    priced: Decimal,
    rows: tuple[PositionValue, ...],
    missing: tuple[str, ...],
    now_ms: int,
) -> Valuation:
    gain = None if whole is None else whole - said.net_invested
    return Valuation(
        portfolio_id=portfolio.portfolio_id,
        base_currency=portfolio.base_currency,
        as_of_ms=now_ms,
        value=whole,
        priced_value=priced,
        cash=said.cash_total,
        cost=said.cost,
        unrealized=None if whole is None else whole - said.cash_total - said.cost,
        realized=said.realized,
        income=said.income,
        expenses=said.expenses,
        net_invested=said.net_invested,
        gain=gain,
        roi_pct=_percent(gain, said.net_invested),
        change_today=None,
        change_today_pct=None,
        positions=rows,
        missing_prices=missing,
    )


def _percent(part: Decimal | None, whole: Decimal | None) -> float | None:
    """None where the whole is nothing, or less."""
    if part is None or whole is None or whole <= 0:
        return None
    return float(100 * part / whole)
