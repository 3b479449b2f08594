"""Stored samples for the lab: read in pieces so that the loop never waits long, and kept for the next question."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import fields

import numpy as np

from ..errors import InvalidRequest
from ..model.market import Gap
from ..ports import MarketStore, SampleColumns
from ..rules.history import History, densify

_PIECE_MS = 1_800_000
_KEPT_ROWS = 600_000
_MOST_GAPS = 100_000
_MOST_WHALES = 100_000
_SETTLED_MS = 900_000
_COLUMNS = tuple(field.name for field in fields(SampleColumns) if field.name not in ("symbol", "sample_ms"))


class Archive:
    """Reads histories of a store. Pieces that no late trade can amend any more are kept, at most 600,000 rows."""

    def __init__(self, store: MarketStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, int], SampleColumns] = OrderedDict()
        self._rows = 0

    async def history(self, symbol: str, from_ms: int, to_ms: int, *, sample_ms: int, now_ms: int, whales: bool) -> History:
        """All steps of the span. Raises StoreError; InvalidRequest where the span has more whales or gaps than can be told."""
        parts = [await self._piece(symbol, at, now_ms) for at in range(from_ms // _PIECE_MS * _PIECE_MS, to_ms, _PIECE_MS)]
        gaps = await self._store.gaps(symbol, from_ms=from_ms, to_ms=to_ms, limit=_MOST_GAPS)
        big = await self._whales(symbol, from_ms, to_ms) if whales else []
        return await asyncio.to_thread(_dense, symbol, parts, gaps, from_ms, to_ms, sample_ms, big)

    async def _whales(self, symbol: str, from_ms: int, to_ms: int) -> list[int]:
        found = await self._store.whales(symbol, from_ms=from_ms, to_ms=to_ms, limit=_MOST_WHALES)
        if len(found) == _MOST_WHALES:
            raise InvalidRequest(f"{symbol} has more than {_MOST_WHALES:,} whale trades in this span; choose a shorter one.")
        return [one.trade.time_ms for one in found]

    async def _piece(self, symbol: str, at_ms: int, now_ms: int) -> SampleColumns:
        key = (symbol, at_ms)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        found = await self._store.samples(symbol, at_ms, at_ms + _PIECE_MS)
        if at_ms + _PIECE_MS < now_ms - _SETTLED_MS:
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[str, int], found: SampleColumns) -> None:
        if key in self._kept:
            return
        self._kept[key] = found
        self._rows += len(found.time_ms) + 1
        while self._rows > _KEPT_ROWS:
            _, dropped = self._kept.popitem(last=False)
            self._rows -= len(dropped.time_ms) + 1


def _dense(
    symbol: str, parts: list[SampleColumns], gaps: list[Gap], from_ms: int, to_ms: int, sample_ms: int, whales: list[int]
) -> History:
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return densify(
        SampleColumns(symbol, sample_ms, **columns), gaps, from_ms=from_ms, to_ms=to_ms, sample_ms=sample_ms, whales=whales
    )
