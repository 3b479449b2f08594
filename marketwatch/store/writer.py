"""From the bus into the database: batches about every second, kept in memory and then on disk while the database is away.

Order of what is written: the batch in flight, then the spool file, then memory; so the newest fact about a gap or a candle
always comes last. Every write is an upsert, so a batch whose outcome is unknown is simply written again.

When there is no room left anywhere, trades are shed first, then samples (each counted, and stored as a gap of reason
`overflow` once the database is back), and only then whales, candles and gaps, alerts last of all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..bus import Bus, Publish
from ..clock import Clock
from ..config import Settings
from ..errors import StoreDamaged, StoreError, StoreReadOnly, StoreUnavailable
from ..model.alerts import Alerts, Pinned, Rules
from ..model.market import (
    ClosedCandles,
    Gap,
    Instrument,
    Samples,
    Staleness,
    Trades,
    VenueCandles,
    Whales,
)
from ..model.metrics import MetricTable
from ..model.system import FeedStatus, Level, Notice, WriterStatus
from ..ports import MarketStore, WriteBatch
from .ahead import Ahead, WhalesAhead
from .alert_intake import AlertIntake
from .backlog import halves
from .quiet import QuietIntake
from .room import WaitingRoom, spool_for
from .spool import Spool
from .totals import Totals
from .upkeep import Upkeep

_MEMORY_BYTES = 16_000_000
_SPOOL_BYTES = 256_000_000
_SLOWEST_S = 5.0
_SYMBOLS_A_SECOND = 100
"""Each symbol's newest page is written whole with every batch, so that many symbols are written less often, up to 5 s."""
_RELIEF_S = 0.5
_TOTALS_S = 10.0
_CLOSE_S = 5.0


class StoreWriter:
    """Subscribes to what is stored, and writes it from one task. Never blocks a publisher.

    For the status page: `depth` (facts in memory), `dropped`, `spilled` (batches that went to disk), `rejected` (facts that the
    database will never take), `ignored` (facts that another process writes), `last_error`, `last_write_ms`, `last_write_s`,
    `rows_written`, `away_since_ms`.
    """

    def __init__(
        self,
        *,
        store: MarketStore,
        clock: Clock,
        settings: Settings,
        publish: Publish,
        instruments: Sequence[Instrument] = (),
        routes: Mapping[str, tuple[str, ...]] | None = None,
        memory_bytes: int = _MEMORY_BYTES,
        spool_bytes: int = _SPOOL_BYTES,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._publish = publish
        self._in_flight: WriteBatch | None = None
        self._spool = spool_for(store, settings.data_dir, spool_bytes)
        self._room = WaitingRoom(spool=self._spool, memory_bytes=memory_bytes, clock=clock, publish=publish)
        self._totals = Totals()
        self._resumed = False
        self._table: MetricTable | None = None
        self._venue = ""
        self._alerts = AlertIntake(self._add, routes or {})
        self._quiet = QuietIntake(self._add, settings.sample_ms)
        self._newest_ms = self._width = 0
        self._turn = asyncio.Lock()
        self._pressed = asyncio.Event()
        self._unsubscribe: list[Callable[[], None]] = []
        self._ahead = Ahead()
        self._whales_ahead = WhalesAhead()
        self._next_totals = 0.0
        self._upkeep = Upkeep(
            store=store, clock=clock, settings=settings, newest_ms=lambda: self._newest_ms, failed=self._upkeep_failed
        )
        self.rejected = self.ignored = self.rows_written = self.writes = 0
        self.last_error: str | None = None
        self.last_write_ms: int | None = None
        self.last_write_s: float | None = None
        self.away_since_ms: int | None = None
        if instruments:
            self._add("instruments", list(instruments))

    @property
    def depth(self) -> int:
        """Entries that wait in memory."""
        return len(self._room) + (0 if self._in_flight is None else len(self._in_flight))

    @property
    def dropped(self) -> int:
        """Facts that found no room anywhere."""
        return self._room.dropped

    @property
    def spilled(self) -> int:
        """Batches that went to disk."""
        return self._room.spilled

    @property
    def spool_bytes(self) -> int:
        """Bytes that wait on disk."""
        return 0 if self._spool is None else self._spool.bytes

    def status(self) -> WriterStatus:
        """The writer's state now, as the bus carries it."""
        return WriterStatus(**{name: getattr(self, name) for name in WriterStatus._fields})

    def subscribe(self, bus: Bus) -> Callable[[], None]:
        """Listen to what is stored; the answer ends it."""
        on = bus.subscribe
        routes: list[tuple[type[Any], Callable[[Any], None]]] = [
            (Samples, self._on_samples),
            (Whales, lambda batch: self._add("whales", self._whales_ahead.take(batch.whales))),
            (ClosedCandles, self._on_closed_candles),
            (VenueCandles, self._on_venue_candles),
            (Gap, lambda gap: self._add("gaps", [gap])),
            (Staleness, self._quiet.on_staleness),
            (MetricTable, self._on_table),
            (FeedStatus, self._on_feed_status),
            (Rules, self._alerts.on_rules),
            (Alerts, self._alerts.on_alerts),
            (Pinned, self._on_pinned),
        ]
        if self._settings.store_trades:
            routes.append((Trades, lambda batch: self._add("trades", self._ahead.on_trades(batch.trades))))
        mine = [on(kind, handler, name="store") for kind, handler in routes]
        self._unsubscribe += mine

        def unsubscribe() -> None:
            for end in mine:
                end()

        return unsubscribe

    def _add(self, kind: str, item: Any) -> None:
        if not item and kind != "samples":
            return
        self._room.add(kind, item)
        if self._room.crowded:
            self._pressed.set()

    def _on_samples(self, step: Samples) -> None:
        self._newest_ms, self._width = max(self._newest_ms, step.time_ms), len(step.symbols)
        self._add("trades", self._ahead.on_step(step.time_ms + step.sample_ms))
        self._add("whales", self._whales_ahead.on_step(step.time_ms + step.sample_ms))
        self._totals.on_samples(step)
        self._quiet.on_samples(step)
        self._add("samples", step)

    def _on_closed_candles(self, batch: ClosedCandles) -> None:
        self._add("candles", [candle for candle in batch.candles if candle.interval != "1s"])

    def _on_venue_candles(self, batch: VenueCandles) -> None:
        self._add("venue_candles", [candle for candle in batch.candles if candle.closed and candle.interval != "1s"])

    def _on_table(self, table: MetricTable) -> None:
        self._table = table

    def _on_feed_status(self, status: FeedStatus) -> None:
        self._venue = self._quiet.venue = status.venue

    def _on_pinned(self, batch: Pinned) -> None:
        """Spans to keep; their trades too, unless every trade is stored anyway."""
        self._add("pins", batch.pins)
        if not self._settings.store_trades:
            self._add("trades", batch.trades)

    async def run(self) -> None:
        """Write until cancelled."""
        self._say_notices()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_on(), name="store-write")
            group.create_task(self._relieve_on(), name="store-relief")
            group.create_task(self._upkeep.run(), name="store-upkeep")

    async def _write_on(self) -> None:
        while True:
            await self._pause(max(self._store.profile.write_every_s, min(_SLOWEST_S, self._width / _SYMBOLS_A_SECOND)))
            async with self._turn:
                await self._drain()
                await self._put_totals()
            self._say_notices()

    async def _pause(self, seconds: float) -> None:
        """Until the next batch is due, or memory fills up while the database is there."""
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        pressed = asyncio.ensure_future(self._pressed.wait())
        try:
            waited = {sleep} if self.away_since_ms is not None else {sleep, pressed}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            pressed.cancel()
        self._pressed.clear()

    async def flush(self) -> None:
        """Write everything that waits now. Raises StoreUnavailable when the database is away."""
        async with self._turn:
            if not await self._drain():
                raise StoreUnavailable(self.last_error or "The database does not answer.")
            await self._put_totals(now=True)

    async def aclose(self) -> None:
        """Stop listening, write what waits within five seconds, and put the rest on disk for the next start."""
        for end in self._unsubscribe:
            end()
        self._unsubscribe.clear()
        self._quiet.close()
        with suppress(StoreError, TimeoutError):
            await asyncio.wait_for(self.flush(), _CLOSE_S)
        await self._keep_rest()
        if self._spool is not None:
            await asyncio.to_thread(self._spool.close)

    async def _keep_rest(self) -> None:
        if self._spool is None or self._store.profile.read_only is not None:
            return
        rest = [] if self._in_flight is None else [self._in_flight]
        while len(batch := self._room.take()):
            rest.append(batch)
        for batch in rest:
            await self._room.spill(batch)
        self._in_flight = None

    # Writing

    async def _drain(self) -> bool:
        """Write until nothing waits; False when the database went away meanwhile."""
        with suppress(StoreError):
            await self._quiet.settle(self._store)
        while (found := await self._next()) is not None:
            from_spool, batch = found
            if not await self._put(batch):
                return False
            if from_spool and self._spool is not None:
                await asyncio.to_thread(self._spool.drop_first)
            self._in_flight = None
        return True

    async def _next(self) -> tuple[bool, WriteBatch] | None:
        if self._in_flight is not None:
            return False, self._in_flight
        if self._spool is not None and self._store.profile.read_only is None:
            kept = await self._first_kept(self._spool)
            if kept is not None:
                return True, kept
        batch = self._room.take()
        if not len(batch):
            return None
        self._in_flight = batch
        return False, batch

    async def _first_kept(self, spool: Spool) -> WriteBatch | None:
        try:
            return await asyncio.to_thread(spool.first)
        except StoreError as error:
            self.last_error = str(error)
            return None

    async def _put(self, batch: WriteBatch) -> bool:
        """Whether the batch is done with: written, refused for ever, or another process's business."""
        started = self._clock.monotonic()
        try:
            await self._put_pieces(batch)
        except StoreReadOnly as reason:
            self._leave_to_other(str(reason))
            return True
        except StoreDamaged as damage:
            return await self._renew(damage, batch)
        except StoreUnavailable as error:
            self._went_away(error)
            return False
        self.writes += 1
        self.rows_written += _facts(batch)
        self.last_write_ms, self.last_write_s = self._clock.now_ms(), self._clock.monotonic() - started
        self._came_back()
        return True

    async def _put_pieces(self, batch: WriteBatch) -> None:
        """Write `batch`; when the database refuses a value in it, the sound rest of it, and count what is left over."""
        try:
            await self._store.write(batch)
        except (StoreUnavailable, StoreDamaged):
            raise
        except StoreError as error:
            if len(batch) > 1:
                for half in halves(batch):
                    await self._put_pieces(half)
                return
            self.rejected += 1
            self.last_error = str(error)
            message = f"The database will not take some facts, which are left out ({self.rejected} so far): {error}"
            self._publish(Notice("store-rejected", Level.WARNING, message, self._clock.now_ms()))

    async def _renew(self, damage: StoreDamaged, batch: WriteBatch) -> bool:
        """Open the database anew, which moves the damaged file aside, and write `batch` there."""
        self.last_error = str(damage)
        try:
            await self._store.close()
            await self._store.open()
            self._say_notices()
            await self._put_pieces(batch)
        except StoreError as error:
            self._went_away(error)
            return False
        return True

    def _went_away(self, error: StoreError) -> None:
        self.last_error = str(error)
        if self.away_since_ms is not None:
            return
        self.away_since_ms = self._clock.now_ms()
        message = f"{error} The market goes on; what is to be stored is kept and written as soon as the database is back."
        self._publish(Notice("store-away", Level.CRITICAL, message, self.away_since_ms))

    def _came_back(self) -> None:
        if self.away_since_ms is not None:
            away_s = (self._clock.now_ms() - self.away_since_ms) / 1000
            self.away_since_ms = None
            message = f"The database is back after {away_s:.0f} s; what was kept meanwhile is being written."
            self._publish(Notice("store-away", Level.INFO, message, self._clock.now_ms(), over=True))
        self._room.settle_losses(self._venue)

    def _leave_to_other(self, reason: str) -> None:
        if not self.ignored:
            self._publish(Notice("store-read-only", Level.INFO, reason, self._clock.now_ms()))
        self.ignored += self._room.clear() + 1

    def _say_notices(self) -> None:
        for notice in self._store.take_notices():
            self._publish(notice)

    # Now and then

    def _upkeep_failed(self, error: StoreError) -> None:
        self.last_error = str(error)

    async def _relieve_on(self) -> None:
        while True:
            await self._clock.sleep(_RELIEF_S)
            await self._room.relieve()

    async def _put_totals(self, *, now: bool = False) -> None:
        """`trade_aggregates` and `metrics`, about every ten seconds."""
        if self.away_since_ms is not None or (not now and self._clock.monotonic() < self._next_totals):
            return
        self._next_totals = self._clock.monotonic() + _TOTALS_S
        try:
            if not self._resumed:
                self._totals.resume(await self._store.aggregates())
                self._resumed = True
            rows = self._totals.rows(self._table, str(self._settings.window))
            if rows:
                await self._store.write(WriteBatch(aggregates=rows, metrics=self._table))
        except StoreReadOnly:
            self.ignored += 1
        except StoreUnavailable as error:
            self._went_away(error)
        except StoreError as error:
            self.last_error = str(error)


def _facts(batch: WriteBatch) -> int:
    """Rows of the batch; of a sample step the symbols that traded."""
    rows = len(batch) - len(batch.samples)
    return rows + sum(int(np.count_nonzero(step.trades)) for step in batch.samples)
