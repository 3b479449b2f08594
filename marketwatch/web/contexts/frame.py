"""The frame around every page: top bar, notices, navigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...clock import Clock
from ...model.market import GapState, Source
from ...model.system import FeedState, FeedStatus, Level
from ...watch import Watch
from .. import format as fmt
from .bell import BellView, CountView, bell_of, count_of
from .names import coin_name

if TYPE_CHECKING:
    from .cursor import CursorView

_HOUR_MS = 3_600_000
_VENUES = {
    "binance": "Binance",
    "binance-us": "Binance US",
    "coinbase": "Coinbase",
    "demo": "Demo market",
    "simulated": "Demo market",
}
_STATES = {
    FeedState.CONNECTING: ("connecting", "wait"),
    FeedState.LIVE: ("live", "good"),
    FeedState.STALE: ("no fresh data", "bad"),
    FeedState.RECONNECTING: ("reconnecting", "bad"),
    FeedState.ENDED: ("recording ended", "wait"),
    FeedState.FORBIDDEN: ("not served from here", "bad"),
}
_SOURCES = {
    Source.DEMO: ("Demo", "Invented prices: no live market is connected."),
    Source.RECORDED: ("Recorded", "A recording is playing: not the market of now."),
    Source.REPLAY: ("Replay", "The market as it was at an earlier moment."),
}


@dataclass(frozen=True, slots=True)
class NavItem:
    """One link of the navigation."""

    label: str
    href: str
    current: bool = False
    hint: str = ""
    phone: bool = True
    counted: bool = False


@dataclass(frozen=True, slots=True)
class NavGroup:
    """Links under a small heading ("" for none)."""

    heading: str
    items: tuple[NavItem, ...]


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A sentence over the page; `key` lets a person dismiss this episode of it."""

    key: str
    level: str
    message: str
    time: str


@dataclass(frozen=True, slots=True)
class BarState:
    """The right half of the top bar: state of the feed and of the data."""

    venue: str
    state: str
    tone: str  # good, wait or bad
    latency: str
    gaps: str
    gaps_tone: str
    completeness: str


@dataclass(frozen=True, slots=True)
class ClockView:
    """The clock of the top bar; also the heartbeat of the stream."""

    time: str
    now_ms: int
    boot: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that `base.html` needs beside the page itself. `source_word` is empty on the live market, `cursor` None on
    pages that show no market.

    `owner`: whoever looks may change what is everybody's. Fragments are the same for all, so what only they can use has the
    class `owner-only` there, and the page hides it from others. A page of an earlier moment leaves it out."""

    theme: str  # auto, dark or light
    path: str
    source: str
    source_word: str
    source_sentence: str
    bar: BarState
    clock: ClockView
    notices: tuple[NoticeView, ...]
    navigation: tuple[NavGroup, ...]
    bell: BellView
    count: CountView
    version: str
    waiting: str  # not empty while no market is open
    owner: bool = False
    signs_in: bool = False
    """People have accounts here."""
    person: str = ""
    """The name of whoever is signed in."""
    admin: bool = False
    cursor: CursorView | None = None

    @property
    def keeps(self) -> bool:
        """Whoever looks has watchlists of their own, and the page is of now. In fragments the class `add` marks what only they
        can use."""
        return bool(self.person or self.owner) and not self.at

    @property
    def at(self) -> str:
        """The moment as of which the page shows the market, as an address has it; empty now."""
        return "" if self.cursor is None else self.cursor.at


def symbol_href(symbol: str) -> str:
    """The address of a symbol's page; a symbol may hold any character."""
    return "/symbols/" + quote(symbol, safe="")


def market_now_ms(watch: Watch, clock: Clock) -> int:
    """The moment against which ages are measured: the clock's, or the recording's own time."""
    if watch.source in (Source.RECORDED, Source.REPLAY):
        table = watch.state.table
        times = [entry.trade_ms for entry in watch.state.symbols.values() if entry.trade_ms is not None]
        return max([table.time_ms if table is not None else 0, *times])
    return clock.now_ms()


def venue_name(venue: str) -> str:
    return _VENUES.get(venue, venue.title())


def feed_state(state: FeedState) -> tuple[str, str]:
    """Words for a feed's state and its tone."""
    return _STATES[state]


def main_feed(watch: Watch) -> FeedStatus | None:
    """The status of the watch's own venue, else any."""
    feeds = watch.state.feeds
    return feeds.get(watch.venue) or next(iter(feeds.values()), None)


def completeness(watch: Watch, now_ms: int) -> float | None:
    """Per cent of symbol time of the last hour that lies in no gap; None before the first trade."""
    entries = watch.state.symbols.values()
    if not entries or all(entry.trade_ms is None for entry in entries):
        return None
    start = now_ms - _HOUR_MS
    missing = sum(
        max(0, min(gap.to_ms, now_ms) - max(gap.from_ms, start))
        for gap in watch.state.gaps.values()
        if gap.state is not GapState.CLOSED
    )
    return max(0.0, 100.0 * (1.0 - missing / (_HOUR_MS * len(entries))))


def bar_state(watch: Watch | None, now_ms: int) -> BarState:
    """The feed in few words; everything unknown before a market is open."""
    if watch is None:
        return BarState("No market", "connecting", "wait", "", fmt.UNKNOWN, "flat", fmt.UNKNOWN)
    feed = main_feed(watch)
    words, tone = feed_state(feed.state) if feed is not None else feed_state(FeedState.CONNECTING)
    if watch.source is Source.RECORDED and tone == "good":
        words = "playing"
    if watch.source is Source.REPLAY:
        words = "as of then"
    latency = fmt.duration(feed.latency_ms) if feed is not None and fmt.known(feed.latency_ms) is not None else ""
    gaps = len(watch.state.open_gaps())
    whole = completeness(watch, now_ms)
    return BarState(
        venue=venue_name(watch.venue),
        state=words,
        tone=tone,
        latency=latency if tone == "good" else "",
        gaps=f"{gaps}" if gaps < 500 else "500+",
        gaps_tone="warn" if gaps else "flat",
        completeness=_share(whole),
    )


def _share(whole: float | None) -> str:
    if whole is None:
        return fmt.UNKNOWN
    return "100 %" if whole >= 100.0 else fmt.percent(min(whole, 99.99), 2)


def notice_views(watch: Watch | None) -> tuple[NoticeView, ...]:
    """Critical ones first, then the newest."""
    if watch is None:
        return ()
    order = {Level.CRITICAL: 0, Level.WARNING: 1, Level.INFO: 2}
    notices = sorted(watch.state.notices.values(), key=lambda notice: (order[notice.level], -notice.time_ms))
    return tuple(
        NoticeView(f"{notice.key}-{notice.time_ms}", notice.level.value, notice.message, fmt.clock_time(notice.time_ms))
        for notice in notices[:5]
    )


def navigation(watch: Watch | None, path: str) -> tuple[NavGroup, ...]:
    """Only what exists; up to twelve symbols by name."""
    overview = NavItem("Overview", "/", path == "/")
    alerts = NavItem("Alerts", "/alerts", path == "/alerts", counted=True)
    lab = NavItem("Rule lab", "/alerts/lab", path == "/alerts/lab", phone=False)
    portfolio = NavItem("Portfolio", "/portfolio", path.startswith("/portfolio"))
    lists = NavItem("Watchlists", "/watchlist", path == "/watchlist", phone=False)
    screener = NavItem("Screener", "/screener", path == "/screener", phone=False)
    status = NavItem("Status", "/status", path == "/status")
    api = NavItem("API", "/api/docs", path == "/api/docs", phone=False)
    instruments = list(watch.instruments.values())[:12] if watch is not None else []
    bases = [item.base for item in instruments]
    symbols = tuple(
        NavItem(
            item.base if bases.count(item.base) == 1 else item.symbol,
            symbol_href(item.symbol),
            path == symbol_href(item.symbol),
            coin_name(item.base) if coin_name(item.base) != item.base else "",
            phone=False,
        )
        for item in instruments
    )
    groups = [
        NavGroup("", (overview, alerts, lab, screener, portfolio, lists)),
        NavGroup("Symbols", symbols),
        NavGroup("System", (status, api)),
    ]
    return tuple(group for group in groups if group.items)


def build_frame(
    *,
    watch: Watch | None,
    waiting: str,
    clock: Clock,
    boot: str,
    theme: str,
    path: str,
    version: str,
    owner: bool = False,
    signs_in: bool = False,
    person: str = "",
    admin: bool = False,
) -> Frame:
    """The frame for one request."""
    now_ms = market_now_ms(watch, clock) if watch is not None else clock.now_ms()
    word, sentence = _SOURCES.get(watch.source, ("", "")) if watch is not None else ("", "")
    return Frame(
        theme=theme,
        path=path,
        source=watch.source.value if watch is not None else "none",
        source_word=word,
        source_sentence=sentence,
        bar=bar_state(watch, now_ms),
        clock=ClockView(fmt.clock_time(now_ms), now_ms, boot),
        notices=notice_views(watch),
        navigation=navigation(watch, path),
        bell=bell_of(watch, now_ms),
        count=count_of(watch, now_ms),
        version=version,
        waiting=waiting if watch is None else "",
        owner=owner,
        signs_in=signs_in,
        person=person,
        admin=admin,
    )
