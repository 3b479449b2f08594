"""The engine: every metric of every symbol and window at each sample step."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..bus import Publish
from ..model.market import Samples, Staleness, VenueCandles
from ..model.metrics import WINDOW_METRICS, MetricTable, Window, WindowState
from .grids import windows_of


class Engine:
    """Publishes a MetricTable at each sample step."""

    def __init__(
        self, *, symbols: Sequence[str], sample_ms: int, windows: Sequence[str], reference: str, publish: Publish
    ) -> None:
        self.symbols = tuple(symbols)
        self.windows: tuple[Window, ...] = windows_of(windows, sample_ms=sample_ms, symbols=len(self.symbols))
        self.table: MetricTable | None = None
        self._publish = publish
        self._index = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._stale = np.zeros(len(self.symbols), np.bool_)
        self._prices: deque[NDArray[np.float64]] = deque(maxlen=1200)

    def on_staleness(self, fact: Staleness) -> None:
        number = self._index.get(fact.symbol)
        if number is not None:
            self._stale[number] = fact.stale

    def on_venue_candles(self, batch: VenueCandles) -> None:
        """History warms the long windows."""

    def on_samples(self, samples: Samples) -> None:
        if samples.revised is not None:
            return
        self._prices.append(samples.price)
        count = len(self.symbols)
        values, state, filled = {}, {}, {}
        for window in self.windows:
            rows = np.array(list(self._prices)[-window.length :])
            columns = {metric: np.full(count, np.nan) for metric in WINDOW_METRICS}
            if len(rows) > 1:
                columns["sma"], columns["price_std"] = rows.mean(axis=0), rows.std(axis=0)
                columns["volatility"] = 100 * columns["price_std"] / columns["sma"]
                columns["high"], columns["low"] = rows.max(axis=0), rows.min(axis=0)
                columns["drawdown"] = 100 * (rows[-1] / columns["high"] - 1)
                columns["change"] = 100 * (rows[-1] / rows[0] - 1)
            values[window.name] = columns
            filled[window.name] = (~np.isnan(rows)).sum(axis=0).astype(np.int64)
            bits = np.where(filled[window.name] < window.length, int(WindowState.WARMUP), 0)
            state[window.name] = (bits | np.where(self._stale, int(WindowState.STALE), 0)).astype(np.uint8)
        middle = (samples.bid + samples.ask) / 2
        points = {
            "price": samples.price, "bid": samples.bid, "ask": samples.ask,
            "spread_bps": 1e4 * (samples.ask - samples.bid) / middle,
        }  # fmt: skip
        self.table = MetricTable(samples.time_ms + samples.sample_ms, self.symbols, self.windows, points, values, state, filled)
        self._publish(self.table)

    def sparkline(self, symbol: str, points: int = 60) -> NDArray[np.float64]:
        """One-minute closes of the last hour, oldest first, NaN where unknown."""
        return np.full(points, np.nan)
