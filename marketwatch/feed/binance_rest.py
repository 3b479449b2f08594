"""Binance's REST interface as far as a watch needs it: exchangeInfo, klines, aggTrades, ticker/24hr.

Stays below half of the venue's weight budget (6000 a minute and address), obeys Retry-After for all of its callers at once,
moves on to the next address where one forbids us, and reads nothing that it did not bound. Foreign errors stop here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import aiohttp
import orjson

from ..clock import Clock
from ..errors import EndpointForbidden, FeedError, MalformedMessage, RateLimited
from ..model.market import Candle, Instrument, Trade
from .binance_budget import SHARE, WeightBudget, retry_after_s
from .binance_rows import read_agg_trades, read_exchange_info, read_klines, read_trades, read_volumes
from .endpoints import Endpoints

LIMIT = 1000
"""Rows of one answer at most (klines and aggTrades)."""
MOST_NAMED = 100
"""Symbols that are named in one request; for longer lists all are fetched."""
MAX_BYTES = 8_000_000
MAX_INFO_BYTES = 64_000_000
_TRIES = 3


class Refused(FeedError):
    """The venue understood and said no (HTTP 4xx); `code` is its own code, -1121 for an unknown symbol."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class BinanceRest:
    """Client of one venue. Use it inside `async with` (it may be entered several times at once; the last one out closes)."""

    def __init__(self, *, endpoints: Endpoints, clock: Clock, timeout_s: float = 10.0) -> None:
        self.endpoints = endpoints
        self.budget = WeightBudget(clock)
        self.requests = 0
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(2.0, timeout_s))
        self._session: aiohttp.ClientSession | None = None
        self._users = 0

    async def __aenter__(self) -> Self:
        self._users += 1
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._users -= 1
        if self._users == 0 and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def instruments(self, symbols: Sequence[str] | None) -> list[Instrument]:
        """Pairs of the venue: those asked for that exist, or all. Weight 20."""
        named = symbols and len(symbols) <= MOST_NAMED
        params = {"symbols": orjson.dumps(list(symbols or ())).decode()} if named else {}
        try:
            body = await self.get("/api/v3/exchangeInfo", params, weight=20, most=MAX_INFO_BYTES)
        except Refused:
            if not named:
                raise
            body = await self.get("/api/v3/exchangeInfo", {}, weight=20, most=MAX_INFO_BYTES)
        wanted = set(symbols or ())
        return [item for item in read_exchange_info(body) if not wanted or item.symbol in wanted]

    async def klines(self, symbol: str, interval: str, from_ms: int, to_ms: int, *, share: float = SHARE) -> list[Candle]:
        """Candles with open times in [from_ms, to_ms), oldest first, paged. Weight 2 a thousand."""
        found: list[Candle] = []
        start = from_ms
        while start < to_ms:
            params = {
                "symbol": symbol, "interval": interval, "startTime": str(start), "endTime": str(to_ms - 1), "limit": str(LIMIT)
            }  # fmt: skip
            page = read_klines(symbol, interval, await self.get("/api/v3/klines", params, weight=2, share=share))
            page = [candle for candle in page if start <= candle.time_ms < to_ms]
            found += page
            if len(page) < LIMIT:
                break
            start = page[-1].time_ms + 1
        return found

    async def agg_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = LIMIT,
        share: float = SHARE,
    ) -> list[tuple[int, Trade]]:
        """One page of at most 1000 as `(first trade id, aggregate)`; without any bound the newest. Weight 4.

        `trade_id` is the AGGREGATE's id.
        """
        params = {"symbol": symbol, "limit": str(limit)}
        if from_id is not None:
            params["fromId"] = str(from_id)
        if from_ms is not None:
            params["startTime"] = str(from_ms)
        if to_ms is not None:
            params["endTime"] = str(to_ms)
        return read_agg_trades(symbol, await self.get("/api/v3/aggTrades", params, weight=4, share=share))

    async def recent_trades(self, symbol: str) -> list[Trade]:
        """The newest 1000 single trades. Weight 25."""
        params = {"symbol": symbol, "limit": str(LIMIT)}
        return read_trades(symbol, await self.get("/api/v3/trades", params, weight=25))

    async def volumes(self) -> dict[str, float]:
        """Quote volume of the last 24 h of every pair. Weight 80."""
        return read_volumes(await self.get("/api/v3/ticker/24hr", {"type": "MINI"}, weight=80, most=MAX_INFO_BYTES))

    async def get(
        self, path: str, params: Mapping[str, str], *, weight: int, share: float = SHARE, most: int = MAX_BYTES
    ) -> bytes:
        """The body of a 200 answer. Raises Refused, RateLimited, EndpointForbidden (no address left) or FeedError."""
        failures: dict[str, str] = {}
        for _ in range(_TRIES + len(self.endpoints.allowed)):
            await self.budget.acquire(weight, share=share)
            url = self.endpoints.current
            try:
                body = await self._ask(url, path, params, most)
            except EndpointForbidden:
                continue
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self.endpoints.failed(url)
                failures[url] = str(error)[:160] or type(error).__name__
                continue
            except _ServerFailed as error:
                self.endpoints.failed(url)
                failures[url] = str(error)
                await self._clock.sleep(0.2)
                continue
            self.endpoints.answered()
            return body
        told = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
        raise FeedError(f"No address of the venue answered {path} ({told or 'all forbid us'}).")

    async def _ask(self, url: str, path: str, params: Mapping[str, str], most: int) -> bytes:
        if self._session is None:
            raise RuntimeError("BinanceRest must be entered with `async with` before use.")
        self.requests += 1
        async with self._session.get(url + path, params=params, allow_redirects=False) as answer:
            self._account(answer.headers)
            body = await _bounded(answer, most)
            if answer.status == 200:
                return body
            raise self._failure(url, path, answer.status, answer.headers, body)

    def _account(self, headers: Mapping[str, str]) -> None:
        used = headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isascii() and used.isdigit() and len(used) < 10:
            self.budget.told(int(used))

    def _failure(self, url: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        if status in (403, 451):
            self.endpoints.forbid(url, status)
            return EndpointForbidden(f"{url} serves nothing to this address (HTTP {status}).")
        if status in (418, 429):
            pause = retry_after_s(headers, 120.0 if status == 418 else 10.0)
            self.budget.pause(pause)
            return RateLimited(f"{url} asked for a pause of {pause:g} s (HTTP {status}).", pause)
        if 400 <= status < 500:
            code, message = _refusal(body)
            return Refused(f"{url}{path} refused the request (HTTP {status}, code {code}): {message}.", code)
        return _ServerFailed(f"HTTP {status}")


class _ServerFailed(Exception):
    """HTTP 5xx (or an answer that is none): the outcome is unknown, try again."""


async def _bounded(answer: aiohttp.ClientResponse, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_chunked(1 << 16):
        size += len(part)
        if size > most:
            raise MalformedMessage(
                f"{answer.url.host}{answer.url.path} answered more than {most} bytes; the answer was dropped."
            )
        parts.append(part)
    return b"".join(parts)


def _refusal(body: bytes) -> tuple[int | None, str]:
    try:
        told = orjson.loads(body)
        code = told.get("code")
        return (code if type(code) is int else None), str(told.get("msg", ""))[:200]
    except (orjson.JSONDecodeError, AttributeError):
        return None, body[:100].decode("utf-8", "replace")
