"""The venue's own candles: to warm long windows at the start, and for spans that no refill could bring back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..bus import Publish
from ..clock import Clock
from ..errors import FeedError, MalformedMessage, RateLimited
from ..model.market import Candle, VenueCandles
from .binance_rest import BinanceRest

DAY_MS = 86_400_000
MINUTE_MS = 60_000
PLAN = (("1m", DAY_MS), ("1h", 30 * DAY_MS))
"""What warms the windows: 24 h of minutes, 30 days of hours."""
SHARE = 0.35
"""Of the venue's weight budget: room for refills stays free below the half that all requests keep to."""
WORKERS = 4
_TRIES = 3


class Backfill:
    """Fetches history and publishes it per symbol as it comes. `done` of `total` symbols; `failed` counts those without."""

    def __init__(self, *, venue: str, rest: BinanceRest, clock: Clock, publish: Publish, progress: Callable[[], None]) -> None:
        self.done = self.total = self.failed = 0
        self.last_error = ""
        self._venue = venue
        self._rest = rest
        self._clock = clock
        self._publish = publish
        self._progress = progress

    @property
    def running(self) -> bool:
        return self.done < self.total

    async def warm_up(self, symbols: Sequence[str], venue_now_ms: Callable[[], int]) -> None:
        """History of all `symbols` in the given order, a few at a time."""
        self.total = len(symbols)
        self._progress()
        waiting = list(reversed(symbols))

        async def work() -> None:
            while waiting:
                symbol = waiting.pop()
                self.failed += not await self._symbol(symbol, venue_now_ms())
                self.done += 1
                self._progress()

        async with asyncio.TaskGroup() as group:
            for number in range(min(WORKERS, len(symbols))):
                group.create_task(work(), name=f"backfill {number}")

    async def span(self, symbol: str, from_ms: int, to_ms: int) -> bool:
        """Minute candles over `[from_ms, to_ms]`, for a gap that stays open; answers whether they came."""
        start = from_ms - from_ms % MINUTE_MS
        return await self._interval(symbol, "1m", start, max(start + MINUTE_MS, to_ms), to_ms + 2 * MINUTE_MS)

    async def _symbol(self, symbol: str, now_ms: int) -> bool:
        results = [await self._interval(symbol, interval, now_ms - span, now_ms, now_ms) for interval, span in PLAN]
        return all(results)

    async def _interval(self, symbol: str, interval: str, from_ms: int, to_ms: int, now_ms: int) -> bool:
        for attempt in range(_TRIES):
            try:
                candles = await self._rest.klines(symbol, interval, from_ms, to_ms, share=SHARE)
            except MalformedMessage as error:
                self.last_error = str(error)
                return False
            except FeedError as error:
                self.last_error = str(error)
                await self._clock.sleep(min(error.retry_after_s, 60.0) if isinstance(error, RateLimited) else 2.0**attempt)
                continue
            closed = closed_only(candles, interval, now_ms)
            if closed:
                self._publish(VenueCandles(self._venue, closed, history=True))
            return True
        return False


def interval_ms(interval: str) -> int:
    """`1m`, `5m`, `1h`, `1d`, `1w` in milliseconds. Raises FeedError for what is none."""
    units = {"s": 1000, "m": MINUTE_MS, "h": 60 * MINUTE_MS, "d": DAY_MS, "w": 7 * DAY_MS}
    if len(interval) < 2 or not interval[:-1].isdigit() or interval[-1] not in units:
        raise FeedError(f"{interval!r} is not an interval of candles; it must be a number with s, m, h, d or w.")
    return int(interval[:-1]) * units[interval[-1]]


def closed_only(candles: Sequence[Candle], interval: str, now_ms: int) -> list[Candle]:
    """Those whose span is over at `now_ms`."""
    length = interval_ms(interval)
    return [candle for candle in candles if candle.time_ms + length <= now_ms]
