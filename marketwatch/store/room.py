"""Where facts wait: in memory first, then in the spool file, and what is dropped when neither has room."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from ..bus import Publish
from ..clock import Clock
from ..errors import StoreError
from ..model.market import Gap, GapReason, GapState
from ..model.system import Level, Notice
from ..ports import MarketStore, WriteBatch
from .backlog import KINDS, Backlog, Raised, Shed
from .spool import Spool

BATCH_BYTES = 8_000_000
_HARD_BYTES = 64_000_000


class WaitingRoom:
    """Memory of about `memory_bytes`, then the spool file, then dropping: trades first, samples next, the rest last."""

    def __init__(self, *, spool: Spool | None, memory_bytes: int, clock: Clock, publish: Publish) -> None:
        self._backlog = Backlog()
        self._spool = spool
        self._memory_bytes = memory_bytes
        self._clock = clock
        self._publish = publish
        self._shed = Shed()
        self._counted = 0
        self._told = False
        self.dropped = self.spilled = 0
        self.last_error: str | None = None

    def __len__(self) -> int:
        return len(self._backlog)

    @property
    def crowded(self) -> bool:
        """There is more than memory should hold."""
        return self._backlog.bytes > self._memory_bytes

    def add(self, kind: str, item: Any) -> None:
        """Never blocks; far beyond the bound the oldest facts are dropped at once."""
        self._backlog.add(kind, item)
        if self._backlog.bytes > max(_HARD_BYTES, 2 * self._memory_bytes):
            self._shed_down(self._memory_bytes)

    def take(self) -> WriteBatch:
        """The oldest facts in memory, a batch's worth."""
        return self._backlog.take(BATCH_BYTES)

    def clear(self) -> int:
        """Drop what is in memory; answers how many entries."""
        return self._backlog.clear()

    async def relieve(self) -> None:
        """Move the oldest of memory to disk while there is more than fits; drop what fits nowhere."""
        while self.crowded:
            batch = self._backlog.take(max(1, min(BATCH_BYTES, self._memory_bytes // 2)))
            if not await self.spill(batch):
                self._shed_down(self._memory_bytes // 2)

    async def spill(self, batch: WriteBatch) -> bool:
        """Put `batch` on disk. What the disk does not take is dropped, but for candles, gaps and whales, which stay."""
        try:
            if self._spool is not None and await asyncio.to_thread(self._spool.append, batch):
                self.spilled += 1
                return True
        except StoreError as error:
            self.last_error = str(error)
        self._lose(batch)
        return False

    def _lose(self, batch: WriteBatch) -> None:
        for kind in KINDS:
            items = getattr(batch, kind)
            if kind == "samples":
                for item in items:
                    self._shed.add(kind, item)
            elif kind == "trades":
                self._shed.add(kind, items)
            elif items:
                self._backlog.add(kind, Raised(items, batch.notifications) if kind == "alerts" else items)
        self._count()

    def _shed_down(self, down_to_bytes: int) -> None:
        self._backlog.shed(down_to_bytes, self._shed)
        self._count()

    def _count(self) -> None:
        self.dropped += self._shed.facts - self._counted
        self._counted = self._shed.facts
        if self._shed.facts and not self._told:
            self._told = True
            message = "There is no room left to keep what is to be stored; the oldest samples are dropped and marked as a gap."
            self._publish(Notice("store-overflow", Level.CRITICAL, message, self._clock.now_ms()))

    def settle_losses(self, venue: str) -> None:
        """The database is there: add gaps for the spans that were dropped, and end the episode."""
        if not self._shed.facts:
            return
        lost = [
            Gap(f"overflow:{symbol}:{first}", venue, symbol, GapReason.OVERFLOW, GapState.LOST, first, last)
            for symbol, (first, last) in self._shed.spans.items()
        ]
        message = f"{self._shed.facts} facts could not be kept while the database was away; the spans are stored as gaps."
        self._publish(Notice("store-overflow", Level.WARNING, message, self._clock.now_ms(), over=True))
        self._shed, self._counted, self._told = Shed(), 0, False
        if lost:
            self._backlog.add("gaps", lost)


def spool_for(store: MarketStore, folder: Path, most_bytes: int) -> Spool | None:
    """The spool file of `store` in `folder`, None for a store that keeps nothing."""
    name = store.profile.spool
    if name is None:
        return None
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return Spool(folder / f"spool-{digest}.bin", most_bytes=most_bytes)
