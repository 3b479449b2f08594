"""Whales: single trades that are large in dollars, by a fixed threshold or by a streaming quantile of each symbol."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..bus import Publish
from ..model.market import DOLLARS, Instrument, Trade, Trades, Whale, Whales

_PER_E = 16
_DECAY_TURNS = 20


class SizeQuantile:
    """The size that one trade in `one_in` exceeds, from a histogram with 16 cells per factor e: right to about 6 per cent.

    Counts are halved every 20 x `one_in` sizes, so that the answer follows the market. Bounded: a few hundred cells.
    """

    def __init__(self, one_in: int) -> None:
        self._one_in = one_in
        self._cells: dict[int, float] = {}
        self._total = 0.0
        self._since = self._seen = 0
        self.threshold = math.inf

    def add(self, size: float) -> None:
        if not 0.0 < size < math.inf:
            return
        cell = math.ceil(math.log(size) * _PER_E)
        self._cells[cell] = self._cells.get(cell, 0.0) + 1.0
        self._total += 1
        self._seen += 1
        self._since += 1
        if self._seen >= self._one_in and (self._since >= max(16, self._one_in // 10) or self.threshold == math.inf):
            self._settle()

    def _settle(self) -> None:
        self._since = 0
        allowed, above = self._total / self._one_in, 0.0
        for cell in sorted(self._cells, reverse=True):
            above += self._cells[cell]
            if above > allowed:
                self.threshold = math.exp(cell / _PER_E)
                break
        if self._total > _DECAY_TURNS * self._one_in:
            self._cells = {cell: count / 2.0 for cell, count in self._cells.items() if count > 0.05}
            self._total = sum(self._cells.values())


class WhaleWatch:
    """Publishes `Whales` for trades whose price times quantity reaches the symbol's threshold in US dollars.

    Pairs quoted in dollars (or a dollar stablecoin) count as they are. Others are converted at the last price of
    `<quote><dollar>` when that pair is watched too (ETHBTC by BTCUSDT); without it nothing is a whale, for the value is not
    known. `one_in` > 0: one trade in so many, per symbol, once that many were seen; until then the fixed threshold holds.
    """

    def __init__(self, *, instruments: Sequence[Instrument], threshold_usd: float, one_in: int, publish: Publish) -> None:
        self._publish = publish
        self._threshold_usd = threshold_usd
        dollar_pairs = {item.base: item.symbol for item in reversed(instruments) if item.quote in DOLLARS}
        self._rates: dict[str, float] = {item.symbol: 1.0 if item.in_dollars else math.nan for item in instruments}
        self._follow: dict[str, list[str]] = {}
        for item in instruments:
            if not item.in_dollars and item.quote in dollar_pairs:
                self._follow.setdefault(dollar_pairs[item.quote], []).append(item.symbol)
        self._sizes = {item.symbol: SizeQuantile(one_in) for item in instruments} if one_in > 0 else {}
        self._limits: dict[str, float] = {}
        for symbol in self._rates:
            self._relimit(symbol)

    def threshold(self, symbol: str) -> float:
        """Dollars from which a trade of the symbol is a whale; infinite for a symbol whose value in dollars is not known."""
        rate = self._rates.get(symbol, math.nan)
        return math.inf if math.isnan(rate) else self._limits[symbol] * rate

    def on_trades(self, batch: Trades) -> None:
        limits = self._limits
        whales: list[Whale] = []
        plain = not self._sizes and not self._follow
        for trade in batch.trades:
            limit = limits.get(trade[0])
            if limit is None:
                continue
            value = trade[2] * trade[3]
            if value >= limit:
                whales.append(self._whale(trade, value))
            if not plain:
                self._learn(trade, value)
        if whales:
            self._publish(Whales(whales))

    def _whale(self, trade: Trade, value: float) -> Whale:
        return Whale(trade, value * self._rates[trade[0]], self.threshold(trade[0]))

    def _learn(self, trade: Trade, value: float) -> None:
        for symbol in self._follow.get(trade[0], ()):
            self._rates[symbol] = trade[2] * self._rates[trade[0]]
            self._relimit(symbol)
        size = self._sizes.get(trade[0])
        if size is not None:
            before = size.threshold
            size.add(value)
            if size.threshold != before:
                self._relimit(trade[0])

    def _relimit(self, symbol: str) -> None:
        """The threshold in the symbol's own quote asset."""
        rate = self._rates[symbol]
        size = self._sizes.get(symbol)
        if math.isnan(rate) or rate <= 0.0:
            self._limits[symbol] = math.inf
        elif size is not None and size.threshold < math.inf:
            self._limits[symbol] = size.threshold
        else:
            self._limits[symbol] = self._threshold_usd / rate
