"""Recording: raw frames of the configured feed with their receipt time, one per line, `<epoch ns> <frame>`.

The feed runs as it always does, with its reconnects and rotations; a tap hears each frame before it is parsed. What the file
holds is what the wire carried, so a recording can be played through any later version of the parser.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Protocol, cast

import zstandard

from ..clock import Clock
from ..config import Settings
from ..errors import ConfigError, FeedError
from ..ports import Feed
from .choose import open_feed, probe_live
from .tap import Tap

_FLUSH_S = 1.0
_MOST_WAITING = 500_000


class Tappable(Protocol):
    """A feed whose raw frames can be heard."""

    tap: Tap | None


def _create(path: Path) -> IO[bytes]:
    return path.open("xb")


class FrameWriter:
    """Collects frames for a thread to write. Above 500,000 waiting frames the oldest go and are counted in `dropped`."""

    def __init__(self, path: Path, *, create: Callable[[Path], IO[bytes]] = _create) -> None:
        self.frames = self.dropped = 0
        self._path = path
        self._create = create
        self._waiting: deque[bytes] = deque()
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        """Create the file; an existing one is not overwritten. Raises ConfigError."""
        try:
            with contextlib.ExitStack() as undo:
                file = undo.enter_context(self._create(self._path))
                self._file = _compressed(file, self._path.suffix.lower())
                undo.pop_all()
        except OSError as error:
            raise ConfigError(f"The recording {str(self._path)!r} cannot be created: {error.strerror or error}.") from None

    def hear(self, received_ms: int, frames: Sequence[bytes]) -> None:
        """The tap. A frame that spans lines (none of the venues sends one) is put on one line."""
        stamp = b"%d " % (received_ms * 1_000_000)
        for frame in frames:
            self._waiting.append(stamp + (frame if b"\n" not in frame else b" ".join(frame.split())) + b"\n")
        self.frames += len(frames)
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def flush(self) -> None:
        """Write what waits and hand it to the operating system. Raises FeedError when the disk refuses."""
        assert self._file is not None
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not lines:
            return
        try:
            self._file.write(b"".join(lines))
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from None

    def close(self) -> None:
        """Write the rest and end the archive properly. Raises FeedError when the disk refuses."""
        if self._file is None:
            return
        try:
            self.flush()
        finally:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise self._refused(error) from None

    def _refused(self, error: OSError) -> FeedError:
        return FeedError(f"The recording {str(self._path)!r} cannot be written ({error.strerror or error}); it is incomplete.")


async def record(settings: Settings, clock: Clock, out: Path, duration_s: float | None) -> int:
    """Record until the time is over, the feed ends or this is cancelled (which counts as a wish to finish); answers frames.

    Raises ConfigError when `out` cannot be created or the feed is a recording already, FeedError when no venue answers or the
    disk refuses.
    """
    if settings.feed.startswith("recorded:"):
        raise ConfigError("A recording is a file of frames already; copy it instead of recording it again.")
    feed = await _feed(replace(settings, backfill=False), clock)
    writer = FrameWriter(out)
    writer.open()
    cast("Tappable", feed).tap = writer.hear
    playing = asyncio.create_task(feed.run(), name="recording")
    try:
        await _keep_writing(writer, playing, clock, duration_s)
    except asyncio.CancelledError:
        return writer.frames
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        writer.close()
    return writer.frames


async def _feed(settings: Settings, clock: Clock) -> Feed:
    """The configured feed with its instruments asked for; `auto` records the first live venue."""
    if settings.feed == "auto":
        live = await probe_live(settings, clock, _nowhere)
        if live is None:
            raise FeedError("No live venue answers, so there is nothing to record; `--feed demo` records the demo market.")
        return live
    feed = open_feed(settings, clock, _nowhere)
    await feed.instruments()
    return feed


async def _keep_writing(writer: FrameWriter, playing: asyncio.Task[None], clock: Clock, duration_s: float | None) -> None:
    ends = None if duration_s is None else clock.monotonic() + duration_s
    while not playing.done() and (ends is None or clock.monotonic() < ends):
        left = _FLUSH_S if ends is None else min(_FLUSH_S, ends - clock.monotonic())
        await clock.sleep(left)
        await asyncio.to_thread(writer.flush)


def _compressed(file: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix == ".gz":
        return cast("IO[bytes]", _Closing(gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6), file))
    if suffix == ".zst":
        return cast("IO[bytes]", _Closing(zstandard.ZstdCompressor(level=6).stream_writer(file, closefd=False), file))
    return file


class _Closing:
    """A compressor that pushes its block out at every flush and closes the file below it."""

    def __init__(self, compressor: Any, file: IO[bytes]) -> None:
        self._compressor = compressor
        self._file = file

    def write(self, data: bytes) -> int:
        return int(self._compressor.write(data))

    def flush(self) -> None:
        self._compressor.flush()
        self._file.flush()

    def close(self) -> None:
        try:
            self._compressor.close()
        finally:
            self._file.close()


def _nowhere(event: object, /) -> None:
    """Nobody listens while recording."""


__all__ = ("FrameWriter", "Tappable", "record")
