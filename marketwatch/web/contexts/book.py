"""A portfolio as its page shows it: figures, positions, and what they share."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from ...model.portfolio import Portfolio
from ...model.valuation import PositionValue, Rate, Valuation
from ...portfolio.book import Book
from .. import format as fmt
from ..format import NOTHING, Signed
from .frame import symbol_href

_SLICES = 7


class FigureView(NamedTuple):
    """A number over its label. `tone`: as of `Signed`."""

    label: str
    value: str
    note: str = ""
    tone: str = "flat"


@dataclass(frozen=True, slots=True)
class WorthView:
    """The strip over a portfolio. `missing`: coins without a price, by name."""

    figures: tuple[FigureView, ...]
    missing: str
    as_of: str


@dataclass(frozen=True, slots=True)
class PositionView:
    """A row of the table of positions. `slice`: the number of its colour in the donut, -1 without one."""

    key: str
    coin: str
    href: str
    quantity: str
    average: str
    price: str
    source: str
    value: str
    unrealized: Signed
    realized: Signed
    today: Signed
    share: str
    slice: int


class SliceView(NamedTuple):
    """A part of the ring, in hundredths of its length: where it begins and how long it is."""

    number: int
    label: str
    share: str
    length: str
    offset: str


@dataclass(frozen=True, slots=True)
class HoldingsView:
    """Positions and the donut. `closed`: how many are sold out."""

    rows: tuple[PositionView, ...]
    slices: tuple[SliceView, ...]
    closed: int
    sentence: str


class SummaryView(NamedTuple):
    """A portfolio in the list. `elsewhere`: its value in the currency that its owner wants to read sums in."""

    href: str
    name: str
    detail: str
    value: str
    cost: str
    unrealized: Signed
    realized: Signed
    today: Signed
    missing: str
    elsewhere: str = ""


def worth_of(value: Valuation, rate: Rate | None = None) -> WorthView:
    """Value, cost, gains and today's change; the value also in another currency, where there is a rate."""
    base = value.base_currency
    elsewhere = _elsewhere(value, rate)
    roi = fmt.signed(value.roi_pct)
    gain, open_, done = (_signed(one) for one in (value.gain, value.unrealized, value.realized))
    today, today_pct = _signed(value.change_today), fmt.signed(value.change_today_pct)
    share = f"{roi.text} of {money(value.net_invested)} paid in" if value.roi_pct is not None else ""
    return WorthView(
        figures=(
            FigureView("Value", money(value.value), f"{base} · {elsewhere}" if elsewhere else base),
            FigureView("Gain", gain.text, share, gain.tone),
            FigureView("Today", today.text, today_pct.text if value.change_today_pct is not None else "", today.tone),
            FigureView("Unrealised", open_.text, f"cost {money(value.cost)}", open_.tone),
            FigureView("Realised", done.text, f"cash {money(value.cash)}", done.tone),
        ),
        missing=", ".join(value.missing_prices),
        as_of=fmt.clock_time(value.as_of_ms),
    )


def holdings_of(value: Valuation) -> HoldingsView:
    """Positions by value, the greatest first; those without a price come first of all."""
    held = [one for one in value.positions if one.quantity]
    held.sort(key=lambda one: (one.value is not None, -(one.value or 0), one.coin))
    parts = [one for one in held if (one.allocation_pct or 0) > 0]
    numbers = {one.coin: number for number, one in enumerate(parts[:_SLICES])}
    return HoldingsView(
        rows=tuple(_row(one, value.as_of_ms, numbers.get(one.coin, _SLICES if one in parts else -1)) for one in held),
        slices=tuple(_slices(parts, value)),
        closed=sum(not one.quantity for one in value.positions),
        sentence=", ".join(f"{one.coin} {fmt.percent(one.allocation_pct, 1)}" for one in parts[:_SLICES]),
    )


def _row(one: PositionValue, now_ms: int, number: int) -> PositionView:
    age = "" if not one.mark_ms else fmt.duration(max(0, now_ms - one.mark_ms) // 1000 * 1000)
    source = "no pair leads to it" if one.source is None else f"{one.source.value} {age}".strip()
    return PositionView(
        key=f"position-{one.coin}",
        coin=one.coin,
        href=symbol_href(one.symbol) if one.symbol else "",
        quantity=fmt.quantity(float(one.quantity)),
        average=_price(one.average_cost) + ("" if one.cost_known else "*"),
        price=_price(one.price),
        source=f"{one.symbol} {source}" if one.symbol else source,
        value=money(one.value),
        unrealized=_signed(one.unrealized),
        realized=_signed(one.realized),
        today=fmt.signed(one.change_today_pct),
        share=fmt.percent(one.allocation_pct, 1),
        slice=number,
    )


def _slices(parts: list[PositionValue], value: Valuation) -> list[SliceView]:
    """The greatest positions, the rest of them, and cash."""
    shares = [(one.coin, one.allocation_pct or 0.0) for one in parts[:_SLICES]]
    rest = sum(one.allocation_pct or 0.0 for one in parts[_SLICES:])
    if rest:
        shares.append(("Others", rest))
    if value.value and value.cash > 0:
        shares.append(("Cash", float(100 * value.cash / value.value)))
    found, begun = [], 0.0
    for number, (label, share) in enumerate(shares):
        place = 8 if label == "Cash" else number
        found.append(SliceView(place, label, fmt.percent(share, 1), f"{share:.2f}", f"{-begun:.2f}"))
        begun += share
    return found


def summary_of(book: Book, value: Valuation | None, rate: Rate | None = None) -> SummaryView:
    """A row of the list of portfolios."""
    one = book.portfolio
    count = f"{len(book.entries)} transaction{'' if len(book.entries) == 1 else 's'}"
    return SummaryView(
        href=book_href(one),
        name=one.name,
        detail=one.base_currency if book.sealed else f"{one.base_currency} · {one.cost_method.value} · {count}",
        value=money(None if value is None else value.value),
        cost=money(None if value is None else value.cost),
        unrealized=NOTHING if value is None else _signed(value.unrealized),
        realized=NOTHING if value is None else _signed(value.realized),
        today=NOTHING if value is None else fmt.signed(value.change_today_pct),
        missing=book.trouble or ("" if value is None or not value.missing_prices else ", ".join(value.missing_prices)),
        elsewhere="" if value is None else _elsewhere(value, rate),
    )


def book_href(portfolio: Portfolio) -> str:
    """The address of a portfolio's page; its id is made of hexadecimal digits here."""
    return f"/portfolio/{portfolio.portfolio_id}"


def money(value: Decimal | None) -> str:
    """`12,345.67`, small amounts with more digits."""
    if value is None:
        return fmt.UNKNOWN
    size = abs(value)
    return fmt.number(float(value), 2 if size >= 1 or not size else 4)


def _elsewhere(value: Valuation, rate: Rate | None) -> str:
    if rate is None or value.value is None:
        return ""
    return f"{money(value.value * Decimal(rate.price))} {rate.currency}"


def _signed(value: Decimal | None) -> Signed:
    return fmt.signed(None if value is None else float(value), unit="")


def _price(value: Decimal | None) -> str:
    if value is None:
        return fmt.UNKNOWN
    return fmt.number(float(value), 2) if abs(value) >= 100 or not value else fmt.quantity(float(value))
