"""The candle book: candles of seven intervals, built from samples, checked against the venue's own."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ..bus import Publish
from ..model.market import Candle, ClosedCandles, Samples, VenueCandles
from ..rules.frame import Candles
from .candle_ring import VOLUME, CandleRing
from .candle_track import Bucket, Track, step_parts

INTERVALS = {
    "1s": 1000, "1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000,
}  # fmt: skip
"""Interval names and their lengths in milliseconds. All start at multiples of their length, UTC."""

_ROWS = {"1s": 300, "1m": 1500, "5m": 300, "15m": 300, "1h": 750, "4h": 300, "1d": 300}
_MOST_CELLS = 500_000
_FACTS_MS = 125_000
_SETTLED_MS = 2000
_MOST_WAITING = 5000
_FILLED_FROM = {"1m": ("5m", "15m"), "1h": ("4h", "1d")}
_MENDED_FROM = {"5m": "1m", "15m": "1m", "1h": "1m", "4h": "1h", "1d": "1h"}


def aggregate(candles: Sequence[Candle], interval: str) -> list[Candle]:
    """Candles of one symbol and a finer interval, oldest first, put together to `interval` (a key of INTERVALS).

    A coarse candle is `gap` when one of its parts is, or is missing; `closed` when its last part is there and closed. Candles
    without trades carry a price but never set open, high, low or close beside ones that have trades.
    """
    length = INTERVALS[interval]
    return [
        _combined(list(parts), interval, start)
        for start, parts in groupby(candles, key=lambda candle: candle.time_ms - candle.time_ms % length)
    ]


def _combined(parts: list[Candle], interval: str, start_ms: int) -> Candle:
    part_ms = INTERVALS[parts[0].interval]
    traded = [part for part in parts if part.trades or part.volume] or parts
    whole = len(parts) * part_ms == INTERVALS[interval]
    ended = parts[-1].time_ms + part_ms == start_ms + INTERVALS[interval]
    return Candle(
        parts[0].symbol, interval, start_ms,
        traded[0].open, max(part.high for part in traded), min(part.low for part in traded), traded[-1].close,
        sum(part.volume for part in parts), sum(part.quote_volume for part in parts), sum(part.trades for part in parts),
        sum(part.taker_buy_volume for part in parts),
        closed=ended and parts[-1].closed, gap=not (whole or not ended) or any(part.gap for part in parts),
    )  # fmt: skip


class CandleBook:
    """Open and closed candles of every symbol and interval.

    `1s` candles are kept in memory only and never published (500 of them a second would cost more than the metrics); the
    others are published as `ClosedCandles` when they close, for symbols that ever had a price, and again with `revision` when
    late trades or the venue amended them. An interval without trades carries the previous close. Intervals that event time
    leapt over are filled the same way in memory, marked as a gap, and not published. Memory is bounded: 1,500 candles of 1m,
    750 of 1h, 300 of the others, fewer in proportion when there are more than about 130 symbols.

    A candle that we saw in part (after a start in its middle, or over a gap) is put together from finer ones, the venue's and
    ours, as soon as those arrive: 5m, 15m and 1h from minutes, 4h and 1d from hours. It stays marked as a gap until every part
    is known.

    `checked` and `mismatches` count, per symbol, closed 1m candles of the venue that were compared with ours, 2 s after their
    end, prices to 1e-9 and volumes to 1e-6. Candles of which we missed a part are replaced by the venue's, not compared.
    """

    def __init__(self, *, symbols: Sequence[str], publish: Publish) -> None:
        self.symbols = tuple(symbols)
        self.mismatches: dict[str, int] = {}
        self.checked: dict[str, int] = {}
        self._publish = publish
        self._index = {symbol: number for number, symbol in enumerate(self.symbols)}
        scale = min(1.0, _MOST_CELLS / (sum(_ROWS.values()) * max(1, len(self.symbols))))
        self._tracks = {
            name: Track(CandleRing(name, length, max(70, int(_ROWS[name] * scale)), self.symbols), self.symbols)
            for name, length in INTERVALS.items()
        }
        self._columns: dict[str, Candles] = {}
        self._facts: deque[Samples] = deque()
        self._last = np.full(len(self.symbols), np.nan)
        self._last_ms = np.full(len(self.symbols), -1, np.int64)
        self._end_ms = -1
        self._waiting: OrderedDict[tuple[str, int], Candle] = OrderedDict()

    def on_samples(self, samples: Samples) -> None:
        if samples.revised is None:
            self._take(samples)
        else:
            self._revise(samples)

    def current(self, symbol: str, interval: str) -> Candle | None:
        """The open candle, None while no price is known."""
        number = self._index.get(symbol)
        return None if number is None else self._tracks[interval].open_candle(number, float(self._last[number]))

    def recent(self, symbol: str, interval: str, limit: int) -> list[Candle]:
        """Closed candles held in memory, oldest first, the newest `limit`; empty for a symbol that is not watched."""
        number = self._index.get(symbol)
        return [] if number is None else self._tracks[interval].ring.recent(number, limit)

    def columns(self, interval: str, *, running: bool = False) -> Candles | None:
        """Closed candles of all symbols as columns, None while there are none; copied once per close, then handed out again.

        `running`: one row, the candles that are open, None right after a close.
        """
        if running:
            return self._running(self._tracks[interval])
        ring = self._tracks[interval].ring
        if ring.newest_ms < 0:
            return None
        held = self._columns.get(interval)
        if held is None or held.newest_ms != ring.newest_ms:
            cells = ring.columns()
            held = Candles(ring.newest_ms, *(cells[:, row] for row in range(VOLUME + 1)))
            self._columns[interval] = held
        return held

    def _running(self, track: Track) -> Candles | None:
        bucket = track.current
        if bucket is None:
            return None
        cells, empty = bucket.cells[: VOLUME + 1].copy(), bucket.empty_ones
        cells[:VOLUME, empty] = self._last[empty]
        return Candles(bucket.time_ms, *(row[np.newaxis] for row in cells))

    # Ours, from samples

    def _take(self, samples: Samples) -> None:
        if samples.time_ms < self._end_ms:
            return
        self._settle()
        skipped = samples.time_ms > self._end_ms >= 0
        self._end_ms = samples.time_ms + samples.sample_ms
        closed: list[Candle] = []
        where = np.flatnonzero(samples.trades)
        parts = step_parts(samples, where)
        before = self._last.copy() if skipped else self._last
        self._last[where] = samples.price[where]
        self._last_ms[where] = samples.time_ms
        has_gap = bool(samples.gap.any())
        for name, track in self._tracks.items():
            if name == "1s" and 1000 % samples.sample_ms:
                continue
            ended = track.enter(samples.time_ms, skipped=skipped, last=before)
            closed += self._facts_of(track, ended) if ended is not None else []
            bucket = track.current
            assert bucket is not None
            bucket.fold(where, samples.time_ms, *parts)
            if has_gap:
                bucket.gap_steps += samples.gap
            if self._end_ms >= bucket.time_ms + track.interval_ms:
                closed += self._facts_of(track, track.close(self._last))
        self._remember(samples)
        if closed:
            self._publish(ClosedCandles(closed))
        if any(track.begun_late for track in self._tracks.values()):
            self._publish_amended(self._mend(np.arange(len(self.symbols))))
        self._compare()

    def _facts_of(self, track: Track, bucket: Bucket) -> list[Candle]:
        if track.ring.interval == "1s":
            return []
        return track.candles(bucket, np.arange(len(self.symbols)))

    def _remember(self, samples: Samples) -> None:
        self._facts.append(samples)
        while self._facts[0].time_ms < samples.time_ms - _FACTS_MS:
            self._facts.popleft()

    def _revise(self, samples: Samples) -> None:
        where = samples.revised
        position = next((at for at, fact in enumerate(self._facts) if fact.time_ms == samples.time_ms), None)
        if position is None or where is None:
            return
        old, self._facts[position] = self._facts[position], samples
        for track in self._tracks.values():
            track.revise(old, samples, where)
        newest = where[(samples.trades[where] > 0) & (samples.time_ms >= self._last_ms[where])]
        self._last[newest] = samples.price[newest]
        self._last_ms[newest] = samples.time_ms

    def _settle(self) -> None:
        """Publish what revisions changed, once, before the next step is taken."""
        amended: list[Candle] = []
        for name, track in self._tracks.items():
            for bucket, where in track.settle():
                amended += [] if name == "1s" else track.candles(bucket, where)
        outdated = sorted(set[int]().union(*(track.outdated for track in self._tracks.values())))
        if outdated:
            amended += self._mend(np.array(outdated, np.intp))
        self._publish_amended(amended)

    def _mend(self, symbols: NDArray[np.intp]) -> list[Candle]:
        """From fine to coarse, so that mended hours make mended days. Answers the closed candles that changed."""
        changed: list[Candle] = []
        for coarse, fine in _MENDED_FROM.items():
            changed += self._tracks[coarse].mend(self._tracks[fine], symbols)
        for track in self._tracks.values():
            track.begun_late = False
            track.outdated.difference_update(symbols.tolist())
        return changed

    def _publish_amended(self, candles: list[Candle]) -> None:
        if candles:
            self._publish(ClosedCandles(candles, revision=True))

    # The venue's

    def on_venue_candles(self, batch: VenueCandles) -> None:
        """History fills the memory; a closed live 1m candle is compared with ours or takes its place, at the next step.

        Not at once: trades of the same gulp may still wait to amend what is compared.
        """
        if batch.history:
            self._fill(batch.candles)
            return
        for candle in batch.candles:
            if candle.closed and candle.interval == "1m" and candle.symbol in self._index:
                self._waiting[candle.symbol, candle.time_ms] = candle
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)

    def _fill(self, candles: Sequence[Candle]) -> None:
        known = [one for one in candles if one.closed and one.interval in INTERVALS and one.symbol in self._index]
        known.sort(key=lambda candle: (candle.symbol, candle.interval, candle.time_ms))
        amended: list[Candle] = []
        symbols = set[int]()
        for (symbol, interval), group in groupby(known, key=lambda candle: (candle.symbol, candle.interval)):
            number, found = self._index[symbol], list(group)
            amended += self._put(number, interval, found)
            for coarse in _FILLED_FROM.get(interval, ()):
                amended += self._put(number, coarse, [candle for candle in aggregate(found, coarse) if candle.closed])
            if self._last_ms[number] < 0 and (interval == "1m" or np.isnan(self._last[number])):
                self._last[number] = found[-1].close  # what a symbol that has not traded yet carries
            symbols.add(number)
        self._publish_amended(amended + self._mend(np.array(sorted(symbols), np.intp)))

    def _put(self, symbol: int, interval: str, candles: list[Candle]) -> list[Candle]:
        """Write candles where we have none, or have seen a part only; answers those that took the place of ours."""
        ring = self._tracks[interval].ring
        ours = [ring.get(candle.time_ms, symbol) for candle in candles]
        wanted = [candle for candle, own in zip(candles, ours, strict=True) if own is None or (own.gap and not candle.gap)]
        ring.put_many(symbol, wanted)
        for candle in wanted:
            bucket = self._tracks[interval].bucket_at(candle.time_ms)
            if bucket is not None and bucket.closed:
                bucket.sealed[symbol] = True
        return [candle for candle, own in zip(candles, ours, strict=True) if own is not None and own.gap and not candle.gap]

    def _compare(self) -> None:
        amended: list[Candle] = []
        mended = set[int]()
        for key in [key for key in self._waiting if key[1] + 60_000 + _SETTLED_MS <= self._end_ms]:
            theirs = self._waiting.pop(key)
            number = self._index[theirs.symbol]
            ours = self._tracks["1m"].ring.get(theirs.time_ms, number)
            if ours is None or ours.gap:
                self._put(number, "1m", [theirs])
                amended.append(theirs)
                mended.add(number)
            else:
                self.checked[theirs.symbol] = self.checked.get(theirs.symbol, 0) + 1
                if not same(ours, theirs):
                    self.mismatches[theirs.symbol] = self.mismatches.get(theirs.symbol, 0) + 1
        if mended:
            self._publish_amended(amended + self._mend(np.array(sorted(mended), np.intp)))


def same(ours: Candle, theirs: Candle) -> bool:
    """Whether two candles agree: prices to 1e-9, volumes to 1e-6, relative. Without a trade there are no prices to compare."""
    volumes = ((ours.volume, theirs.volume), (ours.quote_volume, theirs.quote_volume))
    prices = zip(ours[3:7], theirs[3:7], strict=True) if theirs.volume or ours.volume else ()
    return all(_near(a, b, 1e-6) for a, b in volumes) and all(_near(a, b, 1e-9) for a, b in prices)


def _near(a: float, b: float, relative: float) -> bool:
    return abs(a - b) <= relative * max(abs(a), abs(b))
