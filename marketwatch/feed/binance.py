"""The Binance spot feed: trades, quotes, statistics and candles of the watched pairs, with every gap told and mended.

One trade's way: a `Link` reads a gulp of frames, `parse_many` reads them, the `Ledger` admits each id once, `publish` hands
the batches on, all in one turn of the loop. Beside the lines run the refill of gaps, the warm-up with candles, and a beat that
closes sample steps, reports the state and watches for silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random

import aiohttp

from ..bus import Publish
from ..clock import Clock
from ..config import Settings
from ..errors import FeedError
from ..model.market import (
    Candle,
    GapReason,
    Instrument,
    Pulse,
    Quotes,
    Source,
    Staleness,
    Tickers,
    Trades,
    VenueCandles,
)  # fmt: skip
from ..model.system import FeedStatus, Level, Notice
from .backfill import Backfill, closed_only
from .binance_catch_up import CatchUp
from .binance_line import ROTATE_AFTER_S, Line
from .binance_link import Link
from .binance_parse import LAST_MS, Control, Gulp, parse_many
from .binance_rest import BinanceRest
from .binance_standing import Standing
from .binance_streams import SMALL_LIST, chosen, shards
from .clock_offset import ClockOffset
from .continuity import Hole, Ledger
from .endpoints import BINANCE_REST, BINANCE_STREAMS, BINANCE_US_REST, BINANCE_US_STREAMS, Endpoints
from .reconnect import Attempts
from .refill import Refill
from .tap import Tap
from .watchdog import Watchdog

BEAT_S = 0.1
STATUS_EVERY = 10
AHEAD_MS = 600_000
"""A trade whose time lies this far after the venue's clock is a wrong one."""
_VENUES = {"binance": (BINANCE_STREAMS, BINANCE_REST), "binance-us": (BINANCE_US_STREAMS, BINANCE_US_REST)}


class BinanceFeed:
    """Fulfils `ports.Feed` for `binance` and `binance-us`.

    `resume` gives the last stored `(trade id, time_ms)` per symbol, so that the first trade after a start opens a gap over
    the time in between; it may be assigned before `run`, like `publish`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        publish: Publish | None = None,
        venue: str = "binance",
        connect_timeout_s: float = 5.0,
        resume: Mapping[str, tuple[int, int]] | None = None,
        random: Random | None = None,
        rotate_after_s: float = ROTATE_AFTER_S,
    ) -> None:
        if venue not in _VENUES:
            raise FeedError(f"{venue!r} is not a venue of this feed; it must be one of {', '.join(_VENUES)}.")
        streams, rest = _VENUES[venue]
        self.publish: Publish = publish or _nowhere
        self.tap: Tap | None = None
        self.resume: Mapping[str, tuple[int, int]] = resume or {}
        self._venue = venue
        self._settings = settings
        self._clock = clock
        self._random = random or Random()
        self._rotate_after_s = rotate_after_s
        self._connect_timeout_s = connect_timeout_s
        self._endpoints = Endpoints(settings.binance_ws_url or streams)
        self._rest = BinanceRest(endpoints=Endpoints(settings.binance_rest_url or rest, patience=1), clock=clock)
        self._attempts = Attempts()
        self._space = settings.binance_stream
        self._microseconds = settings.time_unit == "microsecond"
        self._symbols: tuple[str, ...] = ()
        self._notices: list[Notice] = []
        self._started(())

    def _started(self, symbols: Sequence[str]) -> None:
        """Fresh state for a run over `symbols`."""
        now = self._clock.monotonic()
        self._symbols = tuple(symbols)
        self._watched = frozenset(symbols)
        self.ledger = Ledger(symbols, venue=self._venue, space=self._space, resume=self.resume)
        self.offset = ClockOffset()
        self.watchdog = Watchdog(symbols, stale_s=self._settings.stale_s, now=now)
        self.refill = Refill(
            ledger=self.ledger, rest=self._rest, clock=self._clock, publish=self._hand_on, report=self._report_holes,
            lost=self._lost,
        )  # fmt: skip
        self.catch_up = CatchUp(ledger=self.ledger, rest=self._rest, clock=self._clock, report=self._report_holes)
        self.backfill = Backfill(
            venue=self._venue, rest=self._rest, clock=self._clock, publish=self._hand_on, progress=self._note_change
        )
        self.standing = Standing(venue=self._venue, clock=self._clock, stale_s=self._settings.stale_s)
        self._lines: list[Line] = []
        self._pulsed_at = 0.0
        self._newest_ms = 0

    @property
    def venue(self) -> str:
        return self._venue

    @property
    def source(self) -> Source:
        return Source.LIVE

    async def instruments(self) -> list[Instrument]:
        """The pairs to watch, in the order of the setting (`all:QUOTE`: by name). Raises FeedError in `connect_timeout_s`."""
        wanted = self._settings.symbols
        try:
            async with asyncio.timeout(self._connect_timeout_s), self._rest as rest:
                listed = await rest.instruments(None if wanted[0].startswith("all:") else wanted)
        except TimeoutError:
            raise FeedError(f"{self._venue} did not answer within {self._connect_timeout_s:g} s.") from None
        found, missing = chosen(listed, wanted)
        self._notices = [self._unlisted(symbol) for symbol in missing]
        self._notices += [self._halted(item.symbol) for item in found if not item.trading]
        if not found:
            raise FeedError(f"{self._venue} lists none of the pairs that were asked for: {', '.join(wanted[:10])}.")
        self._symbols = tuple(item.symbol for item in found)
        return found

    def _unlisted(self, symbol: str) -> Notice:
        message = f"{self._venue} does not list {symbol}; it is left out. Check MARKETWATCH_SYMBOLS."
        return self._notice(f"unknown:{symbol}", Level.WARNING, message)

    def _halted(self, symbol: str) -> Notice:
        message = f"{self._venue} lists {symbol}, but it does not trade at present."
        return self._notice(f"halted:{symbol}", Level.INFO, message)

    async def history(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        """Closed candles of the venue in [from_ms, to_ms), oldest first. Raises FeedError when it cannot be asked."""
        async with self._rest as rest:
            candles = await rest.klines(symbol, interval, from_ms, to_ms)
        return closed_only(candles, interval, self._venue_now_ms())

    async def run(self) -> None:
        """Stream until cancelled. Calls `instruments` itself when nobody did. A second run goes on where the first one ended,
        so that the pause between them is a gap like any other."""
        while not self._symbols:
            await self._first_list()
        self.resume = {**self.resume, **self.ledger.reached()}
        self._started(self._symbols)
        self._lines = self._make_lines()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=6.0)
        async with self._rest, aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            for number, line in enumerate(self._lines):
                group.create_task(line.run(session), name=f"{self._venue} line {number}")
            group.create_task(self._beat(), name=f"{self._venue} beat")
            group.create_task(self.refill.run(), name=f"{self._venue} refill")
            group.create_task(self.catch_up.run(), name=f"{self._venue} catch-up")
            if self._settings.backfill:
                group.create_task(self._warm_up(), name=f"{self._venue} backfill")

    async def _first_list(self) -> None:
        try:
            await self.instruments()
        except FeedError as error:
            self.publish(self._notice(f"feed:{self._venue}", Level.WARNING, str(error)))
            await self._clock.sleep(5.0)
        else:
            self.publish(self._notice(f"feed:{self._venue}", Level.INFO, f"{self._venue} answers.", over=True))

    def _make_lines(self) -> list[Line]:
        return [
            Line(
                streams=streams, symbols=symbols, endpoints=self._endpoints, attempts=self._attempts, hooks=self,
                clock=self._clock, random=self._random, gulp_ms=self._settings.gulp_ms, microseconds=self._microseconds,
                rotate_after_s=self._rotate_after_s,
            )
            for streams, symbols in shards(self._symbols, self._space)
        ]  # fmt: skip

    # What the lines tell.

    def on_frames(self, line: Line, link: Link, frames: list[bytes]) -> None:
        """Read one gulp and hand it on. Synchronous from the first byte to the last subscriber."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        if self.tap is not None:
            self.tap(now_ms, frames)
        venue_ms = self.offset.venue_ms(now)
        gulp = Gulp(latest_ms=LAST_MS if venue_ms is None else max(venue_ms, self._newest_ms) + AHEAD_MS)
        parse_many(frames, gulp, received_ms=now_ms, microseconds=self._microseconds)
        self.standing.took(gulp, now_ms, now)
        if gulp.event_ms is not None:
            self.offset.saw(gulp.event_ms, now)
        if gulp.has_data:
            link.saw_data(now)
        self._publish_facts(gulp, now_ms, now)
        for control in gulp.control:
            self._control(line, link, control)
        self._pulse(now)

    def _publish_facts(self, gulp: Gulp, now_ms: int, now: float) -> None:
        trades = self.ledger.admit(gulp.trades) if gulp.trades else []
        if trades:
            self.standing.trades += len(trades)
            self._newest_ms = max(self._newest_ms, trades[-1].time_ms)
            self._hand_on(Trades(self._venue, now_ms, trades))
        quotes = [quote for quote in gulp.quotes.values() if quote.symbol in self._watched]
        if quotes:
            self._hand_on(Quotes(self._venue, now_ms, quotes))
        tickers = [ticker for ticker in gulp.tickers.values() if ticker.symbol in self._watched]
        if tickers:
            self._hand_on(Tickers(self._venue, now_ms, tickers))
        candles = [candle for candle in gulp.candles.values() if candle.symbol in self._watched]
        if candles:
            self._hand_on(VenueCandles(self._venue, candles))
        for symbol in self.watchdog.saw({trade[0] for trade in trades}, gulp.quotes, now):
            self._hand_on(Staleness(self._venue, symbol, False, now_ms))
        self._report_holes()

    def _report_holes(self) -> None:
        """Publish every gap that is new or changed; a new one is queued for refill."""
        for hole in self.ledger.take_changed():
            new = not hole.queued
            self._hand_on(hole.fact())
            if new and hole.missing and not hole.lost:
                hole.queued = True
                self.refill.add(hole)
        while self.ledger.restarted:
            symbol = self.ledger.restarted.pop()
            message = f"{self._venue} began to number the trades of {symbol} anew; earlier gaps cannot be refilled."
            self._hand_on(self._notice(f"restarted:{symbol}", Level.WARNING, message))

    def on_up(self, line: Line) -> None:
        self.watchdog.resumed(line.symbols, self._clock.monotonic())
        if not line.rotating:
            self.catch_up.line_up(line.symbols)
        self._judge()

    def on_down(self, line: Line, reason: str) -> None:
        self.standing.reason = reason
        self.ledger.mark(line.symbols, GapReason.DISCONNECT)
        self.standing.changed = True
        self._judge()

    def on_forbidden(self, url: str, reason: str) -> None:
        left = self._endpoints.allowed
        then = f"The next address is {self._endpoints.current}." if left else "No other address is left."
        self._hand_on(self._notice(f"forbidden:{url}", Level.WARNING if left else Level.CRITICAL, f"{reason} {then}"))

    def _control(self, line: Line, link: Link, control: Control) -> None:
        if control.kind == "shutdown":
            link.shutdown.set()
            return
        for stream in link.answered(control):
            self._hand_on(
                self._notice(
                    f"stream:{stream}", Level.WARNING,
                    f"{self._venue} refused the stream {stream} (code {control.code}: {control.message}); the others go on.",
                )
            )  # fmt: skip
        if control.kind == "error":
            self.standing.reject("venue_error")

    # What runs beside them.

    async def _beat(self) -> None:
        """Ten times a second a pulse; once a second status, silence and offset."""
        count = 0
        while True:
            now = self._clock.monotonic()
            if now - self._pulsed_at >= BEAT_S * 0.9:
                self._pulse(now)
            if count % STATUS_EVERY == 0:
                self.offset.refresh(now)
                self._watch(now)
            self._judge(tell=count % STATUS_EVERY == 0)
            self._report_holes()
            count += 1
            await self._clock.sleep(BEAT_S)

    def _pulse(self, now: float) -> None:
        venue_ms = self.offset.venue_ms(now)
        if venue_ms is not None:
            self._pulsed_at = now
            self.publish(Pulse(self._venue, venue_ms))

    def _watch(self, now: float) -> None:
        """Silence: of a whole line (dial again) or of one symbol (say so, subscribe it anew once)."""
        for line in self._lines:
            if line.link is not None and line.link.too_silent(now):
                self.standing.reason = f"No data for {line.link.silent_for(now):.0f} s; the line is dropped."
                line.link.abort()
        for symbol, silent_s in self.watchdog.check(now):
            self._hand_on(Staleness(self._venue, symbol, True, self._clock.now_ms() - int(silent_s * 1000)))
            if all(line.up for line in self._lines if symbol in line.symbols):
                self.ledger.mark([symbol], GapReason.SILENCE)
                self._subscribe_anew(symbol)

    def _subscribe_anew(self, symbol: str) -> None:
        for line in self._lines:
            streams = [stream for stream in line.streams if stream.split("@", 1)[0] == symbol.lower()]
            if line.link is not None and streams:
                line.link.ask("UNSUBSCRIBE", streams)
                line.link.ask("SUBSCRIBE", streams)

    def _judge(self, *, tell: bool = False) -> None:
        """Judge the state anew and publish it when it changed, or when it is time to tell it."""
        if not self.standing.judge(self._lines, self._clock.monotonic()) and not tell:
            return
        for notice in self._notices:
            self.publish(notice)
        self._notices.clear()
        self.publish(self.status())

    def status(self) -> FeedStatus:
        """The state of the feed as of now."""
        return self.standing.status(
            lines=self._lines, endpoints=self._endpoints, ledger=self.ledger, offset=self.offset, detail=self._detail()
        )

    def _detail(self) -> str:
        down = sum(not line.up for line in self._lines)
        parts = [f"{down} of {len(self._lines)} lines are down: {self.standing.reason}"] if down else []
        if self.backfill.running:
            parts.append(f"Fetching history: {self.backfill.done} of {self.backfill.total} pairs.")
        if self.refill.waiting:
            parts.append(f"{self.refill.waiting} gaps wait for their refill.")
        return " ".join(parts)

    async def _warm_up(self) -> None:
        symbols = list(self._symbols)
        if len(symbols) > SMALL_LIST:
            try:
                volumes = await self._rest.volumes()
            except FeedError:
                volumes = {}
            symbols.sort(key=lambda symbol: -volumes.get(symbol, 0.0))
        await self.backfill.warm_up(symbols, self._venue_now_ms)
        if self.backfill.failed:
            self._hand_on(
                self._notice(
                    f"backfill:{self._venue}", Level.WARNING,
                    f"The history of {self.backfill.failed} of {len(symbols)} pairs could not be fetched: "
                    f"{self.backfill.last_error} Long windows warm up with live data.",
                )
            )  # fmt: skip

    async def _lost(self, hole: Hole) -> None:
        """A gap that stays open gets at least the venue's candles over its span."""
        came = await self.backfill.span(hole.symbol, hole.from_ms, hole.to_ms)
        candles = "Candles of the span were fetched instead." if came else "Candles of the span could not be fetched either."
        self._hand_on(
            self._notice(
                f"gap:{self._venue}:{hole.symbol}", Level.WARNING,
                f"{hole.left} of {hole.size} missing trades of {hole.symbol} could not be fetched again. {candles}",
            )
        )  # fmt: skip

    def _venue_now_ms(self) -> int:
        return self.offset.venue_ms(self._clock.monotonic()) or self._clock.now_ms()

    def _notice(self, key: str, level: Level, message: str, *, over: bool = False) -> Notice:
        return Notice(key, level, message, self._clock.now_ms(), over)

    def _hand_on(self, event: object, /) -> None:
        self.publish(event)

    def _note_change(self) -> None:
        self.standing.changed = True


def _nowhere(event: object, /) -> None:
    """Nobody listens yet."""
