"""A whole watch fed by the fake venue over real sockets, with the oracle listening: what the fault tests stand on."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

from marketwatch.clock import Clock
from marketwatch.config import Settings
from marketwatch.feed.binance import BinanceFeed
from marketwatch.model.market import Candle, ClosedCandles, GapState, Samples
from marketwatch.model.metrics import MetricTable
from marketwatch.watch import Watch

from .fake_binance import FakeBinance, until
from .fault_proxy import FaultProxy
from .oracle import Checker, Tap
from .scaled_clock import ScaledClock
from .venue_tape import Tape

START_MS = 1_790_000_040_000
"""A whole minute."""


class SkewedClock:
    """Another machine's clock: the same pace, `skew_ms` ahead of `base`. The skew may change at any time."""

    def __init__(self, base: Clock, skew_ms: int = 0) -> None:
        self.base = base
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return self.base.now_ms() + self.skew_ms

    def monotonic(self) -> float:
        return self.base.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.base.sleep(seconds)


class Rig:
    """`async with Rig(tape) as rig`: venue up, feed running, all trade streams subscribed; `rig.venue.play()` begins. With
    `expect_stream=False` entering stops before the feed runs; `before` are venues whose addresses stand first in the lists.

    Everything runs `speed` times faster than the wall; durations below are in the venue's seconds unless said otherwise.
    Settings may be given by field name; the addresses are filled in. `proxied` puts `rig.proxy` before the
    streams. Leaving checks that no subscriber failed.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        speed: float = 15.0,
        venue: dict[str, Any] | None = None,
        feed: dict[str, Any] | None = None,
        proxied: bool = False,
        before: tuple[FakeBinance, ...] = (),
        expect_stream: bool = True,
        **settings: Any,
    ) -> None:
        self.clock = ScaledClock(start_ms=START_MS, speed=speed)
        self.feed_clock = SkewedClock(self.clock)
        self.venue = FakeBinance(tape, clock=self.clock, **{"history_days": 1, **(venue or {})})
        self.tap = Tap()
        self.samples: dict[int, Samples] = {}
        self.closed: dict[tuple[str, str, int], Candle] = {}
        self.tables: list[MetricTable] = []
        self._settings = {"symbols": tape.symbols, "windows": ("5m",), "backfill": False, **settings}
        self._feed_arguments = feed or {}
        self._proxied = proxied
        self._frozen = False
        self._before = before
        self._expect_stream = expect_stream

    async def __aenter__(self) -> Self:
        await self.venue.__aenter__()
        self.proxy = await FaultProxy(self.venue.port).__aenter__()
        stream = self.proxy.ws_url if self._proxied else self.venue.ws_url
        addresses = {
            "binance_ws_url": (*(other.ws_url for other in self._before), stream),
            "binance_rest_url": (*(other.rest_url for other in self._before), self.venue.rest_url),
        }
        self.settings = Settings.of(**{**addresses, **self._settings})
        try:
            await self._build(**self._feed_arguments)
        except BaseException:
            await self.proxy.__aexit__(None, None, None)
            await self.venue.__aexit__(None, None, None)
            raise
        if self._expect_stream:
            await self.start()
            await self.subscribed()
        return self

    async def start(self) -> None:
        """Run the feed (done on entering, unless `expect_stream` is false)."""
        self.task = asyncio.create_task(self.feed.run(), name="feed")

    async def _build(self, **feed: Any) -> None:
        """A feed and the watch around it."""
        self.feed = BinanceFeed(settings=self.settings, clock=self.feed_clock, **feed)
        instruments = await self.feed.instruments()
        self.watch = Watch(
            settings=self.settings, source=self.feed.source, venue=self.feed.venue, instruments=instruments,
            on_error=self.tap.on_error,
        )  # fmt: skip
        self.tap.attach(self.watch.bus)
        self.watch.bus.subscribe(Samples, self._on_samples, name="rig")
        self.watch.bus.subscribe(ClosedCandles, self._on_closed, name="rig")
        self.watch.bus.subscribe(MetricTable, self.tables.append, name="rig")
        self.feed.publish = self.watch.bus.publish

    async def stop(self) -> None:
        """End the feed, as the end of the program does."""
        assert not self.task.done(), "the feed ended by itself"
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def rebuild(self, **feed: Any) -> None:
        """A new feed and a new watch at the same venue, as a new start of the program; call `start` next."""
        await self._build(**feed)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            await self.proxy.__aexit__(None, None, None)
            await self.venue.__aexit__(None, None, None)
        if kind is None:
            assert not self.tap.errors, f"subscribers failed: {self.tap.errors[:3]}"

    def freeze_samples(self) -> None:
        """Later samples are none of this rig's business: the store has stopped listening."""
        self._frozen = True

    def _on_samples(self, samples: Samples) -> None:
        if self._frozen:
            return
        self.samples[samples.time_ms] = samples

    def _on_closed(self, batch: ClosedCandles) -> None:
        for candle in batch.candles:
            self.closed[candle.symbol, candle.interval, candle.time_ms] = candle

    @property
    def checker(self) -> Checker:
        return Checker(self.venue.market.ledgers)

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.watch.symbols

    def final_samples(self) -> list[Samples]:
        """The newest fact of every step, oldest first."""
        return [self.samples[time_ms] for time_ms in sorted(self.samples)]

    async def subscribed(self) -> None:
        kind = "aggTrade" if self.settings.binance_stream == "aggtrade" else "trade"
        await self.venue.wait_subscribed(*(f"{symbol.lower()}@{kind}" for symbol in self.watch.symbols))

    async def until_played(self, seconds: float, within_s: float = 30.0) -> None:
        """Wait until the tape has run for so many of its seconds (`within_s` real ones)."""
        market = self.venue.market
        start = market.end_ms - (market.tape.end_ms - market.tape.start_ms)
        await until(lambda: market.now_ms >= start + seconds * 1000, within_s, f"{seconds:g} s of the tape")

    async def pause(self, seconds: float) -> None:
        """Let so much of the venue's time pass."""
        await self.clock.sleep(seconds)

    async def settle(self, within_s: float = 20.0) -> None:
        """Wait for the end of the tape, and until what was sent has arrived and no gap is still being refilled."""
        await self.venue.wait_played(within_s=60.0)
        await until(self._settled, within_s, "the last print and the end of all refills")

    def _settled(self) -> bool:
        newest = {trade.symbol for _, trade in self.tap.trades[-2000:]}
        ledgers = self.venue.market.ledgers
        arrived = all(
            any(trade.trade_id == ledgers[symbol].trades[-1].trade_id for trade in self.tap.of(symbol)[-1000:])
            for symbol in newest
        )
        return bool(newest) and arrived and not any(gap.state is GapState.OPEN for gap in self.tap.final_gaps())
