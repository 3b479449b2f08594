"""Which columns of a history a program looks at: what nobody looks at need not be read."""

from __future__ import annotations

from .nodes import Fact, Indicator, Metric, Term, walk
from .program import Program

_CANDLE = frozenset({"open", "high", "low", "volume", "trades"})
_PRICES = ("sma", "ema", "wma", "price_std", "volatility", "realized_vol", "drawdown", "max_drawdown", "change", "zscore",
           "correlation", "beta")  # fmt: skip
_OF_METRIC: dict[str, frozenset[str]] = {
    **dict.fromkeys(_PRICES, frozenset()),
    "high": frozenset({"high"}),
    "low": frozenset({"low"}),
    "volume": frozenset({"volume", "trades"}),
    "vwap": frozenset({"volume", "notional", "trades"}),
    "buy_ratio": frozenset({"volume", "taker_buy_volume", "trades"}),
    "trade_rate": frozenset({"trades"}),
}
_OF_POINT: dict[str, frozenset[str]] = {
    "price": frozenset(), "bid": frozenset({"bid"}), "ask": frozenset({"ask"}), "spread_bps": frozenset({"bid", "ask"}),
}  # fmt: skip


def columns_of(program: Program) -> frozenset[str]:
    """Columns of `History` beside price and gap."""
    return frozenset().union(*(_of(node) for node in walk(program.expression) if isinstance(node, Term)))


def _of(term: Term) -> frozenset[str]:
    match term:
        case Metric(window=None):
            return _OF_POINT[term.name]
        case Metric():
            return _OF_METRIC[term.name]
        case Indicator():
            return _CANDLE
        case Fact("data_age"):
            return frozenset({"trades"})
        case _:
            return frozenset()
