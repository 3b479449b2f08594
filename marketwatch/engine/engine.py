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
_MOST_LENT, _MOST_LENT_PAIRS, _MOST_LENT_CELLS = 16, 8, 200_000
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
        self.wide: MetricTable | None = None
        """The published table, with the windows that are lent as well."""
        self._lent: dict[tuple[int, int], Window] = {}
        self._lent_pairs: set[str] = set()
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
        fresh = self._fresh(names)
        if len(self.windows) + len(fresh) > _MOST_WINDOWS:
            raise ConfigError(f"There would be {len(self.windows) + len(fresh)} windows; {_MOST_WINDOWS} are the most.")
        self._add([one for one in fresh if _key(one) not in self._lent])
        self._lent = {key: one for key, one in self._lent.items() if one not in fresh}
        self.windows = (*self.windows, *fresh)
        for name, other in pairs:
            self._require_pair(name, other)

    def lend(self, names: Sequence[str], pairs: Sequence[tuple[str, str]] = ()) -> None:
        """As `require`, for somebody who looks for a while: these windows are in `wide` alone, and take no place of those that
        are required. What was lent before and is not among them is taken back.

        Raises ConfigError, with everything as it was, above 16 windows or 8 pairs, and for one of more than 200,000 values.
        """
        fresh = {_key(one): one for one in self._fresh(names)}
        for one in fresh.values():
            if one.length * len(self.symbols) > _MOST_LENT_CELLS and _key(one) not in self._lent:
                values = f"{one.length * len(self.symbols):,} values for {len(self.symbols)} symbols"
                raise ConfigError(f"The window {one.name} would remember {values}; {_MOST_LENT_CELLS:,} are the most here.")
        wanted = [(name, other) for name, other in pairs if other in self._index]
        if len(fresh) > _MOST_LENT or len(wanted) > _MOST_LENT_PAIRS:
            raise ConfigError(
                f"There is room for {_MOST_LENT} further windows and {_MOST_LENT_PAIRS} pairs of symbols; these would be "
                f"{len(fresh)} and {len(wanted)}."
            )
        self._add([one for key, one in fresh.items() if key not in self._lent])
        kept = {self._lent_pair(name, other, list(fresh.values())) for name, other in wanted}
        self._take_back([one for key, one in self._lent.items() if key not in fresh], self._lent_pairs - kept)
        self._lent = fresh

    @property
    def lent(self) -> tuple[Window, ...]:
        """The windows that are lent now."""
        return tuple(self._lent.values())

    def is_full(self, window: Window) -> bool:
        """Whether the ring of the window's grid holds all of it, as far as anything is known."""
        return any(tier.grid_ms == window.grid_ms and tier.held >= window.length - 1 for tier in self._tiers)

    def _fresh(self, names: Sequence[str]) -> list[Window]:
        """Those of the named windows that nobody requires yet, each once, by the name under which it is lent."""
        have = {_key(one) for one in self.windows}
        wanted = windows_of(names, sample_ms=self._sample_ms, symbols=len(self.symbols))
        return list({_key(one): self._lent.get(_key(one), one) for one in wanted if _key(one) not in have}.values())

    def _add(self, fresh: Sequence[Window]) -> None:
        with np.errstate(all="ignore"):
            for tier in self._tiers:
                tier.add([one for one in fresh if one.grid_ms == tier.grid_ms])
            grids = {tier.grid_ms for tier in self._tiers}
            for tier in self._tiers_for([one for one in fresh if one.grid_ms not in grids]):
                for samples in self._facts:
                    tier.take(samples)
                    tier.finish()
                self._tiers.append(tier)

    def _take_back(self, windows: Sequence[Window], pairs: set[str]) -> None:
        for tier in self._tiers:
            tier.drop([one for one in windows if one.grid_ms == tier.grid_ms], [name for name in pairs if name in tier.pairs])
        self._tiers = [tier for tier in self._tiers if tier.windows]
        self._lent_pairs -= pairs

    def _lent_pair(self, name: str, other: str, lent: Sequence[Window]) -> str:
        tier, key, window = self._pair(name, other, (*self.windows, *lent))
        if key not in tier.pairs:
            with np.errstate(all="ignore"):
                tier.add_pair(key, window, self._index[other])
            self._lent_pairs.add(key)
        return key if key in self._lent_pairs else ""

    def _pair(self, name: str, other: str, windows: Sequence[Window]) -> tuple[Tier, str, Window]:
        wanted = windows_of([name], sample_ms=self._sample_ms, symbols=len(self.symbols))[0]
        window = next(one for one in windows if _key(one) == _key(wanted))
        return next(tier for tier in self._tiers if tier.grid_ms == window.grid_ms), pair_name(window.name, other), window

    def _require_pair(self, name: str, other: str) -> None:
        tier, key, window = self._pair(name, other, self.windows)
        self._lent_pairs.discard(key)
        if key in tier.pairs or other not in self._index:
            return
        if sum(len(one.pairs) for one in self._tiers) - len(self._lent_pairs) >= _MOST_PAIRS:
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
        end_ms, lent = samples.time_ms + samples.sample_ms, self._lent_pairs
        names = [window.name for window in self.windows]
        table = MetricTable(
            end_ms, self.symbols, self.windows, points,
            {name: values[name] for name in names} | {name: one for name, one in paired.items() if name not in lent},
            {name: state[name] for name in names}, {name: filled[name] for name in names},
        )  # fmt: skip
        self.wide = table
        if self._lent or lent:
            windows = (*self.windows, *self._lent.values())
            self.wide = MetricTable(end_ms, self.symbols, windows, points, values | paired, state, filled)
        return table


def _key(window: Window) -> tuple[int, int]:
    """What makes two names of windows one window."""
    return window.grid_ms, window.length
