"""A line: a fixed set of streams that is kept alive over any number of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, Protocol

import aiohttp

from ..clock import Clock
from ..errors import EndpointForbidden, FeedError, RateLimited
from .binance_link import SILENCE_S, Forbidden, Link
from .endpoints import Endpoints
from .gulp import LineEnded
from .reconnect import Attempts, Backoff

ROTATE_AFTER_S = 23 * 3600.0
HANDOVER_S = 15.0
ROTATE_AGAIN_S = 300.0


class LineHooks(Protocol):
    """What a line tells the feed. All synchronous: the reader never waits for a consumer."""

    def on_frames(self, line: Line, link: Link, frames: list[bytes]) -> None: ...

    def on_up(self, line: Line) -> None: ...

    def on_down(self, line: Line, reason: str) -> None: ...

    def on_forbidden(self, url: str, reason: str) -> None: ...


class Line:
    """Dials, reads, dials again; rotates before the venue's daily cut and at its announcement, new line first."""

    def __init__(
        self,
        *,
        streams: Sequence[str],
        symbols: Sequence[str],
        endpoints: Endpoints,
        attempts: Attempts,
        hooks: LineHooks,
        clock: Clock,
        random: Random,
        gulp_ms: int,
        microseconds: bool,
        rotate_after_s: float = ROTATE_AFTER_S,
    ) -> None:
        self.streams = tuple(streams)
        self.symbols = tuple(symbols)
        self.link: Link | None = None
        self.connections = 0
        self.reconnects = 0
        self.rotations = 0
        self.forbidden = False
        self.rotating = False
        self._endpoints = endpoints
        self._attempts = attempts
        self._hooks = hooks
        self._clock = clock
        self._backoff = Backoff(random)
        self._gulp_ms = gulp_ms
        self._microseconds = microseconds
        self._rotate_after_s = rotate_after_s * random.uniform(0.97, 1.0)
        self._due_at = 0.0
        self._silence_s = SILENCE_S
        self._links: set[Link] = set()
        self._readings: set[asyncio.Task[str]] = set()

    @property
    def up(self) -> bool:
        return self.link is not None

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Until cancelled; never raises for what a venue does."""
        try:
            while True:
                link = await self._dial_until_open(session)
                if link is None:
                    self.forbidden = True
                    await asyncio.Event().wait()
                    continue
                await self._follow(session, link)
                self.reconnects += 1
                await self._clock.sleep(self._backoff.next_s())
        finally:
            for reading in tuple(self._readings):
                await self._stop_reading(reading)
            for link in tuple(self._links):
                await self._close(link)

    async def _dial_until_open(self, session: aiohttp.ClientSession) -> Link | None:
        """Endless, jittered; None when every address forbids us."""
        while True:
            try:
                return await self._dial(session)
            except FeedError as error:
                self._hooks.on_down(self, str(error))
                if not self._endpoints.allowed:
                    return None
                if isinstance(error, RateLimited):
                    await self._clock.sleep(error.retry_after_s)
                if not isinstance(error, EndpointForbidden):
                    await self._clock.sleep(self._backoff.next_s())

    async def _dial(self, session: aiohttp.ClientSession) -> Link:
        url = self._endpoints.current
        wait_s = self._attempts.wait_s(url, self._clock.monotonic())
        if wait_s > 0:
            await self._clock.sleep(wait_s)
        self._attempts.spend(url, self._clock.monotonic())
        try:
            link = await Link.dial(
                session, url=url, streams=self.streams, gulp_ms=self._gulp_ms, microseconds=self._microseconds,
                clock=self._clock, silence_s=self._silence_s,
            )  # fmt: skip
        except Forbidden as error:
            if self._endpoints.forbid(url, error.status):
                self._hooks.on_forbidden(url, str(error))
            raise
        except FeedError:
            self._endpoints.failed(url)
            self._backoff.ended(0.0)
            raise
        self.connections += 1
        self._due_at = link.opened_at + self._rotate_after_s
        self._links.add(link)
        return link

    async def _follow(self, session: aiohttp.ClientSession, link: Link) -> None:
        """Read `link`, and the ones that take over from it, until a line breaks without a successor."""
        reading = self._start(link)
        try:
            while True:
                await self._until_ended_or_due(link, reading)
                if reading.done():
                    self._ended(link, reading.result())
                    return
                link, reading = await self._hand_over(session, link, reading)
        finally:
            await self._stop_reading(reading)
            await self._close(link)

    def _start(self, link: Link) -> asyncio.Task[str]:
        self.link = link
        self._hooks.on_up(self)
        reading = asyncio.create_task(self._read(link), name=f"binance reader {link.url}")
        self._readings.add(reading)
        return reading

    async def _stop_reading(self, reading: asyncio.Task[str]) -> None:
        await _stop(reading)
        self._readings.discard(reading)

    async def _read(self, link: Link) -> str:
        """Why the line ended, as a sentence."""
        while True:
            try:
                frames = await link.read()
            except LineEnded as error:
                return str(error)
            except (aiohttp.ClientError, OSError) as error:
                return f"The line broke: {type(error).__name__} {str(error)[:200]}."
            self._hooks.on_frames(self, link, frames)

    async def _until_ended_or_due(self, link: Link, reading: asyncio.Task[str]) -> None:
        due = self._due_at - self._clock.monotonic()
        timer = asyncio.ensure_future(self._clock.sleep(max(0.0, due)))
        announced = asyncio.ensure_future(link.shutdown.wait())
        try:
            await asyncio.wait({reading, timer, announced}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(timer)
            await _stop(announced)

    async def _hand_over(
        self, session: aiohttp.ClientSession, old: Link, reading: asyncio.Task[str]
    ) -> tuple[Link, asyncio.Task[str]]:
        """Make before break: the new line reads beside the old one until it delivers; ids sort out what came twice."""
        self._due_at = self._clock.monotonic() + ROTATE_AGAIN_S
        old.shutdown.clear()
        dialling = asyncio.create_task(self._dial_until_open(session), name="binance handover")
        try:
            await asyncio.wait({dialling, reading}, return_when=asyncio.FIRST_COMPLETED, timeout=HANDOVER_S * 4)
            new = dialling.result() if dialling.done() else None
        finally:
            await _stop(dialling)
        if new is None:
            return old, reading
        self.rotating = True
        successor = self._start(new)
        self.rotating = False
        await self._until_delivering(new, successor)
        if successor.done() and not reading.done():
            self.link = old
            await self._stop_reading(successor)
            await self._close(new)
            return old, reading
        await self._stop_reading(reading)
        await self._close(old)
        self.rotations += 1
        return new, successor

    async def _until_delivering(self, link: Link, reading: asyncio.Task[str]) -> None:
        """Wait until all streams of `link` are subscribed and data comes; not for ever, quiet pairs may have none."""
        deadline = self._clock.monotonic() + HANDOVER_S
        while not (link.subscribed and link.delivered_at is not None) and not reading.done():
            if self._clock.monotonic() > deadline:
                return
            await self._clock.sleep(0.05)

    def _ended(self, link: Link, reason: str) -> None:
        now = self._clock.monotonic()
        delivered = 0.0 if link.delivered_at is None else max(0.001, now - link.delivered_at)
        self._silence_s = link.next_silence_s(now)
        self._backoff.ended(delivered)
        if delivered:
            self._endpoints.answered()
        else:
            self._endpoints.failed(link.url)
        self.link = None
        self._hooks.on_down(self, reason)

    async def _close(self, link: Link) -> None:
        self._links.discard(link)
        await link.close()


async def _stop(task: asyncio.Future[Any]) -> None:
    """Cancel and wait, so that no task outlives its owner and no result goes unread."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
