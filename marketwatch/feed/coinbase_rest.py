"""Coinbase Exchange's public REST interface as far as a watch needs it: products, candles, trades.

Source: Coinbase Exchange REST documentation; 10 requests a second and address, of which we use at most five.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import orjson

from ..clock import Clock
from ..errors import EndpointForbidden, FeedError, MalformedMessage, RateLimited
from ..model.market import DOLLARS, Candle, Instrument, Trade
from .binance_parse import FIRST_MS, LAST_MS
from .coinbase_parse import read_match
from .pairs import split_symbol

REST = "https://api.exchange.coinbase.com"
PAGE = 1000
ROWS = 300
GRANULARITY = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86_400}
T = TypeVar("T")
_PACE_S = 0.2
_MOST_BYTES = 8_000_000
_MOST_PAUSE_S = 300.0


class CoinbaseRest:
    """An async context manager around one session, which may be entered again while it is open."""

    def __init__(self, *, url: str, clock: Clock, timeout_s: float = 8.0) -> None:
        self._url = url.rstrip("/")
        self._clock = clock
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._entered = 0
        self._next_at = 0.0

    async def __aenter__(self) -> Self:
        if self._session is None:
            headers = {"User-Agent": "marketwatch"}
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s), headers=headers)
        self._entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._entered -= 1
        if self._entered == 0 and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def products(self) -> list[Instrument]:
        """Every product the venue lists. Raises FeedError."""
        return read_products(await self._get("/products", {}))

    async def trades(self, product: str, *, before_id: int | None = None) -> list[Trade]:
        """Up to 1,000 trades below `before_id` (None: the newest), newest first. Raises FeedError."""
        params = {"limit": str(PAGE)}
        if before_id is not None:
            params["after"] = str(before_id)
        return read_trades(product, await self._get(f"/products/{quote(product, safe='')}/trades", params))

    async def klines(self, product: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        """Candles with open times in [from_ms, to_ms), oldest first, the empty ones filled in. Raises FeedError."""
        length_s = GRANULARITY.get(interval)
        if length_s is None:
            return []
        length_ms = length_s * 1000
        candles: list[Candle] = []
        start = from_ms // length_ms * length_ms
        while start < to_ms:
            end = min(to_ms, start + ROWS * length_ms)
            params = {"granularity": str(length_s), "start": _iso(start), "end": _iso(end - length_ms)}
            body = await self._get(f"/products/{quote(product, safe='')}/candles", params)
            candles += [candle for candle in read_candles(product, interval, body) if start <= candle.time_ms < end]
            start = end
        return filled([candle for candle in candles if candle.time_ms >= from_ms], length_ms)

    async def _get(self, path: str, params: Mapping[str, str]) -> Any:
        if self._session is None:
            raise RuntimeError("CoinbaseRest must be entered with `async with` before use.")
        await self._wait_for_turn()
        url = self._url + path
        try:
            async with self._session.get(url, params=params, allow_redirects=False) as answer:
                body = await answer.content.read(_MOST_BYTES + 1)
                while len(body) <= _MOST_BYTES and (more := await answer.content.read(_MOST_BYTES + 1 - len(body))):
                    body += more
                self._check(url, answer.status, answer.headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise FeedError(f"{url} did not answer: {type(error).__name__} {str(error)[:200]}.") from None
        if len(body) > _MOST_BYTES:
            raise MalformedMessage(f"{url} answered more than {_MOST_BYTES} bytes; the answer was dropped.")
        try:
            return orjson.loads(body)
        except (orjson.JSONDecodeError, RecursionError):
            raise MalformedMessage(f"{url} answered {len(body)} bytes that are not JSON: {body[:60]!r}.") from None

    async def _wait_for_turn(self) -> None:
        """Five requests a second over all tasks; later after the venue asked for a pause."""
        now = self._clock.monotonic()
        turn = max(now, self._next_at)
        self._next_at = turn + _PACE_S
        if turn > now:
            await self._clock.sleep(turn - now)

    def _check(self, url: str, status: int, headers: Mapping[str, str]) -> None:
        if status == 200:
            return
        if status in (403, 451):
            raise EndpointForbidden(f"{url} serves nothing to this address (HTTP {status}).")
        if status == 429:
            pause = _seconds(headers.get("Retry-After", ""), 2.0)
            self._next_at = max(self._next_at, self._clock.monotonic() + pause)
            raise RateLimited(f"{url} asked for a pause of {pause:g} s (HTTP {status}).", pause)
        raise FeedError(f"{url} failed with HTTP {status}.")


def _seconds(text: str, otherwise: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return otherwise
    return min(max(seconds, 0.1), _MOST_PAUSE_S) if math.isfinite(seconds) else otherwise


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def choose_products(products: Sequence[Instrument], symbols: Sequence[str]) -> tuple[list[Instrument], list[str]]:
    """The products behind `settings.symbols`, and the symbols without one.

    A product id stands for itself. A pair quoted in a dollar (`BTCUSDT`) takes the product in USD first, the deepest book here,
    then in its own quote, then in USDC; any other pair only the product of that quote. `all:USDT` means all products in USD.
    """
    by_id = {product.symbol: product for product in products}
    if len(symbols) == 1 and symbols[0].startswith("all:"):
        quote_asset = symbols[0].removeprefix("all:").upper()
        wanted = "USD" if quote_asset in DOLLARS else quote_asset
        return sorted((p for p in products if p.quote == wanted and p.trading), key=lambda p: p.symbol), []
    chosen: dict[str, Instrument] = {}
    missing: list[str] = []
    for symbol in symbols:
        product = next((by_id[name] for name in _candidates(symbol) if name in by_id and by_id[name].trading), None)
        if product is None:
            missing.append(symbol)
        else:
            chosen[product.symbol] = product
    return list(chosen.values()), missing


def _candidates(symbol: str) -> list[str]:
    base, quote_asset = split_symbol(symbol)
    quotes = ["USD", quote_asset, "USDC"] if quote_asset in DOLLARS else [quote_asset]
    return [symbol, *(f"{base}-{name}" for name in quotes)]


def read_products(rows: Any) -> list[Instrument]:
    """`[{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.01","base_increment":"0.00000001",
    "status":"online","trading_disabled":false}, ..]`; rows that cannot be read are left out."""
    if not isinstance(rows, list):
        raise MalformedMessage("The venue's list of products is not a list.")
    found = []
    for row in rows:
        if isinstance(row, dict) and all(_is_name(row.get(key)) for key in ("id", "base_currency", "quote_currency")):
            online = row.get("status", "online") == "online" and not row.get("trading_disabled", False)
            tick, lot = _step(row.get("quote_increment")), _step(row.get("base_increment"))
            found.append(Instrument(row["id"], row["base_currency"], row["quote_currency"], tick, lot, online))
    return found


def _is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= 64


def _step(text: Any) -> Decimal | None:
    try:
        step = Decimal(text) if type(text) is str else None
    except InvalidOperation:
        return None
    return step if step is not None and step.is_finite() and 0 < step < 10**9 else None


def read_trades(product: str, rows: Any) -> list[Trade]:
    """`[{"trade_id":74,"price":"10.0","size":"0.01","side":"buy","time":"2014-11-07T22:19:28.578544Z"}, ..]`, newest first.

    `side` is the maker's, as on the stream. Raises MalformedMessage when a row cannot be read: a refill must not skip.
    """
    if not isinstance(rows, list):
        raise MalformedMessage(f"The trades of {product} are not a list.")
    return [read_match({**row, "product_id": product} if isinstance(row, dict) else row) for row in rows[: PAGE + 500]]


def read_candles(product: str, interval: str, rows: Any) -> list[Candle]:
    """`[[1415398768, 0.32, 4.2, 0.35, 4.2, 12.3], ..]`: time, low, high, open, close, volume, newest first; turned round here.

    The venue tells neither quote volume nor number of trades nor who took: the volume at the mean of the four prices, one
    trade, and half the volume stand for them.
    """
    if not isinstance(rows, list):
        raise MalformedMessage(f"The candles of {product} are not a list.")
    return [_candle(product, interval, row) for row in reversed(rows[: ROWS + 100])]


def _candle(product: str, interval: str, row: Any) -> Candle:
    try:
        time_s, low, high, opened, close, volume = (float(cell) for cell in row[:6] if type(cell) in (int, float))
        sound = FIRST_MS <= time_s * 1000 <= LAST_MS and min(low, high, opened, close) > 0 and volume >= 0
        sound = sound and max(low, high, opened, close, volume) < float("inf")
    except (TypeError, ValueError, OverflowError):
        raise MalformedMessage(f"A candle of {product} has another shape: {str(row)[:120]}.") from None
    if not sound:
        raise MalformedMessage(f"A candle of {product} has an impossible time, price or volume: {str(row)[:120]}.")
    mean = (low + high + opened + close) / 4
    return Candle(
        product, interval, int(time_s) * 1000, opened, high, low, close, volume, volume * mean, 1 if volume else 0, volume / 2
    )


def filled(candles: Sequence[Candle], length_ms: int) -> list[Candle]:
    """The venue leaves out intervals without a trade; between two candles they are put back, flat at the last close."""
    whole: list[Candle] = []
    for candle in candles:
        while whole and whole[-1].time_ms + length_ms < candle.time_ms:
            last = whole[-1]
            close = last.close
            whole.append(
                Candle(candle.symbol, candle.interval, last.time_ms + length_ms, close, close, close, close, 0.0, 0.0, 0, 0.0)
            )
        if not whole or candle.time_ms > whole[-1].time_ms:
            whole.append(candle)
    return whole


async def with_patience(clock: Clock, ask: Callable[[], Awaitable[T]], *, tries: int = 4) -> T:
    """Await `ask()` until it works; the last failure is raised. Between tries the venue's own pause or 1, 2, 4 s."""
    for attempt in range(tries - 1):
        try:
            return await ask()
        except (EndpointForbidden, MalformedMessage):
            raise
        except FeedError as error:
            await clock.sleep(error.retry_after_s if isinstance(error, RateLimited) else 2.0**attempt)
    return await ask()
