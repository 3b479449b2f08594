"""`/api/market/stream`: the changed prices of every tick as server-sent events."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ..envelope import iso
from ..keys import HUB
from .desk import DESK, Desk
from .endpoint import Parameters
from .market import CoinsQuery
from .ticker import PriceTicker

_PREFIX = "prices:"
_parameters = Parameters(CoinsQuery)
PATH = "/api/market/stream"


class PriceStream:
    """Listens to the ticker and publishes to each channel `prices:<symbols>` that has clients what moved of its symbols."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_tick(self, ticker: PriceTicker) -> None:
        """Every event holds `{data: [price, ...], meta}`, the shape of an answer of `/api/market/prices`."""
        hub = self._desk.hub
        if ticker.switched:
            self._end_strangers()
        if not ticker.changed:
            return
        moved = set(ticker.changed)
        for channel in hub.channels():
            if channel.startswith(_PREFIX):
                wanted = channel[len(_PREFIX) :]
                symbols = ticker.changed if wanted == "*" else [one for one in wanted.split(",") if one in moved]
                if symbols:
                    hub.publish(channel, self._event(b",".join(ticker.row(symbol) for symbol in symbols)))

    def _end_strangers(self) -> None:
        """Another market: streams of symbols that it does not have end, so that who reconnects is given its names for them."""
        watched = self._desk.watch.instruments
        for channel in self._desk.hub.channels():
            name = channel.removeprefix(_PREFIX)
            if name not in (channel, "*") and not all(symbol in watched for symbol in name.split(",")):
                self._desk.hub.end(channel)

    def _event(self, rows: bytes) -> bytes:
        meta = msgspec.json.encode({"timestamp": iso(self._desk.clock.now_ms()), "source": self._desk.source})
        return b'{"data":[' + rows + b'],"meta":' + meta + b"}"

    def first(self, symbols: list[str], ticker: PriceTicker) -> bytes:
        """All prices of the moment, for who has just come."""
        return self._event(b",".join(ticker.row(symbol) for symbol in symbols))


TICKER: web.AppKey[PriceTicker] = web.AppKey("ticker", PriceTicker)
STREAM: web.AppKey[PriceStream] = web.AppKey("price_stream", PriceStream)


async def stream(request: web.Request) -> web.StreamResponse:
    """First all prices, then those that changed, twice a second at most."""
    desk = request.app[DESK]
    query = _parameters.parse(request)
    symbols = desk.symbols(query.coins)
    name = "*" if query.coins is None else ",".join(sorted(symbols))
    first = request.app[STREAM].first(symbols, request.app[TICKER])
    return await request.app[HUB].serve(request, _PREFIX + name, first=first)
