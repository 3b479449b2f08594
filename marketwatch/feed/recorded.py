"""RecordedFeed: plays a recording, at its own pace, faster, or as fast as possible, always as the same sequence of events.

Batches are cut by the recording's own receipt times, into 25 ms of it each, and every time that is published comes from the
recording, so the speed changes nothing but when things happen.

Event time: a recorder's clock may be wrong by seconds against the venue's. `Pulse` is in the venue's time: the newest event
time seen, or the receipt time minus the longest usual lag (99.9th percentile of receipt minus event time, from a first look at
the file), whichever is later. So a quiet market's steps close as well, and hardly ever before a trade that belongs to them.
Trade ids are watched by the ledger: duplicates are dropped, a jump is a gap that nobody can refill (LOST). Symbols that fall
silent are told in the same time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..bus import Publish
from ..clock import Clock
from ..config import FIELDS, Settings
from ..errors import FeedError
from ..model.market import Candle, Instrument, Pulse, Quotes, Source, Tickers, Trades, VenueCandles
from ..model.system import FeedState, FeedStatus
from .binance_parse import Gulp
from .binance_parse import parse_many as parse_binance
from .coinbase_parse import CoinbaseGulp
from .coinbase_parse import parse_many as parse_coinbase
from .continuity import Ledger
from .recorded_lines import Line, Recording
from .recorded_scan import Scan, scan
from .watchdog import Watchdog

BUCKET_NS = 25_000_000
_IDLE_STEP_NS = 500_000_000
_IDLE_MOST_NS = 600_000_000_000
_TURN_BUCKETS = 20
_OTHER_KIND = {"trade": b'"e":"aggTrade"', "aggtrade": b'"e":"trade"'}


class RecordedFeed:
    """A recording as a `Feed`. `speed` 1 is its own pace, 10 ten times that, None as fast as possible."""

    source = Source.RECORDED

    def __init__(self, *, path: Path, speed: float | None, settings: Settings, clock: Clock, publish: Publish) -> None:
        self.publish = publish
        self.venue = "recorded"
        self._recording = Recording(Path(path))
        self._speed = speed
        self._settings = settings
        self._clock = clock
        self._scan: Scan | None = None
        self._symbols: tuple[str, ...] = ()
        self._begin()

    def _begin(self) -> None:
        """Counters and times as before the first frame."""
        self._rejected: Counter[str] = Counter()
        self._messages = self._trades = 0
        self._event_ms = self._pulse_ms = 0
        self._since_ms = self._received_ms = 0

    async def instruments(self) -> list[Instrument]:
        """The symbols that the first lines hold; only those that the settings name, where these were named and occur.

        Raises FeedError when the file cannot be read or holds nothing that can be watched.
        """
        found = await asyncio.to_thread(scan, self._recording)
        self._scan, self.venue = found, found.venue
        instruments = found.instruments()
        if not instruments:
            raise FeedError(
                f"The recording {str(self._recording.path)!r} holds no trade, quote, ticker or candle that can be read; "
                "its lines should be `<epoch> <frame>` of Binance or Coinbase."
            )
        named = set(self._settings.symbols) if self._settings.symbols != _default_symbols() else set()
        chosen = [item for item in instruments if item.symbol in named] or instruments
        self._symbols = tuple(item.symbol for item in chosen)
        return chosen

    async def history(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Candle]:
        """A recording has no past of its own."""
        return []

    async def run(self) -> None:
        """Play to the end. A damaged file ends where it is damaged, and says so."""
        if self._scan is None:
            await self.instruments()
        assert self._scan is not None
        self._begin()
        space = self._space(self._scan)
        ledger = Ledger(self._symbols, venue=self.venue, space=space)
        self._watchdog = Watchdog(self._symbols, stale_s=self._settings.stale_s, now=0.0)
        began, first_ns = self._clock.monotonic(), None
        ends_ns = None
        for number, (bucket_ns, frames) in enumerate(self._buckets(_OTHER_KIND[space] if len(self._scan.spaces) > 1 else None)):
            first_ns = bucket_ns if first_ns is None else first_ns
            for idle_ns in _idle(ends_ns, bucket_ns):
                await self._keep_pace(began, idle_ns - first_ns)
                self._pulse(idle_ns, (), ())
            await self._keep_pace(began, bucket_ns + BUCKET_NS - first_ns)
            self._play(frames, bucket_ns + BUCKET_NS, ledger)
            ends_ns = bucket_ns + BUCKET_NS
            if number % _TURN_BUCKETS == 0:
                await asyncio.sleep(0)
        self._end()

    def _space(self, found: Scan) -> str:
        """The id space to follow: the one that the settings name if it occurs, else the one that does."""
        wanted = self._settings.binance_stream
        return wanted if wanted in found.spaces or not found.spaces else found.spaces.most_common(1)[0][0]

    def _buckets(self, leave_out: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
        """Frames by the start of their 25 ms of receipt time, ns. A line without a time, or an older one, joins the present."""
        start, frames = 0, list[bytes]()
        for line in self._recording.read():
            bucket = _bucket(line, start)
            if bucket > start:
                if frames:
                    yield start, frames
                start, frames = bucket, []
            if leave_out is None or leave_out not in line.frame[:200]:
                frames.append(line.frame)
            if len(frames) >= 5_000:
                yield start, frames
                frames = []
        if frames:
            yield start, frames

    async def _keep_pace(self, began: float, passed_ns: int) -> None:
        if self._speed is None:
            return
        early = passed_ns / 1e9 / self._speed - (self._clock.monotonic() - began)
        if early > 0.001:
            await self._clock.sleep(early)

    def _play(self, frames: Sequence[bytes], end_ns: int, ledger: Ledger) -> None:
        """One bucket: parse, let the ledger sort out duplicates and jumps, publish one batch of each kind."""
        received_ms = self._received_ms = end_ns // 1_000_000
        self._since_ms = self._since_ms or received_ms
        gulp = self._parse(frames, received_ms)
        self._messages += len(frames)
        self._rejected.update(gulp.rejected)
        trades = ledger.admit(gulp.trades)
        self._trades += len(trades)
        self._event_ms = max(self._event_ms, gulp.event_ms or 0, max((trade.time_ms for trade in trades), default=0))
        watched = set(self._symbols)
        self._publish_facts(received_ms, Trades, trades)
        self._publish_facts(received_ms, Quotes, [quote for quote in gulp.quotes.values() if quote.symbol in watched])
        self._publish_facts(received_ms, Tickers, [ticker for ticker in gulp.tickers.values() if ticker.symbol in watched])
        candles = [candle for candle in gulp.candles.values() if candle.symbol in watched]
        if candles:
            self.publish(VenueCandles(self.venue, candles))
        for hole in ledger.take_changed():
            ledger.give_up(hole)
            self.publish(hole.fact())
        ledger.take_changed()
        self._pulse(end_ns, {trade.symbol for trade in trades}, gulp.quotes)

    def _parse(self, frames: Sequence[bytes], received_ms: int) -> Gulp:
        """Quotes without a time of their own get the receipt time moved to the venue's clock."""
        assert self._scan is not None
        venue_ms = received_ms - (self._scan.offset_ms or 0)
        if self._scan.coinbase:
            gulp = CoinbaseGulp()
            parse_coinbase(frames, gulp, received_ms=venue_ms)
            return gulp
        plain = Gulp()
        parse_binance(frames, plain, received_ms=venue_ms, microseconds=self._settings.time_unit == "microsecond")
        return plain

    def _publish_facts(self, received_ms: int, kind: Any, facts: list[Any]) -> None:
        if facts:
            self.publish(kind(self.venue, received_ms, facts))

    def _pulse(self, now_ns: int, traded: Collection[str], quoted: Collection[str]) -> None:
        """Say how far event time has come with this data, who is quiet, and once a second of it how the feed is."""
        assert self._scan is not None
        received_ms = now_ns // 1_000_000
        reached = max(self._event_ms, received_ms - self._scan.lag_ms if self._scan.lag_ms is not None else 0)
        if reached - self._pulse_ms > _IDLE_MOST_NS // 1_000_000:
            self._watchdog.resumed(self._symbols, reached / 1000)
        for fact in self._watchdog.follow(self.venue, traded, quoted, max(reached, self._pulse_ms)):
            self.publish(fact)
        if reached > self._pulse_ms:
            second = reached // 1000 > self._pulse_ms // 1000
            self._pulse_ms = reached
            self.publish(Pulse(self.venue, reached))
            if second:
                self._publish_status(FeedState.LIVE)

    def _end(self) -> None:
        """Let the last sample step close, and say that this is the end."""
        if self._pulse_ms:
            self.publish(Pulse(self.venue, self._pulse_ms + self._settings.sample_ms + self._settings.lateness_ms))
        self._publish_status(FeedState.ENDED)

    def _publish_status(self, state: FeedState) -> None:
        assert self._scan is not None
        recording, offset = self._recording, self._scan.offset_ms
        rejected = dict(self._rejected)
        for reason, count in (*recording.malformed.items(), ("header", recording.headers)):
            if count:
                rejected[reason] = rejected.get(reason, 0) + count
        detail = recording.damage or ("The recording has ended." if state is FeedState.ENDED else "")
        self.publish(
            FeedStatus(
                self.venue, self.source, state, str(recording.path.name), self._since_ms,
                last_data_ms=self._received_ms or None, latency_ms=None,
                clock_offset_ms=None if offset is None else float(offset), connections=1, messages=self._messages,
                trades=self._trades, rejected=rejected, detail=detail,
            )
        )  # fmt: skip


def _bucket(line: Line, start: int) -> int:
    if line.received_ns is None:
        return start
    return max(start, line.received_ns // BUCKET_NS * BUCKET_NS)


def _idle(from_ns: int | None, to_ns: int) -> Iterator[int]:
    """Moments inside a long silence at which event time goes on: every half second of it, for at most ten minutes."""
    if from_ns is None or not 0 < to_ns - from_ns < _IDLE_MOST_NS:
        return
    yield from range(from_ns // _IDLE_STEP_NS * _IDLE_STEP_NS + _IDLE_STEP_NS, to_ns, _IDLE_STEP_NS)


def _default_symbols() -> tuple[str, ...]:
    row = next(row for row in FIELDS if row.field == "symbols")
    return tuple(row.parse(row.default))
