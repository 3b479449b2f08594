"""Recording: what is heard is what is written, and it plays again."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
from pathlib import Path
from typing import Any

import pytest

from marketwatch.clock import ManualClock, SystemClock
from marketwatch.config import Settings
from marketwatch.errors import ConfigError, FeedError, MarketwatchError
from marketwatch.feed.record import FrameWriter, record
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.feed.recorded_lines import Recording
from marketwatch.feed.simulated import SimulatedFeed
from marketwatch.model.market import Trade, Trades

SYMBOLS = ("BTCUSDT", "SOLUSDT")


def trades_of(events: list[Any]) -> list[Trade]:
    return [trade for event in events if isinstance(event, Trades) for trade in event.trades]


@pytest.mark.parametrize("suffix", [".txt", ".gz", ".zst"])
async def test_recording_of_the_demo_market_plays_back_equal_trades(tmp_path: Path, suffix: str) -> None:
    settings = Settings.of(feed="demo", symbols=SYMBOLS, backfill=False)
    out, clock = tmp_path / f"demo{suffix}", ManualClock(1_790_000_059_000)
    direct: list[Any] = []
    live = SimulatedFeed(settings=settings, clock=clock, publish=direct.append, seed=settings.demo_seed)
    playing = asyncio.create_task(live.run())
    recording = asyncio.create_task(record(settings, clock, out, 2.0))
    while not recording.done():
        await clock.advance(0.1)
        await asyncio.sleep(0.002)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert await recording == sum(1 for _ in Recording(out).read())

    replayed: list[Any] = []
    feed = RecordedFeed(path=out, speed=None, settings=settings, clock=SystemClock(), publish=replayed.append)
    assert {item.symbol for item in await feed.instruments()} == set(SYMBOLS)
    await feed.run()
    trades = trades_of(replayed)
    assert len(trades) > 100
    assert trades == trades_of(direct)[: len(trades)]
    assert abs(replayed[-1].clock_offset_ms) < 200


async def test_cancelled_recording_ends_its_file_properly(tmp_path: Path) -> None:
    out = tmp_path / "demo.gz"
    task = asyncio.create_task(record(Settings.of(feed="demo", symbols=SYMBOLS), SystemClock(), out, None))
    while not out.exists():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    frames = await task
    recording = Recording(out)
    assert len(list(recording.read())) == frames > 0
    assert recording.damage == ""


async def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "kept"
    out.write_text("mine")
    with pytest.raises(ConfigError, match="kept"):
        await record(Settings.of(feed="demo"), SystemClock(), out, 0.1)
    assert out.read_text() == "mine"


async def test_recording_of_a_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="recording"):
        await record(Settings.of(feed="recorded:x.gz"), SystemClock(), tmp_path / "out", 0.1)


def test_frame_with_line_breaks_stays_on_one_line(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "a")
    writer.open()
    writer.hear(1_790_000_000_123, [b'{\n  "result": null\n}', b"{}"])
    writer.close()
    assert (tmp_path / "a").read_bytes() == b'1790000000123000000 { "result": null }\n1790000000123000000 {}\n'


class FullDisk(io.BytesIO):
    """A file on a disk without room."""

    def write(self, data: object, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["a", "a.gz", "a.zst"])
def test_full_disk_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    writer = FrameWriter(tmp_path / name, create=lambda _path: FullDisk())

    def write() -> None:
        writer.open()
        writer.hear(1_790_000_000_000, [b"{}"])
        writer.flush()

    with pytest.raises(MarketwatchError, match="No space left on device"):
        write()
    with contextlib.suppress(FeedError):
        writer.close()
    writer.close()
