"""Binance spot frames, read. Pure: bytes in, facts out; no clock, no socket, no state but the `Gulp` that is handed in.

Two doors: `parse` reads one frame and raises MalformedMessage; `parse_many` reads a gulp of frames into columns of facts and
counts what it had to skip. Combined (`{"stream": .., "data": ..}`) and raw frames are both taken. Times come out in
milliseconds; their unit in the frames is told by `microseconds`, never guessed from their size.
Source: Binance "Web Socket Streams" (spot), 2026-07.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import orjson

from ..errors import MalformedMessage
from ..model.market import Candle, Quote, Ticker, Trade

MAX_FRAME_BYTES = 4_000_000
_MAX_ID = 2**63
_MAX_SYMBOL = 64
FIRST_MS = 1_230_768_000_000
LAST_MS = 4_102_444_800_000
"""Times before 2009 or after 2099 are not times of a market."""
_AT, _TRADE, _BOOK = b"@tb"
_NAME = (11, 80)
"""Where `{"stream":"btcusdt@trade","data":..` has its stream's name; the letter behind its @ tells trade from bookTicker."""
_INF = float("inf")
_new = tuple.__new__
_IGNORED = frozenset({"depthUpdate", "24hrTicker", "1hTicker", "4hTicker", "1dTicker", "avgPrice"})


class Control(NamedTuple):
    """What a venue says about the line itself. `kind`: `answer`, `error` or `shutdown`; `request_id` None where it had none."""

    kind: str
    request_id: int | None = None
    code: int | None = None
    message: str = ""


class Skipped(NamedTuple):
    """A sound frame that carries nothing for us. `known` false: an event that this program has never heard of."""

    event: str
    known: bool


Parsed = Trade | Quote | Ticker | Candle | Control | Skipped


@dataclass(slots=True)
class Gulp:
    """What one gulp of frames held. Lists keep the order of arrival; quotes, tickers and candles keep the newest of each key.

    `event_ms` is the event time (`E`) of the newest frame that had one, None without any. `latest_ms` bounds event times: a
    trade after it is rejected (reason `time`). `rejected` counts skipped frames by reason, `unknown` frames by event name.
    """

    latest_ms: int = LAST_MS
    trades: list[Trade] = field(default_factory=list)
    quotes: dict[str, Quote] = field(default_factory=dict)
    tickers: dict[str, Ticker] = field(default_factory=dict)
    candles: dict[tuple[str, str, int], Candle] = field(default_factory=dict)
    control: list[Control] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    messages: int = 0
    event_ms: int | None = None

    @property
    def has_data(self) -> bool:
        return bool(self.trades or self.quotes or self.tickers or self.candles)

    def reject(self, reason: str) -> None:
        self.rejected[reason] = self.rejected.get(reason, 0) + 1


class _TradeBody(msgspec.Struct, tag_field="e", tag="trade", gc=False):
    E: int
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool


class _TradeFrame(msgspec.Struct, gc=False):
    data: _TradeBody


class _BookBody(msgspec.Struct, gc=False):
    s: str
    b: str
    B: str
    a: str
    A: str
    e: None = None


class _BookFrame(msgspec.Struct, gc=False):
    data: _BookBody


_decode_trade = msgspec.json.Decoder(_TradeFrame).decode
_decode_book = msgspec.json.Decoder(_BookFrame).decode


class _Bad(ValueError):
    """A field is unusable; the text is the reason under which the frame is counted."""


def parse(frame: bytes | str, *, received_ms: int = 0, microseconds: bool = False) -> list[Parsed]:
    """Read one frame. An array frame gives one item per element, every other frame exactly one.

    Raises MalformedMessage, and nothing else, for whatever bytes a venue sends.
    """
    try:
        stream, data = _open(frame)
        if isinstance(data, list):
            return [_read(stream, item, received_ms, microseconds) for item in data]
        return [_read(stream, data, received_ms, microseconds)]
    except (_Bad, orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedMessage(f"A Binance frame of {len(frame)} bytes cannot be read: {_reason(error)}.") from None


def parse_many(frames: Sequence[bytes], into: Gulp, *, received_ms: int, microseconds: bool = False) -> None:
    """Read `frames` into `into`. Never raises: what cannot be read is counted in `into.rejected` and skipped.

    Trades and quotes of combined streams, nearly all of the traffic, are decoded by their own types; whatever is odd about one
    of them, and everything else, takes the general way, which knows the reason.
    """
    append, quotes, latest, moment = into.trades.append, into.quotes, into.latest_ms, None
    into.messages += len(frames)
    if frames and max(map(len, frames)) > MAX_FRAME_BYTES:
        frames = _readable(frames, into)
    for frame in frames:
        try:
            kind = frame[frame.find(_AT, *_NAME) + 1]
            if kind == _TRADE and not microseconds:
                trade = _decode_trade(frame).data
                price, quantity, number, time_ms, symbol = float(trade.p), float(trade.q), trade.t, trade.T, trade.s
                if (
                    0.0 < price < _INF and 0.0 < quantity < _INF and 0 <= number < _MAX_ID
                    and FIRST_MS <= time_ms <= latest and 0 < len(symbol) <= _MAX_SYMBOL
                ):  # fmt: skip
                    append(_new(Trade, (symbol, number, price, quantity, time_ms, trade.m, 1)))
                    moment = trade.E
                    continue
            elif kind == _BOOK:
                book = _decode_book(frame).data
                quote = _sound_quote(book.s, book.b, book.B, book.a, book.A, received_ms)
                if quote is not None:
                    quotes[quote[0]] = quote
                    continue
        except (msgspec.MsgspecError, ValueError, IndexError, RecursionError):
            pass  # the general way says what is wrong with it
        told = _read_any(frame, into, received_ms, microseconds)
        moment = moment if told is None else told
    if moment is not None:
        into.event_ms = moment // 1000 if microseconds else moment


def _read_any(frame: bytes, into: Gulp, received_ms: int, microseconds: bool) -> int | None:
    """The general way: any frame; answers its event time as written, None without a usable one."""
    try:
        dated = _sort(orjson.loads(frame), into, received_ms, microseconds)
    except (_Bad, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        into.reject(_reason(error))
        return None
    moment = dated.get("E") if dated is not None else None
    return moment if type(moment) is int else None


def _readable(frames: Sequence[bytes], into: Gulp) -> list[bytes]:
    """Without the frames that are too long to be worth their memory."""
    readable = [frame for frame in frames if len(frame) <= MAX_FRAME_BYTES]
    for _ in range(len(frames) - len(readable)):
        into.reject("size")
    return readable


def _sort(message: Any, into: Gulp, received_ms: int, microseconds: bool) -> dict[str, Any] | None:
    """Put what is not a plain sound trade in its place; answers the last event that carries a time, if any."""
    stream, data = _unwrap(message)
    dated = None
    if isinstance(data, list) and not all(isinstance(item, dict) for item in data):
        raise _Bad("shape")
    for item in data if isinstance(data, list) else (data,):
        try:
            fact = _read(stream, item, received_ms, microseconds)
            _keep(fact, into)
            dated = item if "E" in item and not isinstance(fact, Control | Skipped) else dated
        except (_Bad, KeyError, TypeError, ValueError, OverflowError) as error:
            into.reject(_reason(error))
    return dated


def _keep(fact: Parsed, into: Gulp) -> None:
    if isinstance(fact, Quote):
        into.quotes[fact.symbol] = fact
    elif isinstance(fact, Trade):
        if fact.time_ms > into.latest_ms:
            into.reject("time")
        else:
            into.trades.append(fact)
    elif isinstance(fact, Ticker):
        into.tickers[fact.symbol] = fact
    elif isinstance(fact, Candle):
        into.candles[(fact.symbol, fact.interval, fact.time_ms)] = fact
    elif isinstance(fact, Control):
        into.control.append(fact)
    elif not fact.known and (fact.event in into.unknown or len(into.unknown) < 100):
        into.unknown[fact.event] = into.unknown.get(fact.event, 0) + 1


def _open(frame: bytes | str) -> tuple[str, Any]:
    if len(frame) > MAX_FRAME_BYTES:
        raise _Bad("size")
    return _unwrap(orjson.loads(frame))


def _unwrap(message: Any) -> tuple[str, Any]:
    """`{"stream":"btcusdt@trade","data":{..}}` in its two parts; a raw frame has an empty stream name."""
    if isinstance(message, dict) and "data" in message and isinstance(message.get("stream"), str):
        return message["stream"], message["data"]
    return "", message


def _read(stream: str, data: Any, received_ms: int, microseconds: bool) -> Parsed:
    if not isinstance(data, dict):
        raise _Bad("shape")
    event = data.get("e")
    if event is None:
        return _read_unnamed(stream, data, received_ms)
    if not isinstance(event, str):
        raise _Bad("event")
    reader = _READERS.get(event)
    if reader is not None:
        return reader(data, 1000 if microseconds else 1)
    return Skipped(event[:_MAX_SYMBOL], event in _IGNORED)


def _read_unnamed(stream: str, data: dict[str, Any], received_ms: int) -> Quote | Control | Skipped:
    """Frames without `e`: spot bookTicker (told by its stream name or its fields), answers, errors, shutdown."""
    if stream.endswith("@bookTicker") or (not stream and "u" in data and "B" in data):
        return _read_quote(data, received_ms)
    if stream == "!serverShutdown":
        return Control("shutdown")
    if "error" in data or ("code" in data and "msg" in data):
        return _read_error(data)
    if "result" in data:
        return Control("answer", _request_id(data))
    known = "lastUpdateId" in data or "@depth" in stream
    return Skipped(stream[:_MAX_SYMBOL] or "(no event)", known)


def _read_trade(data: dict[str, Any], unit: int) -> Trade:
    """`{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63","q":"0.02","T":1723161255342,"m":true,"M":true}`

    Recordings before 2024-06 also have `b` and `a` (order ids); futures have `X`. `m` true: the taker sold.
    """
    return Trade(
        _symbol(data["s"]), _id(data["t"]), _positive(data["p"]), _positive(data["q"], "quantity"),
        _time(data["T"], unit), _flag(data["m"]), 1,
    )  # fmt: skip


def _read_agg_trade(data: dict[str, Any], unit: int) -> Trade:
    """`{"e":"aggTrade","E":1633998523963,"s":"NKNUSDT","a":15683430,"p":"0.3528","q":"58.0","f":19862790,"l":19862790,"T":..,"m":false}`"""
    first, last = _id(data["f"]), _id(data["l"])
    if last < first:
        raise _Bad("id")
    return Trade(
        _symbol(data["s"]), _id(data["a"]), _positive(data["p"]), _positive(data["q"], "quantity"),
        _time(data["T"], unit), _flag(data["m"]), last - first + 1,
    )  # fmt: skip


def _read_book_event(data: dict[str, Any], unit: int) -> Quote:
    """Futures: `{"e":"bookTicker","u":15922162,"s":"GALAUSDT","b":"0.07661","B":"40088","a":"0.07662","A":"929","T":..}`"""
    return _read_quote(data, _time(data["T"], unit))


def _read_quote(data: dict[str, Any], time_ms: int) -> Quote:
    """`{"u":50093239212,"s":"BTCUSDT","b":"61837.63","B":"3.78826","a":"61837.64","A":"1.54698"}`: no event type, no time."""
    symbol, bid, bids, ask, asks = data["s"], data["b"], data["B"], data["a"], data["A"]
    return Quote(_symbol(symbol), _positive(bid), _amount(bids), _positive(ask), _amount(asks), time_ms)


def _sound_quote(symbol: str, bid: str, bids: str, ask: str, asks: str, time_ms: int) -> Quote | None:
    """The quote, or None where a part of it is out of range. Raises ValueError for a text that is no number."""
    quote = (symbol, float(bid), float(bids), float(ask), float(asks), time_ms)
    if 0.0 < quote[1] < _INF and 0.0 < quote[3] < _INF and 0.0 <= quote[2] < _INF and 0.0 <= quote[4] < _INF:
        return _new(Quote, quote) if 0 < len(symbol) <= _MAX_SYMBOL else None
    return None


def _read_ticker(data: dict[str, Any], unit: int) -> Ticker:
    """`{"e":"24hrMiniTicker","E":1749183266025,"s":"BTCUSDT","c":"102492.27","o":"105121.06","h":..,"l":..,"v":"24032.6","q":"2472261593.1"}`"""
    return Ticker(
        _symbol(data["s"]), _positive(data["c"]), _positive(data["o"]), _positive(data["h"]), _positive(data["l"]),
        _amount(data["v"]), _amount(data["q"]), _time(data["E"], unit),
    )  # fmt: skip


def _read_kline(data: dict[str, Any], unit: int) -> Candle:
    """`{"e":"kline","E":..,"s":"NKNUSDT","k":{"t":1633998480000,"T":..,"s":..,"i":"1m","o":..,"c":..,"h":..,"l":..,"v":..,"n":30,
    "x":false,"q":"9116.0","V":"58.0","Q":"20.4"}}`; only `x` true is a closed candle."""
    k = data["k"]
    count = k["n"]
    if type(count) is not int or not 0 <= count < _MAX_ID:
        raise _Bad("count")
    return Candle(
        _symbol(k["s"]), _symbol(k["i"]), _time(k["t"], unit), _positive(k["o"]), _positive(k["h"]), _positive(k["l"]),
        _positive(k["c"]), _amount(k["v"]), _amount(k["q"]), count, _amount(k["V"]), _flag(k["x"]),
    )  # fmt: skip


def _read_shutdown(data: dict[str, Any], unit: int) -> Control:
    """`{"e":"serverShutdown","E":1770123456789}`: the line will be cut soon."""
    return Control("shutdown")


def _read_error(data: dict[str, Any]) -> Control:
    """`{"code":2,"msg":"Invalid request","id":1}`, `{"error":{"code":..,"msg":".."},"id":1}` or `{"error":"text"}`."""
    inner = data.get("error")
    told = inner if isinstance(inner, dict) else data
    code, message = told.get("code"), told.get("msg", inner)
    return Control("error", _request_id(data), code if type(code) is int else None, str(message)[:300])


_READERS: dict[str, Callable[[dict[str, Any], int], Parsed]] = {
    "trade": _read_trade,
    "aggTrade": _read_agg_trade,
    "24hrMiniTicker": _read_ticker,
    "kline": _read_kline,
    "bookTicker": _read_book_event,
    "serverShutdown": _read_shutdown,
}


def _symbol(value: Any) -> str:
    if type(value) is str and 0 < len(value) <= _MAX_SYMBOL:
        return value
    raise _Bad("symbol")


def _id(value: Any) -> int:
    if type(value) is int and 0 <= value < _MAX_ID:
        return value
    raise _Bad("id")


def _time(value: Any, unit: int) -> int:
    if type(value) is int and FIRST_MS <= value // unit <= LAST_MS:
        return value // unit
    raise _Bad("time")


def _flag(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise _Bad("flag")


def _positive(value: Any, reason: str = "price") -> float:
    if type(value) is str and 0.0 < (number := _float(value, reason)) < _INF:
        return number
    raise _Bad(reason)


def _amount(value: Any) -> float:
    if type(value) is str and 0.0 <= (number := _float(value, "quantity")) < _INF:
        return number
    raise _Bad("quantity")


def _float(text: str, reason: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _Bad(reason) from None


def _request_id(data: dict[str, Any]) -> int | None:
    number = data.get("id")
    return number if type(number) is int else None


def _reason(error: Exception) -> str:
    if isinstance(error, _Bad):
        return str(error)
    if isinstance(error, orjson.JSONDecodeError | RecursionError):
        return "json"
    return "missing" if isinstance(error, KeyError) else "shape"
