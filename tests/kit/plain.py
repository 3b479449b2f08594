"""The plain definitions: samples, candles and metrics computed the slow and obvious way, to compare the program with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from marketwatch.model.market import Candle, Samples

from .venue_tape import VenueTrade

Floats = NDArray[np.float64]


def plain_candles(symbol: str, trades: Iterable[VenueTrade], interval: str, interval_ms: int) -> dict[int, Candle]:
    """Candles of the intervals that hold a print, by open time; open and close by (time, id)."""
    buckets: dict[int, list[VenueTrade]] = {}
    for trade in trades:
        buckets.setdefault(trade.time_ms // interval_ms * interval_ms, []).append(trade)
    return {start: _candle(symbol, interval, start, inside) for start, inside in buckets.items()}


def _candle(symbol: str, interval: str, start: int, inside: list[VenueTrade]) -> Candle:
    inside = sorted(inside, key=lambda trade: (trade.time_ms, trade.trade_id))
    prices = [float(trade.price) for trade in inside]
    sizes = [float(trade.quantity) for trade in inside]
    buys = sum(size for size, trade in zip(sizes, inside, strict=True) if not trade.buyer_is_maker)
    value = sum(price * size for price, size in zip(prices, sizes, strict=True))
    return Candle(
        symbol, interval, start, prices[0], max(prices), min(prices), prices[-1], sum(sizes), value, len(inside), buys
    )  # fmt: skip


def close_to(ours: Candle, plain: Candle) -> bool:
    """Equal prices and counts; sums to 1e-9."""
    return (
        (ours.open, ours.high, ours.low, ours.close) == (plain.open, plain.high, plain.low, plain.close)
        and ours.trades == plain.trades
        and np.allclose(
            (ours.volume, ours.quote_volume, ours.taker_buy_volume),
            (plain.volume, plain.quote_volume, plain.taker_buy_volume), rtol=1e-9, atol=1e-9,
        )
    )  # fmt: skip


def sample_faults(samples: Sequence[Samples], symbol: str, trades: Sequence[VenueTrade]) -> list[str]:
    """Differences between final samples of one symbol and the prints inside each step."""
    if not samples:
        return ["There are no samples."]
    step, column = samples[0].sample_ms, samples[0].symbols.index(symbol)
    plain = plain_candles(symbol, trades, "sample", step)
    first, last = samples[0].time_ms, samples[-1].time_ms
    faults = [
        f"step {start} is missing" for start in plain if first <= start <= last and start not in {s.time_ms for s in samples}
    ]
    for sample in samples:
        want = plain.get(sample.time_ms)
        if want is None:
            if sample.trades[column]:
                faults.append(f"step {sample.time_ms} holds {sample.trades[column]} prints that never were")
            continue
        ours = Candle(
            symbol, "sample", sample.time_ms, float(sample.open[column]), float(sample.high[column]), float(sample.low[column]),
            float(sample.price[column]), float(sample.volume[column]), float(sample.notional[column]),
            int(sample.trades[column]), float(sample.taker_buy_volume[column]),
        )  # fmt: skip
        if not close_to(ours, want):
            faults.append(f"step {sample.time_ms}: {ours} is not {want}")
    return faults


def plain_metrics(samples: Sequence[Samples], column: int, reference: int, length: int) -> dict[str, float]:
    """Every window metric of one symbol over the newest `length` steps; NaN where unknown. `ema` runs since the first price."""
    every = np.array([sample.price[column] for sample in samples])
    price, other = every[-length:], np.array([sample.price[reference] for sample in samples[-length:]])
    window = samples[-length:]
    volume = _column(window, "volume", column)
    total = float(volume.sum())
    seconds = length * samples[0].sample_ms / 1000
    peaks = np.maximum.accumulate(price)
    returns, market = np.diff(np.log(price)), np.diff(np.log(other))
    std, mean = float(price.std()), float(price.mean())
    weights = np.arange(1, len(price) + 1)
    return {
        "sma": mean,
        "ema": _ema(every[np.flatnonzero(~np.isnan(every))[0] :], length),
        "wma": float((price * weights).sum() / weights.sum()),
        "vwap": float(_column(window, "notional", column).sum() / total) if total else np.nan,
        "price_std": std,
        "volatility": 100 * std / mean,
        "realized_vol": float(returns.std(ddof=1) * np.sqrt(365 * 86_400_000 / samples[0].sample_ms) * 100),
        "drawdown": float(100 * (price[-1] / peaks[-1] - 1)),
        "max_drawdown": float(100 * (price / peaks - 1).min()),
        "change": float(100 * (price[-1] / price[0] - 1)),
        "zscore": (price[-1] - mean) / std if std else np.nan,
        "high": float(_column(window, "high", column).max()),
        "low": float(_column(window, "low", column).min()),
        "volume": total,
        "trade_rate": float(sum(int(sample.trades[column]) for sample in window) / seconds),
        "buy_ratio": float(_column(window, "taker_buy_volume", column).sum() / total) if total else np.nan,
        "correlation": float(np.corrcoef(returns, market)[0, 1]) if returns.std() and market.std() else np.nan,
        "beta": float(np.cov(returns, market)[0, 1] / market.var(ddof=1)) if market.std() else np.nan,
    }


def _column(samples: Sequence[Samples], name: str, column: int) -> Floats:
    return np.array([getattr(sample, name)[column] for sample in samples])


def _ema(prices: Floats, length: int) -> float:
    if len(prices) < length:
        return np.nan
    value, k = float(prices[:length].mean()), 2.0 / (length + 1)
    for price in prices[length:]:
        value += k * (float(price) - value)
    return value
