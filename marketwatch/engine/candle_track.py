"""One interval of the candle book: the open candle of every symbol and the closed ones that late trades can still amend."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..model.market import Candle, Samples
from .candle_ring import CLOSE, HIGH, LOW, OPEN, TRADES, VOLUME, CandleRing, candle_of, combined

_NEVER = np.iinfo(np.int64).max
_AMENDABLE_MS = 125_000
_MENDABLE = 4
"""Closed candles that are kept for history that comes late."""


@dataclass(slots=True)
class Bucket:
    """Candles of one open time. `first_ms`/`last_ms`: the first and last sample step with trades. `unseen`: part of the span
    was before the start or left out. `sealed`: the venue's candle stands in the ring instead of ours. `mended`: put together
    from finer candles, which live samples then carry on."""

    time_ms: int
    cells: NDArray[np.float64]
    first_ms: NDArray[np.int64]
    last_ms: NDArray[np.int64]
    gap_steps: NDArray[np.int64]
    sealed: NDArray[np.bool_]
    unseen: NDArray[np.bool_]
    mended: NDArray[np.bool_]
    closed: bool = False
    dirty: set[int] = field(default_factory=set)

    @classmethod
    def empty(cls, time_ms: int, symbols: int) -> Bucket:
        cells = np.zeros((8, symbols))
        cells[:VOLUME] = np.nan
        first, last = np.full(symbols, _NEVER), np.full(symbols, -1, np.int64)
        sealed, unseen, mended = np.zeros((3, symbols), np.bool_)
        return cls(time_ms, cells, first, last, np.zeros(symbols, np.int64), sealed, unseen, mended)

    @property
    def gap(self) -> NDArray[np.bool_]:
        return (self.gap_steps > 0) | self.unseen

    @property
    def empty_ones(self) -> NDArray[np.bool_]:
        """Where nothing traded. Some venues' candles have a volume and no number of trades."""
        empty: NDArray[np.bool_] = (self.cells[TRADES] == 0) & (self.cells[VOLUME] == 0)
        return empty

    def take_whole(self, where: NDArray[np.intp], cells: NDArray[np.float64], gap: NDArray[np.bool_]) -> None:
        """Replace what was seen of some symbols by `cells` (8, k), all that is known until now.

        The carried price of an open candle without a trade is no price of its first one: it is forgotten."""
        self.cells[:, where] = cells
        self.unseen[where], self.gap_steps[where], self.mended[where] = gap, 0, True
        empty = self.empty_ones[where]
        if not self.closed:
            self.cells[:VOLUME, where[empty]] = np.nan
        self.first_ms[where] = np.where(empty, _NEVER, -1)
        self.last_ms[where] = -1

    def fold(self, where: NDArray[np.intp], time_ms: int, prices: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
        """Take in the step at `time_ms` for symbols that traded in it: `prices` (4, k) and what to add (4, k)."""
        cells = self.cells
        opens = time_ms <= self.first_ms[where]
        closes = time_ms >= self.last_ms[where]
        cells[OPEN, where] = np.where(opens, prices[OPEN], cells[OPEN, where])
        cells[HIGH, where] = np.fmax(cells[HIGH, where], prices[HIGH])
        cells[LOW, where] = np.fmin(cells[LOW, where], prices[LOW])
        cells[CLOSE, where] = np.where(closes, prices[CLOSE], cells[CLOSE, where])
        cells[VOLUME:, where] += sums
        self.first_ms[where] = np.minimum(self.first_ms[where], time_ms)
        self.last_ms[where] = np.maximum(self.last_ms[where], time_ms)


class Track:
    """The candles of one interval. Works on sample steps by their start: exact where `sample_ms` divides the interval."""

    def __init__(self, ring: CandleRing, symbols: tuple[str, ...]) -> None:
        self.ring = ring
        self.interval_ms = ring.interval_ms
        self._symbols = symbols
        self._all = np.arange(len(symbols))
        self.current: Bucket | None = None
        self.closed_ms = -1
        """End of the newest closed candle."""
        self.begun_late = False
        """The open candle was entered after its start, and nobody has looked yet whether its beginning is known."""
        self.outdated: set[int] = set()
        """Symbols with mended candles in which a revision was not taken in: they have to be mended anew."""
        self._revised = False
        self._amendable: deque[Bucket] = deque(maxlen=max(_MENDABLE, _AMENDABLE_MS // ring.interval_ms + 1))

    def start_of(self, time_ms: int) -> int:
        return time_ms - time_ms % self.interval_ms

    def enter(self, time_ms: int, *, skipped: bool, last: NDArray[np.float64]) -> Bucket | None:
        """Have the bucket of that step open. Answers the one that had to be closed before its end, if any."""
        start = self.start_of(time_ms)
        ended = None
        if self.current is not None and self.current.time_ms != start:
            self.current.unseen[:] = True
            ended = self.close(last)
            self._carry_over(ended.time_ms, start, last)
        if self.current is None:
            self.current = Bucket.empty(start, len(self._symbols))
            self.begun_late = time_ms != start
            self.current.unseen[:] = self.begun_late
        elif skipped:
            self.current.unseen[:] = True
        return ended

    def close(self, last: NDArray[np.float64]) -> Bucket:
        """Close the open candles: those without a trade carry the last price."""
        bucket = self.current
        assert bucket is not None
        empty = bucket.empty_ones
        bucket.cells[:VOLUME, empty] = last[empty]
        bucket.closed = True
        self.closed_ms = bucket.time_ms + self.interval_ms
        if self.ring.holds(bucket.time_ms):
            self._prefer_held(bucket)
        self.ring.put(bucket.time_ms, self._all, bucket.cells, bucket.gap)
        self._amendable.append(bucket)
        self.current = None
        return bucket

    def _prefer_held(self, bucket: Bucket) -> None:
        """The venue's candle came before ours was over: where ours has a gap, theirs stays."""
        cells, gap = self.ring.span(bucket.time_ms, bucket.time_ms + self.interval_ms, self._all)
        where = np.flatnonzero(bucket.gap & ~gap[0])
        bucket.take_whole(where, cells[0][:, where], gap[0, where])
        bucket.sealed[where] = True
        self.outdated.update(where.tolist())

    def _carry_over(self, closed_ms: int, start_ms: int, last: NDArray[np.float64]) -> None:
        """Fill intervals that event time leapt over, as far as the ring reaches: the previous close, marked as a gap."""
        first = max(closed_ms + self.interval_ms, start_ms - self.ring.rows * self.interval_ms)
        for time_ms in range(self.start_of(first), start_ms, self.interval_ms):
            bucket = Bucket.empty(time_ms, len(self._symbols))
            bucket.cells[:VOLUME] = last
            self.ring.put(time_ms, self._all, bucket.cells, np.ones(len(self._symbols), np.bool_))

    def bucket_at(self, time_ms: int) -> Bucket | None:
        start = self.start_of(time_ms)
        if self.current is not None and self.current.time_ms == start:
            return self.current
        return next((bucket for bucket in self._amendable if bucket.time_ms == start), None)

    def revise(self, old: Samples, new: Samples, where: NDArray[np.intp]) -> None:
        """Amend by the difference of two facts about one step, for the symbols `where`."""
        bucket = self.bucket_at(new.time_ms)
        if bucket is None:
            return
        self._revised = True
        self.outdated.update(where[bucket.mended[where]].tolist())
        where = where[~bucket.mended[where]]
        bucket.gap_steps[where] += new.gap[where].astype(np.int64) - old.gap[where]
        traded = where[new.trades[where] > 0]
        if bucket.closed:
            first_trades = traded[bucket.cells[TRADES, traded] == 0]
            bucket.cells[:VOLUME, first_trades] = np.nan
            bucket.dirty.update(where.tolist())
        bucket.fold(traded, new.time_ms, *step_parts(new, traded, old))

    def settle(self) -> list[tuple[Bucket, NDArray[np.intp]]]:
        """Write amended closed candles back, with closes carried over the empty ones after them; answers what changed."""
        if not self._revised:
            return []
        self._revised = False
        changed = []
        previous: Bucket | None = None
        for bucket in self._amendable:
            if previous is not None and previous.dirty:
                self._carry(previous, bucket)
            previous = bucket
        for bucket in self._amendable:
            if bucket.dirty:
                where = np.array(sorted(bucket.dirty), np.intp)
                where = where[~bucket.sealed[where]]
                self.ring.put(bucket.time_ms, where, bucket.cells[:, where], bucket.gap[where])
                bucket.dirty = set()
                changed.append((bucket, where))
        return changed

    @staticmethod
    def _carry(earlier: Bucket, bucket: Bucket) -> None:
        for symbol in earlier.dirty:
            close = earlier.cells[CLOSE, symbol]
            if bucket.cells[TRADES, symbol] == 0 and bucket.cells[CLOSE, symbol] != close:
                bucket.cells[:VOLUME, symbol] = close
                bucket.dirty.add(symbol)

    # Candles seen in part

    def parts(self, first_ms: int, end_ms: int, where: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The candles of a span until now, the open one included: (n, 8, k), and where something is missing, (n, k)."""
        bucket = self.current
        if bucket is None or not first_ms <= bucket.time_ms < end_ms:
            return self.ring.span(first_ms, end_ms if bucket else min(end_ms, self.closed_ms), where)
        cells, gap = self.ring.span(first_ms, bucket.time_ms, where)
        return np.concatenate([cells, bucket.cells[:, where][np.newaxis]]), np.vstack([gap, bucket.gap[where]])

    def mend(self, finer: Track, symbols: NDArray[np.intp]) -> list[Candle]:
        """Put candles that were seen in part together from finer ones; answers the closed ones that changed.

        The open candle takes whatever is known; a closed one the whole of it, or what late trades changed in its parts.
        """
        changed: list[Candle] = []
        for bucket in [*self._amendable, *([] if self.current is None else [self.current])]:
            where = symbols[((bucket.gap | bucket.mended) & ~bucket.sealed)[symbols]]
            if not len(where):
                continue
            parts, missing = finer.parts(bucket.time_ms, bucket.time_ms + self.interval_ms, where)
            if not len(parts):
                continue
            cells, gap = combined(parts), np.any(missing, axis=0, keepdims=True)[0]
            if bucket.closed:
                had, changes = bucket.gap[where], (cells != bucket.cells[:, where]).any(axis=0)
                news = np.where(gap, had & bucket.mended[where] & changes, had | changes)
                where, cells, gap = where[news], cells[:, news], gap[news]
            bucket.take_whole(where, cells, gap)
            if bucket.closed:
                self.ring.put(bucket.time_ms, where, cells, gap)
                changed += self.candles(bucket, where)
        return changed

    def open_candle(self, symbol: int, last: float) -> Candle | None:
        """The candle that is still changing, None before the symbol has a price."""
        bucket = self.current
        if bucket is None:
            return None
        cells = bucket.cells[:, symbol].tolist()
        if not cells[TRADES] and not cells[VOLUME]:
            cells[:VOLUME] = [last] * 4
        if np.isnan(cells[CLOSE]):
            return None
        gap = bool(bucket.gap_steps[symbol] > 0 or bucket.unseen[symbol])
        return candle_of(self._symbols[symbol], self.ring.interval, bucket.time_ms, cells, closed=False, gap=gap)

    def candles(self, bucket: Bucket, where: NDArray[np.intp]) -> list[Candle]:
        """Closed candles of a bucket as facts, only for symbols that ever had a price."""
        known = where[~np.isnan(bucket.cells[CLOSE, where])]
        columns = bucket.cells[:, known].T.tolist()
        gaps = bucket.gap[known].tolist()
        names, interval, time_ms = self._symbols, self.ring.interval, bucket.time_ms
        return [
            candle_of(names[symbol], interval, time_ms, cells, closed=True, gap=gap)
            for symbol, cells, gap in zip(known.tolist(), columns, gaps, strict=True)
        ]


def step_parts(
    new: Samples, where: NDArray[np.intp], old: Samples | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Prices (4, k) and sums to add (4, k) of a step for some symbols; the sums as a difference when `old` is given."""
    prices = np.stack([new.open[where], new.high[where], new.low[where], new.price[where]])
    sums = np.stack([new.volume[where], new.notional[where], new.taker_buy_volume[where], new.trades[where]])
    if old is not None:
        sums -= np.stack([old.volume[where], old.notional[where], old.taker_buy_volume[where], old.trades[where]])
    return prices, sums
