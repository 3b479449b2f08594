"""The market overview: one row per symbol, the strip of figures, whales, the feed box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ...model.market import Gap, GapState, Instrument
from ...model.metrics import MetricTable, Window, WindowState
from ...state import SymbolState
from ...watch import Watch
from .. import format as fmt
from .frame import symbol_href
from .names import coin_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
_QUIET_MS = 30_000


@dataclass(frozen=True, slots=True)
class Tag:
    """A short remark beside the number that it concerns; `tone` warn or soft."""

    text: str
    tone: str
    title: str


class RowView(NamedTuple):
    """One symbol of the table. `key` is its place in the watch's list: an id that is safe whatever the symbol is called.

    `flash` is empty, `up` or `down` with a digit that alternates, so that each change starts its animation anew. `spark` is
    the sparkline's points, None to leave the drawn one alone.
    """

    key: int
    symbol: str
    base: str
    name: str
    href: str
    price: str
    change_1h: fmt.Signed
    change_24h: fmt.Signed
    volatility: str
    drawdown: str
    volume: str
    spread: str
    tags: tuple[Tag, ...]
    stale: bool
    flash: str = ""
    spark: SparkView | None = None


@dataclass(frozen=True, slots=True)
class SparkView:
    """A sparkline in a 59 x 40 box; `points` empty where fewer than two minutes are known."""

    points: str
    tone: str


@dataclass(frozen=True, slots=True)
class FigureView:
    """One figure of the strip."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class WhaleView:
    """One whale of the tape."""

    time: str
    time_ms: int
    base: str
    symbol: str
    href: str
    side: str
    value: str
    price: str
    raw_price: float


class Facts(NamedTuple):
    """The numbers of one row, before they become text: what sorting and change detection work on. Unknown is None.

    `quiet_ms` is 0 while trades come, else the age of the last one in steps, so that it does not change with every tick.
    """

    key: int
    instrument: Instrument
    price: float | None
    change_1h: float | None
    change_24h: float | None
    volatility: float | None
    drawdown: float | None
    volume: float | None
    spread: float | None
    quiet_ms: int
    stale: bool
    window_state: int
    gap_ms: int


class Columns(NamedTuple):
    """Columns of the metric table as plain lists, converted once a tick (a scalar read of an array is slow)."""

    change_1h: list[float] | None
    change_24h: list[float] | None
    volatility: list[float] | None
    drawdown: list[float] | None
    spread: list[float] | None
    state: list[int] | None
    rate: list[float] | None


def window_of(table: MetricTable, span_ms: int) -> Window | None:
    """The window of that length, if it is configured."""
    return next((window for window in table.windows if window.span_ms == span_ms), None)


def _column(table: MetricTable, window: Window | None, metric: str) -> list[float] | None:
    if window is None:
        return None
    column = table.values[window.name].get(metric)
    return None if column is None else column.tolist()


def columns_of(table: MetricTable | None) -> Columns:
    """What the overview shows of the metric table."""
    if table is None:
        return Columns(None, None, None, None, None, None, None)
    main = table.windows[0]
    hour, day = window_of(table, _HOUR_MS), window_of(table, _DAY_MS)
    return Columns(
        change_1h=_column(table, hour, "change"),
        change_24h=_column(table, day, "change"),
        volatility=_column(table, main, "volatility"),
        drawdown=_column(table, hour, "drawdown"),
        spread=table.points["spread_bps"].tolist(),
        state=table.state[main.name].tolist(),
        rate=_column(table, main, "trade_rate"),
    )


def _at(column: list[float] | None, index: int) -> float | None:
    if column is None:
        return None
    value = column[index]
    return value if value == value else None  # NaN is not equal to itself


def facts_of(key: int, entry: SymbolState, columns: Columns, now_ms: int, gap_ms: int) -> Facts:
    """The numbers of one symbol now."""
    change_24h = entry.change_24h
    return Facts(
        key=key,
        instrument=entry.instrument,
        price=entry.price,
        change_1h=_at(columns.change_1h, key),
        change_24h=change_24h if change_24h is not None else _at(columns.change_24h, key),
        volatility=_at(columns.volatility, key),
        drawdown=_at(columns.drawdown, key),
        volume=entry.quote_volume_24h,
        spread=_at(columns.spread, key),
        quiet_ms=_quiet_ms(entry, now_ms),
        stale=entry.stale,
        window_state=columns.state[key] if columns.state is not None else int(WindowState.WARMUP),
        gap_ms=gap_ms,
    )


def _quiet_ms(entry: SymbolState, now_ms: int) -> int:
    age = 0 if entry.trade_ms is None else now_ms - entry.trade_ms
    if age < _QUIET_MS:
        return 0
    return age // 5000 * 5000 if age < 60_000 else age // 60_000 * 60_000


def gap_spans(gaps: Sequence[Gap], now_ms: int) -> dict[str, int]:
    """Milliseconds of the last hour that each symbol misses."""
    spans: dict[str, int] = {}
    for gap in gaps:
        if gap.state is not GapState.CLOSED and gap.to_ms > now_ms - _HOUR_MS:
            spans[gap.symbol] = spans.get(gap.symbol, 0) + max(1, gap.to_ms - max(gap.from_ms, now_ms - _HOUR_MS))
    return spans


def all_facts(watch: Watch, now_ms: int, columns: Columns | None = None) -> list[Facts]:
    """The numbers of every symbol, in the order of the watch."""
    columns = columns or columns_of(watch.state.table)
    spans = gap_spans(list(watch.state.gaps.values()), now_ms)
    entries = watch.state.symbols
    return [facts_of(key, entries[symbol], columns, now_ms, spans.get(symbol, 0)) for key, symbol in enumerate(watch.symbols)]


def row_of(facts: Facts) -> RowView:
    """The row in words, without flash and sparkline."""
    instrument = facts.instrument
    return RowView(
        key=facts.key,
        symbol=instrument.symbol,
        base=instrument.base,
        name=_name(instrument) if not (facts.quiet_ms or facts.price is None) else "",
        href=symbol_href(instrument.symbol),
        price=fmt.price(facts.price, instrument.price_decimals),
        change_1h=fmt.signed(facts.change_1h),
        change_24h=fmt.signed(facts.change_24h),
        volatility=fmt.percent(facts.volatility, 3),
        drawdown=fmt.percent(facts.drawdown),
        volume=fmt.compact(facts.volume),
        spread=fmt.basis_points(facts.spread),
        tags=_tags(facts),
        stale=facts.stale or facts.quiet_ms > 0,
    )


def _name(instrument: Instrument) -> str:
    name = coin_name(instrument.base)
    return name if instrument.quote == "USDT" else f"{name} / {instrument.quote}"


def _tags(facts: Facts) -> tuple[Tag, ...]:
    if facts.price is None:
        return (Tag("no data yet", "soft", "No trade has arrived since the start."),)
    tags = []
    if facts.quiet_ms:
        tags.append(Tag(f"no trade for {fmt.duration(facts.quiet_ms)}", "soft", "The price is the last one known."))
    elif facts.stale:
        tags.append(Tag("quiet", "soft", "No trade for longer than is usual for this symbol."))
    if facts.gap_ms:
        text = fmt.duration(facts.gap_ms)
        tags.append(Tag(f"gap {text}", "warn", f"Trades of {text} in the last hour did not arrive."))
    if facts.window_state & WindowState.WARMUP and not tags:
        tags.append(Tag("warm-up", "soft", "The window is not full yet."))
    return tuple(tags)


def with_flash(row: RowView, direction: str, beat: int) -> RowView:
    """The row with the animation of a price that moved `up` or `down`."""
    return row._replace(flash=f"{direction}{beat % 2}")


def spark_of(closes: NDArray[np.float64], tone: str) -> SparkView:
    """The points of a sparkline; unknown minutes at the start are left out."""
    values = closes.tolist()
    found = [(index, value) for index, value in enumerate(values) if value == value]
    if len(found) < 2:
        return SparkView("", "none")
    low = min(value for _, value in found)
    span = max(value for _, value in found) - low
    scale = 36.0 / span if span else 0.0
    width = 59.0 / max(1, len(values) - 1)
    points = " ".join(f"{index * width:.0f},{38.0 - (value - low) * scale if span else 20.0:.0f}" for index, value in found)
    return SparkView(points, tone)


def spark_tone(change: float | None) -> str:
    return "none" if change is None else "down" if change < 0 else "up"


SORTS: dict[str, Callable[[Facts], float | str | None]] = {
    "symbol": lambda facts: facts.instrument.symbol,
    "price": lambda facts: facts.price,
    "1h": lambda facts: facts.change_1h,
    "24h": lambda facts: facts.change_24h,
    "volatility": lambda facts: facts.volatility,
    "drawdown": lambda facts: facts.drawdown,
    "volume": lambda facts: facts.volume,
    "spread": lambda facts: facts.spread,
}
VIEWS: dict[str, tuple[str, str, str]] = {
    "all": ("All", "", ""),
    "gainers": ("Gainers", "24h", "desc"),
    "losers": ("Losers", "24h", "asc"),
    "volatile": ("Volatile", "volatility", "desc"),
}
PAGE_ROWS = 150


class Query(NamedTuple):
    """What the address asks the table to show. `sort` empty: the order of the view."""

    view: str = "all"
    text: str = ""
    sort: str = ""
    direction: str = ""
    page: int = 1

    @classmethod
    def of(cls, given: Callable[[str], str]) -> Query:
        """From query parameters; what is not understood falls back to the default, so that old links go on working."""
        view, sort, direction, page = given("view"), given("sort"), given("dir"), given("page")
        return cls(
            view=view if view in VIEWS else "all",
            text=given("q").strip()[:40],
            sort=sort if sort in SORTS else "",
            direction=direction if direction in ("asc", "desc") else "",
            page=min(int(page), 1000) if page.isascii() and page.isdigit() and 0 < len(page) < 5 and int(page) else 1,
        )


def select(facts: list[Facts], query: Query, first: Sequence[str] = ()) -> list[Facts]:
    """Filtered and sorted, unknown values last in either direction. Unsorted, the symbols of `first` come first."""
    chosen = [item for item in facts if _matches(item, query)]
    _, sort, direction = VIEWS[query.view]
    sort, direction = query.sort or sort, query.direction or (direction if not query.sort else "")
    if not sort:
        places = {symbol: place for place, symbol in enumerate(first)}
        return sorted(chosen, key=lambda item: places.get(item.instrument.symbol, len(places)))
    value = SORTS[sort]
    have = [item for item in chosen if value(item) is not None]
    down = direction == "desc" if direction else sort != "symbol"
    have.sort(key=value, reverse=down)  # type: ignore[arg-type]
    return have + [item for item in chosen if value(item) is None]


def _matches(item: Facts, query: Query) -> bool:
    change = item.change_24h
    if (query.view == "gainers" and not (change or 0) > 0) or (query.view == "losers" and not (change or 0) < 0):
        return False
    if query.view == "volatile" and item.volatility is None:
        return False
    if not query.text:
        return True
    needle = query.text.casefold()
    return needle in item.instrument.symbol.casefold() or needle in coin_name(item.instrument.base).casefold()
