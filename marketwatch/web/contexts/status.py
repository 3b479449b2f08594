"""The status page: feeds, gaps, store, data checks, process, settings."""

from __future__ import annotations

from dataclasses import dataclass

from ...config import Settings
from ...model.market import Gap
from ...model.system import FeedStatus, WriterStatus
from ...ports import StoreStats
from ...watch import Watch
from .. import format as fmt
from .frame import feed_state, venue_name
from .gaps import GapView, gap_view

_MOST_GAPS = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and its value; `tone` good, warn, bad or flat."""

    name: str
    value: str
    tone: str = "flat"


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One feed of the table."""

    venue: str
    state: str
    tone: str
    since: str
    endpoint: str
    latency: str
    offset: str
    messages: str
    trades: str
    connections: str
    rejected: str
    detail: str


@dataclass(frozen=True, slots=True)
class FeedsView:
    """All feeds of the watch."""

    feeds: tuple[FeedRow, ...]


@dataclass(frozen=True, slots=True)
class BoxView:
    """A titled list of pairs; `sentence` stands below when something needs words, `href` leads to more."""

    key: str
    title: str
    pairs: tuple[Pair, ...]
    sentence: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class AllGapsView:
    """Gaps of all symbols, newest first; `more` older ones are not shown."""

    gaps: tuple[GapView, ...]
    more: int


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as text, secrets blanked."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Process:
    """What the program measured of itself. Milliseconds, bytes, counts; None where unknown."""

    version: str
    python: str
    uptime_ms: float
    memory_bytes: int
    loop_lag_ms: float | None
    clients: int
    slow_clients: int
    render_ms: float
    render_failures: int


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The newest answer of the store, or why there is none."""

    stats: StoreStats | None
    problem: str


@dataclass(frozen=True, slots=True)
class HealthView:
    """Whether the program can do its work: no reasons means yes, None that it was not asked yet."""

    reasons: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The page `/status`."""

    health: HealthView
    feeds: FeedsView
    boxes: tuple[BoxView, ...]
    gaps: AllGapsView
    settings: tuple[SettingRow, ...]
    stream: str


def feeds_of(watch: Watch, now_ms: int) -> FeedsView:
    """Every feed that has reported."""
    return FeedsView(tuple(_feed_row(status, now_ms) for status in watch.state.feeds.values()))


def _feed_row(status: FeedStatus, now_ms: int) -> FeedRow:
    words, tone = feed_state(status.state)
    rejected = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(status.rejected.items()))
    return FeedRow(
        venue=venue_name(status.venue),
        state=words,
        tone=tone,
        since=fmt.long_duration(max(0, now_ms - status.since_ms) // 1000 * 1000),
        endpoint=status.endpoint or fmt.UNKNOWN,
        latency=fmt.duration(status.latency_ms),
        offset=fmt.duration(status.clock_offset_ms),
        messages=fmt.whole(status.messages),
        trades=fmt.whole(status.trades),
        connections=f"{status.connections} / {status.reconnects}",
        rejected=rejected or "none",
        detail=status.detail,
    )


def all_gaps(gaps: list[Gap]) -> AllGapsView:
    """Newest first."""
    ordered = sorted(gaps, key=lambda gap: -gap.from_ms)
    return AllGapsView(tuple(gap_view(gap) for gap in ordered[:_MOST_GAPS]), max(0, len(ordered) - _MOST_GAPS))


def store_box(facts: StoreFacts) -> BoxView:
    """The database."""
    stats = facts.stats
    if stats is None:
        return BoxView("store", "Store", (Pair("State", "no answer", "bad"),), facts.problem)
    rows = tuple(Pair(f"Rows in {table}", fmt.whole(count)) for table, count in stats.rows.items())
    pairs = (
        Pair("Kind", {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(stats.kind, stats.kind)),
        Pair("Place", stats.location),
        Pair("Size", fmt.size(stats.bytes)),
        Pair("Schema", str(stats.schema_version)),
        Pair("Samples since", fmt.date_time(stats.oldest_sample_ms)),
        Pair("Samples until", fmt.date_time(stats.newest_sample_ms)),
    )
    return BoxView("store", "Store", (*pairs, *rows), facts.problem or stats.detail)


def writer_box(status: WriterStatus | None, now_ms: int) -> BoxView:
    """What waits to be stored, and what was lost on the way. `now_ms` is the clock's."""
    if status is None:
        return BoxView("writer", "Writer", (Pair("State", "has not reported yet"),))
    away = status.away_since_ms
    state = Pair("State", "working", "good") if away is None else Pair("State", "the database is away", "bad")
    ago = None if status.last_write_ms is None else max(0, now_ms - status.last_write_ms) // 1000 * 1000
    took = None if status.last_write_s is None else 1000.0 * status.last_write_s
    pairs = (
        state,
        Pair("Waiting in memory", fmt.whole(status.depth)),
        Pair("Waiting on disk", fmt.size(status.spool_bytes)),
        Pair("Rows written", fmt.whole(status.rows_written)),
        Pair("Last write", f"{fmt.long_duration(ago)} ago" if ago is not None else fmt.UNKNOWN),
        Pair("It took", fmt.duration(took)),
        Pair("Kept on disk meanwhile", fmt.whole(status.spilled)),
        Pair("Lost for want of room", fmt.whole(status.dropped), "bad" if status.dropped else "flat"),
        Pair("Refused by the database", fmt.whole(status.rejected), "bad" if status.rejected else "flat"),
        Pair("Left to another process", fmt.whole(status.ignored)),
    )
    return BoxView("writer", "Writer", pairs, status.last_error or "")


def process_box(process: Process) -> BoxView:
    """The program itself."""
    lag = process.loop_lag_ms
    pairs = (
        Pair("Version", process.version),
        Pair("Python", process.python),
        Pair("Running for", fmt.long_duration(process.uptime_ms // 1000 * 1000)),
        Pair("Memory", fmt.size(process.memory_bytes)),
        Pair("Loop lag", fmt.UNKNOWN if lag is None else f"{lag:.1f} ms", "warn" if lag is not None and lag > 100 else "flat"),
        Pair("Open streams", f"{process.clients:,}" + (f", {process.slow_clients} slow" if process.slow_clients else "")),
        Pair("Page tick", f"{process.render_ms:.1f} ms"),
        Pair("Failed page ticks", str(process.render_failures), "bad" if process.render_failures else "flat"),
    )
    return BoxView("process", "Program", pairs)


def data_box(watch: Watch, settings: Settings) -> BoxView:
    """Whether the numbers can be trusted."""
    checked, unlike = sum(watch.candles.checked.values()), sum(watch.candles.mismatches.values())
    late, unknown = watch.sampler.late_dropped, watch.sampler.unknown
    table = watch.state.table
    pairs = (
        Pair("Source", watch.source.value),
        Pair("Symbols", fmt.whole(len(watch.symbols))),
        Pair("Sample step", f"{settings.sample_ms} ms"),
        Pair("Newest sample", fmt.date_time(table.time_ms if table is not None else None)),
        Pair("Candles checked against the venue", fmt.whole(checked)),
        Pair("Candles unlike the venue's", fmt.whole(unlike), "warn" if unlike else "flat"),
        Pair("Trades too late for their sample", fmt.whole(late), "warn" if late else "flat"),
        Pair("Trades of unknown symbols", fmt.whole(unknown), "warn" if unknown else "flat"),
    )
    return BoxView("data", "Data", pairs)


def settings_rows(settings: Settings) -> tuple[SettingRow, ...]:
    """Every setting, secrets blanked."""
    return tuple(SettingRow(name, value or fmt.UNKNOWN) for name, value in settings.described().items())
