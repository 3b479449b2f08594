"""Closing prices of the past in a base currency, from stored candles: columns that are read once and then kept up to date."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..engine.candles import INTERVALS
from ..model.market import Closes
from .routes import F8, Leg, Routes

_MOST_SERIES = 4000
_AT_ONCE = 4
_FRESH_MS = 10_000


class CloseSource(Protocol):
    """Where closing prices are read: a MarketStore is one."""

    async def closes(self, symbol: str, interval: str, *, from_ms: int, to_ms: int) -> Closes:
        """Open times and closes, oldest first, NaN where a candle says nothing of its own time."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceGrid:
    """Closing prices in a base currency: `prices` is float64 (steps, assets), NaN where no candle is stored.

    Row `i` covers `[first_ms + i * step_ms, first_ms + (i + 1) * step_ms)`. Nothing is filled forward.
    """

    step_ms: int
    first_ms: int
    assets: tuple[str, ...]
    prices: F8

    def at(self, time_ms: NDArray[np.int64]) -> F8:
        """What was known at each moment, the close of the last step that had ended: float64 (moments, assets)."""
        rows = (time_ms - self.first_ms) // self.step_ms - 1
        inside = (rows >= 0) & (rows < len(self.prices))
        found: F8 = np.full((len(time_ms), len(self.assets)), np.nan)
        found[inside] = self.prices[rows[inside]]
        return found


class Series:
    """Closes of one symbol and interval, one place per step from `first_ms` on."""

    def __init__(self, step_ms: int) -> None:
        self._step_ms = step_ms
        self.first_ms = 0
        self.closes: F8 = np.empty(0)
        self.asked_ms: int | None = None
        self.read_until_ms = -1

    def missing(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """Spans that were not read yet; the newest steps again, some seconds later, since they may have been amended."""
        if self.asked_ms is None:
            return [(from_ms, to_ms)]
        spans = [(from_ms, self.asked_ms)] if from_ms < self.asked_ms else []
        if 0 <= to_ms - self.read_until_ms < _FRESH_MS and to_ms // self._step_ms == self.read_until_ms // self._step_ms:
            return spans
        end_ms = self.first_ms + len(self.closes) * self._step_ms
        newest = max(self.asked_ms, end_ms - 2 * self._step_ms)
        return [*spans, (newest, to_ms)] if end_ms < to_ms or not len(self.closes) else spans

    def take(self, times: NDArray[np.int64], closes: F8, from_ms: int) -> None:
        """Put closes in, by the open times of their candles; `from_ms`: from where on the store was asked."""
        self.asked_ms = from_ms if self.asked_ms is None else min(self.asked_ms, from_ms)
        if not len(times):
            return
        first = int(times[0]) if not len(self.closes) else min(self.first_ms, int(times[0]))
        end = max(int(times[-1]) + self._step_ms, self.first_ms + len(self.closes) * self._step_ms)
        room = np.full((end - first) // self._step_ms, np.nan)
        if len(self.closes):
            at = (self.first_ms - first) // self._step_ms
            room[at : at + len(self.closes)] = self.closes
        room[(times - first) // self._step_ms] = closes
        self.first_ms, self.closes = first, room

    def window(self, first_ms: int, steps: int) -> F8:
        """`steps` places from `first_ms` on, NaN where nothing is known."""
        found: F8 = np.full(steps, np.nan)
        shift = (self.first_ms - first_ms) // self._step_ms
        start, end = max(0, shift), min(steps, shift + len(self.closes))
        if start < end:
            found[start:end] = self.closes[start - shift : end - shift]
        return found


class PriceHistory:
    """Closing prices by symbol and interval. What was read once is not read again; the oldest of 4,000 series goes first."""

    def __init__(self, source: CloseSource) -> None:
        self._source = source
        self._series: OrderedDict[tuple[str, str], Series] = OrderedDict()
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def grid(self, routes: Routes, assets: Sequence[str], interval: str, from_ms: int, to_ms: int) -> PriceGrid:
        """Closes of `[from_ms, to_ms)` of all `assets`. Raises StoreError."""
        step_ms = INTERVALS[interval]
        first_ms = from_ms // step_ms * step_ms
        steps = max(0, (to_ms - first_ms) // step_ms)
        found = {asset: routes.route(asset) for asset in dict.fromkeys(assets)}
        legs = {leg.symbol for route in found.values() for leg in route or ()}
        await asyncio.gather(*(self._refresh(symbol, interval, first_ms, to_ms) for symbol in sorted(legs)))
        prices = np.ones((steps, len(found)))
        for column, route in enumerate(found.values()):
            if route is None:
                prices[:, column] = np.nan
            for leg in route or ():
                prices[:, column] *= self._closes(leg, interval, first_ms, steps)
        return PriceGrid(step_ms, first_ms, tuple(found), prices)

    def _closes(self, leg: Leg, interval: str, first_ms: int, steps: int) -> F8:
        closes = self._series[leg.symbol, interval].window(first_ms, steps)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: F8 = np.where(closes > 0, 1.0 / closes if leg.inverted else closes, np.nan)
        return found

    async def _refresh(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> None:
        series = self._series.setdefault((symbol, interval), Series(INTERVALS[interval]))
        self._series.move_to_end((symbol, interval))
        for start, end in series.missing(from_ms, to_ms):
            async with self._gate:
                found = await self._source.closes(symbol, interval, from_ms=start, to_ms=end)
            series.take(*found, start)
            series.read_until_ms = max(series.read_until_ms, end)
        while len(self._series) > _MOST_SERIES:
            self._series.popitem(last=False)
