"""`/ws/portfolio/{portfolio_id}`: what one portfolio is worth, each second, for nobody but its owner."""

from __future__ import annotations

import asyncio
import math

import msgspec
from aiohttp import WSCloseCode, web

from ..clock import Clock
from ..errors import Conflict, InvalidRequest
from .api.books import live_row
from .api.desk import Desk
from .api.ticker import PriceTicker
from .owning import portfolio_owner
from .sockets import Connection, Sockets, is_upgrade, opened

PATH = "/ws/portfolio/{portfolio_id}"
_EVERY_S = 1.0
_encoder = msgspec.json.Encoder()


class BookConnection(Connection):
    """A socket and the portfolio it shows."""

    __slots__ = ("owner_id", "portfolio_id")

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, owner_id: str, portfolio_id: str, now: float
    ) -> None:
        super().__init__(request, socket, now)
        self.owner_id = owner_id
        self.portfolio_id = portfolio_id


class BookSockets(Sockets[BookConnection]):
    """All open sockets of portfolios. Each portfolio is valued and encoded once a second, however many look at it."""

    says = "the value of a portfolio"

    def __init__(self, *, desk: Desk, clock: Clock, max_clients: int, **times: float) -> None:
        super().__init__(clock=clock, max_clients=max_clients, **times)
        self._desk = desk
        self._due_at = -math.inf
        self._pushing: asyncio.Task[None] | None = None

    def on_tick(self, _ticker: PriceTicker) -> None:
        """Once a second, all of them; a round that has not ended lets the next one wait."""
        now = self._clock.monotonic()
        if self._open and now >= self._due_at and (self._pushing is None or self._pushing.done()):
            self._due_at = now + _EVERY_S
            self._pushing = self._keep(self._push())

    async def _push(self) -> None:
        """One portfolio after the other, with the turn of everybody else in between."""
        readers: dict[str, list[BookConnection]] = {}
        for connection in self._open:
            if self._has_room(connection):
                readers.setdefault(connection.portfolio_id, []).append(connection)
        for together in readers.values():
            text = self._message(together[0])
            for connection in together:
                if text is None:
                    self._end(connection, WSCloseCode.POLICY_VIOLATION, b"this portfolio is not there any more")
                else:
                    await self._send(connection, text)
            await asyncio.sleep(0)

    def _message(self, connection: BookConnection) -> str | None:
        """`{"type":"portfolio_update","data":{...}}`; None where the portfolio has gone."""
        book = self._desk.books.at_hand(connection.owner_id, connection.portfolio_id)
        if book is None:
            return None
        return _encoder.encode({"type": "portfolio_update", "data": live_row(self._desk, book)}).decode()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Open the socket, send the value of the moment, and read until the client is gone. Raises NotFound, Conflict."""
        self._check(request)
        owner_id, portfolio_id = portfolio_owner(request), request.match_info["portfolio_id"]
        book = await self._desk.books.book(owner_id, portfolio_id)
        if book.portfolio.deleted_ms is not None:
            raise Conflict(f"The portfolio {book.portfolio.name!r} is deleted; restore it first.")
        socket = await opened(request)
        connection = BookConnection(request, socket, owner_id, portfolio_id, self._clock.monotonic())
        async with self._held(request, connection):
            text = self._message(connection)
            if text is not None and await self._send(connection, text):
                await self._read(connection)
        return socket


BOOK_SOCKETS: web.AppKey[BookSockets] = web.AppKey("book_sockets", BookSockets)


async def portfolio(request: web.Request) -> web.StreamResponse:
    """`GET /ws/portfolio/{portfolio_id}` with an upgrade."""
    if not is_upgrade(request):
        raise InvalidRequest(
            "This address speaks WebSocket only; GET /api/portfolio/{portfolio_id}/performance tells the same."
        )
    return await request.app[BOOK_SOCKETS].serve(request)
