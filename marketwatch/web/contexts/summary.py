"""The overview's other parts: strip of figures, whales, feed box, and the page as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlencode

from ...model.market import Source, Whale
from ...watch import Watch
from .. import format as fmt
from .alerts import FiringView, firing_of
from .frame import feed_state, main_feed, symbol_href, venue_name
from .overview import (
    PAGE_ROWS,
    VIEWS,
    Columns,
    Facts,
    FigureView,
    Query,
    RowView,
    WhaleView,
    all_facts,
    columns_of,
    row_of,
    select,
    spark_of,
    spark_tone,
)

_HOUR_MS = 3_600_000
_CARDS = 12


@dataclass(frozen=True, slots=True)
class StripView:
    """The strip of figures over the table."""

    figures: tuple[FigureView, ...]


@dataclass(frozen=True, slots=True)
class WhalesView:
    """The newest whales; `threshold` says what counts as one."""

    whales: tuple[WhaleView, ...]
    threshold: str


@dataclass(frozen=True, slots=True)
class FeedView:
    """The feed in words, for the box beside the table."""

    venue: str
    state: str
    tone: str
    latency: str
    offset: str
    trades: str
    reconnects: str
    gaps: str
    detail: str


@dataclass(frozen=True, slots=True)
class HeadView:
    """A column heading that is a link. `hide` is the class that drops the column on small screens."""

    label: str
    href: str
    sorted: str  # "", ascending or descending
    hide: str


@dataclass(frozen=True, slots=True)
class ChipView:
    """A filter chip."""

    label: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class MarketView:
    """The table with everything that steers it."""

    rows: tuple[RowView, ...]
    heads: tuple[HeadView, ...]
    chips: tuple[ChipView, ...]
    query: Query
    total: int
    shown: str
    previous: str
    next: str
    cards: bool


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The page `/`."""

    strip: StripView
    market: MarketView
    firing: FiringView
    whales: WhalesView
    feed: FeedView
    stream: str


def strip_of(watch: Watch, facts: list[Facts], columns: Columns, now_ms: int) -> StripView:
    """Share of BTC, advancing and declining, whales, volatility, trade rate."""
    changes = [item.change_24h for item in facts if item.change_24h is not None]
    up, down = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    sizes = [item.volatility for item in facts if item.volatility is not None]
    rate = sum(value for value in columns.rate if value == value) if columns.rate is not None else None
    table = watch.state.table
    span = fmt.window_label(table.windows[0].span_ms) if table is not None else "30 s"
    return StripView(
        (
            FigureView("BTC share of volume", fmt.percent(_bitcoin_share(facts), 1), "24 h, in dollars"),
            FigureView("Advancing / declining", f"{up} / {down}" if changes else fmt.UNKNOWN, "24 h"),
            FigureView("Whales, last hour", _whales_last_hour(watch, now_ms)),
            FigureView(f"Median volatility, {span}", fmt.percent(median(sizes), 3) if sizes else fmt.UNKNOWN),
            FigureView("Trades a second", fmt.number(rate, 1), "all symbols"),
        )
    )


def _bitcoin_share(facts: list[Facts]) -> float | None:
    volumes = [(item.instrument, item.volume) for item in facts if item.volume and item.instrument.in_dollars]
    total = sum(volume for _, volume in volumes)
    bitcoin = [volume for instrument, volume in volumes if instrument.base == "BTC"]
    return 100.0 * sum(bitcoin) / total if bitcoin and total > 0 else None


def _whales_last_hour(watch: Watch, now_ms: int) -> str:
    whales = watch.state.whales
    count = sum(now_ms - whale.trade.time_ms <= _HOUR_MS for whale in whales)
    return f"{count}+" if count == whales.maxlen else str(count)


def whale_view(whale: Whale, watch: Watch) -> WhaleView:
    """One whale in words; `buyer_is_maker` means that the taker sold."""
    trade = whale.trade
    instrument = watch.instruments[trade.symbol]
    return WhaleView(
        time=fmt.clock_time(trade.time_ms),
        time_ms=trade.time_ms,
        base=instrument.base,
        symbol=trade.symbol,
        href=symbol_href(trade.symbol),
        side="sell" if trade.buyer_is_maker else "buy",
        value="$" + fmt.whole(whale.value_usd),
        price=fmt.price(trade.price, instrument.price_decimals),
        raw_price=trade.price,
    )


def whales_of(watch: Watch, symbol: str | None = None, limit: int = 12) -> WhalesView:
    """The newest first, of one symbol or of all."""
    found = [whale for whale in reversed(watch.state.whales) if symbol in (None, whale.trade.symbol)][:limit]
    of = symbol or next(iter(watch.symbols), "")
    threshold = watch.whales.threshold(of) if of else None
    return WhalesView(tuple(whale_view(whale, watch) for whale in found), "$" + fmt.whole(threshold))


def feed_view(watch: Watch) -> FeedView:
    """The status of the watch's own venue."""
    feed = main_feed(watch)
    gaps = str(len(watch.state.open_gaps()))
    if watch.source is Source.REPLAY:
        unknown = fmt.UNKNOWN
        sentence = "How the feed was doing then is not stored."
        return FeedView(venue_name(watch.venue), "not known", "wait", unknown, unknown, unknown, unknown, gaps, sentence)
    if feed is None:
        return FeedView(venue_name(watch.venue), "connecting", "wait", fmt.UNKNOWN, fmt.UNKNOWN, "0", "0", gaps, "")
    words, tone = feed_state(feed.state)
    return FeedView(
        venue=venue_name(feed.venue),
        state=words,
        tone=tone,
        latency=fmt.duration(feed.latency_ms),
        offset=fmt.duration(feed.clock_offset_ms),
        trades=fmt.whole(feed.trades),
        reconnects=str(feed.reconnects),
        gaps=gaps,
        detail=feed.detail,
    )


def address(query: Query, **changes: str | int) -> str:
    """`/?...` with only what differs from the default."""
    changed = query._replace(**changes)  # type: ignore[arg-type]
    given = {
        "view": changed.view if changed.view != "all" else "",
        "q": changed.text,
        "sort": changed.sort,
        "dir": changed.direction,
        "page": str(changed.page) if changed.page > 1 else "",
    }
    parameters = urlencode({name: value for name, value in given.items() if value})
    return "/?" + parameters if parameters else "/"


_HEADS = (
    ("Symbol", "symbol", ""), ("Price", "price", ""), ("1 h", "1h", ""), ("24 h", "24h", ""),
    ("Volatility {window}", "volatility", "wide"), ("Drawdown 1 h", "drawdown", "wide drawdown"),
    ("Volume 24 h", "volume", "mid"), ("Spread", "spread", "wide spread"),
)  # fmt: skip


def heads_of(query: Query, window: str) -> tuple[HeadView, ...]:
    """Headings as links: a first click sorts downwards (names upwards), a second one turns it round."""
    _, view_sort, view_direction = VIEWS[query.view]
    sort = query.sort or view_sort
    first = "asc" if sort == "symbol" else "desc"
    direction = query.direction or (first if query.sort else view_direction)
    heads = []
    for label, name, hide in _HEADS:
        now = direction if name == sort else ""
        start = "asc" if name == "symbol" else "desc"
        turned = {"asc": "desc", "desc": "asc"}.get(now, start)
        word = {"asc": "ascending", "desc": "descending"}.get(now, "")
        heads.append(HeadView(label.format(window=window), address(query, sort=name, direction=turned, page=1), word, hide))
    return tuple(heads)


def chips_of(query: Query, everything: str) -> tuple[ChipView, ...]:
    """The views; choosing one forgets the sorting."""
    return tuple(
        ChipView(everything if name == "all" else label, address(Query(view=name, text=query.text)), name == query.view)
        for name, (label, _, _) in VIEWS.items()
    )


def market_of(watch: Watch, facts: list[Facts], query: Query, *, everything: str, first: Sequence[str] = ()) -> MarketView:
    """The table for one request, with a sparkline in each row. `first`: symbols that somebody wants to see first."""
    chosen = select(facts, query, first)
    pages = max(1, -(-len(chosen) // PAGE_ROWS))
    page = min(query.page, pages)
    start = (page - 1) * PAGE_ROWS
    part = chosen[start : start + PAGE_ROWS]
    table = watch.state.table
    window = fmt.window_label(table.windows[0].span_ms) if table is not None else "30 s"
    several = f"{start + 1} to {start + len(part)} of {len(chosen)}" if pages > 1 else ""
    return MarketView(
        rows=tuple(row_with_spark(watch, item) for item in part),
        heads=heads_of(query, window),
        chips=chips_of(query, everything),
        query=query,
        total=len(facts),
        shown=several,
        previous=address(query, page=page - 1) if page > 1 else "",
        next=address(query, page=page + 1) if page < pages else "",
        cards=len(facts) <= _CARDS,
    )


def row_with_spark(watch: Watch, facts: Facts) -> RowView:
    """A whole row, as the page includes it."""
    closes = watch.engine.sparkline(facts.instrument.symbol, 60)
    return row_of(facts)._replace(spark=spark_of(closes, spark_tone(facts.change_1h)))


def overview_page(
    watch: Watch, query: Query, *, now_ms: int, everything: str, stream: str, first: Sequence[str] = ()
) -> OverviewPage:
    """The whole page `/`. The stream changes rows where they stand, so their order is the page's own."""
    columns = columns_of(watch.state.table)
    facts = all_facts(watch, now_ms, columns)
    return OverviewPage(
        strip=strip_of(watch, facts, columns, now_ms),
        market=market_of(watch, facts, query, everything=everything, first=first),
        firing=firing_of(watch, now_ms),
        whales=whales_of(watch),
        feed=feed_view(watch),
        stream=stream,
    )
