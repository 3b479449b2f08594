"""The warm-up: closed candles only, per symbol as they come, failures counted."""

from __future__ import annotations

import pytest

from marketwatch.clock import ManualClock
from marketwatch.errors import FeedError, MalformedMessage
from marketwatch.feed.backfill import DAY_MS, MINUTE_MS, Backfill, closed_only, interval_ms
from marketwatch.feed.binance_rest import BinanceRest
from marketwatch.feed.endpoints import Endpoints
from marketwatch.model.market import Candle, VenueCandles

NOW_MS = 1_700_000_000_000


def candle(symbol: str, interval: str, time_ms: int) -> Candle:
    return Candle(symbol, interval, time_ms, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0, 0.0)


class Venue(BinanceRest):
    """Answers two candles of each span: its first, and one that is still open at its end."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(endpoints=Endpoints(["http://venue"]), clock=clock)
        self.asked: list[tuple[str, str, int, int]] = []
        self.broken: dict[str, FeedError] = {}

    async def klines(self, symbol: str, interval: str, from_ms: int, to_ms: int, *, share: float = 1.0) -> list[Candle]:
        self.asked.append((symbol, interval, from_ms, to_ms))
        if symbol in self.broken:
            raise self.broken[symbol]
        return [candle(symbol, interval, from_ms), candle(symbol, interval, to_ms - 1)]


def bench() -> tuple[Backfill, Venue, list[VenueCandles], list[int]]:
    clock, published, progress = ManualClock(NOW_MS), list[VenueCandles](), list[int]()
    venue = Venue(clock)
    fill = Backfill(venue="v", rest=venue, clock=clock, publish=published.append, progress=lambda: progress.append(fill.done))
    return fill, venue, published, progress


async def test_each_symbol_gets_a_day_of_minutes_and_a_month_of_hours() -> None:
    fill, venue, published, progress = bench()
    await fill.warm_up(["A", "B"], lambda: NOW_MS)
    assert sorted(venue.asked) == sorted(
        (symbol, interval, NOW_MS - span, NOW_MS) for symbol in "AB" for interval, span in (("1m", DAY_MS), ("1h", 30 * DAY_MS))
    )
    assert all(batch.history and len(batch.candles) == 1 for batch in published)
    assert (fill.done, fill.total, fill.failed, fill.running) == (2, 2, 0, False)
    assert progress == [0, 1, 2]


async def test_answer_that_cannot_be_read_costs_its_symbol_only() -> None:
    fill, venue, published, _ = bench()
    venue.broken["A"] = MalformedMessage("no")
    await fill.warm_up(["A", "B"], lambda: NOW_MS)
    assert (fill.failed, fill.last_error) == (1, "no")
    assert {batch.candles[0].symbol for batch in published} == {"B"}


async def test_span_covers_whole_minutes() -> None:
    fill, venue, published, _ = bench()
    assert await fill.span("A", NOW_MS + 5, NOW_MS + 90_000)
    assert venue.asked == [("A", "1m", NOW_MS - NOW_MS % MINUTE_MS, NOW_MS + 90_000)]
    assert published


def test_only_candles_whose_span_is_over_are_closed() -> None:
    both = [candle("A", "1m", 0), candle("A", "1m", MINUTE_MS)]
    assert closed_only(both, "1m", 2 * MINUTE_MS - 1) == both[:1]
    assert closed_only(both, "1m", 2 * MINUTE_MS) == both


def test_interval_that_is_none_is_refused() -> None:
    assert [interval_ms(text) for text in ("1s", "5m", "4h", "1d")] == [1_000, 300_000, 14_400_000, DAY_MS]
    with pytest.raises(FeedError):
        interval_ms("m5")
