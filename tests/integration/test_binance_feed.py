"""The feed around its streams: lists of pairs, addresses, history, refused subscriptions, a second run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from marketwatch.config import Settings
from marketwatch.errors import FeedError
from marketwatch.feed.binance import BinanceFeed
from marketwatch.model.market import GapReason, GapState
from tests.kit.fake_binance import FakeBinance, until
from tests.kit.oracle import Tap
from tests.kit.scaled_clock import ScaledClock
from tests.kit.venue_tape import Tape, synthetic_tape

START_MS = 1_790_000_040_000
NAMES = ["BTCUSDT", "ETHUSDT"]


class Desk:
    """A venue and what a test needs to put a feed before it."""

    def __init__(self, tape: Tape, speed: float) -> None:
        self.clock = ScaledClock(start_ms=START_MS, speed=speed)
        self.venue = FakeBinance(tape, clock=self.clock, history_days=2)
        self.tap = Tap()

    def feed(self, **settings: Any) -> BinanceFeed:
        given = {"symbols": tuple(NAMES), "binance_ws_url": (self.venue.ws_url,), "binance_rest_url": (self.venue.rest_url,),
                 "backfill": False}  # fmt: skip
        return BinanceFeed(settings=Settings.of(**{**given, **settings}), clock=self.clock, publish=self.tap.publish)


@asynccontextmanager
async def desk(seconds: float = 8, speed: float = 10) -> AsyncIterator[Desk]:
    one = Desk(synthetic_tape(NAMES, seconds=seconds, rate=8, seed=5), speed)
    async with one.venue:
        yield one


@asynccontextmanager
async def running(feed: BinanceFeed) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(feed.run())
    try:
        yield task
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_unlisted_pair_is_told_once_and_the_others_are_watched() -> None:
    async with desk() as one:
        feed = one.feed(symbols=("ETHUSDT", "NOPEUSDT"))
        (instrument,) = await feed.instruments()
        assert (instrument.symbol, instrument.tick_size) == ("ETHUSDT", Decimal("0.01"))
        async with running(feed):
            await until(lambda: len(one.tap.statuses) > 3, 10, "the status")
        assert [notice.key for notice in one.tap.notices] == ["unknown:NOPEUSDT"]


async def test_no_listed_pair_left_is_a_feed_error() -> None:
    async with desk() as one:
        with pytest.raises(FeedError, match="NOPEUSDT"):
            await one.feed(symbols=("NOPEUSDT",)).instruments()


async def test_pair_that_does_not_trade_is_told() -> None:
    async with desk() as one:
        feed = one.feed(symbols=("BTCUSDT", "LUNAUSDT"))
        one.venue.script("/api/v3/exchangeInfo", status=400, body=b'{"code":-1121,"msg":"Invalid symbol."}')
        assert [item.trading for item in await feed.instruments()] == [True, False]


async def test_venue_that_hangs_is_a_feed_error_in_time() -> None:
    async with desk(speed=1) as one:
        one.venue.script("/api/v3/exchangeInfo", delay_s=30, times=-1)
        feed = BinanceFeed(settings=Settings.of(binance_rest_url=(one.venue.rest_url,)), clock=one.clock, connect_timeout_s=0.3)
        async with asyncio.timeout(5):
            with pytest.raises(FeedError, match=r"within 0.3 s"):
                await feed.instruments()


async def test_dead_first_address_leaves_time_for_the_second() -> None:
    async with desk() as one:
        feed = one.feed(binance_rest_url=("http://127.0.0.1:9", one.venue.rest_url))
        assert len(await feed.instruments()) == 2


async def test_forbidden_rest_address_is_asked_once() -> None:
    async with desk() as one, desk() as other:
        other.venue.script("/api", status=451, times=-1)
        feed = one.feed(binance_rest_url=(other.venue.rest_url, one.venue.rest_url))
        await feed.instruments()
        await feed.instruments()
        assert len(other.venue.journal.calls) == 1


async def test_history_is_closed_candles_of_the_span() -> None:
    async with desk() as one:
        feed = one.feed()
        await feed.instruments()
        now_ms = one.venue.now_ms()
        candles = await feed.history("BTCUSDT", "1m", now_ms - 1_500 * 60_000, now_ms)
        assert len(candles) == 1_499
        assert [b.time_ms - a.time_ms for a, b in pairwise(candles)] == [60_000] * 1_498
        assert all(candle.closed for candle in candles)
        with pytest.raises(FeedError, match="-1121"):
            await feed.history("NOPE", "1m", now_ms - 60_000, now_ms)


async def test_warm_up_fetches_minutes_and_hours_of_each_pair() -> None:
    async with desk() as one:
        feed = one.feed(backfill=True)
        await feed.instruments()
        async with running(feed):
            await until(lambda: feed.backfill.total == 2 and not feed.backfill.running, 10, "the history")
        got = {(batch.candles[0].symbol, batch.candles[0].interval) for batch in one.tap.candles if batch.history}
        assert got == {(name, interval) for name in NAMES for interval in ("1m", "1h")}


async def test_run_waits_for_a_venue_that_is_not_there_yet() -> None:
    async with desk(speed=40) as one:
        one.venue.script("/api/v3/exchangeInfo", status=503, times=8)
        async with running(one.feed()):
            await one.venue.wait_subscribed("btcusdt@trade")
        told = [(notice.level, notice.over) for notice in one.tap.notices if notice.key == "feed:binance"]
        assert told[0][1] is False
        assert told[-1][1] is True


async def test_second_run_tells_and_refills_the_pause_between() -> None:
    async with desk(seconds=20) as one:
        feed = one.feed()
        await feed.instruments()
        async with running(feed):
            await one.venue.wait_subscribed("btcusdt@trade")
            one.venue.play()
            await until(lambda: len(one.tap.of("BTCUSDT")) > 20, 10, "trades")
        await one.clock.sleep(3)
        async with running(feed):
            await until(lambda: any(gap.state is GapState.CLOSED for gap in one.tap.final_gaps("BTCUSDT")), 10, "the refill")
        gap = one.tap.final_gaps("BTCUSDT")[0]
        assert gap.reason is GapReason.RESTART
        ids = sorted(n for t in one.tap.of("BTCUSDT") for n in range(t.trade_id - t.trades + 1, t.trade_id + 1))
        assert ids == list(range(ids[0], ids[-1] + 1))


async def test_line_refused_for_its_rate_waits_as_told() -> None:
    async with desk(speed=20) as one:
        one.venue.script("/stream", status=429, headers={"Retry-After": "20"}, times=1)
        feed = one.feed()
        await feed.instruments()
        async with running(feed):
            await one.venue.wait_subscribed("btcusdt@trade")
        refused, opened = (one.venue.journal.lines_of(what)[0].at_ms for what in ("refused", "opened"))
        assert opened - refused >= 19_000


async def test_rotation_that_finds_no_new_line_keeps_the_old_one() -> None:
    async with desk(seconds=20) as one:
        feed = one.feed()
        await feed.instruments()
        async with running(feed):
            await one.venue.wait_subscribed("btcusdt@trade")
            one.venue.play()
            one.venue.script("/stream", status=503, times=3)
            one.venue.announce_shutdown()
            await until(lambda: feed._lines[0].rotations == 1, 20, "the handover")
            await one.venue.wait_played()
            await until(lambda: one.tap.of("BTCUSDT")[-1].trade_id == one.venue.market.ledgers["BTCUSDT"].trades[-1].trade_id,
                        10, "the last trade")  # fmt: skip
        assert one.tap.gaps == []
        assert feed.status().reconnects == 0
