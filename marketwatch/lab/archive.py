"""Stored samples for the lab: only the columns that a question needs, a piece of a span at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple

from ..errors import InvalidRequest
from ..model.market import Candle, Gap, QuietSpan
from ..ports import MarketStore, SampleColumns
from ..rules.history import History, densify

HOUR_MS = 3_600_000
_HELD_MS = 24 * HOUR_MS
_MOST_GAPS = 100_000
_MOST_WHALES = 100_000


class Breaks(NamedTuple):
    """Where a symbol's samples are not the whole story."""

    gaps: list[Gap]
    quiet: list[QuietSpan]

    def within(self, from_ms: int, to_ms: int) -> Breaks:
        """Those that touch a part of the span."""
        return Breaks(
            [gap for gap in self.gaps if gap.from_ms < to_ms and gap.to_ms >= from_ms],
            [span for span in self.quiet if span.from_ms < to_ms and span.until_ms > from_ms],
        )


class Archive:
    """Reads histories of a store. Nothing is kept: finished hours are packed in the store, and quick to read again."""

    def __init__(self, store: MarketStore) -> None:
        self._store = store

    async def breaks(self, symbol: str, from_ms: int, to_ms: int) -> Breaks:
        """What was missing, and when the symbol was quiet, in the span. Raises StoreError."""
        gaps = await self._store.gaps(symbol, from_ms=from_ms, to_ms=to_ms, limit=_MOST_GAPS)
        return Breaks(gaps, await self._store.quiet(symbol, from_ms=from_ms, to_ms=to_ms))

    async def history(
        self,
        symbol: str,
        from_ms: int,
        to_ms: int,
        *,
        sample_ms: int,
        whales: bool,
        columns: Collection[str],
        breaks: Breaks | None = None,
    ) -> History:
        """All steps of the span with `columns` filled; what was known in the day before holds when it begins. `breaks`: from
        somebody who knows them already. Raises StoreError; InvalidRequest where the span has more whales than can be told."""
        known = breaks or await self.breaks(symbol, from_ms, to_ms)
        begin_ms, wanted = from_ms // HOUR_MS * HOUR_MS, {"price", *columns}
        samples = await self._store.samples(symbol, begin_ms, to_ms, held_ms=_HELD_MS, columns=wanted)
        if "trades" not in wanted and (known.gaps or samples.gap.any()):  # a step with a trade is no gap
            samples = await self._store.samples(symbol, begin_ms, to_ms, held_ms=_HELD_MS, columns={*wanted, "trades"})
        big = await self._whales(symbol, from_ms, to_ms) if whales else []
        return await asyncio.to_thread(_dense, samples, known, from_ms, to_ms, sample_ms, big, columns)

    async def candles(self, symbol: str, interval: str, from_ms: int, to_ms: int, limit: int) -> list[Candle]:
        """Stored candles of the span, oldest first. Raises StoreError."""
        return await self._store.candles(symbol, interval, from_ms=from_ms, to_ms=to_ms, limit=limit)

    async def _whales(self, symbol: str, from_ms: int, to_ms: int) -> list[int]:
        found = await self._store.whales(symbol, from_ms=from_ms, to_ms=to_ms, limit=_MOST_WHALES)
        if len(found) == _MOST_WHALES:
            raise InvalidRequest(f"{symbol} has more than {_MOST_WHALES:,} whale trades in this span; choose a shorter one.")
        return [one.trade.time_ms for one in found]


def _dense(
    samples: SampleColumns, breaks: Breaks, from_ms: int, to_ms: int, sample_ms: int, whales: list[int], wanted: Collection[str]
) -> History:
    gaps, quiet = breaks
    return densify(samples, gaps, from_ms=from_ms, to_ms=to_ms, sample_ms=sample_ms, whales=whales, quiet=quiet, wanted=wanted)
