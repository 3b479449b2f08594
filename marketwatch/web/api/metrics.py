"""`/api/metrics`: the metric table of the moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from ...errors import Unavailable
from ...model.metrics import POINT_METRICS, WINDOW_METRICS, MetricTable, WindowState
from ..envelope import iso
from .desk import Desk
from .endpoint import Endpoint
from .market import CoinsQuery

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WindowMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of one window. `state` lists what is wrong with it (warmup, gap, stale); empty: nothing. Unknown is null.

    `filled` of `length` buckets of `grid_ms` have been seen. Volatilities, drawdowns and changes are per cent.
    """

    state: list[str]
    grid_ms: int
    length: int
    filled: int
    sma: float | None
    ema: float | None
    wma: float | None
    vwap: float | None
    price_std: float | None
    volatility: float | None
    realized_vol: float | None
    drawdown: float | None
    max_drawdown: float | None
    change: float | None
    zscore: float | None
    high: float | None
    low: float | None
    volume: float | None
    trade_rate: float | None
    buy_ratio: float | None
    correlation: float | None
    beta: float | None


class MetricsRow(msgspec.Struct, frozen=True):
    """All metrics of one symbol as of `time`; `correlation` and `beta` are against `reference`."""

    coin_id: str
    symbol: str
    time: str
    reference: str
    price: float | None
    bid: float | None
    ask: float | None
    spread_bps: float | None
    windows: dict[str, WindowMetrics]


def latest(desk: Desk, query: CoinsQuery) -> list[MetricsRow]:
    """One row per coin."""
    symbols = desk.symbols(query.coins)
    table = desk.watch.state.table
    if table is None:
        raise Unavailable("No metric is known yet: the first sample step has not ended. Try again in a second.")
    time, reference = iso(table.time_ms), desk.settings.reference
    return [_row(desk, table, symbol, desk.position(symbol), time, reference) for symbol in symbols]


def _row(desk: Desk, table: MetricTable, symbol: str, at: int, time: str, reference: str) -> MetricsRow:
    price, bid, ask, spread_bps = (_number(table.points, name, at) for name in POINT_METRICS)
    windows = {
        window.name: WindowMetrics(
            state=_states(int(table.state[window.name][at])),
            grid_ms=window.grid_ms,
            length=window.length,
            filled=int(table.filled[window.name][at]),
            **{name: _number(table.values[window.name], name, at) for name in WINDOW_METRICS},
        )
        for window in table.windows
    }
    return MetricsRow(desk.coins.coin_id(symbol), symbol, time, reference, price, bid, ask, spread_bps, windows)


def _number(columns: Mapping[str, NDArray[np.float64]], name: str, at: int) -> float | None:
    column = columns.get(name)
    value = float(column[at]) if column is not None else math.nan
    return value if math.isfinite(value) else None


def _states(bits: int) -> list[str]:
    return [state.name.lower() for state in WindowState if state.name and bits & state]


ENDPOINTS = (
    Endpoint("/api/metrics/latest", "Every metric of every window", CoinsQuery, list[MetricsRow], latest, "metrics", hot=True),
)
