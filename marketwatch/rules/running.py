"""Indicators along time with the open candle as the last one: at every step, asked anew only where the candle changed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .buckets import Buckets
from .catalogue import CANDLE_FIELDS
from .nodes import Indicator
from .studies import last_value
from .talib import FIELDS, studies
from .truth import F8

_MOST_CANDLES = 1500
"""Closed candles before the open one, as many as are kept live at most."""


def running_candles(buckets: Buckets) -> dict[str, F8]:
    """At every step the candle of its bucket as far as it goes; without a trade yet the last close, volume 0."""
    history = buckets.history
    traded = buckets.cut(history.trades, 0.0) > 0
    some = np.logical_or.accumulate(traded, axis=1)
    price = np.where(history.trades > 0, history.price, np.nan)
    place = (
        np.maximum.accumulate(np.where(history.trades > 0, np.arange(len(price)), -1)) if len(price) else np.zeros(0, np.intp)
    )
    close = np.where(place >= 0, price[place], np.nan) if len(price) else price
    closes = buckets.cut(close, np.nan)
    first = np.argmax(traded, axis=1)
    opened = buckets.cut(history.open, np.nan)[np.arange(buckets.count), first][:, np.newaxis]
    high = np.fmax.accumulate(np.where(traded, buckets.cut(history.high, np.nan), np.nan), axis=1)
    low = np.fmin.accumulate(np.where(traded, buckets.cut(history.low, np.nan), np.nan), axis=1)
    cells = {
        "open": np.where(some, opened, closes), "high": np.where(some, high, closes), "low": np.where(some, low, closes),
        "close": closes, "volume": np.cumsum(buckets.cut(history.volume, 0.0), axis=1),
    }  # fmt: skip
    return {name: buckets.flat(column) for name, column in cells.items()}


def along_open(node: Indicator, closed: Mapping[str, F8], buckets: Buckets) -> F8:
    """The indicator at every step of one symbol; `closed`: the candles of its buckets."""
    names = (node.name,) if node.name in CANDLE_FIELDS else studies()[node.name].inputs
    running = running_candles(buckets)
    number = buckets.number.astype(np.int64)
    cells = np.array([running[name] for name in FIELDS])
    known = np.flatnonzero(~np.isnan(closed["close"]))
    begin = int(known[0]) if len(known) else buckets.count
    fresh = np.ones(len(number), np.bool_)
    if len(number) > 1:
        fresh[1:] = (cells[:, 1:] != cells[:, :-1]).any(axis=0) | (number[1:] != number[:-1])
    out, room = np.full(len(number), np.nan), {name: np.append(closed[name], np.nan) for name in names}
    for step in np.flatnonzero(fresh).tolist():
        end = int(number[step])
        first = max(begin, end - _MOST_CANDLES)
        if np.isnan(running["close"][step]):
            continue
        inputs = []
        for name in names:
            candles = room[name][min(first, end) : end + 1].copy()
            candles[-1] = running[name][step]
            inputs.append(candles)
        out[step] = last_value(node, inputs)
    held = np.maximum.accumulate(np.where(fresh, np.arange(len(number)), 0)) if len(number) else number
    return out[held]
