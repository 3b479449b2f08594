"""The engine: every metric of every symbol and window at each sample step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ..bus import Publish
from ..errors import ConfigError
from ..model.market import Candle, Samples, Staleness, VenueCandles
from ..model.metrics import MetricTable, Window, pair_name
from .candles import INTERVALS, aggregate
from .figures import Figures
from .grids import MINUTE_MS, windows_of
from .minutes import Minutes
from .tier import Tier

_FACTS_MS = 125_000
_MOST_WINDOWS = 64
_MOST_PAIRS = 32
_NAMES = {length: name for name, length in INTERVALS.items()}
_SOURCES = {"1m": (MINUTE_MS, 5 * MINUTE_MS), "1h": (60 * MINUTE_MS, 240 * MINUTE_MS, 1440 * MINUTE_MS)}


class Engine:
    """Publishes a `MetricTable` at each sample step, over all symbols and windows.

    `windows` are names as people write them (see `grids.window_of`). `reference` is the symbol that correlation and beta
    compare with; when it is not watched both are unknown. Closed candles of the venue's history warm the windows on their
    grid: 1m candles those up to 24 h, 1h candles the longer ones; a live closed 1m candle mends a minute of which we missed a
    part.
    Cost per step does not depend on the length of the windows.
    """

    def __init__(
        self, *, symbols: Sequence[str], sample_ms: int, windows: Sequence[str], reference: str, publish: Publish
    ) -> None:
        self.symbols = tuple(symbols)
        self.windows: tuple[Window, ...] = windows_of(windows, sample_ms=sample_ms, symbols=len(self.symbols))
        self.table: MetricTable | None = None
        self._publish = publish
        self._index = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._sample_ms = sample_ms
        self._reference = reference
        self._stale = np.zeros(len(self.symbols), np.bool_)
        self._tiers = self._tiers_for(self.windows)
        self._minutes = Minutes(len(self.symbols))
        self._facts: deque[Samples] = deque()
        self._end_ms = -1
        self._catching_up = False

    def _tiers_for(self, windows: Sequence[Window]) -> list[Tier]:
        count, reference = len(self.symbols), self._index.get(self._reference)
        return [
            Tier(grid, self._sample_ms, [one for one in windows if one.grid_ms == grid], symbols=count, reference=reference)
            for grid in sorted({window.grid_ms for window in windows})
        ]

    def require(self, names: Sequence[str], pairs: Sequence[tuple[str, str]] = ()) -> None:
        """Have these windows too, from the next step on. One that is there under another name (`24h`, `1d`) is not added again.
        `pairs`: windows, among them, over which correlation and beta with another symbol are wanted; each costs as much as a
        window. One with a symbol that is not watched is left out.

        A new window starts from what its grid holds; on a grid that had no window, from the samples of the last two minutes.
        Raises ConfigError for a name that is none, and above 64 windows or 32 pairs.
        """
        have = {(window.grid_ms, window.length) for window in self.windows}
        wanted = windows_of(names, sample_ms=self._sample_ms, symbols=len(self.symbols))
        fresh = list({(one.grid_ms, one.length): one for one in wanted if (one.grid_ms, one.length) not in have}.values())
        if len(self.windows) + len(fresh) > _MOST_WINDOWS:
            raise ConfigError(f"There would be {len(self.windows) + len(fresh)} windows; {_MOST_WINDOWS} are the most.")
        with np.errstate(all="ignore"):
            for tier in self._tiers:
                tier.add([one for one in fresh if one.grid_ms == tier.grid_ms])
            grids = {tier.grid_ms for tier in self._tiers}
            for tier in self._tiers_for([one for one in fresh if one.grid_ms not in grids]):
                for samples in self._facts:
                    tier.take(samples)
                    tier.finish()
                self._tiers.append(tier)
        self.windows = (*self.windows, *fresh)
        for name, other in pairs:
            self._require_pair(name, other)

    def _require_pair(self, name: str, other: str) -> None:
        wanted = windows_of([name], sample_ms=self._sample_ms, symbols=len(self.symbols))[0]
        window = next(one for one in self.windows if (one.grid_ms, one.length) == (wanted.grid_ms, wanted.length))
        tier, key = next(tier for tier in self._tiers if tier.grid_ms == window.grid_ms), pair_name(window.name, other)
        if key in tier.pairs or other not in self._index:
            return
        if sum(len(one.pairs) for one in self._tiers) >= _MOST_PAIRS:
            raise ConfigError(f"Correlation and beta with {other} over {name} would be one pair more than {_MOST_PAIRS}.")
        with np.errstate(all="ignore"):
            tier.add_pair(key, window, self._index[other])

    @contextmanager
    def catching_up(self) -> Iterator[None]:
        """Steps that are published inside are taken in without a table, at a fraction of the cost. Revise nothing there."""
        self._catching_up = True
        for tier in self._tiers:
            tier.behind = True
        try:
            yield
        finally:
            self._catching_up = False
            with np.errstate(all="ignore"):
                for tier in self._tiers:
                    tier.catch_up()

    def on_samples(self, samples: Samples) -> None:
        """A new step moves every window and publishes; an amended one is taken in before the next step."""
        if samples.revised is not None:
            self._revise(samples, samples.revised)
        elif samples.time_ms >= self._end_ms:
            self._end_ms = samples.time_ms + samples.sample_ms
            self._remember(samples)
            self._minutes.take(samples)
            if self._catching_up:
                self._take(samples)
                return
            with np.errstate(all="ignore"):  # unknown is NaN all the way
                self.table = self._tick(samples)
            self._publish(self.table)

    def on_staleness(self, fact: Staleness) -> None:
        """The STALE bit of the symbol, from the next step on."""
        number = self._index.get(fact.symbol)
        if number is not None:
            self._stale[number] = fact.stale

    def on_venue_candles(self, batch: VenueCandles) -> None:
        """History warms the long windows; closed live 1m candles mend minutes that we saw in part."""
        known = [one for one in batch.candles if one.closed and one.interval in _SOURCES and one.symbol in self._index]
        known.sort(key=lambda candle: (candle.symbol, candle.interval, candle.time_ms))
        for (symbol, interval), group in groupby(known, key=lambda candle: (candle.symbol, candle.interval)):
            self._warm(self._index[symbol], interval, list(group))

    def sparkline(self, symbol: str, points: int = 60) -> NDArray[np.float64]:
        """One-minute closes, oldest first, the open minute last; at most the last hour; NaN where unknown."""
        number = self._index.get(symbol)
        return np.full(points, np.nan) if number is None else self._minutes.closes(number, points)

    def _warm(self, symbol: int, interval: str, candles: list[Candle]) -> None:
        if interval == "1m":
            self._minutes.fill(symbol, candles)
        for tier in self._tiers:
            if tier.coarse and tier.grid_ms in _SOURCES[interval]:
                same = tier.grid_ms == INTERVALS[interval]
                found = candles if same else aggregate(candles, _NAMES[tier.grid_ms])
                with np.errstate(all="ignore"):
                    tier.warm(symbol, [candle for candle in found if candle.closed])

    def _remember(self, samples: Samples) -> None:
        self._facts.append(samples)
        while self._facts[0].time_ms < samples.time_ms - _FACTS_MS:
            self._facts.popleft()

    def _revise(self, samples: Samples, where: NDArray[np.intp]) -> None:
        position = next((at for at, fact in enumerate(self._facts) if fact.time_ms == samples.time_ms), None)
        if position is None:
            return
        old, self._facts[position] = self._facts[position], samples
        self._minutes.revise(samples, where)
        with np.errstate(all="ignore"):
            for tier in self._tiers:
                tier.revise(old, samples, where)

    def _take(self, samples: Samples) -> None:
        with np.errstate(all="ignore"):
            for tier in self._tiers:
                tier.take(samples)
                tier.finish()

    def _tick(self, samples: Samples) -> MetricTable:
        values: dict[str, Figures] = {}
        paired: dict[str, Figures] = {}
        state, filled = {}, {}
        for tier in self._tiers:
            head = tier.take(samples)
            for window in tier.windows:
                name = window.window.name
                values[name] = window.values(head)
                state[name], filled[name] = window.state(head, self._stale)
            paired |= {name: window.values(head) for name, window in tier.pairs.items()}
            tier.finish()
        middle = (samples.bid + samples.ask) / 2.0
        spread = 1e4 * (samples.ask - samples.bid) / middle
        points = {"price": samples.price, "bid": samples.bid, "ask": samples.ask, "spread_bps": spread}
        names = [window.name for window in self.windows]
        return MetricTable(
            samples.time_ms + samples.sample_ms, self.symbols, self.windows, points,
            {name: values[name] for name in names} | paired, {name: state[name] for name in names},
            {name: filled[name] for name in names},
        )  # fmt: skip
