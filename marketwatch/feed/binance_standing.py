"""How a running Binance feed stands: its counters, its state, and the FeedStatus made of them."""

from __future__ import annotations

from collections.abc import Sequence

from ..clock import Clock
from ..model.market import Source
from ..model.system import FeedState, FeedStatus
from .binance_line import Line
from .binance_parse import Gulp
from .clock_offset import ClockOffset
from .continuity import Ledger
from .endpoints import Endpoints


class Standing:
    """Counts what came in and judges the state. Counters run since the start of the feed."""

    def __init__(self, *, venue: str, clock: Clock, stale_s: float) -> None:
        self.messages = self.trades = 0
        self.rejected: dict[str, int] = {}
        self.reason = ""
        self.changed = True
        self.state = FeedState.CONNECTING
        self._venue = venue
        self._clock = clock
        self._stale_s = stale_s
        self._since_ms = clock.now_ms()
        self._last_data_ms: int | None = None
        self._last_data_at: float | None = None

    def took(self, gulp: Gulp, now_ms: int, now: float) -> None:
        """Account for one gulp."""
        self.messages += gulp.messages
        if gulp.has_data:
            self._last_data_ms, self._last_data_at = now_ms, now
        for reason, count in gulp.rejected.items():
            self.reject(reason, count)
        if gulp.unknown:
            self.reject("unknown_event", sum(gulp.unknown.values()))

    def reject(self, reason: str, count: int = 1) -> None:
        self.rejected[reason] = self.rejected.get(reason, 0) + count

    def judge(self, lines: Sequence[Line], now: float) -> bool:
        """Judge anew; answers whether there is something to report."""
        state = self._judged(lines, now)
        news = self.changed or state is not self.state
        if state is not self.state:
            self.state, self._since_ms = state, self._clock.now_ms()
        self.changed = False
        return news

    def _judged(self, lines: Sequence[Line], now: float) -> FeedState:
        if lines and all(line.forbidden for line in lines):
            return FeedState.FORBIDDEN
        if self._last_data_at is None:
            return FeedState.CONNECTING
        if not any(line.up for line in lines):
            return FeedState.RECONNECTING
        return FeedState.LIVE if now - self._last_data_at <= self._stale_s else FeedState.STALE

    def status(
        self, *, lines: Sequence[Line], endpoints: Endpoints, ledger: Ledger, offset: ClockOffset, detail: str
    ) -> FeedStatus:
        """The state as last judged, as a fact."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        url = next((line.link.url for line in lines if line.link), None)
        dropped = {"duplicate": ledger.duplicates, "unknown_symbol": ledger.unknown, "doubtful_id": ledger.doubtful}
        return FeedStatus(
            venue=self._venue,
            source=Source.LIVE,
            state=self.state,
            endpoint=url or (endpoints.allowed or [""])[0],
            since_ms=self._since_ms,
            last_data_ms=self._last_data_ms,
            latency_ms=offset.latency_ms(now),
            clock_offset_ms=offset.offset_ms(now_ms, now),
            connections=sum(line.connections for line in lines),
            reconnects=sum(line.reconnects for line in lines),
            messages=self.messages,
            trades=self.trades,
            rejected=self.rejected | {reason: count for reason, count in dropped.items() if count},
            detail=detail if self.state in (FeedState.LIVE, FeedState.STALE) else self.reason,
        )
