"""`/api/analytics`: moving averages, volatility and correlation over candles.

Only closed candles count. A window never reaches over a missing candle: the value is null until enough candles follow the hole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from ...engine import indicators
from ...engine.candles import INTERVALS
from ...model.market import Candle
from ..envelope import iso
from .desk import Desk
from .endpoint import Endpoint
from .parameters import CoinId, Interval, Limit, Period, Window
from .series import read_candles, runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_YEAR_MS = 365 * 86_400_000
_PERIODS = {"24h": ("5m", 288), "7d": ("1h", 168), "30d": ("1h", 720)}
_WARM_UP = 4
Kind = Annotated[
    Literal["sma", "ema", "wma", "vwap"],
    Meta(description="Kind of average", extra={"expects": "one of sma, ema, wma, vwap"}),
]


class AverageQuery(msgspec.Struct, frozen=True):
    """Which moving average, over how many candles."""

    coin_id: CoinId
    type: Kind = "sma"
    window: Window = 20
    interval: Interval = "1m"
    limit: Limit = 100


class VolatilityQuery(msgspec.Struct, frozen=True):
    """Of which coin, over what span."""

    coin_id: CoinId
    period: Period = "24h"


class CorrelationQuery(msgspec.Struct, frozen=True):
    """Which two coins, over what span."""

    coin_1: CoinId
    coin_2: CoinId
    period: Period = "24h"


class AveragePoint(msgspec.Struct, frozen=True):
    """`time` is the open time of the candle at whose close the value holds."""

    time: str
    close: float
    value: float | None


class Average(msgspec.Struct, frozen=True):
    """A moving average over closes (`vwap`: over typical prices, weighted by volume); `value` is the newest."""

    coin_id: str
    symbol: str
    type: str
    window: int
    interval: str
    value: float | None
    points: list[AveragePoint]


class Volatility(msgspec.Struct, frozen=True):
    """`realized_vol`: deviation (ddof 1) of log returns, annualised by 365 days. `volatility`: population deviation of closes
    over their mean. Both and the changes are per cent. `candles` of `expected` were there; `complete`: all, without a gap.
    """

    coin_id: str
    symbol: str
    period: str
    interval: str
    realized_vol: float | None
    volatility: float | None
    change: float | None
    max_drawdown: float | None
    high: float | None
    low: float | None
    candles: int
    expected: int
    complete: bool
    from_time: str | None = msgspec.field(name="from")
    to_time: str | None = msgspec.field(name="to")


class Correlation(msgspec.Struct, frozen=True):
    """Pearson's correlation of log returns over the candles that both coins have; `beta`: the slope of coin 1 on coin 2.

    `returns` of `expected` pairs were there; `complete`: all of them, without a gap.
    """

    coin_1: str
    coin_2: str
    symbol_1: str
    symbol_2: str
    period: str
    interval: str
    correlation: float | None
    beta: float | None
    returns: int
    expected: int
    complete: bool


async def moving_average(desk: Desk, query: AverageQuery) -> Average:
    """The newest `limit` values, oldest first."""
    symbol = desk.coins.symbol(query.coin_id)
    needed = query.limit + query.window * _WARM_UP
    rows = await _closed(desk, symbol, query.interval, needed)
    values = [value for run in runs(rows, query.interval) for value in _average(query.type, run, query.window)]
    points = [AveragePoint(iso(row.time_ms), row.close, value) for row, value in zip(rows, values, strict=True)]
    newest = points[-1].value if points else None
    coin_id = desk.coins.coin_id(symbol)
    return Average(coin_id, symbol, query.type, query.window, query.interval, newest, points[-query.limit :])


def _average(kind: str, rows: list[Candle], window: int) -> list[float | None]:
    close = _column(rows, lambda row: row.close)
    if kind == "vwap":
        typical = _column(rows, lambda row: (row.high + row.low + row.close) / 3.0)
        values = indicators.vwap(typical, _column(rows, lambda row: row.volume), window)
    else:
        function: Any = {"sma": indicators.sma, "ema": indicators.ema, "wma": indicators.wma}[kind]
        values = function(close, window)
    return [_known(value) for value in values.tolist()]


async def volatility(desk: Desk, query: VolatilityQuery) -> Volatility:
    """Over the newest period."""
    symbol = desk.coins.symbol(query.coin_id)
    interval, expected = _PERIODS[query.period]
    rows = await _recent(desk, symbol, interval, expected)
    close = _grid(desk, rows, interval, expected)
    known = close[~np.isnan(close)]
    several = len(known) >= 2
    return Volatility(
        coin_id=desk.coins.coin_id(symbol),
        symbol=symbol,
        period=query.period,
        interval=interval,
        realized_vol=_known(indicators.realized_vol(close, _YEAR_MS / INTERVALS[interval])),
        volatility=_known(100.0 * float(np.std(known)) / float(np.mean(known))) if several else None,
        change=_known(100.0 * (float(known[-1]) / rows[0].open - 1.0)) if several else None,
        max_drawdown=_known(indicators.max_drawdown(close)),
        high=max((row.high for row in rows), default=None),
        low=min((row.low for row in rows), default=None),
        candles=len(rows),
        expected=expected,
        complete=len(rows) >= expected and not any(row.gap for row in rows),
        from_time=iso(rows[0].time_ms) if rows else None,
        to_time=iso(rows[-1].time_ms + INTERVALS[interval]) if rows else None,
    )


async def correlation(desk: Desk, query: CorrelationQuery) -> Correlation:
    """Over the newest period."""
    first, second = desk.coins.symbol(query.coin_1), desk.coins.symbol(query.coin_2)
    interval, expected = _PERIODS[query.period]
    rows_1 = await _recent(desk, first, interval, expected)
    rows_2 = await _recent(desk, second, interval, expected)
    a = indicators.log_returns(_grid(desk, rows_1, interval, expected))
    b = indicators.log_returns(_grid(desk, rows_2, interval, expected))
    pairs = int(np.count_nonzero(np.isfinite(a) & np.isfinite(b)))
    return Correlation(
        coin_1=desk.coins.coin_id(first),
        coin_2=desk.coins.coin_id(second),
        symbol_1=first,
        symbol_2=second,
        period=query.period,
        interval=interval,
        correlation=_known(indicators.correlation(a, b)),
        beta=_known(indicators.beta(a, b)),
        returns=pairs,
        expected=expected - 1,
        complete=pairs >= expected - 1 and not any(row.gap for row in (*rows_1, *rows_2)),
    )


def _grid(desk: Desk, rows: list[Candle], interval: str, count: int) -> NDArray[np.float64]:
    """Closes of the newest `count` whole intervals, (count,), NaN where a candle is missing."""
    length = INTERVALS[interval]
    first = desk.market_now_ms() // length * length - count * length
    closes = np.full(count, np.nan)
    for row in rows:
        at = (row.time_ms - first) // length
        if 0 <= at < count:
            closes[at] = row.close
    return closes


async def _recent(desk: Desk, symbol: str, interval: str, count: int) -> list[Candle]:
    """Closed candles of the newest `count` intervals; fewer where some are missing."""
    length = INTERVALS[interval]
    end = desk.market_now_ms() // length * length
    rows = await read_candles(desk, symbol, interval, from_ms=end - count * length, to_ms=end, limit=count)
    return [row for row in rows if row.closed and row.close > 0]


async def _closed(desk: Desk, symbol: str, interval: str, count: int) -> list[Candle]:
    """The newest closed candles, at most `count`."""
    rows = await read_candles(desk, symbol, interval, limit=count + 1)
    return [row for row in rows if row.closed][-count:]


def _column(rows: list[Candle], of: Callable[[Candle], float]) -> NDArray[np.float64]:
    return np.array([of(row) for row in rows], dtype=np.float64)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


ENDPOINTS = (
    Endpoint("/api/analytics/moving-average/{coin_id}", "Moving average", AverageQuery, Average, moving_average, "analytics"),
    Endpoint("/api/analytics/volatility/{coin_id}", "Volatility", VolatilityQuery, Volatility, volatility, "analytics"),
    Endpoint("/api/analytics/correlation", "Correlation of two coins", CorrelationQuery, Correlation, correlation, "analytics"),
)
