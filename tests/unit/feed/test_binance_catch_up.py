"""Quiet pairs are asked for what they traded while the line was down."""

from __future__ import annotations

import asyncio

from marketwatch.clock import ManualClock
from marketwatch.errors import FeedError
from marketwatch.feed.binance_catch_up import MOST_TRIES, CatchUp
from marketwatch.feed.binance_rest import BinanceRest
from marketwatch.feed.continuity import Ledger
from marketwatch.feed.endpoints import Endpoints
from marketwatch.model.market import Trade

START_MS = 1_700_000_000_000


def print_of(number: int, symbol: str = "A") -> Trade:
    return Trade(symbol, number, 10.0, 1.0, START_MS + number, False)


class Venue(BinanceRest):
    """Has traded up to id 9 in one aggregate of three; fails as often as it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(endpoints=Endpoints(["http://venue"]), clock=clock)
        self.asked: list[str] = []
        self.failing = 0

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
        self.asked.append(symbol)
        if len(self.asked) <= self.failing:
            raise FeedError("HTTP 503.")
        return [(7, Trade(symbol, 500, 10.0, 3.0, START_MS + 9, False, 3))]


async def looked(*, space: str = "trade", failing: int = 0, meanwhile: list[Trade] | None = None) -> tuple[Venue, Ledger]:
    clock = ManualClock(START_MS)
    venue, ledger = Venue(clock), Ledger(["A", "B"], venue="v", space=space)
    venue.failing = failing
    ledger.admit([print_of(5)])
    catch_up = CatchUp(ledger=ledger, rest=venue, clock=clock, report=lambda: None)
    catch_up.line_up(["A", "B"])
    task = asyncio.create_task(catch_up.run())
    await clock.advance(1.0)
    ledger.admit(meanwhile or [])
    for _ in range(40):
        await clock.advance(1.0)
    task.cancel()
    await asyncio.wait({task})
    return venue, ledger


async def test_quiet_pair_gets_a_gap_over_what_it_traded_meanwhile() -> None:
    venue, ledger = await looked()
    assert venue.asked == ["A"]
    (hole,) = ledger.take_changed()
    assert (hole.from_id, hole.to_id) == (6, 9)


async def test_pair_that_trades_again_is_not_asked() -> None:
    venue, ledger = await looked(meanwhile=[print_of(6)])
    assert venue.asked == []
    assert ledger.take_changed() == []


async def test_aggregates_are_compared_by_their_own_ids() -> None:
    _, ledger = await looked(space="aggtrade")
    assert (ledger.take_changed()[0].to_id) == 500


async def test_request_that_fails_is_repeated() -> None:
    venue, ledger = await looked(failing=2)
    assert len(venue.asked) == 3
    assert ledger.take_changed()


async def test_venue_that_never_answers_is_left_alone() -> None:
    venue, _ = await looked(failing=1_000)
    assert len(venue.asked) == MOST_TRIES + 1
