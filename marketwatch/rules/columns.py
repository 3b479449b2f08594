"""Every metric of one window along time: the engine's numbers, for one symbol at all steps at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..model.metrics import Window
from . import sliding
from .buckets import Buckets
from .sliding import Moments
from .talib import average
from .truth import F8, Flags, Knowledge

YEAR_MS = 365 * 86_400_000
_NOISE = 1e-12


class WindowColumns:
    """The metrics of a window over the buckets of a symbol, NaN where unknown; `reference` are the reference symbol's buckets.

    On the sample grid a window is its last `length` steps. On a coarser grid it is `length - 1` closed buckets and the open
    one as far as it goes. Ask with numpy's floating point warnings off: unknown is NaN all the way.
    """

    def __init__(self, window: Window, buckets: Buckets, reference: Buckets | None, knowledge: Knowledge | None = None) -> None:
        self.window = window
        self._knowledge = knowledge or Knowledge()
        self._b = buckets
        self._h = buckets.history
        self._reference = reference
        self._closed = window.length - 1

    def column(self, name: str) -> F8:
        """A metric at every step."""
        value: F8 = getattr(self, f"_{name}")
        if self._settled:
            value[: self._begun] = np.nan  # of all metrics of the window, so those that share parts of it may share this
            stale = None if self._knowledge.stale else self._h.stale
            return value if stale is None else np.where(stale, np.nan, value)
        known = self._known & self._enough
        return value if known.all() else np.where(known, value, np.nan)

    @cached_property
    def _known(self) -> Flags:
        """Where the window counts as known."""
        knowledge = self._knowledge
        least = 2.0 if knowledge.warming else knowledge.least_filled * self.window.length
        known: Flags = self._filled >= least
        if not knowledge.warming:
            known &= self._seen >= self.window.length
        if self._h.stale is not None and not knowledge.stale:
            known &= ~self._h.stale
        return known

    @property
    def _settled(self) -> bool:
        """The simple case: nothing is missing, and only full windows count."""
        return self._h.clean and not self._knowledge.warming

    @property
    def _begun(self) -> int:
        """Steps before the first full window of a settled column."""
        return min(max(0, self._closed * self._b.per - self._b.lead), len(self._h))

    # The window's parts

    @cached_property
    def _price(self) -> F8:
        return self._b.flat(self._b.prices)

    @cached_property
    def _ends(self) -> F8:
        """The closing price of each bucket."""
        return np.ascontiguousarray(self._b.prices[:, -1])

    @cached_property
    def prices(self) -> Moments:
        """Count, mean and squared deviations of the window's prices."""
        return self._moments()

    def _moments(self, *, newest: bool = False) -> Moments:
        if self._b.fine:
            return sliding.moments(self._h.price, self.window.length, newest=newest)
        closed, before = sliding.moments(self._ends, self._closed), self._b.before
        known, mean, squares = before(closed.known, 0.0), before(closed.mean, np.nan), before(closed.squares, 0.0)
        return _with_head(known, mean, squares, self._price)

    @cached_property
    def _filled(self) -> F8:
        """Buckets of the window that have a price; one number where only full windows count."""
        if self._settled:
            return np.asarray(float(self.window.length))
        if self._h.clean:
            return np.minimum(self._b.number + 1.0, self.window.length)
        return self._tally((~np.isnan(self._b.prices)).astype(np.float64))

    @cached_property
    def _enough(self) -> Flags:
        enough: Flags = self._filled >= 2
        return enough

    @cached_property
    def _seen(self) -> F8:
        """Buckets of the window that had a price or are known to be missing."""
        if self._h.clean:
            return self._filled
        return self._tally(np.maximum(~np.isnan(self._b.prices), self._b.missing).astype(np.float64))

    def _tally(self, cells: F8) -> F8:
        """How many buckets of the window have a 1, from (buckets, steps)."""
        if self._b.fine:
            return sliding.sums(self._b.flat(cells), self.window.length)
        closed = sliding.sums(np.ascontiguousarray(cells[:, -1]), self._closed)
        return self._b.before(closed, 0.0) + self._b.flat(cells)

    def _total(self, column: F8) -> F8:
        """Sum over the window."""
        if self._b.fine:
            return sliding.sums(column, self.window.length)
        running = self._b.running(column, np.cumsum, 0.0)
        closed = sliding.sums(np.ascontiguousarray(running[:, -1]), self._closed)
        return self._b.before(closed, 0.0) + self._b.flat(running)

    def _best(self, column: F8) -> F8:
        """Highest of the window. On a coarse grid that of the closed buckets and of the last steps, as many as a bucket has:
        those before the open bucket are in the window, too."""
        if self._b.fine:
            return sliding.highest(column, self.window.length)
        recent = sliding.highest(column, self._b.per)
        closed = sliding.highest(self._b.closing(recent), self._closed)
        return np.fmax(self._b.before(closed, np.nan), recent)

    # Prices

    @property
    def _sma(self) -> F8:
        return self.prices.mean

    @cached_property
    def _price_std(self) -> F8:
        return np.sqrt(self.prices.squares / self._filled)

    @property
    def _volatility(self) -> F8:
        return 100.0 * (self._price_std / self.prices.mean)

    @property
    def _zscore(self) -> F8:
        prices = self._moments(newest=True)
        assert prices.away is not None
        std = np.sqrt(prices.squares / self._filled)
        return prices.away / np.where(std > 0.0, std, np.nan)

    @property
    def _wma(self) -> F8:
        if self._b.fine:
            return sliding.weighted(self._h.price, self.window.length)[1]
        weights, mean = sliding.weighted(self._ends, self._closed)
        weights, mean = self._b.before(weights, 0.0), self._b.before(mean, np.nan)
        own = np.where(np.isnan(self._price), 0.0, np.minimum(self._b.number, self._closed) + 1.0)
        base = np.where(weights > 0, mean, self._price)
        return base + np.where(own > 0, (self._price - base) * own, 0.0) / (weights + own)

    @property
    def _ema(self) -> F8:
        length, k = self.window.length, 2.0 / (self.window.length + 1.0)
        value, seen, seed = _averaged(self._ends, length)
        if self._b.fine:
            return value
        value, seen, seed = self._b.before(value, np.nan), self._b.before(seen, 0.0), self._b.before(seed, 0.0)
        head, known = self._price, ~np.isnan(self._price)
        value = np.where(known & (seen >= length), value + k * (head - value), value)
        return np.where(known & (seen + 1 == length), (seed + head) / length, value)

    @property
    def _drawdown(self) -> F8:
        return 100.0 * (self._price / self._best(self._h.price) - 1.0)

    @property
    def _max_drawdown(self) -> F8:
        price = self._h.price
        if self._b.fine:
            return -100.0 * (1.0 - sliding.slides(price, price, price / price, self.window.length).ratio)
        peak = self._b.running(price, np.fmax.accumulate, np.nan)
        trough = self._b.running(price, np.fmin.accumulate, np.nan)
        fall = np.fmin.accumulate(self._b.cut(price, np.nan) / peak, axis=1)
        ends = [np.ascontiguousarray(cells[:, -1]) for cells in (peak, trough, fall)]
        closed = sliding.slides(ends[0], ends[1], ends[2], self._closed)
        across = self._b.flat(trough) / self._b.before(closed.crest, np.nan)
        ratio = np.fmin(np.fmin(self._b.before(closed.ratio, np.nan), self._b.flat(fall)), across)
        return 100.0 * (ratio - 1.0)

    @property
    def _change(self) -> F8:
        places = len(self._ends)
        if self._settled:
            earlier = np.full(places, np.nan)
            earlier[self._closed :] = self._ends[: max(0, places - self._closed)]
            return 100.0 * (self._price / self._b.spread(earlier) - 1.0)
        known = np.where(np.isnan(self._ends), places, np.arange(places))
        coming = np.minimum.accumulate(known[::-1])[::-1]
        number = self._b.number.astype(np.int64)
        oldest = coming[np.maximum(number - self._closed, 0)]
        inside = oldest < number
        start = np.where(inside, self._ends[np.minimum(oldest, places - 1)], np.nan)
        return 100.0 * (self._price / start - 1.0)

    @property
    def _high(self) -> F8:
        return self._best(self._h.high)

    @property
    def _low(self) -> F8:
        return -self._best(-self._h.low)

    # Flows

    @cached_property
    def _traded(self) -> F8:
        return self._total(self._h.trades)

    @cached_property
    def _volume(self) -> F8:
        return np.where(self._traded > 0.5, self._total(self._h.volume), 0.0)

    def _a_unit(self, column: F8) -> F8:
        return np.where(self._traded > 0.5, self._total(column) / self._volume, np.nan)

    @property
    def _vwap(self) -> F8:
        return self._a_unit(self._h.notional)

    @property
    def _buy_ratio(self) -> F8:
        return np.clip(self._a_unit(self._h.taker_buy_volume), 0.0, 1.0)

    @property
    def _trade_rate(self) -> F8:
        head = ~np.isnan(self._price)
        seconds = (self._filled - head) * (self.window.grid_ms / 1000.0) + head * self._b.elapsed_s
        return np.rint(self._traded) / seconds

    # Returns

    def _over_returns(self, closed: F8, head: F8) -> F8:
        """Sum over the returns inside the window: one fewer than its buckets."""
        if self._b.fine:
            return sliding.sums(closed, self._closed)
        past = sliding.sums(closed, self._closed - 1) if self._closed > 1 else np.zeros(len(closed))
        return self._b.before(past, 0.0) + np.nan_to_num(head, nan=0.0)

    @property
    def _realized_vol(self) -> F8:
        closed, head = self._b.returns
        known, total, squares = (
            self._over_returns(*pair)
            for pair in ((_there(closed), _there(head)), (closed, head), (np.square(closed), np.square(head)))
        )
        annual = 100.0 * (YEAR_MS / self.window.grid_ms) ** 0.5
        deviation = np.sqrt(_variation(squares, total, known) / (known - 1.0))
        return np.where(known > 1.5, deviation * annual, np.nan)

    @cached_property
    def _pairs(self) -> tuple[F8, F8, F8]:
        """Over times at which both returns are known: their shared variation, the own one, the reference's."""
        nothing = np.full(len(self._h), np.nan)
        if self._reference is None:
            return nothing, nothing, nothing
        own, other = self._b.returns, self._reference.returns
        both = [np.where(np.isnan(a) | np.isnan(b), np.nan, 1.0) for a, b in zip(own, other, strict=True)]
        x, y = [a * b for a, b in zip(own, both, strict=True)], [a * b for a, b in zip(other, both, strict=True)]
        count = self._over_returns(*(np.nan_to_num(one, nan=0.0) for one in both))
        sums = [self._over_returns(*pair) for pair in (x, y)]
        squares = [self._over_returns(np.square(one[0]), np.square(one[1])) for one in (x, y)]
        cross = self._over_returns(x[0] * y[0], x[1] * y[1])
        variation = [_variation(square, total, count) for square, total in zip(squares, sums, strict=True)]
        theirs = np.where((variation[1] > 0.0) & (count > 1.5), variation[1], np.nan)
        return cross - sums[0] * (sums[1] / count), variation[0], theirs

    @property
    def _beta(self) -> F8:
        shared, _, theirs = self._pairs
        return shared / theirs

    @property
    def _correlation(self) -> F8:
        shared, own, theirs = self._pairs
        return np.clip(shared / np.sqrt(np.where(own > 0.0, own, np.nan) * theirs), -1.0, 1.0)


def _there(values: F8) -> F8:
    return (~np.isnan(values)).astype(np.float64)


def _variation(squares: F8, total: F8, counts: F8) -> F8:
    """Sum of squared deviations from the mean; exactly 0 where it is only rounding."""
    left = squares - total * (total / counts)
    return np.where(left <= _NOISE * squares, 0.0, left)


def _with_head(known: F8, mean: F8, squares: F8, head: F8) -> Moments:
    """Closed buckets and the open one."""
    there = ~np.isnan(head)
    count = known + there
    base = np.where(known > 0, mean, head)
    away = np.where(there, head - base, 0.0)
    spread = np.where(known > 0, squares, 0.0) + np.square(away) * known / count
    return Moments(count, base + away / count, spread, np.where(there, away * known / count, np.nan))


def _averaged(price: F8, length: int) -> tuple[F8, F8, F8]:
    """The exponential average at each bucket, the prices seen so far, and the sum of the first ones while they are too few."""
    there = ~np.isnan(price)
    seen = np.cumsum(there)
    known = price[there]
    value = np.concatenate([[np.nan], average(known, length)])[seen]
    seed = np.concatenate([[0.0], np.cumsum(known[:length])])[np.minimum(seen, length)]
    return value, seen.astype(np.float64), seed
