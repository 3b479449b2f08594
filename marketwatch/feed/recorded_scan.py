"""A first look at a recording: whose frames these are, which symbols occur, how far its clock is behind the venue's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..model.market import Instrument
from .binance_parse import FIRST_MS, LAST_MS
from .coinbase_parse import is_coinbase, time_ms
from .pairs import decimals_of, inferred_instrument
from .recorded_lines import Line, Recording

MOST_LINES = 200_000
MOST_BYTES = 64_000_000
_MOST_SYMBOLS = 5_000
_KINDS = {"trade": "trade", "aggTrade": "aggtrade"}


@dataclass(slots=True)
class Scan:
    """What the first lines tell. `decimals` maps each symbol that has prices of any kind to the digits of these.

    `offset_ms` is the median of receipt minus event time, `lag_ms` its 99.9th percentile: at receipt time r, hardly any event
    from before `r - lag_ms` is still to come. Both None where the recording has no receipt times.
    """

    venue: str = "binance"
    coinbase: bool = False
    spaces: Counter[str] = field(default_factory=Counter)
    decimals: dict[str, int] = field(default_factory=dict)
    offset_ms: int | None = None
    lag_ms: int | None = None
    frames: int = 0

    def instruments(self) -> list[Instrument]:
        """In the order of first appearance."""
        return [inferred_instrument(symbol, decimals) for symbol, decimals in self.decimals.items()]


def scan(recording: Recording) -> Scan:
    """Read at most 200,000 lines or 64 MB. Raises FeedError when the file cannot be opened."""
    found, lags, shapes = Scan(), list[int](), Counter[str]()
    for line in recording.read(most_lines=MOST_LINES, most_bytes=MOST_BYTES):
        found.frames += 1
        try:
            message = orjson.loads(line.frame)
        except orjson.JSONDecodeError:
            continue  # The playing reader counts it.
        try:
            if is_coinbase(message):
                shapes["coinbase"] += 1
                _look_at_coinbase(message, line, found, lags)
            else:
                shapes["binance"] += 1
                _look_at_binance(message, line, found, lags)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # Likewise.
    found.coinbase = shapes["coinbase"] > shapes["binance"]
    found.venue = "coinbase" if found.coinbase else "binance-us" if "binance.us" in recording.origin else "binance"
    if lags:
        lags.sort()
        found.offset_ms, found.lag_ms = lags[len(lags) // 2], lags[min(len(lags) - 1, len(lags) * 999 // 1000)]
    return found


def _look_at_binance(message: Any, line: Line, found: Scan, lags: list[int]) -> None:
    data = message.get("data", message) if isinstance(message, dict) else message
    for item in data if isinstance(data, list) else (data,):
        kind, symbol = item.get("e"), item.get("s")
        if isinstance(moment := item.get("E"), int):
            _lag(line, moment, lags)
        if not isinstance(symbol, str):
            continue
        if kind in _KINDS:
            found.spaces[_KINDS[kind]] += 1
            _price(found, symbol, item["p"])
        elif kind == "24hrMiniTicker":
            _price(found, symbol, item["c"])
        elif kind == "kline":
            _price(found, symbol, item["k"]["c"])
        elif "u" in item and "B" in item and "b" in item and isinstance(item["b"], str):
            _price(found, symbol, item["b"])
            _price(found, symbol, item["a"])


def _look_at_coinbase(message: dict[str, Any], line: Line, found: Scan, lags: list[int]) -> None:
    kind = message.get("type")
    if kind in ("match", "last_match", "ticker"):
        _price(found, message["product_id"], message["price"])
    if kind in ("match", "heartbeat"):
        _lag(line, time_ms(message["time"]), lags)
    if "events" not in message:
        return
    _lag(line, time_ms(message["timestamp"]), lags)
    for event in message["events"]:
        for row in (*event.get("trades", ()), *event.get("tickers", ())):
            _price(found, row["product_id"], row["price"])


def _price(found: Scan, symbol: Any, price: Any) -> None:
    if type(symbol) is not str or not 0 < len(symbol) <= 64 or type(price) is not str or len(price) > 40:
        return
    known = found.decimals.get(symbol)
    if known is None and len(found.decimals) >= _MOST_SYMBOLS:
        return
    found.decimals[symbol] = max(known or 0, decimals_of(price))


def _lag(line: Line, event_ms: int, lags: list[int]) -> None:
    if line.received_ns is not None and FIRST_MS <= event_ms <= LAST_MS:
        lags.append(line.received_ns // 1_000_000 - event_ms)
