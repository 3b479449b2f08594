"""What rules look at: one tick of the market, across all symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ..model.market import Samples, Whales
from ..model.metrics import MetricTable
from ..state import LiveState
from .truth import F8

_MOST_WHALES = 200_000
_WHALES_MS = 86_400_000


class Candles(NamedTuple):
    """Closed candles of one interval for all symbols, oldest first: float64 (rows, symbols), NaN before a symbol's first.

    `newest_ms`: the open time of the newest.
    """

    newest_ms: int
    open: F8
    high: F8
    low: F8
    close: F8
    volume: F8


class Frame(Protocol):
    """One tick. All columns run over `table.symbols`."""

    @property
    def table(self) -> MetricTable: ...

    @property
    def state(self) -> LiveState: ...

    def data_age_s(self) -> F8:
        """Seconds from the end of the last sample step with a trade to the tick; NaN where none was seen."""

    def whales(self, span_ms: int) -> F8:
        """Whale trades with times in the `span_ms` before the tick."""

    def candles(self, interval: str, *, running: bool = False) -> Candles | None:
        """Closed candles, None while there are none; `running`: the open one alone, None right after a close."""


class CandleSource(Protocol):
    """Where a frame has its candles from."""

    def __call__(self, interval: str, *, running: bool = False) -> Candles | None: ...


class Tick(NamedTuple):
    """A frame of the running program."""

    table: MetricTable
    state: LiveState
    facts: MarketFacts
    source: CandleSource

    def data_age_s(self) -> F8:
        age: F8 = np.maximum(self.table.time_ms - self.facts.traded_ms, 0.0) / 1000.0
        return age

    def whales(self, span_ms: int) -> F8:
        return self.facts.whales.counts(self.table.time_ms - span_ms, self.table.time_ms)

    def candles(self, interval: str, *, running: bool = False) -> Candles | None:
        return self.source(interval, running=running)


class WhaleLog:
    """Times of the whale trades of the last day, at most 200,000 of them: the oldest go first."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._index = {symbol: number for number, symbol in enumerate(symbols)}
        self._times = np.zeros(1024, np.int64)
        self._symbols = np.zeros(1024, np.intp)
        self._count = 0

    def on_whales(self, batch: Whales) -> None:
        for whale in batch.whales:
            number = self._index.get(whale.trade.symbol)
            if number is not None:
                self._add(whale.trade.time_ms, number)

    def _add(self, time_ms: int, symbol: int) -> None:
        if self._count == len(self._times):
            self._make_room(time_ms)
        self._times[self._count], self._symbols[self._count] = time_ms, symbol
        self._count += 1

    def _make_room(self, now_ms: int) -> None:
        kept = np.flatnonzero(self._times > now_ms - _WHALES_MS)[-_MOST_WHALES // 2 :]
        size = max(1024, 2 * len(kept))
        for name in ("_times", "_symbols"):
            column = getattr(self, name)
            room = np.zeros(size, column.dtype)
            room[: len(kept)] = column[kept]
            setattr(self, name, room)
        self._count = len(kept)

    def counts(self, from_ms: int, to_ms: int) -> F8:
        """Whales of each symbol with from_ms <= time < to_ms."""
        times = self._times[: self._count]
        inside = (times >= from_ms) & (times < to_ms)
        return np.bincount(self._symbols[: self._count][inside], minlength=len(self._index)).astype(np.float64)


class MarketFacts:
    """What rules need beside the metric table and the state: when each symbol last traded, and its whales.

    Subscribe `on_samples` and `on_whales` before whoever evaluates rules.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.traded_ms = np.full(len(symbols), np.nan)
        self.whales = WhaleLog(symbols)

    def on_samples(self, samples: Samples) -> None:
        traded = samples.trades > 0
        end_ms = float(samples.time_ms + samples.sample_ms)
        np.fmax(self.traded_ms, end_ms, out=self.traded_ms, where=traded)

    def on_whales(self, batch: Whales) -> None:
        self.whales.on_whales(batch)

    def tick(self, table: MetricTable, state: LiveState, candles: CandleSource) -> Tick:
        """The frame of a metric table that was just published."""
        return Tick(table, state, self, candles)
