"""What is watched, and by which streams: pairs chosen from the venue's list, streams cut into connections."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.market import Instrument
from .binance_link import STREAMS_PER_CONNECTION

SMALL_LIST = 100
"""Up to this many symbols get quotes, minute candles and statistics each; larger lists get trades and the statistics array."""


def chosen(listed: Sequence[Instrument], wanted: Sequence[str]) -> tuple[list[Instrument], list[str]]:
    """The wanted pairs in a stable order, and the names that are not listed. `all:USDT` takes every pair that trades."""
    if wanted[0].startswith("all:"):
        quote = wanted[0].removeprefix("all:")
        return sorted((item for item in listed if item.quote == quote and item.trading), key=lambda item: item.symbol), []
    by_name = {item.symbol: item for item in listed}
    return [by_name[name] for name in wanted if name in by_name], [name for name in wanted if name not in by_name]


def stream_names(symbols: Sequence[str], space: str) -> list[str]:
    """Streams for a list of symbols: everything for small lists, trades and the statistics array for large ones."""
    kind = "aggTrade" if space == "aggtrade" else "trade"
    lower = [symbol.lower() for symbol in symbols]
    if len(symbols) > SMALL_LIST:
        return [*(f"{name}@{kind}" for name in lower), "!miniTicker@arr"]
    return [f"{name}@{suffix}" for name in lower for suffix in (kind, "bookTicker", "kline_1m", "miniTicker")]


def shards(symbols: Sequence[str], space: str) -> list[tuple[list[str], list[str]]]:
    """Streams and their symbols, one entry per connection: as few connections as the venue's limit allows."""
    streams = stream_names(symbols, space)
    cut = [streams[at : at + STREAMS_PER_CONNECTION] for at in range(0, len(streams), STREAMS_PER_CONNECTION)]
    heads = [{stream.split("@", 1)[0] for stream in shard} for shard in cut]
    return [(shard, [symbol for symbol in symbols if symbol.lower() in head]) for shard, head in zip(cut, heads, strict=True)]
