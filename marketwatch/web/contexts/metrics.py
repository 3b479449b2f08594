"""The metric panel of a symbol: metrics in rows, windows in columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...model.metrics import MetricTable, Window, WindowState
from ...watch import Watch
from .. import format as fmt


@dataclass(frozen=True, slots=True)
class WindowView:
    """A column of the metric table. `state` is empty for a full and sound window."""

    label: str
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric over all windows."""

    label: str
    title: str
    cells: tuple[fmt.Signed, ...]


@dataclass(frozen=True, slots=True)
class MetricsView:
    """Metrics in rows, windows in columns."""

    windows: tuple[WindowView, ...]
    rows: tuple[MetricRow, ...]


Shown = Callable[[float, int], fmt.Signed]


def _plain(text: str) -> fmt.Signed:
    return fmt.Signed(text, "none" if text == fmt.UNKNOWN else "flat")


def _as_signed(value: float, _decimals: int) -> fmt.Signed:
    return fmt.signed(value)


def _as_price(value: float, decimals: int) -> fmt.Signed:
    return _plain(fmt.price(value, decimals))


def _as_percent(value: float, _decimals: int) -> fmt.Signed:
    return _plain(fmt.percent(value, 3 if abs(value) < 10 else 1))


def _as_loss(value: float, _decimals: int) -> fmt.Signed:
    return _plain(fmt.percent(value))


def _as_number(value: float, _decimals: int) -> fmt.Signed:
    return _plain(fmt.number(value, 2))


def _as_volume(value: float, _decimals: int) -> fmt.Signed:
    return _plain(fmt.compact(value))


def _as_share(value: float, _decimals: int) -> fmt.Signed:
    return _plain(fmt.percent(100.0 * value, 1))


def _as_deviation(value: float, decimals: int) -> fmt.Signed:
    return _plain(fmt.number(value, min(8, decimals + 1)))


_METRICS: tuple[tuple[str, str, str, Shown], ...] = (
    ("change", "Change", "Last price against the first of the window, per cent", _as_signed),
    ("high", "High", "Highest price", _as_price),
    ("low", "Low", "Lowest price", _as_price),
    ("vwap", "VWAP", "Average price weighted by volume", _as_price),
    ("sma", "SMA", "Simple moving average", _as_price),
    ("ema", "EMA", "Exponential moving average, k = 2/(n+1)", _as_price),
    ("wma", "WMA", "Linearly weighted moving average", _as_price),
    ("price_std", "Deviation", "Population deviation of the price", _as_deviation),
    ("zscore", "Z-score", "Deviations that the price is away from its mean", _as_number),
    ("volatility", "Volatility", "Deviation of the price in per cent of its mean", _as_percent),
    ("realized_vol", "Realized vol.", "Deviation of log returns, annualised, per cent", _as_percent),
    ("drawdown", "Drawdown", "Below the highest price of the window, per cent", _as_loss),
    ("max_drawdown", "Max. drawdown", "Worst fall from a peak inside the window, per cent", _as_loss),
    ("volume", "Volume", "In units of the base asset", _as_volume),
    ("trade_rate", "Trades/s", "Trades a second", _as_number),
    ("buy_ratio", "Taker buys", "Share of volume bought by takers", _as_share),
    ("correlation", "Correlation", "Of log returns, with the reference symbol", _as_number),
    ("beta", "Beta", "Of log returns, against the reference symbol", _as_number),
)


def metrics_of(watch: Watch, symbol: str) -> MetricsView:
    """Every metric of one symbol; empty before the first sample step."""
    table = watch.state.table
    if table is None:
        return MetricsView((), ())
    index = table.symbols.index(symbol)
    decimals = watch.instruments[symbol].price_decimals
    return MetricsView(
        windows=tuple(_window_view(table, window, index) for window in table.windows),
        rows=tuple(
            MetricRow(label, title, tuple(_cell(table, window, metric, index, decimals, shown) for window in table.windows))
            for metric, label, title, shown in _METRICS
        ),
    )


def _cell(table: MetricTable, window: Window, metric: str, index: int, decimals: int, shown: Shown) -> fmt.Signed:
    column = table.values[window.name].get(metric)
    value = float("nan") if column is None else float(column[index])
    return fmt.NOTHING if fmt.known(value) is None else shown(value, decimals)


def _window_view(table: MetricTable, window: Window, index: int) -> WindowView:
    state = int(table.state[window.name][index])
    label = fmt.window_label(window.span_ms)
    share = int(100 * min(1.0, float(table.filled[window.name][index]) / window.length))
    if state & WindowState.STALE:
        return WindowView(label, "stale", "No fresh data: the values are of the last data there was.")
    if state & WindowState.GAP:
        return WindowView(label, "gap", "Some trades of this window did not arrive.")
    if state & WindowState.WARMUP:
        return WindowView(label, f"{min(share, 99)} %", f"Warm-up: {share} per cent of the window are there.")
    return WindowView(label, "", "Full window")
