"""Prices at 00:00 UTC, from the candles at hand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ..engine.candles import INTERVALS
from ..model.market import Candle
from .day import DAY_MS
from .routes import Route

_HOUR_MS = 3_600_000


class CandlesAtHand(Protocol):
    """Closed candles and the open one: a CandleBook is one."""

    def recent(self, symbol: str, interval: str, limit: int) -> list[Candle]: ...

    def current(self, symbol: str, interval: str) -> Candle | None: ...


class CandlesOfThen:
    """Stored candles as they were at hand at a moment, by symbol and interval, oldest first."""

    def __init__(self, stored: Mapping[tuple[str, str], Sequence[Candle]], now_ms: int) -> None:
        self._stored = stored
        self._now_ms = now_ms

    def recent(self, symbol: str, interval: str, limit: int) -> list[Candle]:
        rows = self._stored.get((symbol, interval), ())
        end = bisect_right(rows, self._now_ms - INTERVALS[interval], key=lambda one: one.time_ms)
        return list(rows[max(0, end - limit) : end])

    def current(self, symbol: str, interval: str) -> Candle | None:
        rows, start_ms = self._stored.get((symbol, interval), ()), self._now_ms - self._now_ms % INTERVALS[interval]
        return next((one for one in reversed(rows) if one.time_ms == start_ms), None)


def opening(candles: CandlesAtHand, symbol: str, now_ms: int) -> float | None:
    """The price with which the day of `now_ms` began: yesterday's close, else the first price of the day; None when neither is
    known (a start in the middle of the day without the venue's history)."""
    start_ms = now_ms - now_ms % DAY_MS
    for interval, length in (("1d", DAY_MS), ("1h", _HOUR_MS)):
        rows = candles.recent(symbol, interval, 26)
        before = next((one.close for one in rows if one.time_ms == start_ms - length), None)
        if before is not None:
            return before
    hours = (one for one in candles.recent(symbol, "1h", 26) if one.time_ms == start_ms and not one.gap)
    today = candles.current(symbol, "1d")
    if (first := next(hours, None)) is not None:
        return first.open
    return today.open if today is not None and today.time_ms == start_ms and not today.gap else None


def opening_of(candles: CandlesAtHand, route: Route | None, now_ms: int) -> float | None:
    """The same for an asset, along its route to the base currency."""
    if route is None:
        return None
    price = 1.0
    for leg in route:
        found = opening(candles, leg.symbol, now_ms)
        if found is None or not found > 0:
            return None
        price = price / found if leg.inverted else price * found
    return price if np.isfinite(price) else None
