"""Binance's REST interface as far as a watch needs it: exchangeInfo, klines, aggTrades, ticker/24hr.

Stays below half of the venue's weight budget (6000 a minute and address), obeys Retry-After for all of its callers at once,
moves on to the next address where one forbids us, and reads nothing that it did not bound. Foreign errors stop here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import aiohttp
import msgspec
import orjson

from ..clock import Clock
from ..errors import EndpointForbidden, FeedError, MalformedMessage, RateLimited
from ..model.market import Candle, Instrument, Trade
from .binance_parse import FIRST_MS, LAST_MS
from .endpoints import Endpoints

LIMIT = 1000
"""Rows of one answer at most (klines and aggTrades)."""
BUDGET = 6000
SHARE = 0.5
MINUTE_S = 60.0
MAX_BYTES = 8_000_000
MAX_INFO_BYTES = 64_000_000
_TRIES = 3
_MAX_PAUSE_S = 3 * 86_400.0


class Refused(FeedError):
    """The venue understood and said no (HTTP 4xx); `code` is its own code, -1121 for an unknown symbol."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class WeightBudget:
    """Request weight over a sliding minute: our own sum, or the venue's count (header) where that is higher."""

    def __init__(self, clock: Clock, *, limit: int = BUDGET) -> None:
        self._clock = clock
        self._limit = limit
        self._spent: deque[tuple[float, int]] = deque()
        self._told = (0.0, 0)
        self._closed_until = 0.0

    @property
    def used(self) -> int:
        """Weight of the last minute."""
        now = self._clock.monotonic()
        while self._spent and self._spent[0][0] <= now - MINUTE_S:
            self._spent.popleft()
        told_at, told = self._told
        return max(sum(weight for _, weight in self._spent), told if told_at > now - MINUTE_S else 0)

    async def acquire(self, weight: int, *, share: float = SHARE) -> None:
        """Wait until `weight` fits below `share` of the limit and no pause is on."""
        while True:
            now = self._clock.monotonic()
            pause = self._closed_until - now
            if pause <= 0 and self.used + weight <= self._limit * share:
                self._spent.append((now, weight))
                return
            await self._clock.sleep(max(0.05, min(pause, 5.0)) if pause > 0 else 0.5)

    def told(self, used: int) -> None:
        """The venue's own count for the running minute."""
        self._told = (self._clock.monotonic(), used)

    def pause(self, seconds: float) -> None:
        """Nobody asks anything for `seconds`."""
        self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)

    @property
    def paused_s(self) -> float:
        return max(0.0, self._closed_until - self._clock.monotonic())


class BinanceRest:
    """Client of one venue. Use it inside `async with` (it may be entered several times at once; the last one out closes)."""

    def __init__(self, *, endpoints: Endpoints, clock: Clock, timeout_s: float = 10.0) -> None:
        self.endpoints = endpoints
        self.budget = WeightBudget(clock)
        self.requests = 0
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(4.0, timeout_s))
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
        params = {"symbols": orjson.dumps(list(symbols)).decode()} if symbols else {}
        try:
            body = await self.get("/api/v3/exchangeInfo", params, weight=20, most=MAX_INFO_BYTES)
        except Refused:
            if not symbols:
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
        self, symbol: str, *, from_id: int | None = None, from_ms: int | None = None, to_ms: int | None = None
    ) -> list[tuple[int, Trade]]:
        """One page of at most 1000 as `(first trade id, aggregate)`; `trade_id` is the AGGREGATE's id. Weight 4."""
        params = {"symbol": symbol, "limit": str(LIMIT)}
        if from_id is not None:
            params["fromId"] = str(from_id)
        if from_ms is not None:
            params["startTime"] = str(from_ms)
        if to_ms is not None:
            params["endTime"] = str(to_ms)
        return read_agg_trades(symbol, await self.get("/api/v3/aggTrades", params, weight=4))

    async def volumes(self) -> dict[str, float]:
        """Quote volume of the last 24 h of every pair. Weight 80."""
        rows = _decode(await self.get("/api/v3/ticker/24hr", {"type": "MINI"}, weight=80, most=MAX_INFO_BYTES))
        found: dict[str, float] = {}
        for row in rows if isinstance(rows, list) else ():
            try:
                found[str(row["symbol"])] = _amount(row["quoteVolume"])
            except (KeyError, TypeError, MalformedMessage):
                continue  # A row that cannot be read only loses its place in the order of the warm-up.
        return found

    async def get(
        self, path: str, params: Mapping[str, str], *, weight: int, share: float = SHARE, most: int = MAX_BYTES
    ) -> bytes:
        """The body of a 200 answer. Raises Refused, RateLimited, EndpointForbidden (no address left) or FeedError."""
        failure = FeedError(f"No REST address answered {path}.")
        for _ in range(_TRIES + len(self.endpoints.allowed)):
            await self.budget.acquire(weight, share=share)
            url = self.endpoints.current
            try:
                body = await self._ask(url, path, params, most)
            except EndpointForbidden:
                continue
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self.endpoints.failed(url)
                failure = FeedError(f"{url}{path} did not answer: {type(error).__name__} {str(error)[:200]}.")
                continue
            except _ServerFailed as error:
                self.endpoints.failed(url)
                failure = FeedError(str(error))
                await self._clock.sleep(0.2)
                continue
            self.endpoints.answered()
            return body
        raise failure

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
            pause = _retry_after_s(headers, 120.0 if status == 418 else 10.0)
            self.budget.pause(pause)
            return RateLimited(f"{url} asked for a pause of {pause:g} s (HTTP {status}).", pause)
        if 400 <= status < 500:
            code, message = _refusal(body)
            return Refused(f"{url}{path} refused the request (HTTP {status}, code {code}): {message}.", code)
        return _ServerFailed(f"{url}{path} failed with HTTP {status}.")


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


def _retry_after_s(headers: Mapping[str, str], otherwise: float) -> float:
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return otherwise
    return min(max(seconds, 0.1), _MAX_PAUSE_S) if seconds == seconds else otherwise


def _refusal(body: bytes) -> tuple[int | None, str]:
    try:
        told = orjson.loads(body)
        code = told.get("code")
        return (code if type(code) is int else None), str(told.get("msg", ""))[:200]
    except (orjson.JSONDecodeError, AttributeError):
        return None, body[:100].decode("utf-8", "replace")


class _Filter(msgspec.Struct):
    filterType: str = ""  # noqa: N815
    tickSize: str | None = None  # noqa: N815
    stepSize: str | None = None  # noqa: N815


class _Row(msgspec.Struct):
    symbol: str
    baseAsset: str  # noqa: N815
    quoteAsset: str  # noqa: N815
    status: str = ""
    filters: list[_Filter] = []


class _Info(msgspec.Struct):
    symbols: list[msgspec.Raw]


def read_exchange_info(body: bytes) -> list[Instrument]:
    """`{"serverTime":..,"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"0.00001"}]}]}`

    Rows that cannot be read are left out; raises MalformedMessage when the answer as a whole cannot be.
    """
    try:
        rows = msgspec.json.decode(body, type=_Info).symbols
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MalformedMessage(f"The venue's list of pairs cannot be read: {error}.") from None
    decoder = msgspec.json.Decoder(_Row)
    found: list[Instrument] = []
    for raw in rows:
        try:
            found.append(_instrument(decoder.decode(raw)))
        except (msgspec.MsgspecError, RecursionError):
            continue  # One odd row must not cost the other pairs; a symbol that was asked for is reported as unknown.
    return found


def _instrument(row: _Row) -> Instrument:
    tick = next((f.tickSize for f in row.filters if f.filterType == "PRICE_FILTER"), None)
    lot = next((f.stepSize for f in row.filters if f.filterType == "LOT_SIZE"), None)
    return Instrument(row.symbol, row.baseAsset, row.quoteAsset, _step(tick), _step(lot), row.status == "TRADING")


def _step(text: str | None) -> Decimal | None:
    try:
        step = Decimal(text) if text else None
    except InvalidOperation:
        return None
    return step if step is not None and step.is_finite() and 0 < step < 10**9 else None


def read_klines(symbol: str, interval: str, body: bytes) -> list[Candle]:
    """`[[1499040000000,"0.0163","0.8","0.0157","0.0157","148976.1",1499644799999,"2434.1",308,"1756.8","28.4","0"], ..]`"""
    rows = _decode(body)
    if not isinstance(rows, list):
        raise MalformedMessage(f"The klines of {symbol} are not a list.")
    return [_candle(symbol, interval, row) for row in rows[: LIMIT + 500]]


def _candle(symbol: str, interval: str, row: Any) -> Candle:
    try:
        opened, *prices = row[0], *(_amount(text) for text in row[1:6])
        count = row[8]
        if type(opened) is not int or type(count) is not int or not FIRST_MS <= opened <= LAST_MS or count < 0:
            raise MalformedMessage(f"A kline of {symbol} has an impossible time or count: {str(row)[:120]}.")
        if min(prices[:4]) <= 0:
            raise MalformedMessage(f"A kline of {symbol} has a price that is not positive: {str(row)[:120]}.")
        opening, high, low, close, volume = prices
        return Candle(symbol, interval, opened, opening, high, low, close, volume, _amount(row[7]), count, _amount(row[9]))
    except (TypeError, IndexError, KeyError):
        raise MalformedMessage(f"A kline of {symbol} has another shape: {str(row)[:120]}.") from None


def read_agg_trades(symbol: str, body: bytes) -> list[tuple[int, Trade]]:
    """`[{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,"M":true}, ..]`"""
    rows = _decode(body)
    if not isinstance(rows, list):
        raise MalformedMessage(f"The aggTrades of {symbol} are not a list.")
    return [_aggregate(symbol, row) for row in rows[: LIMIT + 500]]


def _aggregate(symbol: str, row: Any) -> tuple[int, Trade]:
    try:
        number, first, last, time_ms, maker = row["a"], row["f"], row["l"], row["T"], row["m"]
        price, quantity = _amount(row["p"]), _amount(row["q"])
    except (TypeError, KeyError):
        raise MalformedMessage(f"An aggTrade of {symbol} has another shape: {str(row)[:120]}.") from None
    whole = all(type(value) is int and 0 <= value < 2**63 for value in (number, first, last, time_ms))
    if not whole or type(maker) is not bool or last < first or not FIRST_MS <= time_ms <= LAST_MS:
        raise MalformedMessage(f"An aggTrade of {symbol} has impossible ids or times: {str(row)[:120]}.")
    if price <= 0 or quantity <= 0:
        raise MalformedMessage(f"An aggTrade of {symbol} has no positive price and quantity: {str(row)[:120]}.")
    return first, Trade(symbol, number, price, quantity, time_ms, maker, last - first + 1)


def _amount(text: Any) -> float:
    try:
        number = float(text) if type(text) is str else -1.0
    except ValueError:
        number = -1.0
    if 0.0 <= number < float("inf"):
        return number
    raise MalformedMessage(f"{str(text)[:40]!r} in a REST answer is not an amount.")


def _decode(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        raise MalformedMessage(f"A REST answer of {len(body)} bytes is not JSON: {body[:60]!r}.") from None


__all__ = (
    "BinanceRest", "Refused", "WeightBudget", "read_agg_trades", "read_exchange_info", "read_klines",
)  # fmt: skip
