"""The metric table computed plainly: all samples so far, one window, numpy, no memory. The engine is compared with this."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from marketwatch.model.market import Samples
from marketwatch.model.metrics import Window

Floats = NDArray[np.float64]
YEAR_MS = 365 * 86_400_000


def sample(time_ms: int, price: Sequence[float] | Floats, **columns: Sequence[float] | Floats) -> Samples:
    """A step of 500 ms over symbols A, B, C ...; columns that are not given are those of a step without trades."""
    prices = np.asarray(price, np.float64)
    count = len(prices)
    given = {name: np.asarray(values) for name, values in columns.items()}
    zeros, nothing = np.zeros(count), np.full(count, np.nan)
    return Samples(
        time_ms=time_ms, sample_ms=500, symbols=tuple("ABCDEFGHIJ"[:count]),
        open=given.get("open", prices), high=given.get("high", prices), low=given.get("low", prices), price=prices,
        volume=given.get("volume", zeros), notional=given.get("notional", zeros),
        taker_buy_volume=given.get("taker_buy_volume", zeros),
        trades=given.get("trades", zeros).astype(np.int64),
        bid=given.get("bid", nothing), ask=given.get("ask", nothing),
        first_id=np.zeros(count, np.int64), last_id=np.zeros(count, np.int64),
        gap=given.get("gap", np.zeros(count)).astype(np.bool_),
        revised=given.get("revised"),
    )  # fmt: skip


def plain_window(samples: Sequence[Samples], window: Window, reference: int | None) -> dict[str, Floats]:
    """Every window metric, one column per symbol, from all samples since the start."""
    first, newest = samples[0].time_ms // window.grid_ms, samples[-1].time_ms // window.grid_ms
    start = max(first, newest - window.length + 1)
    inside = [one for one in samples if one.time_ms // window.grid_ms >= start]
    price = buckets(samples, window.grid_ms, start, newest)
    elapsed = samples[-1].time_ms + samples[-1].sample_ms - newest * window.grid_ms
    known = ~np.isnan(price)
    counts = known.sum(axis=0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy remarks on means of nothing, which are unknown here
        out = _prices(price, known) | _flows(inside) | _ranges(inside) | _returns(price, reference, window)
        out["ema"] = _ema(buckets(samples, window.grid_ms, first, newest), window.length)
        out["trade_rate"] = _sum(inside, "trades") / ((known[:-1].sum(axis=0) * window.grid_ms + known[-1] * elapsed) / 1000.0)
    return {name: np.where(counts >= 2, values, np.nan) for name, values in out.items()}


def buckets(samples: Sequence[Samples], grid_ms: int, first: int, newest: int) -> Floats:
    """The last known price in each bucket of the grid, NaN where there is none."""
    out = np.full((newest - first + 1, len(samples[0].symbols)), np.nan)
    for one in samples:
        row = one.time_ms // grid_ms - first
        if row >= 0:
            out[row] = np.where(np.isnan(one.price), out[row], one.price)
    return out


def _prices(price: Floats, known: NDArray[np.bool_]) -> dict[str, Floats]:
    price = price.astype(np.longdouble)  # the plain way is the less exact one where a large price hardly moves
    weights = np.arange(1.0, len(price) + 1)[:, None] * known
    sma, std = np.nanmean(price, axis=0), np.nanstd(price, axis=0)
    still = np.nanmax(price, axis=0) == np.nanmin(price, axis=0)
    std = np.where(still, 0.0, std)
    oldest = price[np.argmax(known, axis=0), np.arange(price.shape[1])]
    table = {
        "sma": sma, "price_std": std, "volatility": 100 * std / sma,
        "zscore": (price[-1] - sma) / np.where(std > 0, std, np.nan),
        "wma": np.nansum(price * weights, axis=0) / weights.sum(axis=0),
        "change": 100 * (price[-1] / oldest - 1),
    }  # fmt: skip
    return {name: column.astype(np.float64) for name, column in table.items()}


def _sum(inside: Sequence[Samples], name: str) -> Floats:
    total: Floats = np.array([getattr(one, name) for one in inside], np.float64).sum(axis=0)
    return total


def _flows(inside: Sequence[Samples]) -> dict[str, Floats]:
    volume, traded = _sum(inside, "volume"), _sum(inside, "trades") > 0
    return {
        "volume": volume,
        "vwap": np.where(traded, _sum(inside, "notional") / volume, np.nan),
        "buy_ratio": np.where(traded, _sum(inside, "taker_buy_volume") / volume, np.nan),
    }


def _ranges(inside: Sequence[Samples]) -> dict[str, Floats]:
    prices = np.array([one.price for one in inside])
    peaks = np.fmax.accumulate(prices, axis=0)
    return {
        "high": np.fmax.reduce([one.high for one in inside]), "low": np.fmin.reduce([one.low for one in inside]),
        "drawdown": 100 * (prices[-1] / peaks[-1] - 1), "max_drawdown": 100 * (np.fmin.reduce(prices / peaks) - 1),
    }  # fmt: skip


def _returns(price: Floats, reference: int | None, window: Window) -> dict[str, Floats]:
    wide = price.astype(np.longdouble)
    returns = np.log1p(np.diff(wide, axis=0) / wide[:-1])
    out = {name: np.full(price.shape[1], np.nan) for name in ("realized_vol", "correlation", "beta")}
    for column in range(price.shape[1]):
        own = returns[:, column]
        there = own[~np.isnan(own)]
        if len(there) > 1:
            out["realized_vol"][column] = 100 * there.std(ddof=1) * np.sqrt(YEAR_MS / window.grid_ms)
        if reference is None:
            continue
        both = ~np.isnan(own) & ~np.isnan(returns[:, reference])
        x, y = own[both], returns[both, reference]
        if len(x) > 1 and y.std() > 1e-13 * np.abs(y).max():
            x, y = x - x.mean(), y - y.mean()
            out["beta"][column] = (x @ y) / (y @ y)
            if x.std() > 0:
                out["correlation"][column] = (x @ y) / np.sqrt((x @ x) * (y @ y))
    return out


def _ema(price: Floats, length: int) -> Floats:
    out = np.full(price.shape[1], np.nan)
    k = 2.0 / (length + 1)
    for column in range(price.shape[1]):
        known = price[~np.isnan(price[:, column]), column]
        if len(known) >= length:
            value = known[:length].mean()
            for one in known[length:]:
                value += k * (one - value)
            out[column] = value
    return out


_SCALED = {"volatility": 100.0, "drawdown": 100.0, "max_drawdown": 100.0, "change": 100.0, "zscore": 1.0,
           "realized_vol": 1e6, "correlation": 1.0, "buy_ratio": 1.0}  # fmt: skip
"""Numbers without a unit of price: what 1e-9 is measured against when the value itself is near 0."""


def differences(ours: dict[str, Floats], plain: dict[str, Floats], scale: Floats) -> list[str]:
    """Where two tables differ by more than 1e-9, as sentences; `scale` is a typical price per symbol."""
    faults = []
    for name, want in plain.items():
        have = np.asarray(ours[name])
        near = 1e-9 * np.abs(want) + 1e-12 * _SCALED.get(name, np.abs(scale))
        if name in {"volume", "trade_rate", "beta"}:
            near = 1e-9 * np.abs(want) + 1e-12
        same = (np.isnan(have) & np.isnan(want)) | (np.abs(have - want) <= near)
        faults += [f"{name}[{at}] is {have[at]!r}, plainly {want[at]!r}" for at in np.flatnonzero(~same)]
    return faults
