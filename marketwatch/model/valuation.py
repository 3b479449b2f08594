"""What a portfolio is worth at a moment, and how it did: immutable facts.

Money is `Decimal` in the base currency; per cents are float. Unknown is None: what has no price has no value, and neither has a
sum that contains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MarkSource(StrEnum):
    """BID: the best bid, fresh. TRADE: the last trade. PAR: a currency that counts one for one."""

    BID = "bid"
    TRADE = "trade"
    PAR = "par"


class Mark(NamedTuple):
    """The price at which something is valued. `symbol`: the pair it comes from, of two the coin's own. `time_ms`: its age
    counts from here (the older one of two pairs)."""

    symbol: str
    price: float
    source: MarkSource
    time_ms: int


class Rate(NamedTuple):
    """Another currency in which a sum is told: so many units of it for one of the base currency."""

    currency: str
    price: float


class PositionValue(NamedTuple):
    """A position at the market. `price`, `value` ... None: there is no price. `symbol` None: no watched pair leads to it."""

    coin: str
    symbol: str | None
    quantity: Decimal
    average_cost: Decimal | None
    cost: Decimal
    cost_known: bool
    price: Decimal | None
    source: MarkSource | None
    mark_ms: int | None
    value: Decimal | None
    unrealized: Decimal | None
    realized: Decimal
    income: Decimal
    change_today: Decimal | None
    change_today_pct: float | None
    allocation_pct: float | None


class Valuation(NamedTuple):
    """A portfolio at the market. `value` is None while a price is missing; `priced_value` is what can be valued, cash included.

    `gain` = `value` - `net_invested` = `realized` + `unrealized` + `income` - `expenses`. `roi_pct` is None unless something is
    invested. Today began at 00:00 UTC.
    """

    portfolio_id: str
    base_currency: str
    as_of_ms: int
    value: Decimal | None
    priced_value: Decimal
    cash: Decimal
    cost: Decimal
    unrealized: Decimal | None
    realized: Decimal
    income: Decimal
    expenses: Decimal
    net_invested: Decimal
    gain: Decimal | None
    roi_pct: float | None
    change_today: Decimal | None
    change_today_pct: float | None
    positions: tuple[PositionValue, ...]
    missing_prices: tuple[str, ...]


class Ratios(NamedTuple):
    """Figures over daily returns; per cents but for the three ratios. `insufficient`: fewer than 30 days, so nobody should
    conclude anything. None: cannot be said (no variation, no loss, nothing at all)."""

    periods: int
    insufficient: bool
    volatility_pct: float | None
    sharpe: float | None
    sortino: float | None
    cagr_pct: float | None
    calmar: float | None
    best_pct: float | None
    worst_pct: float | None
    best_ms: int | None
    worst_ms: int | None


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """Columns over the ends of equal steps, oldest first, float64, NaN unknown.

    `equity`: value in the base currency. `invested`: net money paid in until then. `index`: growth of one unit of money, cut
    at every flow (1 at the beginning). `drawdown`: per cent below the highest index, the start included. `benchmark`: what the
    same flows would be worth had they bought the benchmark.
    """

    step_ms: int
    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    invested: NDArray[np.float64]
    index: NDArray[np.float64]
    drawdown: NDArray[np.float64]
    benchmark: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """How a portfolio did from its first transaction until `as_of_ms`. Per cents; None: cannot be said.

    `twr_pct`: time-weighted return. `xirr_pct`: money-weighted, a year. `missing`: assets without stored prices at a time at
    which they were held.
    """

    as_of_ms: int
    curve: EquityCurve
    ratios: Ratios
    twr_pct: float | None
    xirr_pct: float | None
    max_drawdown_pct: float | None
    benchmark_pct: float | None
    missing: tuple[str, ...]


class Blank(NamedTuple):
    """A stretch without a known value: between the known ones before and after it, or the ends of the span."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """A portfolio over a span until `as_of_ms`. Per cents of the span; None: cannot be said.

    `blanks`: where the value is unknown, for want of stored prices of `missing`.
    """

    as_of_ms: int
    curve: EquityCurve
    twr_pct: float | None
    benchmark_pct: float | None
    max_drawdown_pct: float | None
    blanks: tuple[Blank, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Valuations:
    """All marked portfolios at one sample step: travels over the bus. Columns over `portfolio_ids`, float64, NaN unknown.

    `columns[figure]`: value, upnl, cost, gain, roi and change_today_pct (per cent), change_today, cash, net_invested, realized,
    income, expenses. `rows` has the row of each portfolio by the id of its owner and its name (small letters, single spaces).
    `coins` has the place of each coin of an owner in `positions[figure]`, summed over that owner's portfolios: quantity, value,
    cost, upnl, change_today (per cent), pnl_today; only the quantity is known when those count in unlike currencies.
    """

    time_ms: int
    portfolio_ids: tuple[str, ...]
    rows: Mapping[tuple[str, str], int]
    columns: Mapping[str, NDArray[np.float64]]
    coins: Mapping[tuple[str, str], int]
    positions: Mapping[str, NDArray[np.float64]]
