"""Candles of one symbol from everywhere they are held: the database, memory, and finer candles put together."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from ...engine.candles import INTERVALS, aggregate
from ...errors import StoreUnavailable
from ...model.market import Candle
from .desk import Desk

_FINER = {
    "1d": ("4h", "1h"),
    "4h": ("1h",),
    "1h": ("15m", "5m", "1m"),
    "15m": ("5m", "1m"),
    "5m": ("1m",),
    "1m": ("1s",),
    "1s": (),
}
_MOST_FINER = 6_000


async def read_candles(
    desk: Desk, symbol: str, interval: str, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 500
) -> list[Candle]:
    """At most `limit` candles, the newest with open times in [from_ms, to_ms), oldest first, the open one last.

    What is in memory is newer than what is stored and wins, unless only the stored one has no gap. Candles that nobody has are
    made of finer ones; those that cannot be made are absent.
    """
    found = await _held(desk, symbol, interval, from_ms, to_ms, limit)
    for finer in _FINER[interval]:
        if not _wanting(found, interval, from_ms, to_ms, limit, desk.market_now_ms()):
            break
        length = INTERVALS[interval]
        start = None if from_ms is None else from_ms + -from_ms % length
        end = None if to_ms is None else to_ms + -to_ms % length
        parts = await _held(desk, symbol, finer, start, end, min(limit * length // INTERVALS[finer], _MOST_FINER))
        made = {candle.time_ms: candle for candle in aggregate(_sorted(parts), interval)}
        found = made | found
    return [candle for candle in _sorted(found) if _inside(candle, from_ms, to_ms)][-limit:]


async def _held(
    desk: Desk, symbol: str, interval: str, from_ms: int | None, to_ms: int | None, limit: int
) -> dict[int, Candle]:
    """Candles of just this interval by open time, from the database and from memory."""
    book = desk.watch.candles
    memory = [candle for candle in book.recent(symbol, interval, limit + 1) if _inside(candle, from_ms, to_ms)]
    current = book.current(symbol, interval)
    if current is not None and _inside(current, from_ms, to_ms):
        memory.append(current)
    found = {candle.time_ms: candle for candle in memory}
    if len(found) < limit or (from_ms is not None and memory and memory[0].time_ms > from_ms):
        for candle in await _stored(desk, symbol, interval, from_ms, to_ms, limit, found):
            held = found.get(candle.time_ms)
            if held is None or (held.gap and held.closed and not candle.gap):
                found[candle.time_ms] = candle
    return found


async def _stored(
    desk: Desk, symbol: str, interval: str, from_ms: int | None, to_ms: int | None, limit: int, held: dict[int, Candle]
) -> list[Candle]:
    """From the database; while it is away, what is in memory has to do."""
    try:
        return await desk.store.candles(symbol, interval, from_ms=from_ms, to_ms=to_ms, limit=limit)
    except StoreUnavailable:
        desk.telemetry.errors.labels("store_read").inc()
        if not held:
            raise
        return []


def _wanting(found: dict[int, Candle], interval: str, from_ms: int | None, to_ms: int | None, limit: int, now_ms: int) -> bool:
    """Whether candles of the asked span may be missing in `found`."""
    length = INTERVALS[interval]
    end = min(now_ms, to_ms if to_ms is not None else now_ms)
    first = max(end - limit * length, from_ms or 0)
    expected = max(0, (end - first) // length)
    return len(found) < min(limit, expected)


def _inside(candle: Candle, from_ms: int | None, to_ms: int | None) -> bool:
    return (from_ms is None or candle.time_ms >= from_ms) and (to_ms is None or candle.time_ms < to_ms)


def _sorted(candles: dict[int, Candle]) -> list[Candle]:
    return [candles[time_ms] for time_ms in sorted(candles)]


def runs(candles: Iterable[Candle], interval: str) -> list[list[Candle]]:
    """Split into stretches without a missing candle: a window must not reach over a hole as if it were not there."""
    rows = list(candles)
    if not rows:
        return []
    cuts = [n + 1 for n, (a, b) in enumerate(pairwise(rows)) if b.time_ms - a.time_ms != INTERVALS[interval]]
    return [rows[a:b] for a, b in pairwise([0, *cuts, len(rows)])]
