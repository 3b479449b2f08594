"""Memory of closed candles: one ring of columns per interval, addressed by time, filled only as far as it is used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..model.market import Candle

OPEN, HIGH, LOW, CLOSE, VOLUME, QUOTE_VOLUME, TAKER_BUY, TRADES = range(8)


def candle_of(symbol: str, interval: str, time_ms: int, cells: Sequence[float], *, closed: bool, gap: bool) -> Candle:
    """A candle from the eight numbers of a column."""
    opened, high, low, close, volume, quote_volume, taker_buy, trades = cells
    return Candle(
        symbol, interval, time_ms, opened, high, low, close, volume, quote_volume, int(trades), taker_buy, closed, gap
    )


def cells_of(candle: Candle) -> tuple[float, ...]:
    """The eight numbers of a candle in the order of a column."""
    return (
        candle.open, candle.high, candle.low, candle.close,
        candle.volume, candle.quote_volume, candle.taker_buy_volume, float(candle.trades),
    )  # fmt: skip


def combined(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Consecutive candles put together: (n, 8, k) to (8, k). Without a trade the last known close stands in all four prices."""
    traded = (parts[:, TRADES] > 0) | (parts[:, VOLUME] > 0)
    prices = np.where((traded | ~traded.any(axis=0))[:, np.newaxis], parts[:, :VOLUME], np.nan)
    there = ~np.isnan(prices[:, CLOSE])
    each = np.arange(parts.shape[2])
    first, newest = there.argmax(axis=0), len(parts) - 1 - there[::-1].argmax(axis=0)
    out = np.empty(parts.shape[1:])
    out[OPEN], out[CLOSE] = prices[first, OPEN, each], prices[newest, CLOSE, each]
    out[HIGH], out[LOW] = np.fmax.reduce(prices[:, HIGH]), np.fmin.reduce(prices[:, LOW])
    out[VOLUME:] = parts[:, VOLUME:].sum(axis=0)
    out[:VOLUME, ~traded.any(axis=0)] = out[CLOSE, ~traded.any(axis=0)]
    return out


class CandleRing:
    """The newest `rows` candles of one interval for all symbols: float64 (rows, 8, symbols). NaN close: no such candle."""

    def __init__(self, interval: str, interval_ms: int, rows: int, symbols: Sequence[str]) -> None:
        self.interval = interval
        self.interval_ms = interval_ms
        self.rows = rows
        self._symbols = symbols
        self._times = np.full(rows, -1, np.int64)
        self._cells = np.empty((rows, 8, len(symbols)))
        self._gap = np.empty((rows, len(symbols)), np.bool_)
        self._newest_ms = -1

    def _row(self, time_ms: int) -> int | None:
        """The row of that open time, made empty when it was another's; None when that time is too old to be held."""
        row = (time_ms // self.interval_ms) % self.rows
        if self._times[row] > time_ms or time_ms <= self._newest_ms - self.rows * self.interval_ms:
            return None
        if self._times[row] != time_ms:
            self._times[row] = time_ms
            self._cells[row] = np.nan
            self._gap[row] = False
            self._newest_ms = max(self._newest_ms, time_ms)
        return row

    def put(self, time_ms: int, symbols: NDArray[np.intp], cells: NDArray[np.float64], gap: NDArray[np.bool_]) -> None:
        """Write the candles of one open time; `cells` is (8, len(symbols))."""
        row = self._row(time_ms)
        if row is not None:
            self._cells[row][:, symbols] = cells
            self._gap[row][symbols] = gap

    def put_many(self, symbol: int, candles: Sequence[Candle]) -> None:
        """Write candles of one symbol, any times of this interval's grid."""
        for candle in candles:
            row = self._row(candle.time_ms)
            if row is not None:
                self._cells[row, :, symbol] = cells_of(candle)
                self._gap[row, symbol] = candle.gap

    def get(self, time_ms: int, symbol: int) -> Candle | None:
        row = (time_ms // self.interval_ms) % self.rows
        if self._times[row] != time_ms or np.isnan(self._cells[row, CLOSE, symbol]):
            return None
        return self._candle(row, symbol)

    def holds(self, time_ms: int) -> bool:
        """Whether a candle of that open time was written for any symbol."""
        return bool(self._times[(time_ms // self.interval_ms) % self.rows] == time_ms)

    def span(self, first_ms: int, end_ms: int, symbols: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The candles of a span, (n, 8, k), and where one has a gap or is not held, (n, k). Not held: NaN prices, zero sums."""
        times = np.arange(first_ms, end_ms, self.interval_ms)
        rows = (times // self.interval_ms) % self.rows
        cells = np.moveaxis(self._cells[rows[:, np.newaxis], :, symbols], 2, 1).copy()
        missing = (self._times[rows] != times)[:, np.newaxis] | np.isnan(cells[:, CLOSE])
        gap = self._gap[rows[:, np.newaxis], symbols] | missing
        cells[:, :VOLUME] = np.where(missing[:, np.newaxis], np.nan, cells[:, :VOLUME])
        cells[:, VOLUME:] = np.where(missing[:, np.newaxis], 0.0, cells[:, VOLUME:])
        return cells, gap

    def recent(self, symbol: int, limit: int) -> list[Candle]:
        """At most `limit` candles, oldest first."""
        order = np.argsort(self._times)
        order = order[self._times[order] > self._newest_ms - self.rows * self.interval_ms]
        order = order[self._times[order] >= 0]
        order = order[~np.isnan(self._cells[order, CLOSE, symbol])]
        return [self._candle(row, symbol) for row in order[-limit:].tolist()] if limit > 0 else []

    @property
    def newest_ms(self) -> int:
        """The open time of the newest candle, -1 without any."""
        return self._newest_ms

    def columns(self) -> NDArray[np.float64]:
        """All candles held, oldest first: (rows, 8, symbols), NaN where a symbol has none."""
        order = np.argsort(self._times)
        return self._cells[order[self._times[order] > max(-1, self._newest_ms - self.rows * self.interval_ms)]]

    def _candle(self, row: int, symbol: int) -> Candle:
        return candle_of(
            self._symbols[symbol], self.interval, int(self._times[row]), self._cells[row, :, symbol].tolist(),
            closed=True, gap=bool(self._gap[row, symbol]),
        )  # fmt: skip
