"""`/api/system/status`: what the program knows about itself."""

from __future__ import annotations

import asyncio

import msgspec

from ... import __version__
from ...errors import StoreError
from ...model.market import Gap
from ...model.system import FeedStatus
from ...ports import StoreStats
from ..envelope import iso
from ..resident import resident_bytes
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery

_STATS_S = 3.0
_STATS_KEPT_S = 10.0
_GAPS = 50


class FeedRow(msgspec.Struct, frozen=True):
    """One feed. `latency_ms`: receipt minus event time; `clock_offset_ms`: local clock minus the venue's."""

    venue: str
    source: str
    state: str
    since: str
    last_data: str | None
    age_ms: int | None
    latency_ms: float | None
    clock_offset_ms: float | None
    connections: int
    reconnects: int
    messages: int
    trades: int
    rejected: dict[str, int]
    detail: str


class GapRow(msgspec.Struct, frozen=True):
    """A span of trades that did not arrive; `state` closed: all came in later, lost: given up."""

    gap_id: str
    venue: str
    symbol: str
    reason: str
    state: str
    from_time: str = msgspec.field(name="from")
    to_time: str = msgspec.field(name="to")
    from_id: int | None
    to_id: int | None
    refilled: int


class StoreRow(msgspec.Struct, frozen=True):
    """The database; `error` says why it could not be asked."""

    kind: str | None
    bytes: int | None
    rows: dict[str, int]
    schema_version: int | None
    oldest_sample: str | None
    newest_sample: str | None
    detail: str
    error: str | None


class NoticeRow(msgspec.Struct, frozen=True):
    """A sentence for the person at the screen."""

    level: str
    message: str
    time: str


class CandleChecks(msgspec.Struct, frozen=True):
    """Our closed one-minute candles against the venue's."""

    checked: int
    mismatches: int


class Status(msgspec.Struct, frozen=True):
    """Feeds, gaps, database, memory, build."""

    version: str
    symbols: int
    market_time: str | None
    feeds: list[FeedRow]
    notices: list[NoticeRow]
    open_gaps: int
    gaps: list[GapRow]
    candle_checks: CandleChecks
    late_dropped: int
    store: StoreRow
    stream_clients: int
    resident_bytes: int


async def status(desk: Desk, _query: NoQuery) -> Status:
    """Everything at once; a database that does not answer is named, the rest is told all the same."""
    watch = desk.watch
    state = watch.state
    return Status(
        version=__version__,
        symbols=len(watch.symbols),
        market_time=iso(state.table.time_ms) if state.table is not None else None,
        feeds=[_feed(desk, row) for row in state.feeds.values()],
        notices=[NoticeRow(one.level.value, one.message, iso(one.time_ms)) for one in state.notices.values()],
        open_gaps=len(state.open_gaps()),
        gaps=[_gap(gap) for gap in list(state.gaps.values())[-_GAPS:]],
        candle_checks=CandleChecks(sum(watch.candles.checked.values()), sum(watch.candles.mismatches.values())),
        late_dropped=watch.sampler.late_dropped,
        store=await store_row(desk),
        stream_clients=desk.hub.clients,
        resident_bytes=resident_bytes(),
    )


def _feed(desk: Desk, row: FeedStatus) -> FeedRow:
    now = desk.market_now_ms()
    return FeedRow(
        venue=row.venue,
        source=row.source.value,
        state=row.state.value,
        since=iso(row.since_ms),
        last_data=None if row.last_data_ms is None else iso(row.last_data_ms),
        age_ms=None if row.last_data_ms is None else max(0, now - row.last_data_ms),
        latency_ms=row.latency_ms,
        clock_offset_ms=row.clock_offset_ms,
        connections=row.connections,
        reconnects=row.reconnects,
        messages=row.messages,
        trades=row.trades,
        rejected=dict(row.rejected),
        detail=row.detail,
    )


def _gap(gap: Gap) -> GapRow:
    return GapRow(
        gap.gap_id,
        gap.venue,
        gap.symbol,
        gap.reason.value,
        gap.state.value,
        iso(gap.from_ms),
        iso(gap.to_ms),
        gap.from_id,
        gap.to_id,
        gap.refilled,
    )


async def store_row(desk: Desk) -> StoreRow:
    """What the database said of itself at most ten seconds ago."""
    return await desk.kept("store", _STATS_KEPT_S, lambda: _store(desk))


async def _store(desk: Desk) -> StoreRow:
    try:
        async with asyncio.timeout(_STATS_S):
            return _row(await desk.store.stats())
    except TimeoutError:
        error = f"The database has not answered for {_STATS_S:.0f} s."
    except StoreError as failure:
        error = str(failure)
    return StoreRow(None, None, {}, None, None, None, "", error)


def _row(stats: StoreStats) -> StoreRow:
    oldest, newest = (None if ms is None else iso(ms) for ms in (stats.oldest_sample_ms, stats.newest_sample_ms))
    return StoreRow(stats.kind, stats.bytes, stats.rows, stats.schema_version, oldest, newest, stats.detail, None)


ENDPOINTS = (Endpoint("/api/system/status", "Feeds, gaps, database", NoQuery, Status, status, "system"),)
