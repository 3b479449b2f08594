"""The page of one symbol: head, tape, candles, the chart's live candle, and with them its metrics and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from ...engine.candles import INTERVALS
from ...model.alerts import Alert
from ...model.market import Candle, Trade
from ...watch import Watch
from .. import format as fmt
from .alert_marks import MarksView, marks_of
from .gaps import GapsView, gaps_of
from .metrics import MetricsView, metrics_of
from .names import coin_name
from .overview import Facts, Tag, columns_of, facts_of, gap_spans, row_of
from .summary import WhalesView, whales_of

RANGES: dict[str, tuple[str, str, int]] = {
    "1h": ("1H", "1m", 60),
    "24h": ("24H", "5m", 288),
    "7d": ("7D", "1h", 168),
    "1m": ("1M", "4h", 186),
}
"""Range buttons: label, interval of the candles, bars that fill the range."""
_TABLE_ROWS = 40
_TAPE_ROWS = 24


@dataclass(frozen=True, slots=True)
class HeadView:
    """The figures over the chart."""

    symbol: str
    base: str
    quote: str
    name: str
    price: str
    flash: str
    change_1h: fmt.Signed
    change_24h: fmt.Signed
    high: str
    low: str
    volume: str
    bid: str
    ask: str
    spread: str
    tags: tuple[Tag, ...]
    stale: bool


@dataclass(frozen=True, slots=True)
class TradeView:
    """One print of the tape."""

    time: str
    price: str
    quantity: str
    side: str
    whale: bool


@dataclass(frozen=True, slots=True)
class PrintsView:
    """The newest prints, newest first."""

    trades: tuple[TradeView, ...]


@dataclass(frozen=True, slots=True)
class CandleView:
    """One candle of the table that stands beside the chart."""

    time: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    note: str


@dataclass(frozen=True, slots=True)
class CandlesView:
    """The newest candles, newest first."""

    interval: str
    candles: tuple[CandleView, ...]


@dataclass(frozen=True, slots=True)
class TickView:
    """The open candle of each interval as JSON: `{"1m": [time_s, open, high, low, close, volume], ...}`."""

    candles: str


@dataclass(frozen=True, slots=True)
class RangeView:
    """A range button, which is a link."""

    key: str
    label: str
    interval: str
    bars: int
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class SymbolPage:
    """The page `/symbols/{symbol}`."""

    head: HeadView
    metrics: MetricsView
    prints: PrintsView
    whales: WhalesView
    gaps: GapsView
    marks: MarksView
    candles: CandlesView
    tick: TickView
    ranges: tuple[RangeView, ...]
    chart: RangeView
    decimals: int
    stream: str


def facts_for(watch: Watch, symbol: str, now_ms: int) -> Facts:
    """The numbers of one symbol."""
    spans = gap_spans(watch.state.open_gaps(symbol), now_ms)
    key = watch.symbols.index(symbol)
    return facts_of(key, watch.state.symbols[symbol], columns_of(watch.state.table), now_ms, spans.get(symbol, 0))


def head_of(watch: Watch, symbol: str, now_ms: int) -> HeadView:
    """Price and day of one symbol."""
    facts = facts_for(watch, symbol, now_ms)
    row = row_of(facts)
    entry = watch.state.symbols[symbol]
    instrument, decimals = entry.instrument, entry.instrument.price_decimals
    return HeadView(
        symbol=symbol,
        base=instrument.base,
        quote=instrument.quote,
        name=coin_name(instrument.base),
        price=row.price,
        flash="",
        change_1h=row.change_1h,
        change_24h=row.change_24h,
        high=fmt.price(entry.high_24h, decimals),
        low=fmt.price(entry.low_24h, decimals),
        volume=row.volume,
        bid=fmt.price(entry.bid, decimals),
        ask=fmt.price(entry.ask, decimals),
        spread=row.spread,
        tags=row.tags,
        stale=row.stale,
    )


def with_flash(head: HeadView, flash: str) -> HeadView:
    """The head with the animation of a price that moved."""
    return replace(head, flash=flash)


def prints_of(watch: Watch, symbol: str, limit: int = _TAPE_ROWS) -> PrintsView:
    """The trade tape."""
    instrument = watch.instruments[symbol]
    decimals, step = instrument.price_decimals, instrument.lot_step
    digits = None if step is None else max(0, -int(step.normalize().as_tuple().exponent))
    threshold = watch.whales.threshold(symbol) if instrument.in_dollars else float("inf")
    return PrintsView(tuple(_trade_view(trade, decimals, digits, threshold) for trade in watch.tape.recent(symbol, limit)))


def _trade_view(trade: Trade, decimals: int, digits: int | None, threshold: float) -> TradeView:
    return TradeView(
        time=fmt.clock_time(trade.time_ms),
        price=fmt.price(trade.price, decimals),
        quantity=fmt.quantity(trade.quantity) if digits is None else fmt.number(trade.quantity, digits),
        side="sell" if trade.buyer_is_maker else "buy",
        whale=trade.price * trade.quantity >= threshold,
    )


def candles_of(watch: Watch, symbol: str, interval: str) -> CandlesView:
    """The newest candles as a table: what the chart shows, for people who read numbers."""
    decimals = watch.instruments[symbol].price_decimals
    candles = list(watch.candles.recent(symbol, interval, _TABLE_ROWS))
    current = watch.candles.current(symbol, interval)
    if current is not None and (not candles or current.time_ms > candles[-1].time_ms):
        candles.append(current)
    return CandlesView(interval, tuple(_candle_view(candle, decimals) for candle in reversed(candles)))


def _candle_view(candle: Candle, decimals: int) -> CandleView:
    note = "gap" if candle.gap else "" if candle.closed else "open"
    prices = (fmt.price(value, decimals) for value in (candle.open, candle.high, candle.low, candle.close))
    first, high, low, last = prices
    return CandleView(fmt.date_time(candle.time_ms)[:16], first, high, low, last, fmt.compact(candle.volume), note)


def tick_of(watch: Watch, symbol: str) -> TickView:
    """The open candle of each charted interval, carried on to the last trade, which the next sample step will hold."""
    found = {}
    entry = watch.state.symbols[symbol]
    for _, interval, _ in RANGES.values():
        candle = watch.candles.current(symbol, interval)
        if candle is None or fmt.known(candle.close) is None:
            continue
        low, high, close = candle.low, candle.high, candle.close
        inside = entry.trade_ms is not None and 0 <= entry.trade_ms - candle.time_ms < INTERVALS[interval]
        if inside and entry.price is not None:
            low, high, close = min(low, entry.price), max(high, entry.price), entry.price
        found[interval] = [candle.time_ms // 1000, candle.open, high, low, close, candle.volume]
    return TickView(orjson.dumps(found).decode())


def ranges_of(path: str, chosen: str) -> tuple[RangeView, ...]:
    """The range buttons."""
    return tuple(
        RangeView(key, label, interval, bars, f"{path}?range={key}", key == chosen)
        for key, (label, interval, bars) in RANGES.items()
    )


def symbol_page(
    watch: Watch, symbol: str, *, chosen: str, path: str, now_ms: int, stream: str, past: Sequence[Alert] = ()
) -> SymbolPage:
    """The whole page. `past`: alerts that are over, newest first."""
    chosen = chosen if chosen in RANGES else "1h"
    ranges = ranges_of(path, chosen)
    current = next(item for item in ranges if item.current)
    return SymbolPage(
        head=head_of(watch, symbol, now_ms),
        metrics=metrics_of(watch, symbol),
        prints=prints_of(watch, symbol),
        whales=whales_of(watch, symbol, 10),
        gaps=gaps_of(watch, symbol),
        marks=marks_of(watch, past, symbol, now_ms),
        candles=candles_of(watch, symbol, current.interval),
        tick=tick_of(watch, symbol),
        ranges=ranges,
        chart=current,
        decimals=watch.instruments[symbol].price_decimals,
        stream=stream,
    )
