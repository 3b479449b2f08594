"""One grid of the engine: its ring of buckets, its open bucket, and the windows that run on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..model.market import Candle, Samples
from ..model.metrics import Window
from .extremes import summaries
from .ring import (
    ALL,
    COARSE_FIELDS,
    F8,
    FALL,
    FINE_FIELDS,
    HIGH,
    LOW,
    PEAK,
    PRICE,
    RETURN,
    TRADES,
    TROUGH,
    UNSEEN,
    VOLUME,
    BucketRing,
    Columns,
    log_return,
)
from .steps import steps_held
from .windows import Head, RollingWindow


class Tier:
    """Buckets of `grid_ms` for all symbols. `take` a sample, read the windows with the head it answers, then `finish`.

    Call everything with numpy's floating point warnings off: unknown is NaN all the way through.
    """

    def __init__(self, grid_ms: int, sample_ms: int, windows: Sequence[Window], *, symbols: int, reference: int | None) -> None:
        self.grid_ms = grid_ms
        self.coarse = grid_ms > sample_ms
        self._sample_ms = sample_ms
        self._symbols = symbols
        revisable = steps_held(sample_ms, symbols) * sample_ms // grid_ms + 4
        self._reference, self._revisable = reference, revisable
        rows = max(max(window.length for window in windows) + 2, revisable + revisable // 3 + 4)
        self.ring = BucketRing(rows, symbols, coarse=self.coarse)
        self.windows = [RollingWindow(one, self.ring, reference=reference, revisable=revisable) for one in windows]
        self.pairs: dict[str, RollingWindow] = {}
        """Windows with another symbol as reference, by their name in the table."""
        self._cells: F8 | None = None
        self._summary: F8 | None = None
        self._gap = np.zeros(symbols, np.int32)
        self._end_ms = -1
        self._started = np.zeros(symbols, np.bool_)
        self._touched: dict[int, int] = {}
        self._unjudged = False
        self._clean = False
        self.behind = False
        """Only averages that remember follow the ring; `catch_up` brings the windows up to it."""

    def add(self, windows: Sequence[Window]) -> None:
        """Further windows, from what the ring holds."""
        if windows:
            self.ring.grow(max(window.length for window in windows) + 2)
            new = [RollingWindow(one, self.ring, reference=self._reference, revisable=self._revisable) for one in windows]
            self.windows = [*self.windows, *new]

    @property
    def held(self) -> int:
        """Closed buckets that the ring holds."""
        return self.ring.end - self.ring.first

    def drop(self, windows: Sequence[Window], pairs: Sequence[str]) -> None:
        """Have these no more. The ring keeps its length."""
        gone = {window.length for window in windows}
        self.windows = [one for one in self.windows if one.window.length not in gone]
        self.pairs = {name: one for name, one in self.pairs.items() if name not in pairs}

    def add_pair(self, name: str, window: Window, other: int) -> None:
        """The window once more, compared with another symbol, from what the ring holds."""
        self.pairs[name] = RollingWindow(window, self.ring, reference=other, revisable=self._revisable)

    @property
    def _rolling(self) -> list[RollingWindow]:
        return [*self.windows, *self.pairs.values()]

    # A sample step

    def take(self, samples: Samples) -> Head:
        """Fold a sample into the open bucket; answers it."""
        self._settle()
        number = samples.time_ms // self.grid_ms
        skipped = samples.time_ms != self._end_ms
        self._reach(number)
        if self._cells is None:
            misaligned = self.coarse and samples.time_ms - number * self.grid_ms >= self._sample_ms
            self._cells = self._blank() if self.coarse else np.empty((FINE_FIELDS, self._symbols))
            self._gap = np.full(self._symbols, UNSEEN if misaligned else 0, np.int32)
        elif skipped:
            self._gap += UNSEEN
        self._end_ms = samples.time_ms + samples.sample_ms
        self._fold(self._cells, samples)
        return self._head(self._cells, samples)

    def finish(self) -> None:
        """After the windows were read: close the bucket when its time is over."""
        if self._cells is not None and self._end_ms >= (self.ring.end + 1) * self.grid_ms:
            self._append(self._cells, self._gap, self._summary, clean=self._clean)
            self._cells = self._summary = None

    def catch_up(self) -> None:
        """Have the windows start from what the ring holds."""
        self.behind = False
        for window in self._rolling:
            window.catch_up()

    def _blank(self) -> F8:
        cells = np.full((COARSE_FIELDS if self.coarse else FINE_FIELDS, self._symbols), np.nan)
        cells[VOLUME : TRADES + 1] = 0.0
        return cells

    def _reach(self, number: int) -> None:
        """Have the ring end at `number`. Buckets that were left out are unknown; after very many of them it starts anew."""
        ring = self.ring
        if not ring.begun or number - ring.end >= ring.rows:
            ring.begin(number)
            self._cells = None
            self._touched.clear()
            for window in self._rolling:
                window.restart()
        while ring.end < number:
            if self._cells is not None:
                self._append(self._cells, self._gap + np.int32(UNSEEN))
                self._cells = None
            else:
                self._append(self._blank(), self._started * np.int32(UNSEEN))

    def _append(self, cells: F8, gap: NDArray[np.int32], summary: F8 | None = None, *, clean: bool | None = None) -> None:
        self.ring.append(cells, gap, clean=clean)
        for window in self._rolling:
            if self.behind:
                window.follow()
            else:
                window.push(summary)

    def _fold(self, cells: F8, samples: Samples) -> None:
        price = samples.price
        if self.coarse:
            self._fold_more(cells, samples)
        else:
            self._replace(cells, samples, ALL)
        self._started |= price == price
        if samples.gap.any():
            self._gap += samples.gap & self._started
        self._relate(cells)

    @staticmethod
    def _fold_more(cells: F8, samples: Samples) -> None:
        """One more step of a bucket that holds many."""
        price = samples.price
        np.copyto(cells[PRICE], price, where=price == price)
        cells[VOLUME] += samples.volume
        cells[VOLUME + 1] += samples.notional
        cells[VOLUME + 2] += samples.taker_buy_volume
        cells[TRADES] += samples.trades
        np.fmax(cells[HIGH], samples.high, out=cells[HIGH])
        np.fmin(cells[LOW], samples.low, out=cells[LOW])
        np.fmax(cells[PEAK], price, out=cells[PEAK])
        np.fmin(cells[TROUGH], price, out=cells[TROUGH])
        np.fmin(cells[FALL], price / cells[PEAK], out=cells[FALL])

    def _relate(self, cells: F8) -> None:
        ring = self.ring
        before = ring.row(ring.end - 1)[PRICE] if ring.end > ring.first else np.nan
        cells[RETURN] = log_return(cells[PRICE], before)

    def _head(self, cells: F8, samples: Samples) -> Head:
        known = float(cells[PRICE].sum() + cells[RETURN].sum())
        clean = known == known and not self._gap.any()
        elapsed = samples.time_ms + samples.sample_ms - self.ring.end * self.grid_ms
        self._summary = summaries(cells, coarse=self.coarse)
        self._clean = clean
        return Head(cells, self._gap, self._summary, min(elapsed, self.grid_ms), clean)

    # Amendments

    def _touch(self, symbol: int, number: int) -> None:
        self._touched[symbol] = min(number, self._touched.get(symbol, number))

    def _settle(self) -> None:
        """Rebuild, once, what revisions and history changed since the last step."""
        if not self._touched:
            return
        if self._unjudged:
            self._unjudged = False
            for number in range(self.ring.first, self.ring.end):
                self.ring.judge(number)
        columns = np.array(sorted(self._touched), np.intp)
        changed = min(self._touched.values())
        self._touched.clear()
        for window in self._rolling:
            window.rebuild(columns, changed)

    def revise(self, old: Samples, new: Samples, where: NDArray[np.intp]) -> None:
        """A closed step was amended for some symbols. On a coarse grid the order inside the bucket is not looked into again."""
        ring, number = self.ring, new.time_ms // self.grid_ms
        if number == ring.end and self._cells is not None:
            self._amend(self._cells, self._gap, old, new, where, last=new.time_ms + self._sample_ms >= self._end_ms)
            self._relate(self._cells)
        elif ring.first <= number < ring.end:
            row, last = number % ring.rows, new.time_ms + self._sample_ms >= (number + 1) * self.grid_ms
            self._amend(ring.cells[row], ring.gap[row], old, new, where, last=last)
            ring.relate(number, where)
            ring.relate(number + 1, where)
            for symbol in where.tolist():
                self._touch(symbol, number)

    def _amend(
        self, cells: F8, gap: NDArray[np.int32], old: Samples, new: Samples, where: NDArray[np.intp], *, last: bool
    ) -> None:
        price = new.price[where]
        self._started[where] |= ~np.isnan(price)
        gap[where] += (new.gap[where].astype(np.int32) - old.gap[where]) * self._started[where]
        np.maximum(gap, 0, out=gap)
        if not self.coarse:
            self._replace(cells, new, where)
            return
        for row, name in enumerate(("volume", "notional", "taker_buy_volume", "trades"), VOLUME):
            cells[row, where] += getattr(new, name)[where] - getattr(old, name)[where]
        if last:
            cells[PRICE, where] = np.where(np.isnan(price), cells[PRICE, where], price)
        elif np.isnan(cells[PRICE, where]).any():
            cells[PRICE, where] = np.where(np.isnan(cells[PRICE, where]), price, cells[PRICE, where])
        for row, values in ((HIGH, new.high[where]), (PEAK, price)):
            cells[row, where] = np.fmax(cells[row, where], values)
        for row, values in ((LOW, new.low[where]), (TROUGH, price), (FALL, price / cells[PEAK, where])):
            cells[row, where] = np.fmin(cells[row, where], values)

    @staticmethod
    def _replace(cells: F8, new: Samples, where: Columns) -> None:
        columns = (new.price, new.volume, new.notional, new.taker_buy_volume, new.trades)
        for row, column in enumerate(columns):
            cells[row, where] = column[where]
        cells[HIGH, where], cells[LOW, where] = new.high[where], new.low[where]

    # The venue's candles

    def warm(self, symbol: int, candles: Sequence[Candle]) -> None:
        """Closed candles of this grid, oldest first: older buckets than ours, and ours of which something is missing."""
        ring = self.ring
        numbers = [candle.time_ms // self.grid_ms for candle in candles]
        if not candles:
            return
        if not ring.begun:
            ring.begin(numbers[-1] + 1)
            for window in self._rolling:
                window.restart()
        if numbers[0] < ring.first:
            ring.extend_back(numbers[0])
            for window in self._rolling:
                window.restart()
        for number, candle in zip(numbers, candles, strict=True):
            if ring.first <= number < ring.end:
                self._write(number, symbol, candle)
        ring.relate_column(symbol)
        self._unjudged = True

    def _write(self, number: int, symbol: int, candle: Candle) -> None:
        ring, row = self.ring, number % self.ring.rows
        known = ring.cells[row, PRICE, symbol]
        if known == known and not ring.gap[row, symbol]:
            return
        cells = ring.cells[row, :, symbol]
        cells[PRICE] = candle.close
        cells[VOLUME : TRADES + 1] = candle.volume, candle.quote_volume, candle.taker_buy_volume, candle.trades
        cells[HIGH], cells[LOW] = candle.high, candle.low
        if self.coarse:
            cells[PEAK], cells[TROUGH] = candle.high, candle.low
            cells[FALL] = min(candle.close / candle.high, candle.low / candle.open)
        ring.gap[row, symbol] = int(candle.gap)
        self._started[symbol] = True
        self._touch(symbol, number)
