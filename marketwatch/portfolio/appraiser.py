"""The appraiser: what one portfolio is worth at the market of the moment, and how it did until now."""

from __future__ import annotations

import asyncio
from functools import partial

from ..engine.candles import INTERVALS, CandleBook
from ..model.valuation import Past, Performance, Rate, Valuation
from ..state import LiveState
from .day import DAY_MS
from .history import CloseSource, PriceHistory
from .marks import Kept
from .opening import opening_of
from .past import past
from .performance import performance
from .routes import Routes, board_of, mark
from .valuation import value

BENCHMARK = "BTC"


class Appraiser:
    """For the lifetime of one watch; what it read of the past stays at hand."""

    def __init__(self, *, state: LiveState, candles: CandleBook, source: CloseSource) -> None:
        self._state = state
        self._candles = candles
        self._history = PriceHistory(source)
        self._routes: dict[str, Routes] = {}

    def value(self, kept: Kept, now_ms: int) -> Valuation:
        """At the newest prices."""
        routes = self._to(kept.portfolio.base_currency)
        board = board_of(self._state, now_ms)

        def opening(asset: str) -> float | None:
            return opening_of(self._candles, routes.route(asset), now_ms)

        return value(kept.portfolio, kept.ledger, partial(mark, routes, board), opening, now_ms)

    def rate(self, base_currency: str, currency: str, now_ms: int) -> Rate | None:
        """From one currency into another over the watched pairs; None where that is not known, or both count one for one."""
        routes = self._to(currency)
        if not routes.route(base_currency):
            return None
        found = mark(routes, board_of(self._state, now_ms), base_currency)
        return None if found is None else Rate(currency, found.price)

    async def performance(self, kept: Kept, now_ms: int, now: Valuation | None = None) -> Performance | None:
        """By day since the first transaction; None without one. `now`: what it is worth, where that is known already.

        Raises StoreError."""
        ledger = kept.ledger
        if not ledger.moves:
            return None
        assets = [*ledger.trail.names, BENCHMARK]
        from_ms = ledger.moves[0].time_ms - DAY_MS
        routes = self._to(kept.portfolio.base_currency)
        grid = await self._history.grid(routes, assets, "1d", max(0, from_ms), now_ms)
        worth = (now or self.value(kept, now_ms)).value
        now_value = None if worth is None else float(worth)
        return await asyncio.to_thread(performance, ledger, grid, now_ms=now_ms, now_value=now_value, benchmark=BENCHMARK)

    async def past(self, kept: Kept, now_ms: int, from_ms: int, interval: str, now: Valuation | None = None) -> Past | None:
        """From `from_ms` until now, at the ends of the steps of `interval`; None without a transaction. `now` as above.

        Raises StoreError."""
        ledger = kept.ledger
        if not ledger.moves:
            return None
        routes = self._to(kept.portfolio.base_currency)
        begin_ms = max(from_ms, ledger.moves[0].time_ms)
        first_ms = max(0, begin_ms - 2 * INTERVALS[interval])
        grid = await self._history.grid(routes, [*ledger.trail.names, BENCHMARK], interval, first_ms, now_ms)
        worth, price = (now or self.value(kept, now_ms)).value, mark(routes, board_of(self._state, now_ms), BENCHMARK)
        given = {
            "now_value": None if worth is None else float(worth),
            "now_price": None if price is None else price.price,
        }
        return await asyncio.to_thread(past, ledger, grid, from_ms=begin_ms, now_ms=now_ms, **given, benchmark=BENCHMARK)

    def _to(self, base_currency: str) -> Routes:
        found = self._routes.get(base_currency)
        if found is None:
            instruments = [entry.instrument for entry in self._state.symbols.values()]
            found = self._routes[base_currency] = Routes(instruments, base_currency)
        return found
