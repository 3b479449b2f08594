"""What truly happened at the fake venue, per symbol: prints, taker orders, candles. REST answers and the oracle read it."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .venue_tape import VenueTrade

MINUTE_MS = 60_000
INTERVALS_MS = {"1m": MINUTE_MS, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}


class Aggregate(NamedTuple):
    """One taker order at one price; ids of its first and last print."""

    aggregate_id: int
    price: str
    quantity: str
    first_id: int
    last_id: int
    time_ms: int
    buyer_is_maker: bool

    def row(self) -> dict[str, object]:
        """As the REST interface answers it."""
        return {"a": self.aggregate_id, "p": self.price, "q": self.quantity, "f": self.first_id, "l": self.last_id,
                "T": self.time_ms, "m": self.buyer_is_maker, "M": True}  # fmt: skip


class Row(NamedTuple):
    """A candle in float64; `time_ms` is its open time."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int
    taker_buy_volume: float
    taker_buy_quote: float

    def rest(self, interval_ms: int) -> list[object]:
        """As `/api/v3/klines` answers it."""
        return [self.time_ms, _text(self.open), _text(self.high), _text(self.low), _text(self.close), _text(self.volume),
                self.time_ms + interval_ms - 1, _text(self.quote_volume), self.trades, _text(self.taker_buy_volume),
                _text(self.taker_buy_quote), "0"]  # fmt: skip


def _text(value: float) -> str:
    return f"{value:.8f}"


@dataclass(slots=True)
class Minute:
    """A minute of prints, exact."""

    time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)
    quote_volume: Decimal = Decimal(0)
    trades: int = 0
    taker_buy_volume: Decimal = Decimal(0)
    taker_buy_quote: Decimal = Decimal(0)
    first_id: int = -1
    last_id: int = -1

    def add(self, trade: VenueTrade, price: Decimal, quantity: Decimal) -> None:
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += quantity
        self.quote_volume += price * quantity
        self.trades += 1
        if not trade.buyer_is_maker:
            self.taker_buy_volume += quantity
            self.taker_buy_quote += price * quantity
        self.first_id = trade.trade_id if self.first_id < 0 else self.first_id
        self.last_id = trade.trade_id

    def row(self) -> Row:
        return Row(
            self.time_ms, float(self.open), float(self.high), float(self.low), float(self.close), float(self.volume),
            float(self.quote_volume), self.trades, float(self.taker_buy_volume), float(self.taker_buy_quote),
        )  # fmt: skip


@dataclass(slots=True)
class Ledger:
    """Everything of one symbol since `born_ms`, and a seeded history of whole days before it that ends at `reference`."""

    symbol: str
    born_ms: int
    reference: float
    seed: int = 1
    history_days: int = 31
    trades: list[VenueTrade] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    minutes: dict[int, Minute] = field(default_factory=dict)
    _open_order: list[VenueTrade] = field(default_factory=list)
    _history: dict[int, list[Row]] = field(default_factory=dict)
    _next_aggregate: int = 0
    _old_day: tuple[int, Row] | None = None

    def __post_init__(self) -> None:
        self._next_aggregate = random.Random(f"{self.seed}/{self.symbol}/a").randrange(10**6, 10**8)

    def add(self, trade: VenueTrade, ends_order: bool) -> list[Aggregate]:
        """Book a print; answers the taker orders that it completed."""
        self.trades.append(trade)
        price, quantity = Decimal(trade.price), Decimal(trade.quantity)
        start = trade.time_ms // MINUTE_MS * MINUTE_MS
        minute = self.minutes.get(start)
        if minute is None:
            minute = self.minutes[start] = Minute(start, price, price, price, price)
        minute.add(trade, price, quantity)
        done = []
        if self._open_order and _order(self._open_order[-1]) != _order(trade):
            done.append(self._close_order())
        self._open_order.append(trade)
        if ends_order:
            done.append(self._close_order())
        return done

    def _close_order(self) -> Aggregate:
        prints, self._open_order = self._open_order, []
        total = sum((Decimal(part.quantity) for part in prints), Decimal(0))
        first, last = prints[0], prints[-1]
        order = Aggregate(self._next_aggregate, first.price, f"{total:.8f}", first.trade_id, last.trade_id, first.time_ms,
                          first.buyer_is_maker)  # fmt: skip
        self._next_aggregate += 1
        self.aggregates.append(order)
        return order

    def orders(
        self, *, from_id: int | None = None, from_ms: int | None = None, to_ms: int | None = None, limit: int = 500
    ) -> list[Aggregate]:
        """As `/api/v3/aggTrades` selects: from an aggregate id, from a time, or the newest ones."""
        found = self.aggregates
        if from_id is not None:
            return found[bisect_left(found, from_id, key=lambda order: order.aggregate_id) :][:limit]
        if from_ms is None and to_ms is None:
            return found[-limit:]
        found = [order for order in found if (from_ms or 0) <= order.time_ms <= (to_ms if to_ms is not None else 2**62)]
        return found[:limit] if from_ms is not None else found[-limit:]

    @property
    def last_price(self) -> float:
        return float(self.trades[-1].price) if self.trades else self.reference

    def minute_row(self, time_ms: int) -> Row:
        """The candle of a minute since the birth; without a print it carries the close before it."""
        minute = self.minutes.get(time_ms)
        if minute is not None:
            return minute.row()
        before = [start for start in self.minutes if start < time_ms]
        close = float(self.minutes[max(before)].close) if before else self.reference
        return Row(time_ms, close, close, close, close, 0.0, 0.0, 0, 0.0, 0.0)

    def candles(self, interval_ms: int, now_ms: int) -> list[Row]:
        """All candles up to the running one, oldest first."""
        first = self.born_ms // MINUTE_MS * MINUTE_MS
        rows = list(self.history(interval_ms))
        for start in range(first, now_ms + 1, MINUTE_MS):
            row = self.minute_row(start)
            bucket = start // interval_ms * interval_ms
            if rows and rows[-1].time_ms == bucket:
                rows[-1] = _join(rows[-1], row)
            else:
                rows.append(row._replace(time_ms=bucket))
        return rows

    def history(self, interval_ms: int) -> list[Row]:
        """The seeded candles before the birth; the last one may be cut short by it."""
        if interval_ms not in self._history:
            if MINUTE_MS not in self._history:
                self._history[MINUTE_MS] = _minutes_before(
                    self.born_ms, self.reference, f"{self.seed}/{self.symbol}", self.history_days * 1440
                )
            self._history[interval_ms] = _grouped(self._history[MINUTE_MS], interval_ms)
        return self._history[interval_ms]

    def day(self, now_ms: int) -> Row:
        """The rolling 24 hours as one candle."""
        since = (now_ms - 86_400_000) // MINUTE_MS * MINUTE_MS
        if self._old_day is None or self._old_day[0] != since:
            history = self.history(MINUTE_MS)
            rows = [row._replace(time_ms=0) for row in history[bisect_left(history, since, key=lambda row: row.time_ms) :]]
            first = _grouped(rows, 86_400_000)[0] if rows else self.minute_row(min(self.minutes))
            self._old_day = since, first
        day = self._old_day[1]
        for start, minute in self.minutes.items():
            day = _join(day, minute.row()) if start >= since else day
        return day._replace(time_ms=since)


def _order(trade: VenueTrade) -> tuple[str, int, bool]:
    return trade.price, trade.time_ms, trade.buyer_is_maker


def _join(a: Row, b: Row) -> Row:
    return Row(a.time_ms, a.open, max(a.high, b.high), min(a.low, b.low), b.close, a.volume + b.volume,
               a.quote_volume + b.quote_volume, a.trades + b.trades, a.taker_buy_volume + b.taker_buy_volume,
               a.taker_buy_quote + b.taker_buy_quote)  # fmt: skip


def _minutes_before(born_ms: int, reference: float, seed: str, count: int) -> list[Row]:
    """A seeded random walk of one-minute candles that ends at `reference` just before the minute of the birth."""
    random_ = np.random.default_rng(random.Random(seed).randrange(2**32))
    last = born_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
    if count == 0:
        return []
    steps = random_.normal(0.0, 6e-4, count)
    close = np.round(reference * np.exp(-np.concatenate((np.cumsum(steps[::-1])[::-1][1:], [0.0]))), 8)
    opening = np.concatenate(([close[0]], close[:-1]))
    wick = np.abs(random_.normal(0.0, 3e-4, (2, count)))
    high = np.round(np.maximum(opening, close) * (1 + wick[0]), 8)
    low = np.round(np.minimum(opening, close) * (1 - wick[1]), 8)
    volume = np.round(random_.lognormal(2.0, 0.6, count), 5)
    buys = np.round(volume * random_.uniform(0.3, 0.7, count), 5)
    middle = (opening + close) / 2
    columns: list[NDArray[np.float64]] = [opening, high, low, close, volume, volume * middle]
    trades = random_.integers(20, 900, count)
    times = range(last - (count - 1) * MINUTE_MS, last + 1, MINUTE_MS)
    lists = [column.tolist() for column in columns]
    return [Row(*row) for row in zip(times, *lists, trades.tolist(), buys.tolist(), (buys * middle).tolist(), strict=True)]


def _grouped(rows: list[Row], interval_ms: int) -> list[Row]:
    grouped: list[Row] = []
    if interval_ms == MINUTE_MS:
        return rows
    values = np.array(rows)
    buckets = values[:, 0].astype(np.int64) // interval_ms
    starts = np.flatnonzero(np.concatenate(([True], buckets[1:] != buckets[:-1])))
    ends = np.concatenate((starts[1:], [len(rows)])) - 1
    sums = np.add.reduceat(values[:, 5:], starts, axis=0)
    high = np.maximum.reduceat(values[:, 2], starts)
    low = np.minimum.reduceat(values[:, 3], starts)
    for group, start in enumerate(starts.tolist()):
        volume, quote, trades, buys, buy_quote = sums[group].tolist()
        grouped.append(
            Row(int(buckets[start]) * interval_ms, rows[start].open, float(high[group]), float(low[group]),
                rows[int(ends[group])].close, volume, quote, int(trades), buys, buy_quote)
        )  # fmt: skip
    return grouped
