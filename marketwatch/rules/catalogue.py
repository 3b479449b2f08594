"""Everything a rule can name, with signature, unit, one line and an example: completion and documentation come from here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from .nodes import Kind
from .talib import studies

INTERVALS = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}
"""The candles that indicators can use, and their lengths in milliseconds."""

CANDLE_FIELDS = ("open", "close")
_P, _N, _D, _B = Kind.PERCENT, Kind.NUMBER, Kind.DURATION, Kind.BOOL


class Entry(NamedTuple):
    """One name. `group`: metric, point, system, holding, count, statistic, function, candle or indicator."""

    name: str
    group: str
    signature: str
    unit: str
    doc: str
    example: str
    kind: Kind = Kind.NUMBER


def _metric(name: str, unit: str, doc: str, kind: Kind = _N) -> Entry:
    return Entry(name, "metric", f"{name}(['SYMBOL',] window)", unit, doc, f"{name}(5m)", kind)


METRICS = tuple(
    _metric(*row)
    for row in (
        ("sma", "price", "Mean price of the window."),
        ("ema", "price", "Exponential average of the price, k = 2 / (n + 1)."),
        ("wma", "price", "Linearly weighted mean price, the newest with the largest weight."),
        ("vwap", "price", "Volume-weighted average price of the window's trades."),
        ("price_std", "price", "Population deviation of the price (Bollinger's sigma)."),
        ("volatility", "%", "Population deviation of the price in per cent of its mean.", _P),
        ("realized_vol", "% a year", "Annualised sample deviation of log returns.", _P),
        ("drawdown", "%", "How far the price is below the window's highest; never above 0.", _P),
        ("max_drawdown", "%", "The worst fall from a peak to a later trough in the window; never above 0.", _P),
        ("change", "%", "Change of the price over the window.", _P),
        ("zscore", "deviations", "Distance of the price from its mean, in deviations."),
        ("high", "price", "Highest trade of the window."),
        ("low", "price", "Lowest trade of the window."),
        ("volume", "base asset", "Traded quantity."),
        ("trade_rate", "trades/s", "Trades a second."),
        ("buy_ratio", "0..1", "Share of the volume in which the taker bought."),
        ("correlation", "-1..1", "Correlation of log returns with those of SYMBOL, without one those of the reference symbol."),
        ("beta", "ratio", "Slope of log returns on those of SYMBOL, without one those of the reference symbol."),
    )
)

POINTS = tuple(
    Entry(name, "point", f"{name}[('SYMBOL')]", unit, doc, example)
    for name, unit, doc, example in (
        ("price", "price", "Last price.", "price('BTCUSDT') / price('ETHUSDT') > 20"),
        ("bid", "price", "Best bid.", "bid > 100"),
        ("ask", "price", "Best ask.", "ask < 100"),
        ("spread_bps", "basis points", "Ask minus bid, in hundredths of a per cent of their middle.", "spread_bps > 5"),
    )
)

SYSTEM = tuple(
    Entry(name, "system", name, unit, doc, example, kind)
    for name, unit, doc, example, kind in (
        ("data_age", "duration", "Event time since the last sample step with a trade of the symbol.", "data_age > 10s", _D),
        ("stale", "true or false", "The symbol has been quiet for longer than is usual for it.", "stale", _B),
        ("gaps", "count", "Gaps of the symbol's trades that are open or were given up.", "gaps > 0", _N),
        ("feed_lag", "duration", "Receipt minus event time, median of the last seconds.", "feed_lag > 500ms", _D),
        ("clock_offset", "duration", "Local clock minus the venue's.", "abs(clock_offset) > 1s", _D),
        ("reconnects", "count", "Reconnections of the feed since the start.", "reconnects > 5", _N),
        ("rejected", "count", "Messages that could not be used, since the start.", "rejected > 100", _N),
        ("store_lag", "duration", "How long facts have been waiting to be stored; 0 when none wait.", "store_lag > 30s", _D),
        ("store_depth", "count", "Facts in memory that wait to be stored.", "store_depth > 1000", _N),
        ("store_dropped", "count", "Facts lost for want of room, since the start.", "store_dropped > 0", _N),
    )
)

HOLDINGS = (
    Entry("portfolio", "holding", "portfolio('NAME').figure", "base currency, %",
          "A figure of a portfolio: value, upnl, realized, gain, cost, cash, income, roi, change_today (%), pnl_today.",
          "portfolio('main').upnl < -500"),
    Entry("position", "holding", "position('COIN').figure", "base currency, %",
          "A figure of a coin over all portfolios: quantity, value, cost, upnl, change_today (%), pnl_today.",
          "position('BTC').change_today < -5"),
)  # fmt: skip

COUNTS = (Entry("whales", "count", "whales(['SYMBOL',] duration)", "count", "Whale trades in the window.", "whales(5m) >= 3"),)

STATISTICS = tuple(
    Entry(name, "statistic", f"{name}(expression, window)", unit, doc, f"{name}(volume(1m), 1h) > 4", kind)
    for name, unit, doc, kind in (
        ("zscore", "deviations", "Distance of an expression from its own mean over the window, in deviations.", _N),
        ("sma", "its own", "Mean of an expression over the window.", _N),
        ("change", "%", "Change of an expression against its value at the window's start.", _P),
        ("stdev", "its own", "Population deviation of an expression over the window.", _N),
        ("highest", "its own", "Highest value of an expression in the window.", _N),
        ("lowest", "its own", "Lowest value of an expression in the window.", _N),
        ("lag", "its own", "The value of an expression at the window's start.", _N),
    )
)

FUNCTIONS = (
    Entry("abs", "function", "abs(x)", "its own", "Value without its sign.", "abs(change(5m)) > 2"),
    Entry("min", "function", "min(x, y, ...)", "its own", "Smallest of several.", "min(change(5m), change(1h)) < -2"),
    Entry("max", "function", "max(x, y, ...)", "its own", "Largest of several.", "max(change(5m), change(1h)) > 2"),
    Entry("crosses_above", "function", "crosses_above(x, y)", "true or false",
          "True at the step at which x gets above y.", "crosses_above(ema(20, 1m), ema(50, 1m))", _B),
    Entry("crosses_below", "function", "crosses_below(x, y)", "true or false",
          "True at the step at which x gets below y.", "crosses_below(price, sma(5m))", _B),
)  # fmt: skip

CANDLES = tuple(
    Entry(
        name,
        "candle",
        f"{name}(['SYMBOL',] interval)",
        "price",
        f"The {name} of the last closed candle.",
        f"price > {name}(1h)",
    )
    for name in CANDLE_FIELDS
)


def _by_name(entries: tuple[Entry, ...]) -> Mapping[str, Entry]:
    return {entry.name: entry for entry in entries}


METRIC_OF, POINT_OF, SYSTEM_OF = _by_name(METRICS), _by_name(POINTS), _by_name(SYSTEM)
STATISTIC_OF, FUNCTION_OF, COUNT_OF = _by_name(STATISTICS), _by_name(FUNCTIONS), _by_name(COUNTS)


@cache
def indicators() -> tuple[Entry, ...]:
    """TA-Lib's functions over closed candles."""
    found = []
    for study in studies().values():
        named = "".join(f"[{name}={default:g}, ] " for name, default in study.parameters.items()).replace(" ] ", "] ")
        call = f"{study.name}({', '.join([*(f'{value:g}' for value in study.parameters.values()), '1m'])})"
        chosen = f".{study.outputs[0]}" if len(study.outputs) > 1 else ""
        outputs = f" Outputs: {', '.join(study.outputs)}." if chosen else ""
        doc = f"{study.title} of closed candles (TA-Lib).{outputs}"
        signature = f"{study.name}(['SYMBOL',] {named}interval){'[.output]' if chosen else ''}"
        found.append(Entry(study.name, "indicator", signature, "TA-Lib", doc, f"{call}{chosen} > 0"))
    return tuple(found)


def catalogue() -> tuple[Entry, ...]:
    """Everything, in the order in which the documentation shows it. A name may have more than one entry (sma, ema, zscore)."""
    return (*POINTS, *METRICS, *COUNTS, *STATISTICS, *FUNCTIONS, *SYSTEM, *HOLDINGS, *CANDLES, *indicators())


@cache
def names() -> frozenset[str]:
    """Every name."""
    return frozenset(entry.name for entry in catalogue())


def signatures(name: str) -> str:
    """How a name is written, all ways."""
    return " or ".join(dict.fromkeys(entry.signature for entry in catalogue() if entry.name == name))
