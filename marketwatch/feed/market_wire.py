"""Binance wire frames of the demo market: what a real combined stream would carry, byte for byte in the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from .market_model import Pair


def trade_frame(pair: Pair, time_ms: int) -> bytes:
    """`<symbol>@trade` of the pair's newest trade. `m` true: the buyer was the maker, so the taker sold."""
    return (
        f'{{"stream":{_name(pair.stream, "@trade")},"data":{{"e":"trade","E":{time_ms + 1},"s":{_text(pair.symbol)},'
        f'"t":{pair.trade_id},"p":"{pair.price:.8f}","q":"{pair.quantity:.8f}","T":{time_ms},'
        f'"m":{"false" if pair.buys else "true"},"M":true}}}}'
    ).encode()


def book_frame(pair: Pair) -> bytes:
    """`<symbol>@bookTicker`: the top of the book; carries no time."""
    return (
        f'{{"stream":{_name(pair.stream, "@bookTicker")},"data":{{"u":{pair.update_id},"s":{_text(pair.symbol)},'
        f'"b":"{pair.bid:.8f}","B":"{pair.bid_quantity:.8f}","a":"{pair.ask:.8f}","A":"{pair.ask_quantity:.8f}"}}}}'
    ).encode()


def kline_frame(pair: Pair, open_ms: int, time_ms: int, closed: bool) -> bytes:
    """`<symbol>@kline_1m` of the running minute; `f` and `L` are -1 when nothing traded."""
    last_id = pair.trade_id if pair.minute_trades else -1
    return (
        f'{{"stream":{_name(pair.stream, "@kline_1m")},"data":{{"e":"kline","E":{time_ms},"s":{_text(pair.symbol)},"k":{{'
        f'"t":{open_ms},"T":{open_ms + 59_999},"s":{_text(pair.symbol)},"i":"1m","f":{pair.first_id},"L":{last_id},'
        f'"o":"{pair.open:.8f}","c":"{pair.price:.8f}","h":"{pair.high:.8f}","l":"{pair.low:.8f}","v":"{pair.volume:.8f}",'
        f'"n":{pair.minute_trades},"x":{"true" if closed else "false"},"q":"{pair.quote_volume:.8f}",'
        f'"V":"{pair.bought:.8f}","Q":"{pair.bought_quote:.8f}","B":"0"}}}}}}'
    ).encode()


def ticker_frame(pair: Pair, time_ms: int) -> bytes:
    """`<symbol>@miniTicker`: the rolling day."""
    high, low = max(pair.day_high, pair.high), min(pair.day_low, pair.low)
    return (
        f'{{"stream":{_name(pair.stream, "@miniTicker")},"data":{{"e":"24hrMiniTicker","E":{time_ms},"s":{_text(pair.symbol)},'
        f'"c":"{pair.price:.8f}","o":"{pair.day_open:.8f}","h":"{high:.8f}","l":"{low:.8f}",'
        f'"v":"{pair.day_volume + pair.volume:.8f}","q":"{pair.day_quote_volume + pair.quote_volume:.8f}"}}}}'
    ).encode()


def _text(value: str) -> str:
    return f'"{value}"' if value.isalnum() else orjson.dumps(value).decode()


def _name(stream: str, suffix: str) -> str:
    return _text(stream + suffix) if not stream.isalnum() else f'"{stream}{suffix}"'
