"""Gaps are mended from aggregates, or end as LOST, within bounded tries."""

from __future__ import annotations

import asyncio
from typing import Any

from marketwatch.clock import ManualClock
from marketwatch.errors import FeedError, RateLimited
from marketwatch.feed.binance_rest import BinanceRest, Refused
from marketwatch.feed.continuity import Hole, Ledger
from marketwatch.feed.endpoints import Endpoints
from marketwatch.feed.refill import MOST_FULL_TRIES, MOST_IDS, MOST_SPAN_MS, MOST_TRIES, Refill
from marketwatch.model.market import Trade, Trades

START_MS = 1_700_000_000_000


def print_of(number: int, *, ms: int | None = None) -> Trade:
    return Trade("A", number, 10.0, 1.0, START_MS + (number * 10 if ms is None else ms), False)


class Venue(BinanceRest):
    """A venue that answers from memory: aggregates of `width` trades each, with ids of their own."""

    def __init__(self, clock: ManualClock, last_id: int, width: int = 2) -> None:
        super().__init__(endpoints=Endpoints(["http://venue"]), clock=clock)
        self.asked: list[dict[str, Any]] = []
        self.failures: list[FeedError] = []
        self.withheld: set[int] = set()
        self.page = 1000
        self.singles = 0
        self.no_singles = False
        self.rows = [
            (low, Trade("A", 500 + low // width, 10.0, float(width), START_MS + low * 10, False, width))
            for low in range(0, last_id + 1, width)
        ]

    async def agg_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 1000,
        share: float = 0.5,
    ) -> list[tuple[int, Trade]]:
        self.asked.append({"from_id": from_id, "from_ms": from_ms, "to_ms": to_ms})
        if self.failures:
            raise self.failures.pop(0)
        found = [row for row in self.rows if row[0] not in self.withheld]
        if from_id is not None:
            return [row for row in found if row[1].trade_id >= from_id][: self.page]
        return [row for row in found if (from_ms or 0) <= row[1].time_ms <= (to_ms or 2**62)][: self.page]

    async def recent_trades(self, symbol: str) -> list[Trade]:
        self.singles += 1
        last = max(row[1].trades + row[0] for row in self.rows)
        return [] if self.no_singles else [print_of(number) for number in range(max(0, last - 1000), last)]


class Bench:
    """A ledger with one hole, a venue, and a refill that works on both."""

    def __init__(self, first: Trade, after: Trade, *, space: str = "trade", last_id: int = 99) -> None:
        self.clock = ManualClock(START_MS)
        self.venue = Venue(self.clock, last_id)
        self.ledger = Ledger(["A"], venue="v", space=space)
        self.ledger.admit([first, after])
        (self.hole,) = self.ledger.take_changed()
        self.published: list[Trades] = []
        self.lost: list[Hole] = []
        self.reports = 0
        self.refill = Refill(
            ledger=self.ledger, rest=self.venue, clock=self.clock, publish=self.published.append, report=self._report,
            lost=self._lost,
        )  # fmt: skip

    def _report(self) -> None:
        self.reports += 1

    async def _lost(self, hole: Hole) -> None:
        self.lost.append(hole)

    async def run(self, seconds: float) -> None:
        self.refill.add(self.hole)
        task = asyncio.create_task(self.refill.run())
        for _ in range(int(seconds * 4)):
            await self.clock.advance(0.25)
        task.cancel()
        await asyncio.wait({task})

    @property
    def filled(self) -> list[Trade]:
        return [trade for batch in self.published for trade in batch.trades]


async def test_hole_is_found_by_time_and_filled_in_order() -> None:
    bench = Bench(print_of(9), print_of(20))
    await bench.run(2)
    assert not bench.hole.missing
    assert [(trade.trade_id, trade.trades) for trade in bench.filled] == [(11, 2), (13, 2), (15, 2), (17, 2), (19, 2)]
    assert all(batch.refill and batch.venue == "v" for batch in bench.published)
    assert bench.venue.asked[0] == {"from_id": None, "from_ms": START_MS + 80, "to_ms": START_MS + 210}


async def test_hole_wider_than_a_page_is_paged_by_the_aggregates_own_ids() -> None:
    bench = Bench(print_of(9), print_of(60))
    bench.venue.page = 5
    await bench.run(2)
    assert not bench.hole.missing
    assert sum(trade.trades for trade in bench.filled) == 50
    assert [ask["from_id"] for ask in bench.venue.asked[1:]] == [509, 514, 519, 524, 529]


async def test_aggregate_that_cannot_be_split_is_replaced_by_single_trades() -> None:
    bench = Bench(print_of(9), print_of(14))
    bench.venue.rows = [(8, Trade("A", 500, 10.0, 8.0, START_MS + 80, False, 8))]
    await bench.run(3)
    assert bench.filled == [print_of(number) for number in (10, 11, 12, 13)]
    assert bench.venue.singles == 1


async def test_aggregate_that_cannot_be_split_stays_a_gap_without_single_trades() -> None:
    bench = Bench(print_of(9), print_of(14))
    bench.venue.rows, bench.venue.no_singles = [(8, Trade("A", 500, 10.0, 8.0, START_MS + 80, False, 8))], True
    await bench.run(30)
    assert bench.filled == []
    assert bench.lost == [bench.hole]


async def test_hole_of_aggregates_is_asked_for_by_id() -> None:
    bench = Bench(print_of(503), print_of(507), space="aggtrade")
    await bench.run(2)
    assert [trade.trade_id for trade in bench.filled] == [504, 505, 506]
    assert bench.venue.asked == [{"from_id": 504, "from_ms": None, "to_ms": None}]


async def test_venue_that_fails_is_asked_again() -> None:
    bench = Bench(print_of(9), print_of(12))
    bench.venue.failures = [FeedError("HTTP 503."), RateLimited("HTTP 429.", 30.0)]
    await bench.run(20)
    assert bench.hole.missing
    await bench.run(20)
    assert not bench.hole.missing
    assert bench.refill.failures == 2
    assert bench.lost == []


async def test_ids_that_the_venue_does_not_have_are_given_up_after_three_full_answers() -> None:
    bench = Bench(print_of(9), print_of(20))
    bench.venue.withheld, bench.venue.no_singles = {12, 14}, True
    await bench.run(30)
    assert bench.hole.lost
    assert bench.hole.missing == [(12, 15)]
    assert bench.lost == [bench.hole]
    assert len(bench.venue.asked) <= 2 * MOST_FULL_TRIES


async def test_venue_that_never_answers_ends_as_lost() -> None:
    bench = Bench(print_of(9), print_of(20))
    bench.venue.failures = [FeedError("HTTP 500.")] * 1_000
    await bench.run(1_000)
    assert bench.hole.lost
    assert len(bench.venue.asked) <= MOST_TRIES


async def test_refusal_is_believed_after_three_times() -> None:
    bench = Bench(print_of(9), print_of(20))
    bench.venue.failures = [Refused("HTTP 400.")] * 1_000
    await bench.run(30)
    assert bench.hole.lost
    assert len(bench.venue.asked) == MOST_FULL_TRIES
    assert bench.refill.last_error == "HTTP 400."


async def test_hole_that_is_too_wide_is_given_up_without_a_request() -> None:
    bench = Bench(print_of(9, ms=0), print_of(10 + MOST_IDS + 1, ms=1))
    await bench.run(2)
    assert bench.hole.lost
    assert bench.venue.asked == []


async def test_hole_that_is_too_long_is_given_up_without_a_request() -> None:
    bench = Bench(print_of(9, ms=0), print_of(12, ms=MOST_SPAN_MS + 1))
    await bench.run(2)
    assert bench.hole.lost
    assert bench.venue.asked == []


async def test_late_trade_that_closes_the_hole_saves_the_request() -> None:
    bench = Bench(print_of(9), print_of(11))
    bench.ledger.admit([print_of(10)])
    await bench.run(2)
    assert bench.venue.asked == []
    assert bench.lost == []
