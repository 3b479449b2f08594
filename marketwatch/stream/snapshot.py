"""The market of the moment as keys and JSON values, for readers that are no part of this program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from ..model.alerts import Alert
from ..model.portfolio import Portfolio
from ..model.private import told_to
from ..watch import Watch

_PERIODS = ("moving-average", "sma"), ("volatility", "volatility"), ("drawdown", "drawdown"), ("correlation", "correlation")


def iso(time_ms: int | None) -> str | None:
    """ISO 8601 in UTC with milliseconds."""
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number(value: float | None) -> float | None:
    """A finite number, else None."""
    return None if value is None or not math.isfinite(value) else float(value)


def symbol_keys(watch: Watch, symbol: str, column: int) -> Iterator[tuple[str, bytes]]:
    """`price:`, `metrics:`, `price_window:` and `analytics:` of a symbol, the one of that column; nothing before its first
    price."""
    if watch.state.symbols[symbol].price is not None:
        yield f"price:{symbol}", orjson.dumps(_price(watch, symbol))
    table = watch.state.table
    if table is not None and math.isfinite(table.points["price"][column]):
        yield from _of_table(watch, symbol, column)


def _price(watch: Watch, symbol: str) -> dict[str, Any]:
    entry = watch.state.symbols[symbol]
    return {
        "coin_id": symbol, "symbol": symbol, "venue": watch.venue, "source": watch.source.value, "price": number(entry.price),
        "time": iso(entry.trade_ms or entry.ticker_ms), "bid": number(entry.bid), "ask": number(entry.ask),
        "change_24h": number(entry.change_24h), "volume_24h": number(entry.volume_24h), "stale": entry.stale,
    }  # fmt: skip


def _of_table(watch: Watch, symbol: str, column: int) -> Iterator[tuple[str, bytes]]:
    table = watch.state.table
    assert table is not None
    head = {"symbol": symbol, "venue": watch.venue, "source": watch.source.value, "time": iso(table.time_ms)}
    windows = {
        window.name: {
            **{name: number(float(values[column])) for name, values in table.values[window.name].items()},
            "state": int(table.state[window.name][column]),
        }
        for window in table.windows
    }
    points = {name: number(float(values[column])) for name, values in table.points.items()}
    yield f"metrics:{symbol}", orjson.dumps({**head, **points, "windows": windows})
    main = table.windows[0].name
    ends = {name: windows[main][name] for name in ("high", "low", "sma", "vwap", "change", "volume")}
    yield f"price_window:{symbol}", orjson.dumps({**head, "window": main, "price": points["price"], **ends})
    for window in table.windows:
        for key, metric in _PERIODS:
            value = windows[window.name][metric]
            if value is not None:
                text = {**head, "metric": key, "period": window.name, "value": value, "state": windows[window.name]["state"]}
                yield f"analytics:{key}:{symbol}:{window.name}", orjson.dumps(text)


def portfolio_keys(watch: Watch, kept: Iterable[Portfolio]) -> Iterator[tuple[str, bytes]]:
    """`portfolio:{portfolio_id}` of each of these portfolios that was marked at the newest step."""
    said = watch.state.valuations
    if said is None:
        return
    rows = {portfolio_id: row for row, portfolio_id in enumerate(said.portfolio_ids)}
    for one in kept:
        row = rows.get(one.portfolio_id)
        if row is not None:
            head = {
                "portfolio_id": one.portfolio_id, "user_id": one.owner_id, "name": one.name,
                "base_currency": one.base_currency, "source": watch.source.value, "time": iso(said.time_ms),
            }  # fmt: skip
            figures = {name: number(float(column[row])) for name, column in said.columns.items()}
            yield f"portfolio:{one.portfolio_id}", orjson.dumps({**head, **figures})


def preference_keys(stored: Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """`preferences:{user_id}`, as they are stored."""
    for user_id, preferences in stored:
        yield f"preferences:{user_id}", preferences.encode()


def alert_message(alert: Alert, source: str) -> bytes:
    """What the channel `alerts` carries: the alert in the shape of the interface, as everybody may know it."""
    alert = told_to(alert)
    return orjson.dumps(
        {
            "alert_id": alert.alert_id, "rule_id": alert.rule_id, "rule_version": alert.rule_version,
            "rule_name": alert.rule_name, "symbol": alert.symbol, "metric": alert.metric, "threshold": alert.threshold,
            "trigger_value": alert.trigger_value, "timestamp": iso(alert.fired_ms), "state": alert.state.value,
            "resolved_at": iso(alert.resolved_ms), "severity": alert.severity.value, "late": alert.late, "source": source,
        }
    )  # fmt: skip
