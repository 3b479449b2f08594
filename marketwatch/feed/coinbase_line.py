"""One connection to Coinbase, kept alive: dial, subscribe within the venue's five seconds, read in gulps, dial again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Protocol

import aiohttp
import orjson

from ..clock import Clock
from ..errors import EndpointForbidden, FeedError
from .binance_parse import MAX_FRAME_BYTES
from .endpoints import Endpoints
from .gulp import GulpReader, LineEnded, WebSocket, close_hard, inner
from .reconnect import Attempts, Backoff

STREAMS = {"exchange": "wss://ws-feed.exchange.coinbase.com", "advanced": "wss://advanced-trade-ws.coinbase.com"}
SILENCE_S = 15.0
"""Heartbeats come every second; without any frame for this long the line is dropped."""
_DIAL_TIMEOUT_S = 8.0
_PRODUCTS_PER_FRAME = 100
_SENT_AT_ONCE = 4
_SEND_PAUSE_S = 0.2
_CHANNELS = {"exchange": ("matches", "ticker", "heartbeat"), "advanced": ("heartbeats", "market_trades", "ticker")}


class LineHooks(Protocol):
    """What a line tells the feed. All synchronous."""

    def on_frames(self, frames: list[bytes]) -> None: ...

    def on_up(self) -> None: ...

    def on_down(self, reason: str) -> None: ...

    def on_forbidden(self, url: str, reason: str) -> None: ...


def subscriptions(dialect: str, products: Sequence[str]) -> list[bytes]:
    """The frames that ask for trades, statistics and heartbeats: all channels at once, or one frame per channel (Advanced)."""
    shards = [list(products[at : at + _PRODUCTS_PER_FRAME]) for at in range(0, len(products), _PRODUCTS_PER_FRAME)]
    channels = _CHANNELS[dialect]
    if dialect == "exchange":
        return [orjson.dumps({"type": "subscribe", "product_ids": shard, "channels": list(channels)}) for shard in shards]
    return [
        orjson.dumps({"type": "subscribe", "product_ids": shard, "channel": channel})
        for channel in channels
        for shard in shards
    ]


class CoinbaseLine:
    """Reads until cancelled, over any number of connections; never raises for what the venue does."""

    def __init__(
        self,
        *,
        dialect: str,
        products: Sequence[str],
        endpoints: Endpoints,
        hooks: LineHooks,
        clock: Clock,
        random: Random,
        gulp_ms: int,
    ) -> None:
        self.connections = self.reconnects = 0
        self.forbidden = False
        self.url: str | None = None
        self._dialect = dialect
        self._products = tuple(products)
        self._endpoints = endpoints
        self._hooks = hooks
        self._clock = clock
        self._gulp_ms = gulp_ms
        self._backoff = Backoff(random)
        self._attempts = Attempts()
        self._ws: WebSocket | None = None
        self._heard_at = 0.0

    @property
    def up(self) -> bool:
        return self._ws is not None

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Until cancelled, or until no address is left that serves us (`forbidden`)."""
        while True:
            delivered_s, url = 0.0, ""
            try:
                url = self._endpoints.current
                delivered_s, reason = await self._once(session, url)
            except EndpointForbidden as error:
                self.forbidden = not self._endpoints.allowed
                self._hooks.on_down(str(error))
                if self.forbidden:
                    return
                continue
            except FeedError as error:
                self._endpoints.failed(url)
                reason = str(error)
            self._backoff.ended(delivered_s)
            self.reconnects += bool(delivered_s)
            self._hooks.on_down(reason)
            await self._clock.sleep(self._backoff.next_s())

    def drop_if_silent(self) -> str:
        """Drop a connection on which nothing came for 15 s; the reason, or nothing."""
        silent_s = self._clock.monotonic() - self._heard_at
        if self._ws is None or silent_s < SILENCE_S:
            return ""
        parts = inner(self._ws)
        if parts is not None:
            parts.transport.abort()
        self._heard_at = self._clock.monotonic()
        return f"No data for {silent_s:.0f} s; the line was dropped."

    async def _once(self, session: aiohttp.ClientSession, url: str) -> tuple[float, str]:
        """One connection from dial to end: for how long it delivered, and why it ended."""
        now = self._clock.monotonic()
        wait_s = self._attempts.wait_s(url, now)
        if wait_s > 0:
            await self._clock.sleep(wait_s)
        self._attempts.spend(url, self._clock.monotonic())
        ws = await self._dial(session, url)
        first_at: float | None = None
        try:
            for number, frame in enumerate(subscriptions(self._dialect, self._products)):
                await self._clock.sleep(_SEND_PAUSE_S if number >= _SENT_AT_ONCE else 0.0)
                await ws.send_str(frame.decode())
            self._ws, self.url, self._heard_at = ws, url, self._clock.monotonic()
            self.connections += 1
            self._hooks.on_up()
            reader = GulpReader(ws, gulp_ms=self._gulp_ms, sleep=self._clock.sleep)
            while True:
                frames = await reader.read()
                self._heard_at = self._clock.monotonic()
                first_at = first_at or self._heard_at
                self._endpoints.answered()
                self._hooks.on_frames(frames)
        except LineEnded as error:
            return self._delivered_s(first_at), str(error)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            return self._delivered_s(first_at), f"The line broke: {type(error).__name__} {str(error)[:200]}."
        finally:
            self._ws = None
            await close_hard(ws)

    def _delivered_s(self, first_at: float | None) -> float:
        return 0.0 if first_at is None else max(0.001, self._clock.monotonic() - first_at)

    async def _dial(self, session: aiohttp.ClientSession, url: str) -> WebSocket:
        try:
            async with asyncio.timeout(_DIAL_TIMEOUT_S):
                return await session.ws_connect(url, max_msg_size=MAX_FRAME_BYTES, autoping=True, decode_text=False, compress=0)
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (403, 451):
                reason = f"{url} answered HTTP {error.status}: it does not serve us from here."
                if self._endpoints.forbid(url, error.status):
                    self._hooks.on_forbidden(url, reason)
                raise EndpointForbidden(reason) from None
            raise FeedError(f"{url} answered HTTP {error.status} instead of a stream.") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise FeedError(f"{url} cannot be reached: {type(error).__name__} {str(error)[:200]}.") from None
