"""Which sample rows are stored, and how a row looks in the database.

A `Samples` step holds every symbol; most of them have nothing to say. A row is stored when the symbol traded in the step, when
its bid or ask differs from the last stored row, when its gap flag changed, or when the fact is a revision. What lies between
two rows is the first of them, held. The selection is one vector expression per step. A revision that leaves a gap, or enters
one, stores the symbol's next step as well where that says otherwise: it may have been left out for being like the step before.

Columns that follow from others are stored as NULL (NaN here): open, high and low where they equal the price, notional where
it equals price times volume, taker_buy_volume where it equals volume. `decode` puts them back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.steps import steps_held
from ..model.market import (
    DOLLARS,
    Candle,
    Gap,
    GapReason,
    GapState,
    Instrument,
    QuietCause,
    QuietSpan,
    Samples,
    Trade,
    Whale,
)
from ..model.metrics import WINDOW_METRICS, MetricTable
from ..ports import SampleColumns, StoredTrade, TradeAggregate

FIRST_MS = 0
END_MS = 253_402_300_800_000
"""The span in which a time can be stored: the years 1970 to 9999."""

MOST_QUIET = 200_000
"""Quiet spans that are kept beside the pinned ones; beyond them the oldest go."""

SAMPLE_COLUMNS = (
    "symbol_id", "time", "sample_ms", "price", "open", "high", "low", "volume", "notional", "taker_buy_volume", "trades",
    "bid", "ask", "first_id", "last_id", "gap",
)  # fmt: skip

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with the characters replaced that no database takes (NUL, lone surrogates)."""
    return _UNSTORABLE.sub("�", text) if _UNSTORABLE.search(text) else text


class Quoted(NamedTuple):
    """What the last stored row of every symbol said; columns over `symbols`. `recent`: the steps that may still be amended, by
    time, each as last told (they share memory with the sampler's)."""

    symbols: tuple[str, ...]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    gap: NDArray[np.bool_]
    known: NDArray[np.bool_]
    recent: dict[int, Samples]

    @classmethod
    def nothing(cls, symbols: tuple[str, ...]) -> Quoted:
        size = len(symbols)
        unknown, no = np.full(size, np.nan), np.zeros(size, np.bool_)
        return cls(symbols, unknown, unknown, no, no, {})

    def remember(self, step: Samples) -> None:
        """Keep a first fact, as many as the sampler can amend."""
        self.recent[step.time_ms] = step
        while len(self.recent) > steps_held(step.sample_ms, len(self.symbols)):
            del self.recent[next(iter(self.recent))]

    def amended(self, step: Samples, revised: NDArray[np.intp]) -> Quoted:
        """After a revision: that of the newest step is what the next one is compared with."""
        if step.time_ms in self.recent:
            self.recent[step.time_ms] = step
        if step.time_ms != next(reversed(self.recent), None) or (self.gap[revised] == step.gap[revised]).all():
            return self
        gap = self.gap.copy()
        gap[revised] = step.gap[revised]
        return self._replace(gap=gap)

    def after(self, step: Samples, revised: NDArray[np.intp]) -> tuple[Samples, NDArray[np.intp]] | None:
        """The step that follows `step`, and the revised symbols for which only one of the two is a gap."""
        following = self.recent.get(step.time_ms + step.sample_ms)
        if following is None:
            return None
        return following, revised[step.gap[revised] != following.gap[revised]]


def _differs(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = (a != b) & ~(np.isnan(a) & np.isnan(b))
    return different


def select(step: Samples, last: Quoted | None) -> tuple[NDArray[np.intp], Quoted]:
    """Indices of the symbols of `step` to store, and what the next step is compared with."""
    if last is None or (last.symbols is not step.symbols and last.symbols != step.symbols):
        last = Quoted.nothing(step.symbols)
    if step.revised is not None:
        return step.revised, last.amended(step, step.revised)
    last.remember(step)
    fresh = ~last.known & ~np.isnan(step.price)
    chosen = (step.trades > 0) | _differs(step.bid, last.bid) | _differs(step.ask, last.ask) | (step.gap != last.gap) | fresh
    which = np.flatnonzero(chosen)
    return which, Quoted(step.symbols, step.bid, step.ask, step.gap, last.known | chosen, last.recent)


class SampleRows(NamedTuple):
    """Rows to store, as columns of one length. `symbol` are indices into `symbols`; NaN is NULL."""

    symbols: tuple[str, ...]
    symbol: NDArray[np.intp]
    time: NDArray[np.int64]
    sample_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    volume: NDArray[np.float64]
    notional: NDArray[np.float64]
    taker_buy_volume: NDArray[np.float64]
    trades: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    first_id: NDArray[np.int64]
    last_id: NDArray[np.int64]
    gap: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.time.size)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> SampleRows:
        """Some of the rows."""
        columns: list[Any] = [column[chosen] for column in self[1:]]
        return SampleRows(self.symbols, *columns)


def sample_rows(steps: Sequence[Samples], last: Quoted | None) -> tuple[list[SampleRows], Quoted | None]:
    """The rows of `steps`, one block per run of equal symbols, each (symbol, time) once, the newest fact of it."""
    blocks: list[SampleRows] = []
    run: list[tuple[Samples, NDArray[np.intp]]] = []
    for step in steps:
        if run and run[0][0].symbols is not step.symbols and run[0][0].symbols != step.symbols:
            blocks.append(_block(run))
            run = []
        which, last = select(step, last)
        if which.size:
            run.append((step, which))
        following = last.after(step, which) if step.revised is not None else None
        if following is not None and following[1].size:
            run.append(following)
    if run:
        blocks.append(_block(run))
    return blocks, last


def _block(run: Sequence[tuple[Samples, NDArray[np.intp]]]) -> SampleRows:
    def column(name: str) -> Any:
        return np.concatenate([getattr(step, name)[which] for step, which in run])

    symbol = np.concatenate([which for _, which in run])
    counts = [which.size for _, which in run]
    time = np.repeat(np.array([step.time_ms for step, _ in run], np.int64), counts)
    price, volume, trades = column("price"), column("volume"), column("trades")
    opening, high, low, taker = column("open"), column("high"), column("low"), column("taker_buy_volume")
    notional = column("notional")
    rows = SampleRows(
        symbols=run[0][0].symbols,
        symbol=symbol,
        time=time,
        sample_ms=np.repeat(np.array([step.sample_ms for step, _ in run], np.int64), counts),
        price=price,
        open=np.where(opening == price, np.nan, opening),
        high=np.where(high == price, np.nan, high),
        low=np.where(low == price, np.nan, low),
        volume=volume,
        notional=np.where(notional == price * volume, np.nan, notional),
        taker_buy_volume=np.where(taker == volume, np.nan, taker),
        trades=trades,
        bid=column("bid"),
        ask=column("ask"),
        first_id=column("first_id"),
        last_id=column("last_id"),
        gap=column("gap"),
    )
    return _in_order(rows)


def _in_order(rows: SampleRows) -> SampleRows:
    """By symbol and time, as the primary key has them (twice as fast to insert), the newest fact of each."""
    order = np.lexsort((np.arange(len(rows)), rows.time, rows.symbol))
    symbol, time = rows.symbol[order], rows.time[order]
    keep = np.append((symbol[1:] != symbol[:-1]) | (time[1:] != time[:-1]), True)
    return rows.where(order[keep])


def decode_samples(symbol: str, rows: Sequence[Sequence[Any]]) -> SampleColumns:
    """Rows of the query `samples`, oldest first, as columns."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 15
    floats = [_floats(columns[i]) for i in (2, 3, 4, 5, 6, 7, 8, 10, 11)]
    price, opening, high, low, volume, notional, taker, bid, ask = floats

    def whole(index: int) -> NDArray[np.int64]:
        return np.fromiter(columns[index], np.int64, len(rows))

    return SampleColumns(
        symbol=symbol,
        sample_ms=int(columns[1][-1]) if rows else 0,
        time_ms=whole(0),
        open=np.where(np.isnan(opening), price, opening),
        high=np.where(np.isnan(high), price, high),
        low=np.where(np.isnan(low), price, low),
        price=price,
        volume=volume,
        notional=np.where(np.isnan(notional), price * volume, notional),
        taker_buy_volume=np.where(np.isnan(taker), volume, taker),
        trades=whole(9),
        bid=bid,
        ask=ask,
        first_id=whole(12),
        last_id=whole(13),
        gap=np.fromiter(columns[14], np.bool_, len(rows)),
    )


def _floats(column: Sequence[float | None]) -> NDArray[np.float64]:
    """NULL as NaN; a column without it in half the time."""
    if column and column[0] is None:
        return np.array(column, np.float64)
    try:
        return np.fromiter(column, np.float64, len(column))
    except TypeError:
        return np.array(column, np.float64)


def instrument_row(item: Instrument) -> tuple[Any, ...]:
    tick = None if item.tick_size is None else str(item.tick_size)
    lot = None if item.lot_step is None else str(item.lot_step)
    return clean(item.symbol), clean(item.base), clean(item.quote), tick, lot, item.trading, True


def trade_row(symbol_id: int, trade: Trade, quote: str) -> tuple[Any, ...]:
    """`quote` is the pair's quote asset: only in dollars is price times quantity a value in dollars."""
    value = trade.price * trade.quantity if quote in DOLLARS else None
    return (
        symbol_id, trade.time_ms, trade.trade_id, trade.price, trade.quantity, trade.buyer_is_maker, trade.trades, value, False,
    )  # fmt: skip


def whale_row(symbol_id: int, whale: Whale) -> tuple[Any, ...]:
    return (*trade_row(symbol_id, whale.trade, "")[:7], whale.value_usd, True)


def candle_row(symbol_id: int, candle: Candle) -> tuple[Any, ...]:
    floats = (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume, candle.taker_buy_volume)
    known = [None if value != value else value for value in floats]
    return symbol_id, clean(candle.interval), candle.time_ms, *known[:6], candle.trades, known[6], candle.gap


def gap_row(gap: Gap) -> tuple[Any, ...]:
    names = (clean(gap.gap_id), clean(gap.venue), clean(gap.symbol), str(gap.reason), str(gap.state))
    return (*names, gap.from_ms, gap.to_ms, gap.from_id, gap.to_id, gap.refilled)


def quiet_row(span: QuietSpan) -> tuple[Any, ...]:
    return clean(span.symbol), str(span.cause), span.from_ms, span.to_ms, span.is_open, clean(span.venue)


def aggregate_row(item: TradeAggregate) -> tuple[Any, ...]:
    return clean(item.symbol), item.moving_average, item.trade_count, item.total_volume, item.updated_ms


_STORED_METRICS = (
    "sma", "ema", "wma", "vwap", "price_std", "volatility", "realized_vol", "drawdown", "max_drawdown", "change", "zscore",
    "high", "low", "volume", "trade_rate", "buy_ratio", "correlation", "beta",
)  # fmt: skip
assert set(_STORED_METRICS) == set(WINDOW_METRICS)


def metric_rows(table: MetricTable) -> list[tuple[Any, ...]]:
    """One row per symbol and window: the table as of now, NaN as None."""
    names = [clean(symbol) for symbol in table.symbols]
    unknown = np.full(len(names), np.nan)
    points = [_nullable(table.points.get(name, unknown)) for name in ("price", "spread_bps")]
    rows: list[tuple[Any, ...]] = []
    for window in table.windows:
        values = table.values[window.name]
        columns = [_nullable(values.get(name, unknown)) for name in _STORED_METRICS]
        states = table.state[window.name].tolist()
        shared = [[window.name] * len(names), [table.time_ms] * len(names), states, *points, *columns]
        rows += list(zip(names, *shared, strict=True))
    return rows


def _nullable(column: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def decode_candle(symbol: str, interval: str, row: Sequence[Any]) -> Candle:
    time_ms, opening, high, low, close, volume, quote_volume, trades, taker, gap = row
    prices = (_number(opening), _number(high), _number(low), _number(close))
    return Candle(
        symbol, interval, time_ms, *prices, _number(volume), _number(quote_volume), trades, _number(taker), True, bool(gap)
    )


def decode_trade(row: Sequence[Any]) -> StoredTrade:
    symbol, trade_id, price, quantity, time_ms, maker, trades, value, whale = row
    return StoredTrade(Trade(symbol, trade_id, price, quantity, time_ms, bool(maker), trades), value, bool(whale))


def decode_gap(row: Sequence[Any]) -> Gap:
    gap_id, venue, symbol, reason, state, *rest = row
    return Gap(gap_id, venue, symbol, GapReason(reason), GapState(state), *rest)


def decode_quiet(row: Sequence[Any]) -> QuietSpan:
    symbol, cause, from_ms, to_ms, is_open, venue = row
    return QuietSpan(symbol, QuietCause(cause), from_ms, to_ms, bool(is_open), venue)
