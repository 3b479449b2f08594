"""The oracle: what the fake venue truly did, and a checker that holds a subscriber to it.

The rule: every print that happened is accepted exactly once, or lies inside a recorded gap that says so.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from marketwatch.bus import Bus
from marketwatch.model.market import (
    Gap,
    GapState,
    Pulse,
    Quotes,
    Staleness,
    Tickers,
    Trade,
    Trades,
    VenueCandles,
)
from marketwatch.model.system import FeedState, FeedStatus, Notice

from .venue_ledger import Ledger


class Sent(NamedTuple):
    """One frame that told prints `first_id..last_id` of a stream went to one connection."""

    at_ms: int
    connection: int
    stream: str
    first_id: int
    last_id: int


class Line(NamedTuple):
    """Something that happened to a connection: opened, closed, subscribed, cut, pinged ..."""

    at_ms: int
    connection: int
    what: str
    detail: str = ""


class Call(NamedTuple):
    """One REST request and how it was answered (status 0: the connection was cut instead)."""

    at_ms: int
    path: str
    query: dict[str, str]
    status: int
    weight: int


@dataclass(slots=True)
class Journal:
    """Everything the venue sent, to whom; times are the venue's. `frames` counts all frames by stream."""

    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=2_000_000))
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=100_000))
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=100_000))
    frames: Counter[str] = field(default_factory=Counter)

    def lines_of(self, what: str) -> list[Line]:
        return [line for line in self.lines if line.what == what]

    def calls_to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]


class Tap:
    """Records what a feed publishes. Give `publish` to the feed, or `attach` it to the bus of a whole watch."""

    def __init__(self) -> None:
        self.trades: list[tuple[Trades, Trade]] = []
        self._by_symbol: dict[str, list[Trade]] = {}
        self.quotes: list[Quotes] = []
        self.tickers: list[Tickers] = []
        self.candles: list[VenueCandles] = []
        self.pulses: list[Pulse] = []
        self.gaps: list[Gap] = []
        self.staleness: list[Staleness] = []
        self.statuses: list[FeedStatus] = []
        self.notices: list[Notice] = []
        self.errors: list[tuple[str, BaseException]] = []

    def publish(self, event: Any, /) -> None:
        if isinstance(event, Trades):
            self.trades.extend((event, trade) for trade in event.trades)
            for trade in event.trades:
                self._by_symbol.setdefault(trade.symbol, []).append(trade)
            return
        lists: dict[type, list[Any]] = {
            Quotes: self.quotes, Tickers: self.tickers, VenueCandles: self.candles, Pulse: self.pulses, Gap: self.gaps,
            Staleness: self.staleness, FeedStatus: self.statuses, Notice: self.notices,
        }  # fmt: skip
        if type(event) in lists:
            lists[type(event)].append(event)

    def attach(self, bus: Bus) -> None:
        for kind in (Trades, Quotes, Tickers, VenueCandles, Pulse, Gap, Staleness, FeedStatus, Notice):
            bus.subscribe(kind, self.publish, name="oracle")

    def on_error(self, name: str, error: BaseException) -> None:
        """For `Bus(on_error=...)`: a failing subscriber is a finding."""
        self.errors.append((name, error))

    def of(self, symbol: str) -> list[Trade]:
        """Accepted prints of a symbol in the order of arrival."""
        return self._by_symbol.get(symbol, [])

    def final_gaps(self, symbol: str | None = None) -> list[Gap]:
        """The newest fact about each gap."""
        newest = {gap.gap_id: gap for gap in self.gaps}
        return [gap for gap in newest.values() if symbol in (None, gap.symbol)]

    @property
    def status(self) -> FeedStatus:
        return self.statuses[-1]

    def states(self) -> list[FeedState]:
        """The states of the feed in order, without repetitions."""
        return [state for state, _ in groupby(status.state for status in self.statuses)]

    def open_notices(self) -> dict[str, Notice]:
        """Notices by key that are not over."""
        newest = {notice.key: notice for notice in self.notices}
        return {key: notice for key, notice in newest.items() if not notice.over}


def ids_of(trade: Trade) -> range:
    """Venue ids that an accepted print covers (a refilled aggregate covers several)."""
    return range(trade.trade_id - trade.trades + 1, trade.trade_id + 1)


@dataclass(slots=True)
class Verdict:
    """Of one symbol: what went wrong. All empty is a pass."""

    symbol: str
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    invented: list[int] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    in_gaps: int = 0
    accepted: int = 0

    @property
    def ok(self) -> bool:
        return not (self.lost or self.doubled or self.invented or self.altered)

    def __str__(self) -> str:
        parts = [f"{name} {len(items)} (first {items[0]})" for name in ("lost", "doubled", "invented", "altered")
                 if (items := getattr(self, name))]  # fmt: skip
        return f"{self.symbol}: {self.accepted} accepted, {self.in_gaps} in gaps, " + (", ".join(parts) or "nothing wrong")


class Checker:
    """Compares accepted prints and gaps with the ledgers of the fake venue."""

    def __init__(self, ledgers: Mapping[str, Ledger]) -> None:
        self._ledgers = ledgers

    def check(self, symbol: str, accepted: Iterable[Trade], gaps: Sequence[Gap] = (), *, from_id: int | None = None) -> Verdict:
        """`gaps`: the newest fact of each. `from_id`: the first id that must be there (None: the first accepted one)."""
        truth = {trade.trade_id: trade for trade in self._ledgers[symbol].trades}
        verdict, seen = Verdict(symbol), Counter[int]()
        for trade in accepted:
            ids = ids_of(trade)
            seen.update(ids)
            verdict.invented += [trade_id for trade_id in ids if trade_id not in truth]
            if not _same(trade, [truth[trade_id] for trade_id in ids if trade_id in truth]):
                verdict.altered.append(str(trade))
        verdict.accepted = seen.total()
        verdict.doubled = sorted(trade_id for trade_id, count in seen.items() if count > 1)
        told = _told_missing(symbol, gaps)
        first = min(seen, default=0) if from_id is None else from_id
        missing = [trade_id for trade_id in truth if trade_id >= first and trade_id not in seen]
        verdict.lost = sorted(set(missing) - told)
        verdict.in_gaps = len(missing) - len(verdict.lost)
        return verdict

    def assert_complete(self, tap: Tap, *, symbols: Iterable[str] | None = None, gapless: bool = True) -> None:
        """Every print since the start of the venue is accepted exactly once; `gapless` also forbids gaps that stay."""
        for symbol in symbols or self._ledgers:
            trades = self._ledgers[symbol].trades
            first = trades[0].trade_id if trades else None
            verdict = self.check(symbol, tap.of(symbol), tap.final_gaps(symbol), from_id=first)
            assert verdict.ok, str(verdict)
            assert not gapless or verdict.in_gaps == 0, str(verdict)
            if gapless:
                left = [gap for gap in tap.final_gaps(symbol) if gap.state is not GapState.CLOSED]
                assert not left, f"gaps stayed open: {left}"


def _told_missing(symbol: str, gaps: Sequence[Gap]) -> set[int]:
    told: set[int] = set()
    for gap in gaps:
        if gap.symbol == symbol and gap.state is not GapState.CLOSED and gap.from_id is not None and gap.to_id is not None:
            told.update(range(gap.from_id, gap.to_id + 1))
    return told


def _same(trade: Trade, prints: Sequence[Any]) -> bool:
    if len(prints) != trade.trades:
        return len(prints) < trade.trades
    total = sum(float(part.quantity) for part in prints)
    return (
        abs(total - trade.quantity) <= 1e-9 * max(1.0, total)
        and all(float(part.price) == trade.price and part.time_ms == trade.time_ms for part in prints)
        and all(part.buyer_is_maker == trade.buyer_is_maker for part in prints)
    )
