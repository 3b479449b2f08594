"""`/api/market`: candles, trades and whales, newest facts from memory and older ones from the database."""

from __future__ import annotations

import msgspec

from ...errors import StoreUnavailable
from ...model.market import Candle, Trade
from ...ports import StoredTrade
from ..envelope import iso
from .desk import Desk
from .endpoint import Endpoint
from .parameters import CoinId, From, Interval, Limit, To, Usd
from .series import read_candles


class CandlesQuery(msgspec.Struct, frozen=True):
    """Which candles: interval, span and at most how many."""

    coin_id: CoinId
    interval: Interval = "1m"
    from_ms: From | None = msgspec.field(default=None, name="from")
    to_ms: To | None = msgspec.field(default=None, name="to")
    limit: Limit = 500


class TradesQuery(msgspec.Struct, frozen=True):
    """Whose trades, at most how many."""

    coin_id: CoinId
    limit: Limit = 100


class WhalesQuery(msgspec.Struct, frozen=True):
    """Large trades of one coin or of all, from what size on, in which span."""

    coin_id: CoinId | None = None
    min_usd: Usd = 0.0
    from_ms: From | None = msgspec.field(default=None, name="from")
    to_ms: To | None = msgspec.field(default=None, name="to")
    limit: Limit = 100


class CandleRow(msgspec.Struct, frozen=True):
    """`time` is the open time. `closed` false: it still changes. `gap` true: a part of its span was not seen."""

    time: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int
    taker_buy_volume: float
    closed: bool
    gap: bool


class TradeRow(msgspec.Struct, frozen=True):
    """One print. `value_usd` null: the pair is not in dollars. `is_buyer_maker` true: the taker sold."""

    trade_id: int
    time: str
    price: float
    quantity: float
    value_usd: float | None
    is_buyer_maker: bool
    is_whale: bool


class WhaleRow(msgspec.Struct, frozen=True):
    """A whale trade with its pair."""

    coin_id: str
    symbol: str
    trade_id: int
    time: str
    price: float
    quantity: float
    value_usd: float | None
    is_buyer_maker: bool
    is_whale: bool


async def candles(desk: Desk, query: CandlesQuery) -> list[CandleRow]:
    """Oldest first, the open candle last."""
    symbol = desk.coins.symbol(query.coin_id)
    found = await read_candles(desk, symbol, query.interval, from_ms=query.from_ms, to_ms=query.to_ms, limit=query.limit)
    return [candle_row(candle) for candle in found]


def candle_row(candle: Candle) -> CandleRow:
    """A candle as the API shows it."""
    return CandleRow(
        time=iso(candle.time_ms),
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        quote_volume=candle.quote_volume,
        trades=candle.trades,
        taker_buy_volume=candle.taker_buy_volume,
        closed=candle.closed,
        gap=candle.gap,
    )


async def trades(desk: Desk, query: TradesQuery) -> list[TradeRow]:
    """Newest first."""
    symbol = desk.coins.symbol(query.coin_id)
    watch = desk.watch
    threshold = watch.whales.threshold(symbol)
    dollars = watch.instruments[symbol].in_dollars
    found = {trade.trade_id: _stored(trade, threshold, dollars) for trade in watch.tape.recent(symbol, query.limit)}
    if len(found) < query.limit:
        for stored in await _older(desk, symbol, query.limit, bool(found)):
            found.setdefault(stored.trade.trade_id, stored)
    newest = sorted(found.values(), key=lambda row: (row.trade.time_ms, row.trade.trade_id), reverse=True)
    return [trade_row(row) for row in newest[: query.limit]]


async def _older(desk: Desk, symbol: str, limit: int, enough: bool) -> list[StoredTrade]:
    try:
        return await desk.store.trades(symbol, limit=limit)
    except StoreUnavailable:
        desk.telemetry.errors.labels("store_read").inc()
        if not enough:
            raise
        return []


def _stored(trade: Trade, threshold: float, dollars: bool) -> StoredTrade:
    value = trade.price * trade.quantity if dollars else None
    return StoredTrade(trade, value, value is not None and value >= threshold)


def trade_row(row: StoredTrade) -> TradeRow:
    """A trade as the API shows it."""
    return TradeRow(*_columns(row))


def _columns(row: StoredTrade) -> tuple[int, str, float, float, float | None, bool, bool]:
    trade = row.trade
    return trade.trade_id, iso(trade.time_ms), trade.price, trade.quantity, row.value_usd, trade.buyer_is_maker, row.is_whale


async def whales(desk: Desk, query: WhalesQuery) -> list[WhaleRow]:
    """Newest first, of one coin or of all."""
    symbol = desk.coins.symbol(query.coin_id) if query.coin_id is not None else None
    found = {
        (whale.trade.symbol, whale.trade.trade_id): StoredTrade(whale.trade, whale.value_usd, True)
        for whale in desk.watch.state.whales
        if symbol in (None, whale.trade.symbol) and whale.value_usd >= query.min_usd and _within(whale.trade, query)
    }
    if len(found) < query.limit:
        for stored in await _older_whales(desk, symbol, query, bool(found)):
            found.setdefault((stored.trade.symbol, stored.trade.trade_id), stored)
    newest = sorted(found.values(), key=lambda row: (row.trade.time_ms, row.trade.trade_id), reverse=True)
    watched = desk.watch.instruments
    return [
        WhaleRow(desk.coins.coin_id(row.trade.symbol), row.trade.symbol, *_columns(row))
        for row in newest
        if row.trade.symbol in watched
    ][: query.limit]


def _within(trade: Trade, query: WhalesQuery) -> bool:
    early = query.from_ms is not None and trade.time_ms < query.from_ms
    return not early and (query.to_ms is None or trade.time_ms < query.to_ms)


async def _older_whales(desk: Desk, symbol: str | None, query: WhalesQuery, enough: bool) -> list[StoredTrade]:
    try:
        return await desk.store.whales(
            symbol, min_usd=query.min_usd, from_ms=query.from_ms, to_ms=query.to_ms, limit=query.limit
        )
    except StoreUnavailable:
        desk.telemetry.errors.labels("store_read").inc()
        if not enough:
            raise
        return []


ENDPOINTS = (
    Endpoint(
        "/api/market/candles/{coin_id}",
        "Candles",
        CandlesQuery,
        list[CandleRow],
        candles,
        "market",
        description="The newest candles of the span, oldest first. A span that ends before it begins is empty.",
    ),
    Endpoint("/api/market/trades/{coin_id}", "Recent trades", TradesQuery, list[TradeRow], trades, "market"),
    Endpoint("/api/market/whales", "Whale trades", WhalesQuery, list[WhaleRow], whales, "market"),
)
