"""The appraiser: what one portfolio is worth at the market of the moment, and how it did until now."""

from __future__ import annotations

import asyncio
from functools import partial

from ..engine.candles import CandleBook
from ..model.valuation import Performance, Valuation
from ..state import LiveState
from .day import DAY_MS
from .history import CandleSource, PriceHistory
from .marks import Kept
from .opening import opening_of
from .performance import performance
from .routes import Routes, board_of, mark
from .valuation import value

BENCHMARK = "BTC"


class Appraiser:
    """For the lifetime of one watch; what it read of the past stays at hand."""

    def __init__(self, *, state: LiveState, candles: CandleBook, source: CandleSource) -> None:
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

    async def performance(self, kept: Kept, now_ms: int) -> Performance | None:
        """By day since the first transaction; None without one. Raises StoreError."""
        ledger = kept.ledger
        if not ledger.moves:
            return None
        assets = [*ledger.trail.names, BENCHMARK]
        from_ms = ledger.moves[0].time_ms - DAY_MS
        routes = self._to(kept.portfolio.base_currency)
        grid = await self._history.grid(routes, assets, "1d", max(0, from_ms), now_ms)
        worth = self.value(kept, now_ms).value
        now_value = None if worth is None else float(worth)
        return await asyncio.to_thread(performance, ledger, grid, now_ms=now_ms, now_value=now_value, benchmark=BENCHMARK)

    def _to(self, base_currency: str) -> Routes:
        found = self._routes.get(base_currency)
        if found is None:
            instruments = [entry.instrument for entry in self._state.symbols.values()]
            found = self._routes[base_currency] = Routes(instruments, base_currency)
        return found
