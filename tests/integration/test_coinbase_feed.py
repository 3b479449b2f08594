"""CoinbaseFeed against a fake Coinbase: both dialects, losses, cuts, refusals; every trade id is accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from marketwatch.config import Settings
from marketwatch.errors import FeedError
from marketwatch.feed.coinbase import CoinbaseFeed
from marketwatch.model.market import Gap, GapReason, GapState, Pulse, Quotes, Staleness, Tickers, Trade, Trades, VenueCandles
from marketwatch.model.system import FeedState, FeedStatus, Notice
from tests.kit.fake_coinbase import FakeCoinbase
from tests.kit.scaled_clock import ScaledClock

START_MS = 1_790_000_040_000
SPEED = 10.0


class Rig:
    """A running feed on a running fake, with everything that was published."""

    def __init__(self, fake: FakeCoinbase, **settings: Any) -> None:
        self.fake = fake
        self.events: list[Any] = []
        given = {"symbols": ("BTCUSDT", "ETH-USD"), "coinbase_ws_url": (fake.ws_url,), "backfill": False, **settings}
        self.feed = CoinbaseFeed(
            settings=Settings.of(**given), clock=fake.clock, publish=self.events.append, rest_url=fake.url, random=Random(1)
        )

    def trades(self, symbol: str = "BTC-USD") -> list[Trade]:
        return [t for e in self.events if isinstance(e, Trades) for t in e.trades if t.symbol == symbol]

    def gaps(self) -> dict[str, Gap]:
        """The newest fact of each gap."""
        return {event.gap_id: event for event in self.events if isinstance(event, Gap)}

    def notices(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Notice)]

    def state(self) -> FeedState | None:
        return next((event.state for event in reversed(self.events) if isinstance(event, FeedStatus)), None)

    async def until(self, truth: Callable[[], object]) -> None:
        """Wait until `truth()`; fails after ten seconds."""
        async with asyncio.timeout(10.0):
            while not truth():
                await asyncio.sleep(0.005)

    async def until_complete(self, symbol: str = "BTC-USD") -> None:
        """Wait until every trade of the oracle came exactly once."""
        expected = [trade.trade_id for trade in self.fake.trades[symbol]]
        await self.until(lambda: sorted(trade.trade_id for trade in self.trades(symbol)) == expected)


@pytest.fixture
async def fake() -> AsyncIterator[FakeCoinbase]:
    async with FakeCoinbase(ScaledClock(start_ms=START_MS, speed=SPEED)).running() as venue:
        yield venue


@asynccontextmanager
async def running(fake: FakeCoinbase, *, channels: int = 1, **settings: Any) -> AsyncIterator[Rig]:
    rig = Rig(fake, **settings)
    await rig.feed.instruments()
    playing = asyncio.create_task(rig.feed.run())
    try:
        async with asyncio.timeout(10.0):
            await fake.until_subscribed(channels)
        yield rig
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
    assert playing.cancelled()


DIALECTS = pytest.mark.parametrize(("dialect", "channels"), [("exchange", 1), ("advanced", 3)])


async def test_products_behind_the_symbols_are_found(fake: FakeCoinbase) -> None:
    instruments = await Rig(fake).feed.instruments()
    assert [(item.symbol, item.base, item.quote, str(item.tick_size)) for item in instruments] == [
        ("BTC-USD", "BTC", "USD", "0.01"),
        ("ETH-USD", "ETH", "USD", "0.01"),
    ]


async def test_all_products_of_the_dollar_are_chosen(fake: FakeCoinbase) -> None:
    instruments = await Rig(fake, symbols=("all:USDT",)).feed.instruments()
    assert [item.symbol for item in instruments] == ["BTC-USD", "ETH-USD"]


async def test_pairs_that_are_not_listed_are_named(fake: FakeCoinbase) -> None:
    with pytest.raises(FeedError, match="NOPEUSDT"):
        await Rig(fake, symbols=("NOPEUSDT",)).feed.instruments()
    async with running(fake, symbols=("BTCUSDT", "NOPEUSDT")) as rig:
        await rig.until(lambda: any("NOPEUSDT" in text for text in rig.notices()))


async def test_venue_that_is_down_is_a_feed_error(fake: FakeCoinbase) -> None:
    fake.rest_status = 500
    with pytest.raises(FeedError, match="500"):
        await Rig(fake).feed.instruments()


@DIALECTS
async def test_market_is_published(fake: FakeCoinbase, dialect: str, channels: int) -> None:
    async with running(fake, channels=channels, coinbase_format=dialect) as rig:
        await fake.trade(count=5, maker="buy")
        await fake.trade("ETH-USD", count=2)
        await fake.ticker()
        await rig.until_complete()
        await rig.until_complete("ETH-USD")
        await rig.until(lambda: any(isinstance(event, Tickers) for event in rig.events))
        await rig.until(lambda: rig.state() is FeedState.LIVE and any(isinstance(event, Pulse) for event in rig.events))
    assert rig.trades() == fake.trades["BTC-USD"]
    assert all(trade.buyer_is_maker for trade in rig.trades())
    quote = next(event.quotes[0] for event in rig.events if isinstance(event, Quotes))
    assert (quote.symbol, quote.bid, quote.ask) == ("BTC-USD", 61599.99, 61600.01)
    assert rig.gaps() == {}


@DIALECTS
async def test_lost_trades_are_a_gap_that_is_refilled_and_closed(fake: FakeCoinbase, dialect: str, channels: int) -> None:
    async with running(fake, channels=channels, coinbase_format=dialect) as rig:
        await fake.trade(count=3)
        await rig.until_complete()
        fake.lose(4)
        await fake.trade(count=6)
        await rig.until_complete()
        await rig.until(lambda: all(gap.state is GapState.CLOSED for gap in rig.gaps().values()))
    (gap,) = rig.gaps().values()
    assert (gap.reason, gap.from_id, gap.to_id, gap.refilled) == (GapReason.ID_JUMP, 1003, 1006, 4)
    opened = next(event for event in rig.events if isinstance(event, Gap))
    assert opened.state is GapState.OPEN
    assert [batch.refill for batch in rig.events if isinstance(batch, Trades) and batch.trades[0].trade_id == 1003] == [True]


@DIALECTS
async def test_lost_newest_trades_are_noticed_without_another_trade(fake: FakeCoinbase, dialect: str, channels: int) -> None:
    """The Exchange feed tells by its heartbeat, the Advanced Trade feed by its sequence numbers."""
    async with running(fake, channels=channels, coinbase_format=dialect) as rig:
        await fake.trade(count=2)
        await rig.until_complete()
        fake.lose(3)
        await fake.trade(count=3)
        await rig.until_complete()
        await rig.until(lambda: all(gap.state is GapState.CLOSED for gap in rig.gaps().values()))


@DIALECTS
async def test_cut_line_comes_back_and_what_was_missed_is_refilled(fake: FakeCoinbase, dialect: str, channels: int) -> None:
    async with running(fake, channels=channels, coinbase_format=dialect) as rig:
        await fake.trade(count=3)
        await rig.until_complete()
        for _ in range(2):
            await fake.cut()
            await rig.until(lambda: rig.state() is FeedState.RECONNECTING)
            await fake.trade(count=1200)
            await fake.until_subscribed(channels)
            await fake.trade(count=2)
            await rig.until_complete()
            await rig.until(lambda: rig.state() is FeedState.LIVE)
    gaps = rig.gaps().values()
    assert {(gap.reason, gap.state) for gap in gaps} == {(GapReason.DISCONNECT, GapState.CLOSED)}
    assert fake.connections == 3


async def test_what_cannot_be_refilled_stays_visible(fake: FakeCoinbase) -> None:
    async with running(fake) as rig:
        await fake.trade(count=2)
        await rig.until_complete()
        fake.rest_status = 500
        fake.lose(2)
        await fake.trade(count=4)
        await rig.until(lambda: any(gap.state is GapState.LOST for gap in rig.gaps().values()))
    assert [trade.trade_id for trade in rig.trades()] == [1000, 1001, 1004, 1005]


async def test_mute_line_is_dropped_and_dialled_again(fake: FakeCoinbase) -> None:
    async with running(fake) as rig:
        await fake.trade()
        await rig.until_complete()
        fake.beating = False
        await rig.until(lambda: fake.connections >= 2)


async def test_address_that_forbids_us_is_left_for_good(fake: FakeCoinbase) -> None:
    fake.ws_status = 451
    rig = Rig(fake)
    await rig.feed.instruments()
    playing = asyncio.create_task(rig.feed.run())
    await rig.until(lambda: rig.state() is FeedState.FORBIDDEN)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert any("451" in text for text in rig.notices())
    assert fake.connections == 0


async def test_next_address_is_used_when_the_first_forbids_us(fake: FakeCoinbase) -> None:
    async with FakeCoinbase(fake.clock).running() as other:
        fake.ws_status = 451
        rig = Rig(fake, coinbase_ws_url=(fake.ws_url, other.ws_url))
        await rig.feed.instruments()
        playing = asyncio.create_task(rig.feed.run())
        await rig.until(lambda: other.clients)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


async def test_history_is_closed_candles_oldest_first_without_holes(fake: FakeCoinbase) -> None:
    first_s = START_MS // 1000 - 600
    fake.candle_rows = [[first_s + 60 * n, 99.0, 102.0, 100.0, 101.0, 2.0] for n in (0, 1, 4)]
    fake.candle_rows.append([START_MS // 1000, 99.0, 102.0, 100.0, 101.0, 2.0])
    rig = Rig(fake)
    candles = await rig.feed.history("BTC-USD", "1m", START_MS - 600_000, START_MS + 60_000)
    assert [candle.time_ms // 1000 - first_s for candle in candles] == [60 * n for n in range(10)]
    assert (candles[0].open, candles[0].high, candles[0].low, candles[0].close, candles[0].volume) == (100, 102, 99, 101, 2)
    assert (candles[2].open, candles[2].close, candles[2].volume, candles[2].trades) == (101, 101, 0, 0)
    assert await rig.feed.history("BTC-USD", "7m", 0, START_MS) == []


async def test_windows_are_warmed_with_hours_and_minutes(fake: FakeCoinbase) -> None:
    hour_s = START_MS // 3_600_000 * 3600
    fake.candle_rows = [[hour_s - 3600 * n, 99.0, 102.0, 100.0, 101.0, 2.0] for n in range(700, 0, -1)]
    async with running(fake, symbols=("BTCUSDT",), backfill=True) as rig:
        await rig.until(lambda: len([event for event in rig.events if isinstance(event, VenueCandles)]) == 2)
    past = [event for event in rig.events if isinstance(event, VenueCandles)]
    assert [(event.history, event.candles[0].interval) for event in past] == [(True, "1h"), (True, "1m")]
    assert len(past[0].candles) == 700


async def test_refused_subscription_is_told(fake: FakeCoinbase) -> None:
    rig = Rig(fake)
    await rig.feed.instruments()
    fake.products = ("ETH-USD",)
    playing = asyncio.create_task(rig.feed.run())
    await rig.until(lambda: any("BTC-USD is not valid" in text for text in rig.notices()))
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


async def test_time_since_the_last_run_is_a_gap_that_is_refilled(fake: FakeCoinbase) -> None:
    await fake.trade(count=10)
    rig = Rig(fake)
    rig.feed.resume = {"BTC-USD": (1004, START_MS)}
    await rig.feed.instruments()
    playing = asyncio.create_task(rig.feed.run())
    await rig.until(lambda: [trade.trade_id for trade in rig.trades()] == [1009, 1005, 1006, 1007, 1008])
    await rig.until(lambda: all(gap.state is GapState.CLOSED for gap in rig.gaps().values()))
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert {gap.reason for gap in rig.gaps().values()} == {GapReason.RESTART}


async def test_pause_that_the_venue_asks_for_is_kept_and_the_refill_goes_on(fake: FakeCoinbase) -> None:
    async with running(fake) as rig:
        await fake.trade(count=2)
        await rig.until_complete()
        fake.rest_status = 429
        fake.lose(2)
        await fake.trade(count=4)
        await rig.until(lambda: any("/trades" in path for path in fake.requests))
        fake.rest_status = 200
        await rig.until_complete()
    assert sum("/trades" in path for path in fake.requests) <= 3


async def test_tap_hears_every_frame(fake: FakeCoinbase) -> None:
    heard: list[bytes] = []
    async with running(fake) as rig:
        rig.feed.tap = lambda _received_ms, frames: heard.extend(frames)
        await fake.trade(count=7)
        await rig.until_complete()
    assert sum(b'"match"' in frame for frame in heard) == 7


async def test_run_waits_for_a_venue_that_is_down_at_the_start(fake: FakeCoinbase) -> None:
    fake.rest_status = 500
    rig = Rig(fake)
    playing = asyncio.create_task(rig.feed.run())
    await rig.until(lambda: any("HTTP 500" in text for text in rig.notices()))
    fake.rest_status = 200
    await rig.until(lambda: fake.clients)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


async def test_product_that_falls_silent_is_stale_and_comes_back(fake: FakeCoinbase) -> None:
    def facts() -> list[bool]:
        return [event.stale for event in rig.events if isinstance(event, Staleness) and event.symbol == "BTC-USD"]

    async with running(fake, stale_s=1.0) as rig:
        for _ in range(15):
            await fake.trade()
            await fake.clock.sleep(0.03)
        await rig.until_complete()
        await rig.until(lambda: facts() == [True])
        assert rig.state() in (FeedState.LIVE, FeedState.STALE)
        await fake.trade()
        await rig.until(lambda: facts() == [True, False])


async def test_history_that_cannot_be_fetched_is_told_and_the_market_goes_on(fake: FakeCoinbase) -> None:
    async with running(fake, symbols=("BTCUSDT",), backfill=True) as rig:
        fake.rest_status = 451
        await rig.until(lambda: any("history of 1 of 1 products" in text for text in rig.notices()))
        await fake.trade()
        await rig.until_complete()


async def test_newest_trades_that_cannot_be_asked_for_are_a_gap_when_the_next_one_comes(fake: FakeCoinbase) -> None:
    async with running(fake) as rig:
        await fake.trade(count=2)
        await rig.until_complete()
        fake.rest_status = 403
        fake.lose(2)
        await fake.trade(count=2)
        await rig.until(lambda: rig.feed.refill.failures)
        fake.rest_status = 200
        await fake.trade()
        await rig.until_complete()
        await rig.until(lambda: all(gap.state is GapState.CLOSED for gap in rig.gaps().values()))
    assert rig.feed.refill.last_error.endswith("(HTTP 403).")
