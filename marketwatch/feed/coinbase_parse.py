"""Coinbase frames, read. Pure: bytes in, facts out. Both dialects are told apart by their shape.

Exchange frames have a `type` each (match, last_match, ticker, heartbeat, subscriptions, error). Advanced Trade frames are
envelopes `{channel, timestamp, sequence_num, events[]}`. In both, `side` of a trade is the MAKER's side: `sell` means that
the taker bought. Symbols are the venue's own product ids (`BTC-USD`).
Source: Coinbase Exchange and Advanced Trade WebSocket documentation, and recordings of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import orjson

from ..errors import MalformedMessage
from ..model.market import Quote, Ticker, Trade
from .binance_parse import FIRST_MS, LAST_MS, MAX_FRAME_BYTES, Control, Gulp, Skipped

_INF = float("inf")
_MAX_ID = 2**63
_MAX_SYMBOL = 64
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_IGNORED = frozenset(
    {
        "snapshot",
        "l2update",
        "open",
        "done",
        "received",
        "change",
        "activate",
        "status",
        "l2_data",
        "candles",
        "user",
        "auction",
    }
)


class Heartbeat(NamedTuple):
    """The venue is alive. `symbol` and `last_trade_id` on the Exchange feed; empty and None on Advanced Trade."""

    symbol: str
    last_trade_id: int | None
    time_ms: int


class Envelope(NamedTuple):
    """An Advanced Trade frame's place in its connection: `sequence` goes up by one over all channels."""

    channel: str
    sequence: int
    time_ms: int


Parsed = Trade | Quote | Ticker | Heartbeat | Envelope | Control | Skipped


@dataclass(slots=True)
class CoinbaseGulp(Gulp):
    """A gulp of Coinbase frames: what a Binance gulp holds, and the venue's own means to notice a loss.

    `heartbeats` keeps the newest of each product; `sequences` the envelope numbers in order of arrival.
    """

    heartbeats: dict[str, Heartbeat] = field(default_factory=dict)
    sequences: list[int] = field(default_factory=list)


class _Bad(ValueError):
    """A field is unusable; the text is the reason under which the row is counted."""


def is_coinbase(message: Any) -> bool:
    """Whether a decoded frame has Coinbase's shape."""
    if not isinstance(message, dict):
        return False
    return ("channel" in message and "events" in message) or (isinstance(message.get("type"), str) and "e" not in message)


def parse(frame: bytes | str, *, received_ms: int = 0) -> list[Parsed]:
    """Read one frame into its facts. Raises MalformedMessage, and nothing else, unless every row of it can be read."""
    gulp = CoinbaseGulp()
    facts: list[Parsed] = []
    _read_frame(frame, received_ms, facts, gulp)
    if gulp.rejected:
        reasons = ", ".join(gulp.rejected)
        raise MalformedMessage(f"A Coinbase frame of {len(frame)} bytes cannot be read: {reasons}.")
    return facts


def read_match(data: Any) -> Trade:
    """A decoded `match`, as the stream and REST tell it. Raises MalformedMessage, and nothing else."""
    try:
        return _read_match(data)
    except (_Bad, KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
        raise MalformedMessage(f"A Coinbase trade cannot be read ({_reason(error)}): {str(data)[:120]}.") from None


def parse_many(frames: Sequence[bytes], into: CoinbaseGulp, *, received_ms: int) -> None:
    """Read `frames` into `into`. Never raises; a bad row is counted in `into.rejected`, the others of its frame stay."""
    into.messages += len(frames)
    facts: list[Parsed] = []
    for frame in frames:
        _read_frame(frame, received_ms, facts, into)
    for fact in facts:
        _keep(fact, into)


def _read_frame(frame: bytes | str, received_ms: int, facts: list[Parsed], into: CoinbaseGulp) -> None:
    try:
        if len(frame) > MAX_FRAME_BYTES:
            raise _Bad("size")
        message = orjson.loads(frame)
        if not isinstance(message, dict):
            raise _Bad("shape")
        if "channel" in message and "events" in message:
            _read_envelope(message, facts, into)
        else:
            _read_exchange(message, received_ms, facts)
    except (_Bad, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        into.reject(_reason(error))


def _keep(fact: Parsed, into: CoinbaseGulp) -> None:
    if isinstance(fact, Trade):
        if fact.time_ms > into.latest_ms:
            into.reject("time")
            return
        into.trades.append(fact)
        into.event_ms = fact.time_ms if into.event_ms is None else max(into.event_ms, fact.time_ms)
    elif isinstance(fact, Quote):
        into.quotes[fact.symbol] = fact
    elif isinstance(fact, Ticker):
        into.tickers[fact.symbol] = fact
    elif isinstance(fact, Heartbeat):
        into.heartbeats[fact.symbol] = fact
        into.event_ms = fact.time_ms
    elif isinstance(fact, Envelope):
        into.sequences.append(fact.sequence)
        into.event_ms = fact.time_ms
    elif isinstance(fact, Control):
        into.control.append(fact)
    elif not fact.known and (fact.event in into.unknown or len(into.unknown) < 100):
        into.unknown[fact.event] = into.unknown.get(fact.event, 0) + 1


def _read_exchange(message: dict[str, Any], received_ms: int, facts: list[Parsed]) -> None:
    kind = message.get("type")
    if not isinstance(kind, str):
        raise _Bad("type")
    if kind in ("match", "last_match"):
        facts.append(_read_match(message))
    elif kind == "ticker":
        _read_exchange_ticker(message, received_ms, facts)
    elif kind == "heartbeat":
        number = _id(message["last_trade_id"])
        facts.append(Heartbeat(_symbol(message["product_id"]), number, time_ms(message["time"])))
    elif kind == "subscriptions":
        facts.append(Control("answer"))
    elif kind == "error":
        told = f"{message.get('message', '')} {message.get('reason', '')}".strip()
        facts.append(Control("error", message=told[:300]))
    else:
        facts.append(Skipped(kind[:_MAX_SYMBOL], kind in _IGNORED))


def _read_match(data: dict[str, Any]) -> Trade:
    """`{"type":"match","trade_id":216544,"side":"buy","size":"0.97","price":"4.978","product_id":"ETC-GBP","time":"2019-08-01T00:00:03.816Z"}`"""
    return Trade(
        _symbol(data["product_id"]), _id(data["trade_id"]), _positive(data["price"]), _positive(data["size"], "quantity"),
        time_ms(data["time"]), _maker_bought(data["side"]), 1,
    )  # fmt: skip


def _read_exchange_ticker(data: dict[str, Any], received_ms: int, facts: list[Parsed]) -> None:
    """`{"type":"ticker","product_id":"BTC-USD","price":"58800.01","open_24h":"58786.46","volume_24h":"17374.9","low_24h":"56873.8",
    "high_24h":"59800","best_bid":"58800.00","best_ask":"58800.01","time":..}`; sizes of the quote only since 2022, no time in
    the first one after a subscription. The quote volume is not told: base volume at the last price stands for it.
    """
    symbol, price = _symbol(data["product_id"]), _positive(data["price"])
    moment = time_ms(data["time"]) if "time" in data else received_ms
    volume = _amount(data["volume_24h"])
    facts.append(
        Ticker(
            symbol,
            price,
            _positive(data["open_24h"]),
            _positive(data["high_24h"]),
            _positive(data["low_24h"]),
            volume,
            volume * price,
            moment,
        )
    )
    if data.get("best_bid") and data.get("best_ask"):
        facts.append(_quote(symbol, data, "best_bid_size", "best_ask_size", moment))


def _quote(symbol: str, data: dict[str, Any], bid_size: str, ask_size: str, moment: int) -> Quote:
    return Quote(
        symbol, _positive(data["best_bid"]), _amount(data.get(bid_size, "0")), _positive(data["best_ask"]),
        _amount(data.get(ask_size, "0")), moment,
    )  # fmt: skip


def _read_envelope(message: dict[str, Any], facts: list[Parsed], into: CoinbaseGulp) -> None:
    """Each row of an envelope is read by itself: one bad row must not cost the others."""
    channel, events = message["channel"], message["events"]
    if not isinstance(channel, str) or not isinstance(events, list):
        raise _Bad("shape")
    moment = time_ms(message["timestamp"])
    facts.append(Envelope(channel[:_MAX_SYMBOL], _id(message["sequence_num"]), moment))
    reader = _CHANNELS.get(channel)
    if reader is None:
        facts.append(Skipped(channel[:_MAX_SYMBOL], channel in _IGNORED))
        return
    for event in events:
        try:
            reader(event, moment, facts, into)
        except (_Bad, KeyError, TypeError, ValueError, OverflowError) as error:
            into.reject(_reason(error))


def _read_market_trades(event: dict[str, Any], moment: int, facts: list[Parsed], into: CoinbaseGulp) -> None:
    """`{"type":"update","trades":[{"product_id":"BTC-USD","trade_id":"1068572090","price":"65083.67","size":"0.002","time":..,
    "side":"SELL"}]}`, newest first; turned round here."""
    rows = event["trades"]
    if not isinstance(rows, list):
        raise _Bad("shape")
    for row in reversed(rows):
        try:
            facts.append(
                Trade(
                    _symbol(row["product_id"]),
                    _id(row["trade_id"]),
                    _positive(row["price"]),
                    _positive(row["size"], "quantity"),
                    time_ms(row["time"]),
                    _maker_bought(row["side"]),
                    1,
                )
            )
        except (_Bad, KeyError, TypeError, ValueError, OverflowError) as error:
            into.reject(_reason(error))


def _read_tickers(event: dict[str, Any], moment: int, facts: list[Parsed], into: CoinbaseGulp) -> None:
    """`{"type":"update","tickers":[{"product_id":"BTC-USD","price":"65086.18","volume_24_h":"2867.5","low_24_h":..,"high_24_h":..,
    "price_percent_chg_24_h":"0.096","best_bid":..,"best_ask":..,"best_bid_quantity":..,"best_ask_quantity":..}]}`; the open
    follows from the change."""
    rows = event["tickers"]
    if not isinstance(rows, list):
        raise _Bad("shape")
    for row in rows:
        try:
            symbol, price, volume = _symbol(row["product_id"]), _positive(row["price"]), _amount(row["volume_24_h"])
            change = 1.0 + _finite(row["price_percent_chg_24_h"]) / 100.0
            if change <= 0.0:
                raise _Bad("change")
            high, low = _positive(row["high_24_h"]), _positive(row["low_24_h"])
            facts.append(Ticker(symbol, price, price / change, high, low, volume, volume * price, moment))
            facts.append(_quote(symbol, row, "best_bid_quantity", "best_ask_quantity", moment))
        except (_Bad, KeyError, TypeError, ValueError, OverflowError) as error:
            into.reject(_reason(error))


def _read_heartbeats(event: dict[str, Any], moment: int, facts: list[Parsed], into: CoinbaseGulp) -> None:
    """`{"current_time":"2026-08-09 21:05:48.85 +0000 UTC m=+41691.2","heartbeat_counter":41691}`"""
    facts.append(Heartbeat("", None, moment))


def _read_subscriptions(event: dict[str, Any], moment: int, facts: list[Parsed], into: CoinbaseGulp) -> None:
    facts.append(Control("answer"))


_CHANNELS: dict[str, Callable[[dict[str, Any], int, list[Parsed], CoinbaseGulp], None]] = {
    "market_trades": _read_market_trades,
    "ticker": _read_tickers,
    "ticker_batch": _read_tickers,
    "heartbeats": _read_heartbeats,
    "subscriptions": _read_subscriptions,
}
_days: dict[str, int] = {}


def time_ms(text: Any) -> int:
    """Milliseconds of `2026-08-09T21:05:42.514318Z`, with any number of digits after the second, or none. Raises ValueError.

    Later digits are cut off. The date is looked up, so the hot path knows no calendar.
    """
    if type(text) is not str or len(text) < 20 or text[10] != "T" or text[-1] != "Z" or text[13] != ":" or text[16] != ":":
        raise _Bad("time")
    clock, fraction = text[11:13] + text[14:16] + text[17:19], text[20:-1]
    if not (clock.isascii() and clock.isdigit()) or (fraction and not (fraction.isascii() and fraction.isdigit())):
        raise _Bad("time")
    if text[19] not in ".Z":
        raise _Bad("time")
    seconds = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:])
    moment = _day_ms(text[:10]) + seconds * 1000 + int((fraction + "000")[:3])
    if seconds > 86_400 or not FIRST_MS <= moment <= LAST_MS:
        raise _Bad("time")
    return moment


def _day_ms(text: str) -> int:
    known = _days.get(text)
    if known is None:
        try:
            known = (date.fromisoformat(text).toordinal() - _EPOCH_DAY) * 86_400_000
        except ValueError:
            raise _Bad("time") from None
        if len(_days) > 64:
            _days.clear()
        _days[text] = known
    return known


def _maker_bought(side: Any) -> bool:
    if side in ("sell", "SELL"):
        return False
    if side in ("buy", "BUY"):
        return True
    raise _Bad("side")


def _symbol(value: Any) -> str:
    if type(value) is str and 0 < len(value) <= _MAX_SYMBOL:
        return value
    raise _Bad("symbol")


def _id(value: Any) -> int:
    """Trade ids are numbers on one feed and texts on the other."""
    if type(value) is str and len(value) < 20 and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is int and 0 <= value < _MAX_ID:
        return int(value)
    raise _Bad("id")


def _finite(value: Any) -> float:
    if type(value) is str and -_INF < (number := float(value)) < _INF:
        return number
    raise _Bad("number")


def _positive(value: Any, reason: str = "price") -> float:
    number = _number(value, reason)
    if 0.0 < number < _INF:
        return number
    raise _Bad(reason)


def _amount(value: Any) -> float:
    number = _number(value, "quantity")
    if 0.0 <= number < _INF:
        return number
    raise _Bad("quantity")


def _number(value: Any, reason: str) -> float:
    if type(value) is not str:
        raise _Bad(reason)
    try:
        return float(value)
    except ValueError:
        raise _Bad(reason) from None


def _reason(error: Exception) -> str:
    if isinstance(error, _Bad):
        return str(error)
    if isinstance(error, orjson.JSONDecodeError | RecursionError):
        return "json"
    return "missing" if isinstance(error, KeyError) else "shape"
