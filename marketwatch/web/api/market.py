"""`/api/market`: what is watched, prices of the moment, the overview."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from ...model.metrics import WindowState
from ...state import SymbolState
from ..envelope import iso
from .desk import Desk
from .endpoint import Endpoint
from .parameters import CoinId, CoinList

Percent = Annotated[float | None, Meta(description="Per cent")]


class NoQuery(msgspec.Struct, frozen=True):
    """No parameters."""


class CoinQuery(msgspec.Struct, frozen=True):
    """One coin, by symbol, base asset or name."""

    coin_id: CoinId


class CoinsQuery(msgspec.Struct, frozen=True):
    """Some coins, or all that are watched."""

    coins: CoinList | None = None


class Symbol(msgspec.Struct, frozen=True):
    """A watched pair. Sizes are decimal texts as the venue gives them, null where it does not."""

    symbol: str
    coin_id: str
    base: str
    quote: str
    tick_size: str | None
    lot_step: str | None
    price_decimals: int
    trading: bool


class Price(msgspec.Struct, frozen=True, gc=False):
    """The price of the moment. `time` is the event time of the newest trade, `age_ms` its age; changes are per cent, the volume
    is in units of the base asset. `stale`: not of now, because the feed is down or because nothing has come of this coin for
    longer than is usual for it or than `MARKETWATCH_STALE_S`. What is not known is null."""

    coin_id: str
    symbol: str
    venue: str
    price: float | None
    time: str | None
    age_ms: int | None
    bid: float | None
    ask: float | None
    change_1h: float | None
    change_24h: float | None
    volume_24h: float | None
    stale: bool


class Overview(msgspec.Struct, frozen=True):
    """The market at a glance. Gainers and losers by change over 24 h, `volume` by traded dollars."""

    symbols: int
    stale: int
    quote_volume_24h: float | None
    gainers: list[Price]
    losers: list[Price]
    volume: list[Price]


def symbols(desk: Desk, _query: NoQuery) -> list[Symbol]:
    """Every watched pair, in the order of the settings."""
    return [
        Symbol(
            symbol=item.symbol,
            coin_id=desk.coins.coin_id(item.symbol),
            base=item.base,
            quote=item.quote,
            tick_size=None if item.tick_size is None else format(item.tick_size, "f"),
            lot_step=None if item.lot_step is None else format(item.lot_step, "f"),
            price_decimals=item.price_decimals,
            trading=item.trading,
        )
        for item in desk.watch.instruments.values()
    ]


def price_of(desk: Desk, symbol: str) -> Price:
    """The price of one watched symbol."""
    watch = desk.watch
    entry = watch.state.symbols[symbol]
    now = desk.market_now_ms()
    return Price(
        coin_id=desk.coins.coin_id(symbol),
        symbol=symbol,
        venue=watch.venue,
        price=entry.price,
        time=None if entry.trade_ms is None else iso(entry.trade_ms),
        age_ms=None if entry.trade_ms is None else max(0, now - entry.trade_ms),
        bid=entry.bid,
        ask=entry.ask,
        change_1h=change_1h(desk, symbol),
        change_24h=entry.change_24h if entry.open_24h else _metric(desk, symbol, "24h", "change"),
        volume_24h=entry.volume_24h,
        stale=desk.is_stale(entry, now),
    )


def change_1h(desk: Desk, symbol: str) -> float | None:
    """Per cent over the last hour, once the metric table has seen a whole hour."""
    return _metric(desk, symbol, "1h", "change")


def _metric(desk: Desk, symbol: str, window: str, metric: str) -> float | None:
    table = desk.watch.state.table
    if table is None or window not in table.values:
        return None
    position = desk.position(symbol)
    value = float(table.values[window][metric][position])
    whole = not int(table.state[window][position]) & WindowState.WARMUP
    return value if whole and math.isfinite(value) else None


def price(desk: Desk, query: CoinQuery) -> Price:
    return price_of(desk, desk.coins.symbol(query.coin_id))


def prices(desk: Desk, query: CoinsQuery) -> list[Price]:
    return [price_of(desk, symbol) for symbol in desk.symbols(query.coins)]


def overview(desk: Desk, _query: NoQuery) -> Overview:
    """The market in one answer: who moved most, where most was traded."""
    state = desk.watch.state.symbols
    rows = [price_of(desk, symbol) for symbol in state]
    moved = sorted((row for row in rows if row.change_24h is not None), key=lambda row: row.change_24h or 0.0, reverse=True)
    traded = sorted(
        (row for row in rows if _quote_volume(state[row.symbol])), key=lambda row: -(_quote_volume(state[row.symbol]) or 0.0)
    )
    volumes = [volume for entry in state.values() if (volume := _quote_volume(entry)) is not None]
    return Overview(
        symbols=len(rows),
        stale=sum(row.stale for row in rows),
        quote_volume_24h=sum(volumes) if volumes else None,
        gainers=[row for row in moved if (row.change_24h or 0.0) > 0][:10],
        losers=[row for row in reversed(moved) if (row.change_24h or 0.0) < 0][:10],
        volume=traded[:10],
    )


def _quote_volume(entry: SymbolState) -> float | None:
    """Traded dollars of 24 h; None for pairs that are not in dollars."""
    return entry.quote_volume_24h if entry.instrument.in_dollars else None


ENDPOINTS = (
    Endpoint("/api/market/symbols", "Watched pairs", NoQuery, list[Symbol], symbols, "market", hot=True),
    Endpoint("/api/market/price/{coin_id}", "Price of one coin", CoinQuery, Price, price, "market", hot=True),
    Endpoint("/api/market/prices", "Prices of many coins", CoinsQuery, list[Price], prices, "market", hot=True),
    Endpoint("/api/market/overview", "Gainers, losers, volume", NoQuery, Overview, overview, "market", hot=True),
)
