"""One WebSocket to Binance: dial, subscribe within the venue's limits, read in gulps, close for sure."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from typing import Self
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from ..clock import Clock
from ..errors import EndpointForbidden, FeedError, RateLimited
from .binance_budget import retry_after_s
from .binance_parse import Control
from .gulp import GulpReader, WebSocket, close_hard, inner
from .watchdog import Rhythm

STREAMS_PER_CONNECTION = 1024
URL_CHARACTERS = 3_500
STREAMS_PER_MESSAGE = 150
MESSAGE_CHARACTERS = 3_500
MESSAGE_PAUSE_S = 0.25
"""Four messages a second leave room for pongs below the venue's five."""
DIAL_TIMEOUT_S = 6.0
MAX_MESSAGE_BYTES = 16_000_000
"""Above this the line breaks; what the parser finds too long is only skipped, and the line stays."""
SILENCE_S = 20.0
LONGEST_SILENCE_S = 120.0
UNPROVEN_SILENCE_S = 60.0
"""Pairs that hardly trade: a line that was dropped for silence is waited for longer the next time, up to this."""


class Forbidden(EndpointForbidden):
    """This address refused the handshake for good; `status` is 451 or 403."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Link:
    """An open connection. `delivered_at` is the monotonic time of its first data, None before."""

    def __init__(
        self, ws: WebSocket, *, url: str, streams: Sequence[str], gulp_ms: int, silence_s: float, clock: Clock
    ) -> None:
        self.url = url
        self.streams = tuple(streams)
        self.opened_at = clock.monotonic()
        self.delivered_at: float | None = None
        self.shutdown = asyncio.Event()
        self.silence_s = silence_s
        self._ws = ws
        self._clock = clock
        self._reader = GulpReader(ws, gulp_ms=gulp_ms, sleep=clock.sleep)
        self._rhythm = Rhythm(self.opened_at)
        self._ids = itertools.count(1)
        self._outbox: deque[tuple[str, list[str]]] = deque()
        self._asked: dict[int, tuple[str, list[str]]] = {}
        self._wake = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    @classmethod
    async def dial(
        cls,
        session: aiohttp.ClientSession,
        *,
        url: str,
        streams: Sequence[str],
        gulp_ms: int,
        microseconds: bool,
        clock: Clock,
        silence_s: float = SILENCE_S,
    ) -> Self:
        """Connect and ask for `streams`. Raises Forbidden (451, 403), RateLimited (429, 418) or FeedError."""
        first = streams_in_url(streams)
        address = stream_address(url, first, microseconds)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                ws = await session.ws_connect(
                    address, max_msg_size=MAX_MESSAGE_BYTES, autoping=True, decode_text=False, compress=0
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (403, 451):
                raise Forbidden(f"{url} serves no stream to this address (HTTP {error.status}).", error.status) from None
            if error.status in (418, 429):
                pause_s = retry_after_s(error.headers or {}, 30.0)
                raise RateLimited(f"{url} asked for a pause of {pause_s:g} s (HTTP {error.status}).", pause_s) from None
            raise FeedError(f"{url} answered HTTP {error.status} instead of a stream.") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise FeedError(f"{url} cannot be reached: {type(error).__name__} {str(error)[:200]}.") from None
        link = cls(ws, url=url, streams=streams, gulp_ms=gulp_ms, silence_s=silence_s, clock=clock)
        link.ask("SUBSCRIBE", streams[len(first) :])
        link._sender = asyncio.create_task(link._send_all(), name="binance outbox")
        return link

    async def read(self) -> list[bytes]:
        """The next gulp of frames. Raises LineEnded."""
        return await self._reader.read()

    def saw_data(self, now: float) -> None:
        """A gulp held market data."""
        if self.delivered_at is None:
            self.delivered_at = now
        self._rhythm.beat(now)

    def silent_for(self, now: float) -> float:
        return now - self._rhythm.last

    def too_silent(self, now: float) -> bool:
        """No data for longer than this line's habit: at least 20 s, at most 2 minutes. Pings prove nothing."""
        usual = self._rhythm.threshold_s(SILENCE_S, LONGEST_SILENCE_S) if self._rhythm.proven else self.silence_s
        return self.silent_for(now) > usual

    def next_silence_s(self, now: float) -> float:
        """How long the line after this one may be silent before its habit is known."""
        if self._rhythm.proven or not self.too_silent(now):
            return SILENCE_S
        return min(2 * self.silence_s, UNPROVEN_SILENCE_S)

    def ask(self, method: str, streams: Sequence[str]) -> None:
        """Queue SUBSCRIBE or UNSUBSCRIBE in chunks; the sender keeps the pace."""
        chunk: list[str] = []
        size = 0
        for stream in streams:
            if len(chunk) >= STREAMS_PER_MESSAGE or size + len(stream) + 3 > MESSAGE_CHARACTERS:
                self._outbox.append((method, chunk))
                chunk, size = [], 0
            chunk.append(stream)
            size += len(stream.encode()) + 3
        if chunk:
            self._outbox.append((method, chunk))
        self._wake.set()

    def answered(self, control: Control) -> list[str]:
        """Take an answer to one of our requests; streams that the venue refuses for good come back.

        A refused chunk is halved until the stream at fault stands alone.
        """
        if control.request_id is None or control.request_id not in self._asked:
            return []
        method, streams = self._asked.pop(control.request_id)
        if control.kind != "error" or method != "SUBSCRIBE":
            return []
        if len(streams) == 1:
            return streams
        half = len(streams) // 2
        self.ask(method, streams[:half])
        self.ask(method, streams[half:])
        return []

    @property
    def subscribed(self) -> bool:
        """Every request was sent and answered."""
        return not self._outbox and not self._asked

    def abort(self) -> None:
        """Drop the connection at once; `read` then ends."""
        parts = inner(self._ws)
        if parts is not None:
            parts.transport.abort()

    async def close(self) -> None:
        """Within about a second, whatever the peer does."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait({self._sender})
        await close_hard(self._ws)

    async def _send_all(self) -> None:
        while True:
            while self._outbox:
                method, streams = self._outbox.popleft()
                number = next(self._ids)
                self._asked[number] = (method, streams)
                while len(self._asked) > 1000:
                    del self._asked[next(iter(self._asked))]
                try:
                    await self._ws.send_str(orjson.dumps({"method": method, "params": streams, "id": number}).decode())
                except (aiohttp.ClientError, OSError, RuntimeError):
                    return  # The line is gone; its reader says so.
                await self._clock.sleep(MESSAGE_PAUSE_S)
            self._wake.clear()
            await self._wake.wait()


def streams_in_url(streams: Sequence[str]) -> list[str]:
    """As many of the first streams as fit into an address."""
    size = 0
    for count, stream in enumerate(streams):
        size += len(quote(stream, safe="@!_")) + 1
        if size > URL_CHARACTERS:
            return list(streams[:count])
    return list(streams)


def stream_address(url: str, streams: Sequence[str], microseconds: bool) -> URL:
    query = "/".join(quote(stream, safe="@!_") for stream in streams)
    unit = "&timeUnit=MICROSECOND" if microseconds else ""
    return URL(f"{url}/stream?streams={query}{unit}", encoded=True)
