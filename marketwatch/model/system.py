"""What the program knows about itself: feeds, notices."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from .market import Source


class FeedState(StrEnum):
    """CONNECTING: never had data. LIVE: data is fresh. STALE: connected, data is not fresh. RECONNECTING: the line is down.

    ENDED: a recording ran out. FORBIDDEN: no endpoint serves us from here.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    RECONNECTING = "reconnecting"
    ENDED = "ended"
    FORBIDDEN = "forbidden"


class FeedStatus(NamedTuple):
    """The state of one feed, published at every change and about once a second.

    `latency_ms`: receipt minus event time after the clock offset, median of the last seconds. `clock_offset_ms`: local clock
    minus the venue's clock, estimated. `messages` and the rest count since the start of the feed; `rejected` counts skipped
    messages by reason.
    """

    venue: str
    source: Source
    state: FeedState
    endpoint: str
    since_ms: int
    last_data_ms: int | None = None
    latency_ms: float | None = None
    clock_offset_ms: float | None = None
    connections: int = 0
    reconnects: int = 0
    messages: int = 0
    trades: int = 0
    rejected: dict[str, int] = {}
    detail: str = ""


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Notice(NamedTuple):
    """A sentence for the person at the screen. `key` names the episode: a newer notice replaces it, `over` ends it."""

    key: str
    level: Level
    message: str
    time_ms: int
    over: bool = False


class WriterStatus(NamedTuple):
    """The state of the store's writer, published once a second. Counts are of facts (rows to be), since the start.

    `depth`: waiting in memory. `spool_bytes`: waiting on disk. `dropped`: lost for want of room. `rejected`: never taken by the
    database. `ignored`: another process writes them. `away_since_ms`: the database does not answer since then.
    """

    depth: int
    spool_bytes: int
    rows_written: int
    dropped: int
    spilled: int
    rejected: int
    ignored: int
    last_write_ms: int | None
    last_write_s: float | None
    last_error: str | None
    away_since_ms: int | None


class DeliveryStatus(NamedTuple):
    """The state of notices to the outside, published when it changes. Counts since the start, but `waiting`.

    `failed`: attempts that were not accepted. `dead`: notices given up. `failing`: channels that keep failing, with the reason.
    `lately`: how many went out one by one in the last minute, by channel.
    """

    channels: tuple[str, ...]
    waiting: int
    sent: int
    failed: int
    dead: int
    failing: dict[str, str]
    lately: dict[str, int] = {}


class MirrorStatus(NamedTuple):
    """The copy of the market in Redis, published at each round. `a_day`: commands a day at most, 0 for no bound."""

    commands_today: int
    a_day: int
