"""The REST side of the fake venue: real shapes, weights and errors, and scripted faults per path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from .oracle import Call
from .venue_ledger import INTERVALS_MS, Ledger

if TYPE_CHECKING:
    from .fake_binance import FakeBinance

_KNOWN_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "USD", "BTC", "ETH", "BNB", "EUR", "TRY")
_STATUS_BODY = {
    403: b"<html><head><title>403 Forbidden</title></head></html>",
    418: b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1700000000000."}',
    429: b'{"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight per 1 MINUTE."}',
    451: b'{"code":0,"msg":"Service unavailable from a restricted location according to \'b. Eligibility\'."}',
}


@dataclass(slots=True)
class Script:
    """A fault for the next `times` requests whose path begins with `path` (-1: until taken back)."""

    path: str
    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False
    times: int = 1
    used: int = 0

    @property
    def live(self) -> bool:
        return self.times < 0 or self.used < self.times


class BadQuery(Exception):
    """Answered as the venue answers bad parameters: HTTP 400 with `{code, msg}`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rest:
    """Handlers over the ledgers of one fake venue."""

    def __init__(self, venue: FakeBinance) -> None:
        self._venue = venue
        self._minute = 0
        self._used = 0
        self._blocked_until_ms = 0
        self._ignored = 0
        self._handlers: dict[str, Callable[[web.Request], web.Response]] = {
            "/api/v3/ping": self._ping,
            "/api/v3/time": self._time,
            "/api/v3/exchangeInfo": self._exchange_info,
            "/api/v3/klines": self._klines,
            "/api/v3/aggTrades": self._agg_trades,
            "/api/v3/ticker/24hr": self._ticker,
            "/api/v3/trades": self._trades,
        }

    async def answer(self, request: web.Request, script: Script | None) -> web.StreamResponse:
        """One request through limits and scripted faults; journaled."""
        venue = self._venue
        weight = _weight(request)
        used = self._charge(weight)
        response = self._refusal(used) if script is None or script.status is None else None
        if response is None:
            response = _scripted(script) if script is not None and (script.status or script.body) else self._handle(request)
        if script is not None and script.delay_s:
            await asyncio.sleep(script.delay_s)
        response.headers["X-MBX-USED-WEIGHT-1M"] = response.headers["X-MBX-USED-WEIGHT"] = str(used)
        cut = script is not None and script.cut
        status = 0 if cut else response.status
        venue.journal.calls.append(Call(venue.now_ms(), request.path, dict(request.query), status, weight))
        return await _send_half(request, response) if cut else response

    def _handle(self, request: web.Request) -> web.Response:
        handler = self._handlers.get(request.path)
        if handler is None:
            return _json({"code": -1, "msg": "Not found."}, 404)
        try:
            return handler(request)
        except BadQuery as error:
            return _json({"code": error.code, "msg": str(error)}, 400)

    def _charge(self, weight: int) -> int:
        minute = self._venue.now_ms() // 60_000
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += weight
        return self._used

    def _refusal(self, used: int) -> web.Response | None:
        """429 above the weight limit, 418 for a client that goes on regardless."""
        now = self._venue.now_ms()
        if now >= self._blocked_until_ms:
            self._ignored = 0
            if used <= self._venue.weight_limit:
                return None
            self._blocked_until_ms = now // 60_000 * 60_000 + 60_000
        self._ignored += 1
        if self._ignored == 10:
            self._blocked_until_ms = now + 120_000
        status = 418 if self._ignored >= 10 else 429
        wait_s = str(max(1, (self._blocked_until_ms - now) // 1000))
        return web.Response(
            status=status, body=_STATUS_BODY[status], content_type="application/json", headers={"Retry-After": wait_s}
        )

    def _ping(self, request: web.Request) -> web.Response:
        return _json({})

    def _time(self, request: web.Request) -> web.Response:
        return _json({"serverTime": self._venue.now_ms()})

    def _ledger(self, symbol: str) -> Ledger:
        ledger = self._venue.market.ledgers.get(symbol)
        if ledger is None:
            raise BadQuery(-1121, "Invalid symbol.")
        return ledger

    def _chosen(self, query: Mapping[str, str]) -> list[str]:
        """`symbol=`, `symbols=["A","B"]`, or all."""
        if "symbol" in query and "symbols" in query:
            raise BadQuery(-1128, "Combination of optional parameters invalid.")
        if "symbol" in query:
            return [self._ledger(query["symbol"]).symbol]
        if "symbols" not in query:
            return list(self._venue.market.ledgers)
        try:
            names = orjson.loads(query["symbols"])
        except orjson.JSONDecodeError:
            raise BadQuery(-1100, "Illegal characters found in parameter 'symbols'.") from None
        return [self._ledger(name).symbol for name in names]

    def _exchange_info(self, request: web.Request) -> web.Response:
        symbols = [self._listing(symbol) for symbol in self._chosen(request.query)]
        if not ({"symbol", "symbols"} & set(request.query)):
            symbols += [self._listing(symbol) for symbol in self._venue.delisted]
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": self._venue.weight_limit}
        return _json({"timezone": "UTC", "serverTime": self._venue.now_ms(), "rateLimits": [limit], "exchangeFilters": [],
                      "symbols": symbols})  # fmt: skip

    def _listing(self, symbol: str) -> dict[str, Any]:
        quote = next((name for name in _KNOWN_QUOTES if symbol.endswith(name)), symbol[-3:])
        tick, step = ("0.01000000", "0.00001000") if symbol in {"BTCUSDT", "ETHUSDT"} else ("0.00010000", "0.01000000")
        return {
            "symbol": symbol, "status": "BREAK" if symbol in self._venue.delisted else "TRADING",
            "baseAsset": symbol.removesuffix(quote), "baseAssetPrecision": 8, "quoteAsset": quote, "quotePrecision": 8,
            "quoteAssetPrecision": 8, "orderTypes": ["LIMIT", "MARKET"], "icebergAllowed": True, "isSpotTradingAllowed": True,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000.00000000", "stepSize": step},
            ],
            "permissions": [], "permissionSets": [["SPOT"]],
        }  # fmt: skip

    def _klines(self, request: web.Request) -> web.Response:
        query = request.query
        interval_ms = INTERVALS_MS.get(query.get("interval", ""))
        if interval_ms is None:
            raise BadQuery(-1120, "Invalid interval.")
        limit = min(_whole(query, "limit") or 500, 1000)
        from_ms, to_ms = _whole(query, "startTime"), _whole(query, "endTime")
        rows = self._ledger(_required(query, "symbol")).candles(interval_ms, self._venue.market.now_ms)
        rows = [row for row in rows if (from_ms or 0) <= row.time_ms <= (2**62 if to_ms is None else to_ms)]
        rows = rows[:limit] if from_ms is not None else rows[-limit:]
        return _json([row.rest(interval_ms) for row in rows])

    def _agg_trades(self, request: web.Request) -> web.Response:
        query = request.query
        from_id, from_ms, to_ms = _whole(query, "fromId"), _whole(query, "startTime"), _whole(query, "endTime")
        if from_id is not None and (from_ms is not None or to_ms is not None):
            raise BadQuery(-1128, "Combination of optional parameters invalid.")
        limit = min(_whole(query, "limit") or 500, 1000)
        ledger = self._ledger(_required(query, "symbol"))
        orders = ledger.orders(from_id=from_id, from_ms=from_ms, to_ms=to_ms, limit=limit)
        withheld = self._venue.withheld
        return _json([order.row() for order in orders if withheld.isdisjoint(range(order.first_id, order.last_id + 1))])

    def _trades(self, request: web.Request) -> web.Response:
        limit = min(_whole(request.query, "limit") or 500, 1000)
        ledger, withheld = self._ledger(_required(request.query, "symbol")), self._venue.withheld
        rows = [trade for trade in ledger.trades[-limit:] if trade.trade_id not in withheld]
        return _json([
            {"id": trade.trade_id, "price": trade.price, "qty": trade.quantity, "time": trade.time_ms,
             "isBuyerMaker": trade.buyer_is_maker, "isBestMatch": True} for trade in rows
        ])  # fmt: skip

    def _ticker(self, request: web.Request) -> web.Response:
        symbols = self._chosen(request.query)
        rows = [self._day(self._ledger(symbol)) for symbol in symbols]
        return _json(rows[0] if "symbol" in request.query else rows)

    def _day(self, ledger: Ledger) -> dict[str, Any]:
        now = self._venue.now_ms()
        day = ledger.day(now)
        text = day.rest(0)
        change = day.close - day.open
        return {
            "symbol": ledger.symbol, "priceChange": f"{change:.8f}", "priceChangePercent": f"{100 * change / day.open:.3f}",
            "weightedAvgPrice": f"{day.quote_volume / day.volume:.8f}", "prevClosePrice": text[1], "lastPrice": text[4],
            "lastQty": "1.00000000", "bidPrice": text[4], "bidQty": "1.00000000", "askPrice": text[4], "askQty": "1.00000000",
            "openPrice": text[1], "highPrice": text[2], "lowPrice": text[3], "volume": text[5], "quoteVolume": text[7],
            "openTime": now - 86_400_000, "closeTime": now, "firstId": 0, "lastId": 0, "count": day.trades,
        }  # fmt: skip


def _scripted(script: Script) -> web.Response:
    status = script.status or 200
    body = script.body if script.body is not None else _STATUS_BODY.get(status, b'{"code":-1000,"msg":"An unknown error."}')
    return web.Response(status=status, body=body, content_type="application/json", headers=script.headers)


async def _send_half(request: web.Request, response: web.Response) -> web.StreamResponse:
    """A body that ends too early: the head promises all of it."""
    body = response.body
    assert isinstance(body, bytes)
    half = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
    half.content_length = len(body) + 2
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _required(query: Mapping[str, str], name: str) -> str:
    if name not in query:
        raise BadQuery(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return query[name]


def _whole(query: Mapping[str, str], name: str) -> int | None:
    if name not in query:
        return None
    if not query[name].isdigit():
        raise BadQuery(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(query[name])


def _weight(request: web.Request) -> int:
    tail = request.path.rpartition("/")[2]
    if tail == "24hr":
        return 2 if "symbol" in request.query else 80
    return {"exchangeInfo": 20, "klines": 2, "aggTrades": 4, "trades": 25}.get(tail, 1)
