"""Choosing a feed: what the settings name, and which live venue answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketwatch.bus import Publish
from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.errors import ConfigError, FeedError
from marketwatch.feed.binance import BinanceFeed
from marketwatch.feed.choose import first_that_answers, open_feed, read_recording
from marketwatch.feed.coinbase import CoinbaseFeed
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.feed.simulated import SimulatedFeed
from marketwatch.model.market import Candle, Instrument, Source
from marketwatch.ports import Feed


class Venue:
    """A venue that answers after `after_s`, or with an error; remembers whether it was closed."""

    source = Source.LIVE
    publish: Publish

    def __init__(self, venue: str, after_s: float = 0.0, error: Exception | None = None) -> None:
        self.venue = venue
        self.closed = False
        self._after_s = after_s
        self._error = error

    async def instruments(self) -> list[Instrument]:
        await asyncio.sleep(self._after_s)
        if self._error is not None:
            raise self._error
        return [Instrument("BTCUSDT", "BTC", "USDT")]

    async def history(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        return []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


async def first(*venues: Venue, timeout_s: float = 2.0) -> Feed | None:
    by_name = {venue.venue: venue for venue in venues}
    return await first_that_answers(list(by_name), lambda name: by_name[name], clock=SystemClock(), timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("feed", "kind"),
    [
        ("binance", BinanceFeed),
        ("binance-us", BinanceFeed),
        ("coinbase", CoinbaseFeed),
        ("demo", SimulatedFeed),
        ("recorded:somewhere.gz@10", RecordedFeed),
    ],
)
async def test_open_feed_gives_the_feed_that_is_named(feed: str, kind: type) -> None:
    assert isinstance(open_feed(Settings.of(feed=feed), SystemClock(), lambda _event: None), kind)


async def test_open_feed_of_binance_us_is_that_venue() -> None:
    assert open_feed(Settings.of(feed="binance-us"), SystemClock(), lambda _event: None).venue == "binance-us"


@pytest.mark.parametrize(
    ("text", "path", "speed"),
    [
        ("a.gz", "a.gz", 1.0),
        ("a.gz@10", "a.gz", 10.0),
        ("a.gz@2.5x", "a.gz", 2.5),
        ("a.gz@max", "a.gz", None),
        ("me@home/a.gz", "me@home/a.gz", 1.0),
        ("me@home/a.gz@MAX", "me@home/a.gz", None),
    ],
)
def test_recording_is_taken_apart(text: str, path: str, speed: float | None) -> None:
    assert read_recording(text) == (Path(path), speed)


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "1e9"])
def test_impossible_speed_is_named(speed: str) -> None:
    with pytest.raises(ConfigError, match=speed):
        read_recording(f"a.gz@{speed}")


async def test_most_preferred_venue_wins_when_all_answer() -> None:
    a, b = Venue("a", after_s=0.05), Venue("b")
    assert await first(a, b) is a
    assert (a.closed, b.closed) == (False, True)


async def test_next_venue_wins_when_the_first_refuses() -> None:
    a, b, c = Venue("a", error=FeedError("No.")), Venue("b", after_s=0.02), Venue("c")
    assert await first(a, b, c) is b


async def test_silent_venue_does_not_hold_up_the_others_for_long() -> None:
    a, b = Venue("a", after_s=60.0), Venue("b")
    async with asyncio.timeout(4.0):
        assert await first(a, b, timeout_s=30.0) is b
    assert a.closed


async def test_nobody_answers_in_time() -> None:
    assert await first(Venue("a", after_s=60.0), Venue("b", error=FeedError("No.")), timeout_s=0.05) is None


async def test_fault_of_ours_is_no_refusal() -> None:
    with pytest.raises(ZeroDivisionError):
        await first(Venue("a", error=ZeroDivisionError()))
