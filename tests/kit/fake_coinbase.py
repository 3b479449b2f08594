"""A fake Coinbase: products, trades and candles over REST, both dialects over WebSocket, losses and cuts on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from marketwatch.clock import Clock
from marketwatch.model.market import Trade

Socket = web.WebSocketResponse


def iso(time_ms: int) -> str:
    """`2026-08-09T21:05:42.514000Z`"""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


class Client:
    """One connection: what it subscribed to, and its sequence number (Advanced Trade)."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.subscriptions: list[dict[str, Any]] = []
        self.sequence = 0

    @property
    def advanced(self) -> bool:
        return any("channel" in subscription for subscription in self.subscriptions)

    def wants(self, channel: str, product: str) -> bool:
        return any(
            channel in (subscription.get("channel"), *subscription.get("channels", ()))
            and product in subscription["product_ids"]
            for subscription in self.subscriptions
        )


class FakeCoinbase:
    """`trades` is the oracle: everything that ever traded, per product. `lose` makes the next messages vanish on the way."""

    def __init__(self, clock: Clock, products: tuple[str, ...] = ("BTC-USD", "ETH-USD"), first_id: int = 1000) -> None:
        self.clock = clock
        self.products = products
        self.trades: dict[str, list[Trade]] = {product: [] for product in products}
        self.clients: list[Client] = []
        self.connections = 0
        self.requests: list[str] = []
        self.rest_status = 200
        self.ws_status = 200
        self.candle_rows: list[list[float]] = []
        self.beating = True
        self.url = ""
        self._next_id = dict.fromkeys(products, first_id)
        self._lose = 0

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/stream"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeCoinbase]:
        """Serve on a free port of this machine until left."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/stream", self._stream),
                web.get("/products", self._products),
                web.get("/products/{product}/trades", self._trades),
                web.get("/products/{product}/candles", self._candles),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        heart = asyncio.create_task(self._heart())
        try:
            yield self
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)
            await self.cut()
            await runner.cleanup()

    def lose(self, messages: int) -> None:
        """The next messages about trades do not reach anybody (Advanced Trade: they still use up a sequence number)."""
        self._lose = messages

    async def trade(self, product: str = "BTC-USD", *, count: int = 1, price: float = 61_600.0, maker: str = "sell") -> None:
        """Let `count` trades happen and tell everybody who listens."""
        for _ in range(count):
            number = self._next_id[product]
            self._next_id[product] += 1
            trade = Trade(product, number, price, 0.01, self.clock.now_ms(), maker == "buy")
            self.trades[product].append(trade)
            lost = self._lose > 0
            self._lose -= lost
            for client in tuple(self.clients):
                await self._tell(client, trade, lost)

    async def _tell(self, client: Client, trade: Trade, lost: bool) -> None:
        if client.advanced and client.wants("market_trades", trade.symbol):
            await self._send_advanced(client, "market_trades", [{"type": "update", "trades": [advanced_row(trade)]}], lost)
        elif client.wants("matches", trade.symbol) and not lost:
            await self._send(client, match("match", trade))

    async def ticker(self, product: str = "BTC-USD", *, bid: str = "61599.99", ask: str = "61600.01") -> None:
        """Tell the statistics of the day."""
        for client in tuple(self.clients):
            if client.advanced:
                row = {
                    "type": "ticker", "product_id": product, "price": "61600", "volume_24_h": "5", "low_24_h": "60000",
                    "high_24_h": "62000", "price_percent_chg_24_h": "1.5", "best_bid": bid, "best_ask": ask,
                    "best_bid_quantity": "1", "best_ask_quantity": "2",
                }  # fmt: skip
                await self._send_advanced(client, "ticker", [{"type": "update", "tickers": [row]}], False)
            else:
                message = {
                    "type": "ticker", "product_id": product, "price": "61600", "open_24h": "60500", "volume_24h": "5",
                    "low_24h": "60000", "high_24h": "62000", "best_bid": bid, "best_ask": ask, "time": iso(self.clock.now_ms()),
                }  # fmt: skip
                await self._send(client, message)

    async def cut(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Close every connection."""
        for client in tuple(self.clients):
            await client.socket.close(code=code)

    async def until_subscribed(self, channels: int = 1) -> None:
        """Wait for a client that has sent so many subscribe frames."""
        while not any(len(client.subscriptions) >= channels for client in self.clients):
            await asyncio.sleep(0.005)

    async def _heart(self) -> None:
        """A heartbeat a second and product (Exchange), or a second (Advanced Trade)."""
        while True:
            await self.clock.sleep(1.0)
            for client in tuple(self.clients) if self.beating else ():
                await self._beat(client)

    async def _beat(self, client: Client) -> None:
        if client.advanced:
            event = {"current_time": iso(self.clock.now_ms()), "heartbeat_counter": 1}
            await self._send_advanced(client, "heartbeats", [event], False)
            return
        for product in self.products:
            if client.wants("heartbeat", product) and self.trades[product]:
                last = self.trades[product][-1].trade_id
                time = iso(self.clock.now_ms())
                await self._send(client, {"type": "heartbeat", "last_trade_id": last, "product_id": product, "time": time})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.ws_status != 200:
            return web.Response(status=self.ws_status)
        socket = Socket()
        await socket.prepare(request)
        self.connections += 1
        client = Client(socket)
        self.clients.append(client)
        try:
            async with asyncio.timeout(5.0) as patience:
                async for message in socket:
                    if message.type is WSMsgType.TEXT:
                        patience.reschedule(None)
                        await self._subscribe(client, orjson.loads(message.data))
        except TimeoutError:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION)
        finally:
            self.clients.remove(client)
        return socket

    async def _subscribe(self, client: Client, request: dict[str, Any]) -> None:
        unknown = [product for product in request["product_ids"] if product not in self.products]
        if unknown:
            await self._send(
                client, {"type": "error", "message": "Failed to subscribe", "reason": f"{unknown[0]} is not valid"}
            )
            return
        if "channel" in request:
            client.subscriptions.append(request)
            if request["channel"] == "market_trades":
                rows = [advanced_row(trade) for product in request["product_ids"] for trade in self.trades[product][-1:]]
                await self._send_advanced(client, "market_trades", [{"type": "snapshot", "trades": rows}], False)
            await self._send_advanced(client, "subscriptions", [{"subscriptions": {}}], False)
            return
        await self._send(client, {"type": "subscriptions", "channels": []})
        for product in request["product_ids"]:
            if "matches" in request["channels"] and self.trades[product]:
                await self._send(client, match("last_match", self.trades[product][-1]))
        client.subscriptions.append(request)

    async def _send_advanced(self, client: Client, channel: str, events: list[Any], lost: bool) -> None:
        number, client.sequence = client.sequence, client.sequence + 1
        time = iso(self.clock.now_ms())
        if not lost:
            await self._send(client, {"channel": channel, "timestamp": time, "sequence_num": number, "events": events})

    async def _send(self, client: Client, message: dict[str, Any]) -> None:
        if not client.socket.closed:
            await client.socket.send_str(orjson.dumps(message).decode())

    def _refused(self, request: web.Request) -> web.Response | None:
        """Remember the request; the answer of a venue that serves nothing now."""
        self.requests.append(request.path_qs)
        return None if self.rest_status == 200 else web.Response(status=self.rest_status)

    async def _products(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        rows = [
            {
                "id": product, "base_currency": product.split("-")[0], "quote_currency": product.split("-")[1],
                "quote_increment": "0.01", "base_increment": "0.00000001", "status": "online", "trading_disabled": False,
            }
            for product in self.products
        ]  # fmt: skip
        return web.json_response(rows)

    async def _trades(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        before = int(request.query.get("after", 2**62))
        limit = int(request.query.get("limit", 100))
        older = [trade for trade in reversed(self.trades[request.match_info["product"]]) if trade.trade_id < before]
        keys = ("trade_id", "side", "size", "price", "time")
        return web.json_response([{key: match("match", trade)[key] for key in keys} for trade in older[:limit]])

    async def _candles(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        first, last = (datetime.fromisoformat(request.query[key]).timestamp() for key in ("start", "end"))
        rows = [row for row in self.candle_rows if first <= row[0] <= last and row[0] % int(request.query["granularity"]) == 0]
        return web.json_response(rows[::-1][:300])


def match(kind: str, trade: Trade) -> dict[str, Any]:
    """A trade as the Exchange feed tells it; `side` is the maker's."""
    return {
        "type": kind, "trade_id": trade.trade_id, "side": "buy" if trade.buyer_is_maker else "sell",
        "size": f"{trade.quantity:.8f}", "price": f"{trade.price:.2f}", "product_id": trade.symbol, "time": iso(trade.time_ms),
    }  # fmt: skip


def advanced_row(trade: Trade) -> dict[str, Any]:
    """A trade as the Advanced Trade feed tells it."""
    row = match("", trade)
    return {key: row[key] for key in ("product_id", "price", "size", "time")} | {
        "trade_id": str(trade.trade_id),
        "side": row["side"].upper(),
    }
