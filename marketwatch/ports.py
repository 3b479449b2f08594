"""What the core needs from outside, as Protocols. Adapters fulfil them; tests hold every twin to one contract."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from .bus import Publish
from .model.alerts import Alert, AlertState, Notification, Pin, Rule, RuleRemoval
from .model.market import Candle, Closes, Gap, Instrument, QuietSpan, Samples, Source, Trade, Whale
from .model.metrics import MetricTable
from .model.silences import Silence
from .model.system import Notice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Feed(Protocol):
    """One source of market data. It publishes `Trades`, `Quotes`, `Tickers`, `VenueCandles`, `Gap`, `FeedStatus`, `Notice`.

    `run` goes on until it is cancelled (live, demo) or its input ends (a recording); it never raises for what a venue does.
    `publish` is replaced by the bus of the watch between `instruments()` and `run()`.
    """

    publish: Publish

    @property
    def venue(self) -> str: ...

    @property
    def source(self) -> Source: ...

    async def instruments(self) -> list[Instrument]:
        """The pairs this feed will watch, in a stable order. Raises FeedError when the venue cannot be reached."""

    async def history(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        """Closed candles of the venue with open times in [from_ms, to_ms), oldest first; empty where it has none."""

    async def run(self) -> None: ...


@runtime_checkable
class Resumable(Protocol):
    """A feed that can tell, and refill, what it missed since an earlier run: `resume` gives (last id, time_ms) per symbol."""

    resume: Mapping[str, tuple[int, int]]


@dataclass(slots=True)
class WriteBatch:
    """What one transaction of the store takes. Everything is an upsert: writing the same fact twice changes nothing."""

    instruments: list[Instrument] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    whales: list[Whale] = field(default_factory=list)
    candles: list[Candle] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    aggregates: list[TradeAggregate] = field(default_factory=list)
    venue_candles: list[Candle] = field(default_factory=list)
    """The venue's closed candles: they fill holes and replace our own where these have a gap."""
    metrics: MetricTable | None = None
    """The metric table of the moment: replaces the rows of `metrics`."""
    rules: list[Rule] = field(default_factory=list)
    """Versions of rules; older versions stay."""
    removals: list[RuleRemoval] = field(default_factory=list)
    """Rules that a person has deleted, or wants back."""
    alerts: list[Alert] = field(default_factory=list)
    """Oldest fact first. A resolved alert stays resolved; a pending one that ends without firing is removed again."""
    notifications: list[Notification] = field(default_factory=list)
    """What is to be told of `alerts`; one that is stored already stays as it is."""
    pins: list[Pin] = field(default_factory=list)
    """Spans of samples and trades that retention leaves alone."""
    quiet: list[QuietSpan] = field(default_factory=list)
    """Spans in which rules rested; the newest fact about one replaces the older ones."""

    def __len__(self) -> int:
        return (
            len(self.instruments) + len(self.samples) + len(self.trades) + len(self.whales) + len(self.candles)
            + len(self.gaps) + len(self.aggregates) + len(self.venue_candles) + (self.metrics is not None)
            + len(self.rules) + len(self.removals) + len(self.alerts) + len(self.pins) + len(self.quiet)
        )  # fmt: skip


class TradeAggregate(NamedTuple):
    """Running totals of a symbol: a row of `trade_aggregates`."""

    symbol: str
    moving_average: float | None
    trade_count: int
    total_volume: float
    updated_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class SampleColumns:
    """Stored samples of ONE symbol, oldest first; all columns of one length."""

    symbol: str
    sample_ms: int
    time_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    price: NDArray[np.float64]
    volume: NDArray[np.float64]
    notional: NDArray[np.float64]
    taker_buy_volume: NDArray[np.float64]
    trades: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    first_id: NDArray[np.int64]
    last_id: NDArray[np.int64]
    gap: NDArray[np.bool_]


class SampleMarks(NamedTuple):
    """Where samples are stored, over all symbols: starts of the oldest step, of the last one before a moment, of the first one
    from it on, and of the newest. None where there is none."""

    oldest_ms: int | None
    before_ms: int | None
    after_ms: int | None
    newest_ms: int | None


class StoredTrade(NamedTuple):
    """A trade as stored: a row of `trades`."""

    trade: Trade
    value_usd: float | None
    is_whale: bool


class StoreStats(NamedTuple):
    """What the status page shows of the store."""

    kind: str  # "sqlite" or "postgresql"
    location: str  # path, or host/database without secrets
    bytes: int | None
    rows: dict[str, int]  # per table, estimated where counting is slow
    schema_version: int
    oldest_sample_ms: int | None
    newest_sample_ms: int | None
    detail: str = ""  # e.g. "TimescaleDB 2.17", "native partitions by day"


class StoreProfile(NamedTuple):
    """How a store wants to be used. `spool`: under which name writes are kept while it is away (None: they are not).

    `read_only`: why this process may only read (another one writes), None when it may write.
    """

    kind: str
    write_every_s: float
    spool: str | None
    read_only: str | None


class MarketStore(Protocol):
    """Durable market facts. Raises StoreUnavailable when a later try may succeed, StoreError otherwise.

    An answered `write` is a committed write. All `from_ms` are inclusive, all `to_ms` exclusive.
    """

    async def open(self) -> None:
        """Connect, check the file, migrate. Raises StoreDamaged, MigrationError, StoreUnavailable."""

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Raise StoreUnavailable unless a row can be written now."""

    async def write(self, batch: WriteBatch) -> None:
        """Commit the whole batch or nothing."""

    async def samples(
        self, symbol: str, from_ms: int, to_ms: int, *, held_ms: int = 0, columns: Collection[str] | None = None
    ) -> SampleColumns:
        """Stored rows of the span, oldest first, and in front of them the newest of the `held_ms` before it: the one that holds
        when the span begins. With `columns` only these (and time and gap flag) are read, from packed hours where there are
        some: made for long spans. The others are unknown then."""

    async def pack(self, *, newest_ms: int, most: int) -> int:
        """Pack at most `most` finished hours of samples for reading by column, each in a short transaction; answers how many.
        `newest_ms`: time of the newest sample."""

    async def sample_marks(self, at_ms: int) -> SampleMarks: ...

    async def candles(
        self, symbol: str, interval: str, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 1000
    ) -> list[Candle]:
        """At most `limit`, the newest of the span, oldest first."""

    async def closes(self, symbol: str, interval: str, *, from_ms: int, to_ms: int) -> Closes:
        """Closing prices alone, oldest first, for long spans."""

    async def trades(
        self, symbol: str, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 100
    ) -> list[StoredTrade]:
        """Newest first."""

    async def whales(
        self,
        symbol: str | None = None,
        *,
        min_usd: float = 0.0,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
    ) -> list[StoredTrade]:
        """Newest first, over all symbols when `symbol` is None."""

    async def gaps(
        self, symbol: str | None = None, *, from_ms: int | None = None, to_ms: int | None = None, limit: int = 1000
    ) -> list[Gap]:
        """Gaps that overlap the span, newest first."""

    async def quiet(self, symbol: str, *, from_ms: int, to_ms: int, limit: int = 100_000) -> list[QuietSpan]:
        """Spans of `[from_ms, to_ms)` in which rules of the symbol rested, newest first."""

    async def open_quiet(self) -> list[QuietSpan]:
        """Those that go on, or that a process that died left so."""

    async def instruments(self) -> list[Instrument]: ...

    async def retain(self, *, now_ms: int, days: float, max_bytes: int) -> int:
        """Delete the oldest samples and trades beyond age or size, with the quiet spans of that time (pinned ones and all else
        stay); answers how many samples and trades."""

    async def stats(self) -> StoreStats: ...

    async def last_trades(self, *, now_ms: int) -> dict[str, tuple[int, int]]:
        """Per symbol (id of the last stored trade, start of its sample step in ms), of the last two days: where to resume."""

    async def aggregates(self) -> list[TradeAggregate]: ...

    async def alerts(
        self,
        *,
        state: AlertState | None = None,
        symbol: str | None = None,
        rule_id: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """Episodes that fired (or began to pend) in the span, newest first."""

    async def standing_alerts(self, at_ms: int, limit: int = 500) -> list[Alert]:
        """Episodes that had begun by `at_ms` and were not over then, as they are known now, newest first."""

    async def alert(self, alert_id: str) -> Alert | None: ...

    async def rules(self, rule_id: str | None = None, *, every_version: bool = False) -> list[Rule]:
        """The newest version of every rule (of one when named) by rule id, or all versions, newest first."""

    async def removals(self) -> list[RuleRemoval]:
        """The rules that are deleted now, by rule id."""

    async def acknowledge(self, alert_id: str, at_ms: int | None) -> bool:
        """Somebody has seen the alert; the first time counts. None takes it back. False where there is no such alert."""

    async def put_silence(self, silence: Silence) -> None:
        """A new silence, or the early end of one that is stored; the first end counts, nothing else of it changes."""

    async def silences(self, *, limit: int = 1000) -> list[Silence]:
        """Those that end last first, so that what is in force is never left out; past ones are kept."""

    async def mark_notice(self, notice: Notification) -> bool:
        """Commit state, attempts, last error and times of a waiting notice. False where it no longer waits."""

    async def outbox(self, *, state: str | None = None, limit: int = 100) -> list[Notification]:
        """Notices, oldest first."""

    async def deliveries(
        self, *, state: str | None = None, channel: str | None = None, alert_id: str | None = None, limit: int = 100
    ) -> list[Notification]:
        """Notices, newest first: of one alert, or by state and channel."""

    async def revive(self, notification_id: str | None = None) -> int:
        """Let a dead letter, or all of them, wait once more as if never tried; answers how many."""

    async def discard(self, notification_id: str) -> bool:
        """Give up a notice that waits or is dead, for good. False where there is no such one."""

    @property
    def profile(self) -> StoreProfile: ...

    def take_notices(self) -> list[Notice]:
        """What happened to the database since the last call, for the person at the screen."""


class UserDatabase(Protocol):
    """The user's own database, whatever market is watched: where what a person has made is kept."""

    @property
    def begun(self) -> bool:
        """Whether there may be anything in it."""

    @property
    def at_hand(self) -> bool:
        """Whether it is open anyway."""

    def reach(self) -> AbstractAsyncContextManager[MarketStore]:
        """The open database for a moment. Raises StoreError."""


class DurableStore(MarketStore, Protocol):
    """A store of our own making: what `open_store` answers."""

    async def backup(self, out: Path, progress: Callable[[int], None] | None = None) -> int:
        """All data as of one moment into one portable file; answers its rows. Raises StoreError."""

    async def restore(self, file: Path, *, force: bool = False, progress: Callable[[int], None] | None = None) -> int:
        """A backup of either kind of database, all or nothing; into one that holds data only with `force`."""
