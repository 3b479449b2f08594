"""The metric table: every metric of every symbol and window at one sample step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW_METRICS = (
    "sma", "ema", "wma", "vwap", "price_std", "volatility", "realized_vol", "drawdown", "max_drawdown", "change", "zscore",
    "high", "low", "volume", "trade_rate", "buy_ratio", "correlation", "beta",
)  # fmt: skip
"""Metrics that need a window."""

POINT_METRICS = ("price", "bid", "ask", "spread_bps")
"""Metrics of the moment, without a window."""


class WindowState(IntFlag):
    """Quality of a window's value; 0 is a full and sound window."""

    OK = 0
    WARMUP = 1
    GAP = 2
    STALE = 4


class Window(NamedTuple):
    """A window of `length` buckets of `grid_ms`. `name` is how people write it: `60`, `30s`, `1h`."""

    name: str
    grid_ms: int
    length: int

    @property
    def span_ms(self) -> int:
        return self.grid_ms * self.length


def pair_name(window: str, other: str) -> str:
    """Under which name `MetricTable.values` has correlation and beta over a window with a symbol that is not the reference."""
    return f"{window}~{other}"


@dataclass(frozen=True, slots=True, eq=False)
class MetricTable:
    """All metrics as of `time_ms` (the END of the sample step, event time).

    `points[metric]` and `values[window][metric]` are float64 columns over `symbols`, NaN where unknown.
    `state[window]` holds `WindowState` bits per symbol (uint8). `filled[window]` is the number of buckets seen (int64).
    `values` also has the pairs that rules asked for, by `pair_name`.
    """

    time_ms: int
    symbols: tuple[str, ...]
    windows: tuple[Window, ...]
    points: Mapping[str, NDArray[np.float64]]
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    state: Mapping[str, NDArray[np.uint8]]
    filled: Mapping[str, NDArray[np.int64]]
