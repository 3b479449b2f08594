"""Short ways to write down market facts in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketwatch.model.market import Candle, Gap, GapReason, GapState, Samples, Trade, Whale

NAN = float("nan")
T0 = 1_723_104_000_000
"""2024-08-08T08:00:00Z."""


def step(
    time_ms: int, rows: Mapping[str, Mapping[str, Any]], *, sample_ms: int = 500, revised: Sequence[int] | None = None
) -> Samples:
    """A sample step: per symbol the columns that matter; the rest is a quiet step at an unknown price."""

    def column(name: str, default: Any, dtype: Any) -> Any:
        return np.array([row.get(name, default) for row in rows.values()], dtype)

    price = column("price", NAN, np.float64)

    def priced(name: str) -> Any:
        return np.where(np.isnan(column(name, NAN, np.float64)), price, column(name, NAN, np.float64))

    return Samples(
        time_ms=time_ms,
        sample_ms=sample_ms,
        symbols=tuple(rows),
        open=priced("open"),
        high=priced("high"),
        low=priced("low"),
        price=price,
        volume=column("volume", 0.0, np.float64),
        notional=column("notional", 0.0, np.float64),
        taker_buy_volume=column("taker_buy_volume", 0.0, np.float64),
        trades=column("trades", 0, np.int64),
        bid=column("bid", NAN, np.float64),
        ask=column("ask", NAN, np.float64),
        first_id=column("first_id", 0, np.int64),
        last_id=column("last_id", 0, np.int64),
        gap=column("gap", False, np.bool_),
        revised=None if revised is None else np.array(revised, np.intp),
    )


def traded(price: float, *, volume: float = 1.0, trades: int = 1, last_id: int = 1, **more: Any) -> dict[str, Any]:
    """The columns of a symbol that traded at one price."""
    return {
        "price": price, "volume": volume, "notional": price * volume, "trades": trades, "first_id": last_id - trades + 1,
        "last_id": last_id, **more,
    }  # fmt: skip


def trade(
    symbol: str = "BTCUSDT", trade_id: int = 1, *, price: float = 100.0, quantity: float = 2.0, time_ms: int = T0
) -> Trade:
    return Trade(symbol, trade_id, price, quantity, time_ms, True)


def whale(symbol: str = "BTCUSDT", trade_id: int = 1, *, value: float = 250_000.0, time_ms: int = T0) -> Whale:
    return Whale(Trade(symbol, trade_id, value / 4.0, 4.0, time_ms, False), value, 100_000.0)


def candle(
    symbol: str = "BTCUSDT", interval: str = "1m", time_ms: int = T0, *, close: float = 100.0, gap: bool = False
) -> Candle:
    return Candle(symbol, interval, time_ms, 99.0, 101.5, 98.5, close, 12.5, 1250.25, 42, 6.5, True, gap)


def gap(
    gap_id: str = "g1", symbol: str = "BTCUSDT", *, from_ms: int = T0, to_ms: int = T0 + 1000, state: GapState = GapState.OPEN
) -> Gap:
    return Gap(gap_id, "binance", symbol, GapReason.ID_JUMP, state, from_ms, to_ms, 10, 20, 3)
