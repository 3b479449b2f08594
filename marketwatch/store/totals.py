"""Running totals per symbol: the rows of `trade_aggregates`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..engine.steps import steps_held
from ..model.market import Samples
from ..model.metrics import MetricTable
from ..ports import TradeAggregate


class Totals:
    """Trades and volume per symbol since the database was begun, from samples; a revision counts the difference it makes."""

    def __init__(self) -> None:
        self._symbols: tuple[str, ...] = ()
        self._trades: NDArray[np.int64] = np.zeros(0, np.int64)
        self._volume: NDArray[np.float64] = np.zeros(0)
        self._steps: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        self._earlier: dict[str, tuple[int, float]] = {}

    def resume(self, stored: Iterable[TradeAggregate]) -> None:
        """Go on from what the database holds."""
        self._earlier = {row.symbol: (row.trade_count, row.total_volume) for row in stored}

    def on_samples(self, step: Samples) -> None:
        if step.symbols != self._symbols:
            self._begin(step.symbols)
        old = self._steps.get(step.time_ms)
        volume = np.nan_to_num(step.volume, nan=0.0)
        if step.revised is None or old is None:
            if step.revised is not None:
                return
            self._trades += step.trades
            self._volume += volume
        else:
            which = step.revised
            self._trades[which] += step.trades[which] - old[0][which]
            self._volume[which] += volume[which] - old[1][which]
        self._steps[step.time_ms] = (step.trades, volume)
        while len(self._steps) > steps_held(step.sample_ms, len(step.symbols)):
            del self._steps[next(iter(self._steps))]

    def _begin(self, symbols: tuple[str, ...]) -> None:
        for symbol, trades, volume in zip(self._symbols, self._trades.tolist(), self._volume.tolist(), strict=True):
            before = self._earlier.get(symbol, (0, 0.0))
            self._earlier[symbol] = before[0] + trades, before[1] + volume
        self._symbols, self._steps = symbols, {}
        self._trades, self._volume = np.zeros(len(symbols), np.int64), np.zeros(len(symbols))

    def rows(self, table: MetricTable | None, window: str) -> list[TradeAggregate]:
        """As of `table`, whose sma of `window` is the moving average; nothing before the first table."""
        if table is None or table.symbols != self._symbols:
            return []
        averages = table.values.get(window, {}).get("sma")
        means = [None] * len(self._symbols) if averages is None else averages.tolist()
        found = []
        for symbol, mean, trades, volume in zip(
            self._symbols, means, self._trades.tolist(), self._volume.tolist(), strict=True
        ):
            before = self._earlier.get(symbol, (0, 0.0))
            average = None if mean is None or mean != mean else mean
            found.append(TradeAggregate(symbol, average, before[0] + trades, before[1] + volume, table.time_ms))
        return found
