"""Stored samples for the lab: only the columns that a question needs, a piece of a span at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from ..errors import InvalidRequest
from ..model.market import Candle, Gap, QuietSpan
from ..ports import MarketStore, SampleColumns
from ..rules.history import History, densify

HOUR_MS = 3_600_000
_HELD_MS = 24 * HOUR_MS
_MOST_GAPS = 100_000
_MOST_WHALES = 100_000


class Archive:
    """Reads histories of a store. Nothing is kept: finished hours are packed in the store, and quick to read again."""

    def __init__(self, store: MarketStore) -> None:
        self._store = store

    async def history(
        self, symbol: str, from_ms: int, to_ms: int, *, sample_ms: int, whales: bool, columns: Collection[str]
    ) -> History:
        """All steps of the span with `columns` filled; what was known in the day before holds when it begins. Raises
        StoreError; InvalidRequest where the span has more whales than can be told."""
        quiet = await self._store.quiet(symbol, from_ms=from_ms, to_ms=to_ms)
        begin_ms, wanted = from_ms // HOUR_MS * HOUR_MS, {"price", *columns}
        gaps = await self._store.gaps(symbol, from_ms=from_ms, to_ms=to_ms, limit=_MOST_GAPS)
        samples = await self._store.samples(symbol, begin_ms, to_ms, held_ms=_HELD_MS, columns=wanted)
        if "trades" not in wanted and (gaps or samples.gap.any()):  # a step with a trade is no gap
            samples = await self._store.samples(symbol, begin_ms, to_ms, held_ms=_HELD_MS, columns={*wanted, "trades"})
        big = await self._whales(symbol, from_ms, to_ms) if whales else []
        return await asyncio.to_thread(_dense, samples, gaps, quiet, from_ms, to_ms, sample_ms, big, columns)

    async def candles(self, symbol: str, interval: str, from_ms: int, to_ms: int, limit: int) -> list[Candle]:
        """Stored candles of the span, oldest first. Raises StoreError."""
        return await self._store.candles(symbol, interval, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def _whales(self, symbol: str, from_ms: int, to_ms: int) -> list[int]:
        found = await self._store.whales(symbol, from_ms=from_ms, to_ms=to_ms, limit=_MOST_WHALES)
        if len(found) == _MOST_WHALES:
            raise InvalidRequest(f"{symbol} has more than {_MOST_WHALES:,} whale trades in this span; choose a shorter one.")
        return [one.trade.time_ms for one in found]


def _dense(
    samples: SampleColumns,
    gaps: list[Gap],
    quiet: list[QuietSpan],
    from_ms: int,
    to_ms: int,
    sample_ms: int,
    whales: list[int],
    wanted: Collection[str],
) -> History:
    return densify(samples, gaps, from_ms=from_ms, to_ms=to_ms, sample_ms=sample_ms, whales=whales, quiet=quiet, wanted=wanted)
