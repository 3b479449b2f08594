"""The Coinbase feed, in both of the venue's dialects.

Trades, quotes and statistics come over one connection. A loss shows in the trade ids (per product), in the Exchange
heartbeat's `last_trade_id`, or in the Advanced Trade feed's sequence numbers (per connection over all channels); every doubt
ends in the same place: the newest trades are asked for over REST, the ledger finds the hole, the refill closes it.
Symbols are the venue's own product ids, `BTC-USD`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from random import Random
from typing import Any

import aiohttp

from ..bus import Publish
from ..clock import Clock
from ..config import Settings
from ..errors import FeedError
from ..model.market import Candle, GapReason, Instrument, Pulse, Quotes, Source, Staleness, Tickers, Trades, VenueCandles
from ..model.system import FeedState, FeedStatus, Level, Notice
from .binance_parse import LAST_MS
from .clock_offset import ClockOffset
from .coinbase_line import STREAMS, CoinbaseLine
from .coinbase_parse import CoinbaseGulp, Heartbeat, parse_many
from .coinbase_refill import CoinbaseRefill
from .coinbase_rest import GRANULARITY, REST, CoinbaseRest, choose_products, with_patience
from .continuity import Ledger
from .endpoints import Endpoints
from .tap import Tap
from .watchdog import Watchdog

_BEAT_S = 0.1
_STATUS_EVERY = 10
_AHEAD_MS = 600_000
_HISTORY = (("1h", 30 * 86_400_000), ("1m", 86_400_000))


class CoinbaseFeed:
    """Fulfils `ports.Feed` for `coinbase`; `settings.coinbase_format` chooses the dialect.

    `resume` may be assigned before `run`: the last stored `(trade id, time_ms)` per product, so that the time since then is a
    gap that gets refilled.
    """

    venue = "coinbase"
    source = Source.LIVE

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        publish: Publish,
        rest_url: str = "",
        connect_timeout_s: float = 5.0,
        random: Random | None = None,
        tap: Tap | None = None,
    ) -> None:
        self.publish = publish
        self.tap = tap
        self.resume: Mapping[str, tuple[int, int]] = {}
        self._settings = settings
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._random = random or Random()
        self._dialect = settings.coinbase_format
        self._endpoints = Endpoints(settings.coinbase_ws_url or (STREAMS[self._dialect],))
        self._rest = CoinbaseRest(url=rest_url or settings.coinbase_rest_url or REST, clock=clock)
        self._products: tuple[str, ...] = ()
        self._missing: list[str] = []
        self._state = FeedState.CONNECTING
        self._since_ms = clock.now_ms()
        self._prepare()

    def _prepare(self) -> None:
        """Fresh state for a run over the chosen products."""
        now = self._clock.monotonic()
        self.ledger = Ledger(self._products, venue=self.venue, resume=self.resume)
        self.offset = ClockOffset()
        self.watchdog = Watchdog(self._products, stale_s=self._settings.stale_s, now=now)
        self.refill = CoinbaseRefill(
            ledger=self.ledger, rest=self._rest, clock=self._clock, publish=self._hand_on, report=self._report_holes
        )
        self._line = CoinbaseLine(
            dialect=self._dialect, products=self._products, endpoints=self._endpoints, hooks=self, clock=self._clock,
            random=self._random, gulp_ms=self._settings.gulp_ms,
        )  # fmt: skip
        self._rejected: dict[str, int] = {}
        self._messages = self._trades = 0
        self._sequence: int | None = None
        self._ahead: dict[str, int] = {}
        self._newest_ms = 0
        self._last_data_ms: int | None = None
        self._last_data_at: float | None = None
        self._reason = ""

    async def instruments(self) -> list[Instrument]:
        """The products behind the configured symbols. Raises FeedError within `connect_timeout_s`."""
        try:
            async with asyncio.timeout(self._connect_timeout_s), self._rest as rest:
                products = await rest.products()
        except TimeoutError:
            raise FeedError(f"Coinbase did not answer within {self._connect_timeout_s:g} s.") from None
        chosen, self._missing = choose_products(products, self._settings.symbols)
        if not chosen:
            asked = ", ".join(self._settings.symbols[:10])
            raise FeedError(f"Coinbase lists none of the pairs that were asked for: {asked}. Check MARKETWATCH_SYMBOLS.")
        self._products = tuple(product.symbol for product in chosen)
        return chosen

    async def history(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        """Closed candles in [from_ms, to_ms), oldest first; empty for an interval that the venue does not have."""
        if interval not in GRANULARITY:
            return []
        async with self._rest as rest:
            candles = await rest.klines(symbol, interval, from_ms, to_ms)
        over_ms = self._venue_now_ms() - GRANULARITY[interval] * 1000
        return [candle for candle in candles if candle.time_ms <= over_ms]

    async def run(self) -> None:
        """Stream until cancelled. Asks for the products itself when nobody did."""
        while not self._products:
            await self._first_list()
        self._prepare()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=6.0)
        async with self._rest, aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            group.create_task(self._line.run(session), name="coinbase line")
            group.create_task(self._beat(), name="coinbase beat")
            group.create_task(self.refill.run(), name="coinbase refill")
            if self._settings.backfill:
                group.create_task(self._warm_up(), name="coinbase backfill")

    async def _first_list(self) -> None:
        try:
            await self.instruments()
        except FeedError as error:
            self._tell("feed:coinbase", Level.WARNING, str(error))
            await self._clock.sleep(5.0)

    # What the line tells.

    def on_frames(self, frames: list[bytes]) -> None:
        """Read one gulp and hand it on, without an await from the first byte to the last subscriber."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        if self.tap is not None:
            self.tap(now_ms, frames)
        venue_ms = self.offset.venue_ms(now)
        gulp = CoinbaseGulp(latest_ms=LAST_MS if venue_ms is None else max(venue_ms, self._newest_ms) + _AHEAD_MS)
        parse_many(frames, gulp, received_ms=venue_ms or now_ms)
        self._account(gulp, now_ms, now)
        self._publish_facts(gulp, now_ms, now)
        self._check_sequence(gulp.sequences)
        for beat in gulp.heartbeats.values():
            self._check_heartbeat(beat)
        for control in gulp.control:
            if control.kind == "error":
                self._count("venue_error")
                self._tell("coinbase:error", Level.WARNING, f"Coinbase refused a subscription: {control.message}.")
        self._pulse(now)

    def _account(self, gulp: CoinbaseGulp, now_ms: int, now: float) -> None:
        self._messages += gulp.messages
        for reason, count in gulp.rejected.items():
            self._count(reason, count)
        if gulp.unknown:
            self._count("unknown_event", sum(gulp.unknown.values()))
        if gulp.event_ms is not None and (gulp.heartbeats or gulp.sequences):
            self.offset.saw(gulp.event_ms, now)
        if gulp.has_data:
            self._last_data_ms, self._last_data_at = now_ms, now

    def _publish_facts(self, gulp: CoinbaseGulp, now_ms: int, now: float) -> None:
        trades = self.ledger.admit(gulp.trades)
        if trades:
            self._trades += len(trades)
            self._newest_ms = max(self._newest_ms, trades[-1].time_ms)
            self.publish(Trades(self.venue, now_ms, trades))
        watched = self._products
        quotes = [quote for quote in gulp.quotes.values() if quote.symbol in watched]
        if quotes:
            self.publish(Quotes(self.venue, now_ms, quotes))
        tickers = [ticker for ticker in gulp.tickers.values() if ticker.symbol in watched]
        if tickers:
            self.publish(Tickers(self.venue, now_ms, tickers))
        for symbol in self.watchdog.saw({trade.symbol for trade in trades}, gulp.quotes, now):
            self.publish(Staleness(self.venue, symbol, False, now_ms))
        self._report_holes()

    def _check_sequence(self, sequences: Iterable[int]) -> None:
        """Advanced Trade: a jump means that frames of this connection are lost; which product they were about is unknown."""
        for number in sequences:
            if self._sequence is not None and number > self._sequence + 1:
                self._count("sequence_jump")
                self._doubt(self._products)
            self._sequence = number if self._sequence is None else max(self._sequence, number)

    def _check_heartbeat(self, beat: Heartbeat) -> None:
        """Exchange: a last trade id ahead of ours, at two heartbeats in a row, means that the newest trades were lost."""
        if beat.last_trade_id is None:
            return
        last, ahead = self.ledger.last(beat.symbol), self._ahead.pop(beat.symbol, None)
        if last is None or beat.last_trade_id <= last.trade_id:
            return
        self._ahead[beat.symbol] = beat.last_trade_id
        if ahead is not None and ahead > last.trade_id:
            self._doubt([beat.symbol])

    def _doubt(self, products: Iterable[str]) -> None:
        for product in products:
            self.refill.look(product)

    def on_up(self) -> None:
        self._sequence = None
        self._ahead.clear()
        self.watchdog.resumed(self._products, self._clock.monotonic())
        self._judge()

    def on_down(self, reason: str) -> None:
        self._reason = reason
        self.ledger.mark(self._products, GapReason.DISCONNECT)
        self._judge()

    def on_forbidden(self, url: str, reason: str) -> None:
        left = self._endpoints.allowed
        then = f"The next address is {left[0]}." if left else "No other address is left."
        self._tell(f"forbidden:{url}", Level.WARNING if left else Level.CRITICAL, f"{reason} {then}")

    # What runs beside it.

    async def _beat(self) -> None:
        """Ten times a second a pulse; once a second status and silence."""
        for symbol in self._missing:
            text = f"Coinbase does not list {symbol} in a dollar; it is left out. Check MARKETWATCH_SYMBOLS."
            self._tell(f"unknown:{symbol}", Level.WARNING, text)
        count = 0
        while True:
            now = self._clock.monotonic()
            self._pulse(now)
            if count % _STATUS_EVERY == 0:
                self.offset.refresh(now)
                self._watch(now)
                self._judge(report=True)
            self._report_holes()
            count += 1
            await self._clock.sleep(_BEAT_S)

    def _pulse(self, now: float) -> None:
        venue_ms = self.offset.venue_ms(now)
        if venue_ms is not None:
            self.publish(Pulse(self.venue, venue_ms))

    def _watch(self, now: float) -> None:
        self._reason = self._line.drop_if_silent() or self._reason
        for symbol, silent_s in self.watchdog.check(now):
            self.publish(Staleness(self.venue, symbol, True, self._clock.now_ms() - int(silent_s * 1000)))
            if self._line.up:
                self.ledger.mark([symbol], GapReason.SILENCE)

    async def _warm_up(self) -> None:
        """Hours of all products first, then minutes: the short windows fill by themselves meanwhile."""
        failed, reason = set[str](), ""
        for interval, span_ms in _HISTORY:
            for product in self._products:
                to_ms = self._venue_now_ms()
                try:
                    candles = await with_patience(self._clock, partial(self.history, product, interval, to_ms - span_ms, to_ms))
                except FeedError as error:
                    failed.add(product)
                    reason = str(error)
                    continue
                if candles:
                    self.publish(VenueCandles(self.venue, candles, history=True))
        if failed:
            text = f"The history of {len(failed)} of {len(self._products)} products could not be fetched: {reason}"
            self._tell("backfill:coinbase", Level.WARNING, f"{text} Long windows warm up with live data.")

    def _report_holes(self) -> None:
        """Publish every gap that is new or changed; a new one is queued for refill."""
        for hole in self.ledger.take_changed():
            new = not hole.queued
            self.publish(hole.fact())
            if new and hole.missing and not hole.lost:
                hole.queued = True
                self.refill.add(hole)

    def _judge(self, *, report: bool = False) -> None:
        state = self._judged()
        if state is not self._state:
            self._state, self._since_ms, report = state, self._clock.now_ms(), True
        if report:
            self.publish(self.status())

    def _judged(self) -> FeedState:
        if self._line.forbidden:
            return FeedState.FORBIDDEN
        if self._last_data_at is None:
            return FeedState.CONNECTING
        if not self._line.up:
            return FeedState.RECONNECTING
        fresh = self._clock.monotonic() - self._last_data_at <= self._settings.stale_s
        return FeedState.LIVE if fresh else FeedState.STALE

    def status(self) -> FeedStatus:
        """The state of the feed as last judged."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        dropped = {
            "duplicate": self.ledger.duplicates,
            "unknown_symbol": self.ledger.unknown,
            "doubtful_id": self.ledger.doubtful,
        }
        waiting = f"{self.refill.waiting} gaps wait for their refill." if self.refill.waiting else ""
        return FeedStatus(
            self.venue, self.source, self._state, self._line.url or (self._endpoints.allowed or [""])[0], self._since_ms,
            last_data_ms=self._last_data_ms, latency_ms=self.offset.latency_ms(now),
            clock_offset_ms=self.offset.offset_ms(now_ms, now), connections=self._line.connections,
            reconnects=self._line.reconnects, messages=self._messages, trades=self._trades,
            rejected=self._rejected | {reason: count for reason, count in dropped.items() if count},
            detail=waiting if self._state in (FeedState.LIVE, FeedState.STALE) else self._reason,
        )  # fmt: skip

    def _venue_now_ms(self) -> int:
        return self.offset.venue_ms(self._clock.monotonic()) or self._clock.now_ms()

    def _count(self, reason: str, count: int = 1) -> None:
        self._rejected[reason] = self._rejected.get(reason, 0) + count

    def _tell(self, key: str, level: Level, message: str) -> None:
        self.publish(Notice(key, level, message, self._clock.now_ms()))

    def _hand_on(self, event: Any, /) -> None:
        self.publish(event)
