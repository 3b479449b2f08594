"""Which feed the settings ask for, and which live venue answers from here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..bus import Publish
from ..clock import Clock
from ..config import Settings
from ..errors import ConfigError, FeedError
from ..model.market import Instrument
from ..ports import Feed

LIVE = ("binance", "binance-us", "coinbase")
"""The live venues in the order of preference."""

_GRACE_S = 1.5
"""How long a venue further up in the order may still answer after another one has."""

Open = Callable[[str], Feed]


class Recording(NamedTuple):
    """`recorded:PATH[@SPEED]`, taken apart. `speed` None: as fast as possible."""

    path: Path
    speed: float | None


def read_recording(text: str) -> Recording:
    """`PATH`, `PATH@10`, `PATH@max`; a path may hold an `@` of its own. Raises ConfigError."""
    path, at, speed = text.rpartition("@")
    if not at or not path or "/" in speed or "\\" in speed:
        return Recording(Path(text).expanduser(), 1.0)
    if speed.lower() == "max":
        return Recording(Path(path).expanduser(), None)
    try:
        factor = float(speed.lower().removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0.0 < factor <= 1_000_000:
        raise ConfigError(f"The speed of the recording was {speed!r}; it must be a number above 0, for example @10, or @max.")
    return Recording(Path(path).expanduser(), factor)


def open_feed(settings: Settings, clock: Clock, publish: Publish) -> Feed:
    """The feed that `settings.feed` names; nothing is connected yet. `auto` gives the first live venue.

    Raises ConfigError for a recording that cannot be meant.
    """
    return _open(settings.feed if settings.feed != "auto" else LIVE[0], settings, clock, publish)


def _open(name: str, settings: Settings, clock: Clock, publish: Publish) -> Feed:
    if name.startswith("recorded:"):
        from .recorded import RecordedFeed

        path, speed = read_recording(name.removeprefix("recorded:"))
        return RecordedFeed(path=path, speed=speed, settings=settings, clock=clock, publish=publish)
    if name == "demo":
        from .simulated import SimulatedFeed

        return SimulatedFeed(settings=settings, clock=clock, publish=publish, seed=settings.demo_seed)
    if name == "coinbase":
        from .coinbase import CoinbaseFeed

        return CoinbaseFeed(settings=settings, clock=clock, publish=publish)
    from .binance import BinanceFeed

    return BinanceFeed(settings=settings, clock=clock, publish=publish, venue=name)


async def probe_live(settings: Settings, clock: Clock, publish: Publish, *, timeout_s: float = 5.0) -> Feed | None:
    """The first venue of the order that names its instruments within `timeout_s`; None when none does.

    All are asked at once. When one has answered, those before it in the order get 1.5 s more.
    """
    return await first_that_answers(LIVE, lambda name: _open(name, settings, clock, publish), clock=clock, timeout_s=timeout_s)


async def first_that_answers(names: Sequence[str], open_one: Open, *, clock: Clock, timeout_s: float) -> Feed | None:
    """Ask all of `names` for their instruments; the most preferred answer in time wins, the others are cancelled."""
    feeds = [open_one(name) for name in names]
    asked = [asyncio.create_task(_ask(feed), name=f"probe {feed.venue}") for feed in feeds]
    chosen: Feed | None = None
    try:
        deadline = clock.monotonic() + timeout_s
        while (left := deadline - clock.monotonic()) > 0 and not _decided(asked):
            await asyncio.wait([task for task in asked if not task.done()], timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if any(_answered(task) for task in asked):
                deadline = min(deadline, clock.monotonic() + _GRACE_S)
        chosen = next((feed for feed, task in zip(feeds, asked, strict=True) if _answered(task)), None)
        _raise_what_is_no_refusal([] if chosen else asked)
        return chosen
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.gather(*(_close(feed) for feed in feeds if feed is not chosen))


async def _ask(feed: Feed) -> list[Instrument]:
    """The venue's instruments; empty when it refuses or cannot be reached."""
    try:
        return await feed.instruments()
    except FeedError:
        return []


def _answered(task: asyncio.Task[list[Instrument]]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None and bool(task.result())


def _raise_what_is_no_refusal(asked: Sequence[asyncio.Task[list[Instrument]]]) -> None:
    """A fault of ours must not look like a venue that does not answer."""
    for task in asked:
        if task.done() and not task.cancelled():
            task.result()


def _decided(asked: Sequence[asyncio.Task[list[Instrument]]]) -> bool:
    """True when no later answer could win: everything in front of the first answer is done."""
    for task in asked:
        if not task.done():
            return False
        if _answered(task):
            return True
    return True


async def _close(feed: Feed) -> None:
    """Feeds that hold a connection between `instruments()` and `run()` offer `aclose`."""
    close = getattr(feed, "aclose", None)
    if close is not None:
        await close()
