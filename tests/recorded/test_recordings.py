"""Every recording plays through RecordedFeed; the counts are those that its description tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.errors import FeedError
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.model.market import Gap, Instrument, Pulse, Quotes, Trade, Trades
from marketwatch.model.system import FeedState


async def play(path: Path) -> tuple[list[Instrument], list[Any]]:
    events: list[Any] = []
    feed = RecordedFeed(path=path, speed=None, settings=Settings.of(), clock=SystemClock(), publish=events.append)
    instruments = await feed.instruments()
    await feed.run()
    return instruments, events


def trades_of(events: list[Any]) -> list[Trade]:
    return [trade for event in events if isinstance(event, Trades) for trade in event.trades]


@pytest.mark.parametrize(
    ("name", "symbol", "trades", "messages", "tick"),
    [
        ("spot_btcusdt_20240808.gz", "BTCUSDT", 9_757, 41_249, "0.01"),
        ("spot_ethusdt_20240808.gz", "ETHUSDT", 6_106, 33_618, "0.01"),
        ("usdm_btcusdt_20230404.dat.gz", "BTCUSDT", 2_197, 13_384, "0.1"),
    ],
)
async def test_binance_recording_plays_every_trade(
    recorded: Path, name: str, symbol: str, trades: int, messages: int, tick: str
) -> None:
    instruments, events = await play(recorded / "binance" / name)
    assert [(item.symbol, str(item.tick_size)) for item in instruments] == [(symbol, tick)]
    ids = [trade.trade_id for trade in trades_of(events)]
    assert ids == list(range(ids[0], ids[0] + trades))
    assert not any(isinstance(event, Gap) for event in events)
    assert (events[-1].messages, events[-1].trades, events[-1].state) == (messages, trades, FeedState.ENDED)
    assert events[-1].rejected == {}


async def test_clock_that_is_behind_is_measured_and_pulses_are_in_event_time(recorded: Path) -> None:
    _, events = await play(recorded / "binance" / "spot_btcusdt_20240808.gz")
    assert events[-1].clock_offset_ms == pytest.approx(-1270, abs=10)
    reached, late = 0, 0
    for event in events:
        if isinstance(event, Pulse):
            assert event.time_ms > reached
            reached = event.time_ms
        elif isinstance(event, Trades):
            late = max(late, reached - min(trade.time_ms for trade in event.trades))
    assert late <= Settings.of().lateness_ms


async def test_quotes_of_a_recording_are_dated_in_event_time(recorded: Path) -> None:
    _, events = await play(recorded / "binance" / "spot_btcusdt_20240808.gz")
    first, last = trades_of(events)[0].time_ms, trades_of(events)[-1].time_ms
    moments = [quote.time_ms for event in events if isinstance(event, Quotes) for quote in event.quotes]
    assert first - 2000 < moments[0] < first + 2000
    assert last - 2000 < moments[-1] < last + 2000


@pytest.mark.parametrize(
    ("name", "trades", "symbols"),
    [
        ("binance/BINANCE.ws.1.0", 2, 3),
        ("binance/BINANCE_US.ws.1.0", 11, 4),
        ("coinbase/COINBASE.ws.28.0", 107, 10),
        ("coinbase/COINBASE.jsonl.zst", 279, 2),
    ],
)
async def test_recordings_of_other_tools_play(recorded: Path, name: str, trades: int, symbols: int) -> None:
    instruments, events = await play(recorded / name)
    assert (len(trades_of(events)), len(instruments)) == (trades, symbols)
    assert events[-1].venue == ("binance-us" if "_US" in name else name.split("/", 1)[0])


@pytest.mark.parametrize(
    "name",
    [
        "binance/real_miniticker_messages.jsonl",
        "binance/tardis_node_binance_messages.jsonl",
        "binance/unicorn_fy_raw_messages.jsonl",
        "coinbase/real_single_messages.jsonl",
        "coinbase/tardis_node_coinbase_messages.jsonl",
    ],
)
async def test_single_frames_play_to_the_end(recorded: Path, name: str) -> None:
    _, events = await play(recorded / name)
    kinds = Counter(type(event).__name__ for event in events)
    assert events[-1].state is FeedState.ENDED
    assert kinds["Trades"] + kinds["Quotes"] + kinds["Tickers"] > 0


async def test_exchange_information_alone_is_no_recording(recorded: Path) -> None:
    with pytest.raises(FeedError, match=r"BINANCE\.0"):
        await play(recorded / "binance" / "BINANCE.0")


async def test_recording_played_twice_is_equal(recorded: Path) -> None:
    path = recorded / "coinbase" / "COINBASE.jsonl.zst"
    assert await play(path) == await play(path)
