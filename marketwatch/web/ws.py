"""`/ws/prices`: price updates over a WebSocket. A tick of the ticker writes to all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

from aiohttp import WSCloseCode, web

from ..clock import Clock
from ..errors import InvalidRequest
from .api.desk import Desk
from .api.endpoint import Parameters
from .api.market import CoinsQuery
from .api.ticker import PriceTicker
from .sockets import Connection, Sockets, is_upgrade, opened

MAX_COINS = 50
_SLICE = 200
_parameters = Parameters(CoinsQuery)


class PriceConnection(Connection):
    """A socket and the coins it wants; `waiting` are those whose newest price it has not been sent yet."""

    __slots__ = ("symbols", "waiting")

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, symbols: list[str], now: float) -> None:
        super().__init__(request, socket, now)
        self.symbols = dict.fromkeys(symbols)
        self.waiting: dict[str, None] = {}


class PriceSockets(Sockets[PriceConnection]):
    """All open price sockets; times as `Sockets` says."""

    says = "prices"

    def __init__(self, *, desk: Desk, clock: Clock, max_clients: int, **times: float) -> None:
        super().__init__(clock=clock, max_clients=max_clients, **times)
        self._desk = desk
        self._pushing: asyncio.Task[None] | None = None

    def on_tick(self, ticker: PriceTicker) -> None:
        """Send what moved, some hundred sockets at a time; a round that has not ended lets the next one wait."""
        if not self._open:
            return
        if ticker.switched:
            self._end_strangers()
        moved = dict.fromkeys(ticker.changed)
        for connection in self._open:
            wanted = connection.symbols
            connection.waiting.update(dict.fromkeys(symbol for symbol in moved if symbol in wanted))
        if self._pushing is None or self._pushing.done():
            self._pushing = self._keep(self._push(ticker))

    def _end_strangers(self) -> None:
        """Another market: sockets for coins that it does not have are closed, so that who reconnects is given its names."""
        watched = self._desk.watch.instruments
        for connection in self._open:
            if not all(symbol in watched for symbol in connection.symbols):
                self._end(connection, WSCloseCode.SERVICE_RESTART, b"the market has changed; connect again")

    async def _push(self, ticker: PriceTicker) -> None:
        rest: Iterator[PriceConnection] = iter(list(self._open))
        while batch := list(islice(rest, _SLICE)):
            for connection in batch:
                if connection.waiting:
                    await self._send_waiting(connection, ticker)
            await asyncio.sleep(0)

    async def _send_waiting(self, connection: PriceConnection, ticker: PriceTicker) -> None:
        if not self._has_room(connection):
            return
        symbols, connection.waiting = connection.waiting, {}
        for symbol in symbols:
            message = ticker.message(symbol) if symbol in self._desk.watch.state.symbols else None
            if message is not None and not await self._send(connection, message):
                return

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Open the socket, send the prices of the moment, and read until the client is gone."""
        self._check(request)
        symbols = self._wanted(request)
        socket = await opened(request)
        connection = PriceConnection(request, socket, symbols, self._clock.monotonic())
        connection.waiting.update(connection.symbols)
        async with self._held(request, connection):
            await self._send_waiting(connection, PriceTicker(self._desk))
            await self._read(connection)
        return socket

    def _wanted(self, request: web.Request) -> list[str]:
        given = [coin for text in request.query.getall("coins", []) for coin in text.split(",")]
        if len(given) > MAX_COINS:
            sentence = f"A connection takes at most {MAX_COINS} coins; {len(given)} were asked for. Open a second connection."
            raise InvalidRequest(sentence, [{"parameter": "coins", "given": len(given), "limit": MAX_COINS}])
        symbols = self._desk.symbols(_parameters.parse(request).coins)
        if len(symbols) > MAX_COINS:
            sentence = f"{len(symbols)} coins are watched and a connection takes at most {MAX_COINS}: name them with ?coins=."
            raise InvalidRequest(sentence, [{"parameter": "coins", "limit": MAX_COINS}])
        return symbols


SOCKETS: web.AppKey[PriceSockets] = web.AppKey("price_sockets", PriceSockets)


async def prices(request: web.Request) -> web.StreamResponse:
    """`GET /ws/prices?coins=bitcoin,ethereum` with an upgrade."""
    if not is_upgrade(request):
        raise InvalidRequest("This address speaks WebSocket only; /api/market/stream serves the same as server-sent events.")
    return await request.app[SOCKETS].serve(request)


__all__ = ("SOCKETS", "PriceSockets", "prices")
