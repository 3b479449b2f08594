"""One-minute closes of the last hour: what sparklines draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..model.market import Candle, Samples

_MINUTE_MS = 60_000
_ROWS = 64


class Minutes:
    """The last known price of each of the newest 64 minutes, for all symbols."""

    def __init__(self, symbols: int) -> None:
        self._closes = np.full((_ROWS, symbols), np.nan)
        self._numbers = np.full(_ROWS, -1, np.int64)
        self._newest = -1

    def _row(self, number: int) -> int | None:
        """The row of a minute, None when it is too old."""
        row = number % _ROWS
        if self._numbers[row] > number or number <= self._newest - _ROWS:
            return None
        if self._numbers[row] != number:
            self._numbers[row] = number
            self._closes[row] = np.nan
        return row

    def take(self, samples: Samples) -> None:
        number = samples.time_ms // _MINUTE_MS
        self._newest = max(self._newest, number)
        row = self._row(number)
        if row is not None:
            np.copyto(self._closes[row], samples.price, where=samples.price == samples.price)

    def revise(self, samples: Samples, where: NDArray[np.intp]) -> None:
        """An amended step counts when it is the last of its minute."""
        number = samples.time_ms // _MINUTE_MS
        row = self._row(number)
        if row is not None and (samples.time_ms + samples.sample_ms) // _MINUTE_MS > number:
            price = samples.price[where]
            self._closes[row, where] = np.where(np.isnan(price), self._closes[row, where], price)

    def fill(self, symbol: int, candles: Sequence[Candle]) -> None:
        """Closes of the venue's 1m candles where we have none."""
        for candle in candles:
            number = candle.time_ms // _MINUTE_MS
            if self._newest < 0 or number > self._newest:
                self._newest = number
            row = self._row(number)
            if row is not None and np.isnan(self._closes[row, symbol]):
                self._closes[row, symbol] = candle.close

    def closes(self, symbol: int, points: int) -> NDArray[np.float64]:
        """The newest `points` minutes, oldest first."""
        out = np.full(points, np.nan)
        if self._newest >= 0:
            for back in range(min(points, _ROWS)):
                row = (self._newest - back) % _ROWS
                if self._numbers[row] == self._newest - back:
                    out[points - 1 - back] = self._closes[row, symbol]
        return out
