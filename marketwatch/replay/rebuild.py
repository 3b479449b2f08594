"""A watch as of an earlier moment: stored facts through the program's own objects, under the time of then. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..bus import ErrorHook
from ..config import Settings
from ..model.alerts import Alerts, Rules
from ..model.market import (
    Candle,
    Quote,
    Quotes,
    Samples,
    Source,
    Staleness,
    Ticker,
    Tickers,
    Trade,
    Trades,
    VenueCandles,
    Whales,
)
from ..ports import SampleColumns
from ..rules.history import History, densify
from ..watch import Watch
from .past import Past

_DAY_MINUTES = 1440
_MINUTE_MS = 60_000
_STACKED = ("open", "high", "low", "price", "volume", "notional", "taker_buy_volume", "bid", "ask")


def rebuild(past: Past, *, settings: Settings, on_error: ErrorHook) -> Watch:
    """The watch as of the end of `past`: candles first, as a live start has them, then every sample step.

    Takes a second or two for a few symbols: run it in a thread.
    """
    own = replace(settings, sample_ms=past.sample_ms, tape_mb=1)
    watch = Watch(settings=own, source=Source.REPLAY, venue=past.venue, instruments=past.instruments, on_error=on_error)
    watch.engine.require(past.windows)
    publish = watch.bus.publish
    publish(Rules(list(past.rules)))
    for gap in past.gaps:
        publish(gap)
    if past.whales:
        publish(Whales(list(past.whales)))
    for candles in past.candles.values():
        if candles:
            publish(VenueCandles(past.venue, candles, history=True))
    newest: Samples | None = None
    with watch.engine.catching_up():
        for samples in steps_of(past):
            if newest is not None:
                publish(newest)
            newest = samples
    if newest is not None:
        for symbol in _quiet_at(past, newest.time_ms):
            publish(Staleness(past.venue, symbol, True, newest.time_ms))
        publish(newest)
    publish(Alerts(past.reach.to_ms, list(past.alerts), []))
    _tell_newest(watch, past)
    return watch


def steps_of(past: Past) -> Iterator[Samples]:
    """Every step of the grid, from the first with a price to the last that was over."""
    step = past.sample_ms
    from_ms, to_ms = past.reach.from_ms, past.reach.to_ms - past.reach.to_ms % step
    histories = [densify(one, past.gaps, from_ms=from_ms, to_ms=to_ms, sample_ms=step) for one in past.samples]
    if not histories:
        return
    from_ms = histories[0].from_ms
    columns: dict[str, Any] = {name: _stacked(histories, name) for name in _STACKED}
    trades, gaps = _stacked(histories, "trades").astype(np.int64), _stacked(histories, "gap")
    ids = [_ids(one, from_ms, step, len(trades)) for one in past.samples]
    first_id, last_id = (np.ascontiguousarray(np.stack(part, axis=1)) for part in zip(*ids, strict=True))
    symbols = tuple(item.symbol for item in past.instruments)
    known = np.flatnonzero(~np.isnan(columns["price"]).all(axis=1))
    for row in range(int(known[0]) if len(known) else len(trades), len(trades)):
        yield Samples(
            time_ms=from_ms + row * step,
            sample_ms=step,
            symbols=symbols,
            trades=trades[row],
            first_id=first_id[row],
            last_id=last_id[row],
            gap=gaps[row],
            **{name: column[row] for name, column in columns.items()},
        )


def _quiet_at(past: Past, time_ms: int) -> list[str]:
    """Symbols of which nothing new was known at the step, whether they were quiet themselves or the feed was down."""
    return list(dict.fromkeys(one.symbol for one in past.quiet if one.from_ms <= time_ms < one.until_ms))


def _stacked(histories: list[History], name: str) -> Any:
    return np.ascontiguousarray(np.stack([getattr(one, name) for one in histories], axis=1))


def _ids(stored: SampleColumns, from_ms: int, step: int, size: int) -> tuple[Any, Any]:
    """First and last trade id of each step, 0 without a trade."""
    first, last = np.zeros(size, np.int64), np.zeros(size, np.int64)
    place = (stored.time_ms - from_ms) // step
    traded = (place >= 0) & (place < size) & (stored.trades > 0)
    first[place[traded]], last[place[traded]] = stored.first_id[traded], stored.last_id[traded]
    return first, last


def _tell_newest(watch: Watch, past: Past) -> None:
    """Last print, quote and rolling day of each symbol, straight to the state: over the bus they would reach the sampler too,
    whose samples are here already."""
    state, to_ms = watch.state, past.reach.to_ms
    newest = state.samples
    if newest is None:
        return
    columns = zip(past.samples, newest.price.tolist(), newest.bid.tolist(), newest.ask.tolist(), strict=True)
    trades, quotes, tickers = [], [], []
    for stored, price, bid, ask in columns:
        symbol = stored.symbol
        if price == price:
            last_id, time_ms = _last_print(watch, stored, symbol)
            trades.append(Trade(symbol, last_id, price, 0.0, time_ms, False))
            day = _day(watch.candles.recent(symbol, "1m", _DAY_MINUTES), watch.candles.current(symbol, "1m"), to_ms)
            tickers += [] if day is None else [day]
        if bid == bid or ask == ask:
            quotes.append(Quote(symbol, bid, 0.0, ask, 0.0, newest.time_ms))
    state.on_quotes(Quotes(watch.venue, to_ms, quotes))
    state.on_trades(Trades(watch.venue, to_ms, trades))
    state.on_tickers(Tickers(watch.venue, to_ms, tickers))


def _last_print(watch: Watch, stored: SampleColumns, symbol: str) -> tuple[int, int]:
    """Id and time (to the step) of the last trade; from candles where the read samples hold none."""
    traded = np.flatnonzero(stored.trades > 0)
    if len(traded):
        row = traded[-1]
        return int(stored.last_id[row]), int(stored.time_ms[row]) + stored.sample_ms - 1
    for candle in reversed(watch.candles.recent(symbol, "1m", _DAY_MINUTES)):
        if candle.trades or candle.volume:
            return 0, candle.time_ms + _MINUTE_MS - 1
    return 0, int(stored.time_ms[0]) if len(stored.time_ms) else 0


def _day(minutes: list[Candle], current: Candle | None, to_ms: int) -> Ticker | None:
    """The rolling 24 h of a symbol, counted from its minutes; None where they do not reach over the day."""
    part = [*minutes, current] if current is not None and current.time_ms < to_ms else minutes
    start = to_ms - to_ms % _MINUTE_MS - _DAY_MINUTES * _MINUTE_MS
    inside = [one for one in part if one.time_ms >= start]
    whole = len(inside) >= _DAY_MINUTES and inside[0].time_ms == start
    sums = sum(one.volume for one in inside), sum(one.quote_volume for one in inside)
    if not whole or not all(np.isfinite(sums)):
        return None
    high, low = max(one.high for one in inside), min(one.low for one in inside)
    return Ticker(inside[0].symbol, inside[-1].close, inside[0].open, high, low, *sums, to_ms)
