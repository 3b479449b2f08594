"""SimulatedFeed: the demo market as a feed, under a clock of the test."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.feed.market_history import DAY, HOUR, MINUTE
from marketwatch.feed.simulated import SimulatedFeed
from marketwatch.model.alerts import Alerts, Rule
from marketwatch.model.market import Gap, GapState, Pulse, Source, Staleness, Trades, VenueCandles
from marketwatch.model.system import FeedState, FeedStatus
from tests.kit.watches import make_watch, test_settings

NOW_MS = 1_790_000_099_000
PAIRS = ("BTCUSDT", "ETHUSDT", "TRXUSDT")


class Run:
    """A demo feed that runs under a manual clock; `events` is what it published."""

    def __init__(self, *, seed: int = 7, backfill: bool = False, now_ms: int = NOW_MS) -> None:
        self.clock = ManualClock(now_ms)
        self.events: list[Any] = []
        self.feed = SimulatedFeed(
            settings=Settings.of(symbols=PAIRS, backfill=backfill), clock=self.clock, publish=self.events.append, seed=seed
        )

    async def go(self, *steps_s: float, asleep_ms: int = 0) -> list[Any]:
        """Run and let time pass in these steps; before the last one the whole machine sleeps for `asleep_ms`."""
        playing = asyncio.create_task(self.feed.run())
        for _ in range(200):
            await asyncio.sleep(0)
        for number, step in enumerate(steps_s, 1):
            if number == len(steps_s):
                self.clock.move_to(self.clock.now_ms() + asleep_ms)
            await self.clock.advance(step)
            for _ in range(30):
                await asyncio.sleep(0)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
        return self.events


def of_kind(events: list[Any], *kinds: type) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


async def test_instruments_are_the_configured_pairs_in_their_order() -> None:
    assert tuple(item.symbol for item in await Run().feed.instruments()) == PAIRS


async def test_feed_starts_with_a_minute_that_has_just_passed() -> None:
    events = await Run().go()
    first = of_kind(events, Pulse)[0].time_ms
    assert first == NOW_MS // MINUTE * MINUTE - MINUTE + 100
    assert of_kind(events, Pulse)[-1].time_ms == NOW_MS
    assert of_kind(events, FeedStatus)[-1].state is FeedState.LIVE


async def test_alert_about_the_minute_that_is_played_at_the_start_is_not_late() -> None:
    run = Run()
    instruments = tuple(await run.feed.instruments())
    watch = make_watch(test_settings(symbols=PAIRS), instruments, Source.DEMO)
    raised: list[Alerts] = []
    watch.bus.subscribe(Alerts, raised.append, name="test")
    Lookout(watch=watch, sample_ms=500).use([Rule("up", 1, "Up", "price > 0")])
    run.feed.publish = watch.bus.publish
    await run.go()
    fired = [alert for batch in raised for alert in batch.alerts]
    assert len(fired) == len(PAIRS)
    assert all(alert.fired_ms < NOW_MS - 60_000 for alert in fired)
    assert not any(alert.late for alert in fired)


async def test_event_sequence_does_not_depend_on_when_the_task_runs() -> None:
    def facts(events: list[Any]) -> list[Any]:
        return [event for event in events if not isinstance(event, FeedStatus)]

    smooth = facts(await Run().go(*[0.1] * 40))
    rough = facts(await Run().go(1.7, 0.05, 2.25))
    assert len(smooth) == len(rough)
    assert smooth == rough


async def test_start_inside_the_same_minute_gives_the_same_market() -> None:
    early, late = await Run(now_ms=NOW_MS - 40_000).go(), await Run().go()
    trades = [trade for event in of_kind(late, Trades) for trade in event.trades]
    first = [trade for event in of_kind(early, Trades) for trade in event.trades]
    assert first == trades[: len(first)]


async def test_history_is_published_and_meets_the_live_market() -> None:
    events = await Run(backfill=True).go(0.5, 0.5)
    past = of_kind(events, VenueCandles)
    past = [batch for batch in past if batch.history]
    candles = [candle for batch in past for candle in batch.candles]
    assert {(candle.symbol, candle.interval) for candle in candles} == {
        (symbol, interval) for symbol in PAIRS for interval in ("1h", "1m")
    }
    minutes = [candle for candle in candles if candle.symbol == "BTCUSDT" and candle.interval == "1m"]
    first_trade = next(t for e in of_kind(events, Trades) for t in e.trades if t.symbol == "BTCUSDT")
    assert minutes[-1].time_ms == NOW_MS // MINUTE * MINUTE - 2 * MINUTE
    assert abs(first_trade.price / minutes[-1].close - 1) < 0.002
    assert len(minutes) >= 24 * 60


async def test_history_answers_for_its_intervals_and_nothing_else() -> None:
    feed = Run().feed
    to_ms = NOW_MS
    for interval, length in (("1m", MINUTE), ("5m", 5 * MINUTE), ("1h", HOUR), ("4h", 4 * HOUR), ("1d", DAY)):
        candles = await feed.history("BTCUSDT", interval, to_ms - 3 * DAY, to_ms)
        assert candles
        assert all(candle.time_ms % length == 0 for candle in candles)
        assert all(b.time_ms - a.time_ms == length for a, b in pairwise(candles))
    assert await feed.history("NOPEUSDT", "1m", 0, to_ms) == []
    assert await feed.history("BTCUSDT", "7m", 0, to_ms) == []


async def test_long_sleep_of_the_machine_is_a_gap_and_no_replay() -> None:
    run = Run()
    events = await run.go(0.5, 0.5, asleep_ms=3 * HOUR)
    gaps = of_kind(events, Gap)
    assert {gap.symbol for gap in gaps} == set(PAIRS)
    assert {gap.state for gap in gaps} == {GapState.LOST}
    assert len(of_kind(events, Pulse)) < 5000
    assert of_kind(events, Pulse)[-1].time_ms > NOW_MS + 3 * HOUR - MINUTE


async def test_status_counts_and_names_its_source() -> None:
    status = of_kind(await Run().go(*[0.1] * 20), FeedStatus)[-1]
    assert status.source is Source.DEMO
    assert status.messages > status.trades > 0
    assert status.rejected == {}


async def test_tap_hears_every_frame() -> None:
    run, heard = Run(), list[bytes]()
    run.feed.tap = lambda _received_ms, frames: heard.extend(frames)
    events = await run.go(0.5)
    trades = sum(len(event.trades) for event in of_kind(events, Trades))
    assert sum(b'"e":"trade"' in frame for frame in heard) == trades > 0


async def test_wall_clock_that_is_set_back_does_not_stop_the_market() -> None:
    class SetBack(ManualClock):
        back_ms = 0

        def now_ms(self) -> int:
            return super().now_ms() - self.back_ms

    run = Run()
    run.clock = clock = SetBack(NOW_MS)
    run.feed = SimulatedFeed(
        settings=Settings.of(symbols=PAIRS, backfill=False), clock=clock, publish=run.events.append, seed=7
    )
    await run.go(0.5)
    clock.back_ms = HOUR
    seen = len(of_kind(run.events, Pulse))
    await run.go(0.5, 0.5)
    assert len(of_kind(run.events, Pulse)) == seen + 10
    assert of_kind(run.events, Gap) == []


async def test_feed_is_connecting_until_it_has_caught_up_and_brings_its_past_after_that() -> None:
    events = await Run(backfill=True).go(0.5)
    live = next(i for i, event in enumerate(events) if isinstance(event, FeedStatus) and event.state is FeedState.LIVE)
    before = [event for event in events[:live] if isinstance(event, FeedStatus)]
    assert {status.state for status in before} == {FeedState.CONNECTING}
    assert any("s behind the clock" in status.detail for status in before)
    assert NOW_MS - of_kind(events[:live], Pulse)[-1].time_ms <= 5_000
    assert not any(batch.history for batch in of_kind(events[:live], VenueCandles))
    assert any(batch.history for batch in of_kind(events[live:], VenueCandles))


async def test_symbol_that_trades_no_more_goes_stale_and_comes_back() -> None:
    run = Run()
    market = run.feed.market
    frames, muted = market.step, (NOW_MS - 40_000, NOW_MS - 10_000)

    def quiet() -> list[bytes]:
        made = frames()
        return [f for f in made if b"BTCUSDT" not in f] if muted[0] <= market.time_ms < muted[1] else made

    market.step = quiet  # type: ignore[method-assign]
    facts = [fact for fact in of_kind(await run.go(), Staleness) if fact.symbol == "BTCUSDT"]
    assert [fact.stale for fact in facts] == [True, False]
    assert muted[0] - 2_000 < facts[0].since_ms <= muted[0]
