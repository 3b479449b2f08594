"""Binance's REST answers, read. Pure; raises MalformedMessage and nothing else for whatever an answer holds."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import orjson

from ..errors import MalformedMessage
from ..model.market import Candle, Instrument, Trade
from .binance_parse import FIRST_MS, LAST_MS

MOST_ROWS = 1500
"""More rows than the venue gives in one answer are not read."""


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
    return [_candle(symbol, interval, row) for row in rows[:MOST_ROWS]]


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
    return [_aggregate(symbol, row) for row in rows[:MOST_ROWS]]


def read_trades(symbol: str, body: bytes) -> list[Trade]:
    """`[{"id":28457,"price":"4.00000100","qty":"12.00000000","time":1499865549590,"isBuyerMaker":true}, ..]`: single trades."""
    rows = _decode(body)
    if not isinstance(rows, list):
        raise MalformedMessage(f"The trades of {symbol} are not a list.")
    return [_single(symbol, row) for row in rows[:MOST_ROWS]]


def _single(symbol: str, row: Any) -> Trade:
    try:
        names = {"a": row["id"], "f": row["id"], "l": row["id"], "p": row["price"], "q": row["qty"]}
        return _aggregate(symbol, {**names, "T": row["time"], "m": row["isBuyerMaker"]})[1]
    except (TypeError, KeyError):
        raise MalformedMessage(f"A trade of {symbol} has another shape: {str(row)[:120]}.") from None


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


def read_volumes(body: bytes) -> dict[str, float]:
    """`[{"symbol":"BTCUSDT","quoteVolume":"1151284684.75",..}, ..]` by symbol; rows that cannot be read are left out."""
    rows = _decode(body)
    found: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else ():
        try:
            found[str(row["symbol"])] = _amount(row["quoteVolume"])
        except (KeyError, TypeError, MalformedMessage):
            continue  # Such a symbol only loses its place in the order of the warm-up.
    return found


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
