"""`/api/metrics`: the metric table of the moment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ...errors import Unavailable
from ...model.metrics import POINT_METRICS, WINDOW_METRICS, MetricTable, Window, WindowState
from ..envelope import iso
from .desk import Desk
from .endpoint import Endpoint
from .market import CoinsQuery

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WindowMetrics(msgspec.Struct, frozen=True, gc=False):
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


class MetricsRow(msgspec.Struct, frozen=True, gc=False):
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
    """One row per coin. Unknown values are NaN here; the envelope writes them as null."""
    symbols = desk.symbols(query.coins)
    table = desk.watch.state.table
    if table is None:
        raise Unavailable("No metric is known yet: the first sample step has not ended. Try again in a second.")
    at = np.array([desk.position(symbol) for symbol in symbols], dtype=np.intp)
    windows = {window.name: _window(table, window, at) for window in table.windows}
    price, bid, ask, spread = (table.points[name][at].tolist() for name in POINT_METRICS)
    time, reference, coin_id = iso(table.time_ms), desk.watch.reference, desk.coins.coin_id
    return [
        MetricsRow(
            coin_id(symbol),
            symbol,
            time,
            reference,
            price[row],
            bid[row],
            ask[row],
            spread[row],
            {name: rows[row] for name, rows in windows.items()},
        )
        for row, symbol in enumerate(symbols)
    ]


def _window(table: MetricTable, window: Window, at: NDArray[np.intp]) -> list[WindowMetrics]:
    """The metrics of one window for the symbols at the positions `at`, column by column."""
    values = table.values[window.name]
    unknown = [math.nan] * len(at)
    columns = [values[name][at].tolist() if name in values else unknown for name in WINDOW_METRICS]
    states = [_STATES[bits] for bits in table.state[window.name][at].tolist()]
    filled = table.filled[window.name][at].tolist()
    return [
        WindowMetrics(state, window.grid_ms, window.length, count, *figures)
        for state, count, *figures in zip(states, filled, *columns, strict=True)
    ]


def _states(bits: int) -> list[str]:
    return [state.name.lower() for state in WindowState if state.name and bits & state]


_STATES = [_states(bits) for bits in range(256)]

ENDPOINTS = (
    Endpoint("/api/metrics/latest", "Every metric of every window", CoinsQuery, list[MetricsRow], latest, "metrics", hot=True),
)
