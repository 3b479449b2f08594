"""SimulatedFeed: plays the demo market in real time, through the same parser as the venue whose wire format it speaks.

The event sequence depends on seed, symbols and the start time rounded to the minute, never on when this task gets to run: each
step of 100 ms of event time is one gulp with one batch of each kind, however late it is published.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..bus import Publish
from ..clock import Clock
from ..config import Settings
from ..errors import FeedError
from ..model.market import (
    Candle,
    Gap,
    GapReason,
    GapState,
    Instrument,
    Pulse,
    Quotes,
    Source,
    Tickers,
    Trades,
    VenueCandles,
)
from ..model.system import FeedState, FeedStatus
from .binance_parse import Gulp, parse_many
from .market_history import HOUR, MINUTE, Bars, merged
from .market_listings import listings
from .market_model import STEP_MS, Market
from .tap import Tap
from .watchdog import Watchdog

_PRELUDE_MS = MINUTE
_LONGEST_LAG_MS = 5 * MINUTE
_STEPS_PER_TURN = 20
_PAIRS_PER_BATCH = 1
_BREATH_S = 0.06
"""Between two batches of the past: time for whoever else runs in this loop, a first page for instance."""
_CATCHING_UP_MS = 5_000
_INTERVALS = {"1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": HOUR, "4h": 4 * HOUR, "1d": 24 * HOUR}


class SimulatedFeed:
    """The demo market as a `Feed`. It begins one to two minutes before now, so that the first page already shows a market, and
    plays these first; until it has caught up with the clock its state is CONNECTING.

    Everything counts as received at the end of its step, the played past too: it is not data that came in after the fact, so
    alerts about it are not late. `tap` hears every raw frame, for recording, in the same way: a recording of the demo market
    depends on when it was made as little as the market does.
    """

    venue = "demo"
    source = Source.DEMO

    def __init__(self, *, settings: Settings, clock: Clock, publish: Publish, seed: int, tap: Tap | None = None) -> None:
        self.publish = publish
        self._settings = settings
        self._clock = clock
        self._seed = seed
        self.tap = tap
        self._listings = listings(settings.symbols)
        self._market: Market | None = None
        self._origin_ms: float | None = None
        self._messages = self._trades = 0
        self._caught_up = False
        self._since_ms = clock.now_ms()

    async def instruments(self) -> list[Instrument]:
        """The pairs that the settings name. Raises FeedError when there are none."""
        if not self._listings:
            raise FeedError("The demo market has no pair to show; name at least one symbol, for example BTCUSDT.")
        return [listing.instrument for listing in self._listings]

    @property
    def _names(self) -> list[str]:
        return [listing.instrument.symbol for listing in self._listings]

    @property
    def market(self) -> Market:
        """The market behind the frames, made at first use: its past takes some tens of milliseconds."""
        if self._market is None:
            start_ms = self._clock.now_ms() // MINUTE * MINUTE - _PRELUDE_MS
            self._market = Market(listings=self._listings, seed=self._seed, start_ms=start_ms)
            self._watchdog = Watchdog(self._names, stale_s=self._settings.stale_s, now=start_ms / 1000)
        return self._market

    async def history(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        """Closed candles of the synthetic past: 25 hours of minutes, 30 days of hours and what is made of them."""
        names = self._names
        if symbol not in names or interval not in _INTERVALS:
            return []
        bars = self._bars(interval)
        return bars.candles(names.index(symbol), symbol, interval, from_ms, to_ms)

    def _bars(self, interval: str) -> Bars:
        length = _INTERVALS[interval]
        if length < HOUR:
            return self.market.minutes if length == MINUTE else merged(self.market.minutes, length)
        hours = self.market.hours
        return hours if length == HOUR else merged(hours, length)

    async def run(self) -> None:
        """Play until cancelled."""
        market = self.market
        self._publish_status()
        past = self._history() if self._settings.backfill else iter(())
        while True:
            self._skip_a_long_sleep(market)
            steps = min(_STEPS_PER_TURN, (self._now_ms() - market.time_ms) // STEP_MS)
            for _ in range(steps):
                self._play(market)
            if market.time_ms + _CATCHING_UP_MS < self._now_ms():
                await self._clock.sleep(0)
                continue
            self._note_caught_up()
            batch = next(past, None)
            if batch is not None:
                self.publish(batch)
                await self._clock.sleep(_BREATH_S)
                continue
            wait_ms = market.time_ms + STEP_MS - self._now_ms()
            await self._clock.sleep(max(0, wait_ms) / 1000)

    def _note_caught_up(self) -> None:
        if not self._caught_up:
            self._caught_up, self._since_ms = True, self._clock.now_ms()
            self._publish_status()

    def _now_ms(self) -> int:
        """The time of the market: the monotonic clock, so that a wall clock that is set back does not stop it; set forward
        when the machine has slept."""
        wall_ms, passed_ms = self._clock.now_ms(), self._clock.monotonic() * 1000
        if self._origin_ms is None or wall_ms - (self._origin_ms + passed_ms) > _LONGEST_LAG_MS:
            self._origin_ms = wall_ms - passed_ms
        return round(self._origin_ms + passed_ms)

    def _history(self) -> Iterator[VenueCandles]:
        """The past, in batches that are small enough not to hold up the loop for long."""
        for interval in ("1h", "1m"):
            bars = self._bars(interval)
            for first in range(0, len(self._listings), _PAIRS_PER_BATCH):
                candles: list[Candle] = []
                for row, listing in enumerate(self._listings[first : first + _PAIRS_PER_BATCH], first):
                    candles += bars.candles(row, listing.instrument.symbol, interval, 0, self.market.start_ms)
                yield VenueCandles(self.venue, candles, history=True)

    def _play(self, market: Market) -> None:
        """One step of event time: frames, parsed and published as one gulp."""
        frames = market.step()
        if self.tap is not None:
            self.tap(market.time_ms, frames)
        gulp = Gulp()
        parse_many(frames, gulp, received_ms=market.time_ms)
        self._publish_gulp(gulp, market.time_ms)
        for fact in self._watchdog.follow(self.venue, {trade.symbol for trade in gulp.trades}, gulp.quotes, market.time_ms):
            self.publish(fact)
        self.publish(Pulse(self.venue, market.time_ms))
        self._messages += len(frames)
        self._trades += len(gulp.trades)
        if market.time_ms % 1000 == 0:
            self._publish_status()

    def _publish_gulp(self, gulp: Gulp, received_ms: int) -> None:
        kinds: tuple[tuple[Any, list[Any]], ...] = (
            (Trades, gulp.trades),
            (Quotes, list(gulp.quotes.values())),
            (Tickers, list(gulp.tickers.values())),
        )
        for kind, facts in kinds:
            if facts:
                self.publish(kind(self.venue, received_ms, facts))
        if gulp.candles:
            self.publish(VenueCandles(self.venue, list(gulp.candles.values())))

    def _skip_a_long_sleep(self, market: Market) -> None:
        """A machine that slept does not replay hours: the market moves on and the hole is shown as a gap."""
        from_ms, now_ms = market.time_ms, self._now_ms()
        if now_ms - from_ms < _LONGEST_LAG_MS:
            return
        market.skip_to(now_ms // MINUTE * MINUTE)
        self._watchdog.resumed(self._names, market.time_ms / 1000)
        for listing in self._listings:
            symbol = listing.instrument.symbol
            gap_id = f"{self.venue}:{symbol}:{from_ms}"
            self.publish(Gap(gap_id, self.venue, symbol, GapReason.SILENCE, GapState.LOST, from_ms, market.time_ms))

    def _publish_status(self) -> None:
        time_ms = self.market.time_ms
        late_ms = float(max(0, self._now_ms() - time_ms))
        late = late_ms >= _CATCHING_UP_MS
        state = FeedState.LIVE if self._caught_up else FeedState.CONNECTING
        self.publish(
            FeedStatus(
                self.venue, self.source, state, f"demo market, seed {self._seed}", self._since_ms,
                last_data_ms=time_ms if self._messages else None, latency_ms=None if late else late_ms,
                clock_offset_ms=0.0, connections=1, messages=self._messages, trades=self._trades,
                detail=f"The demo market is {late_ms / 1000:.0f} s behind the clock and catches up." if late else "",
            )
        )  # fmt: skip
