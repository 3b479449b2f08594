"""Closing gaps of Coinbase: missing trades are paged from REST, newest first, and fitted into the ledger's holes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..bus import Publish
from ..clock import Clock
from ..errors import FeedError
from ..model.market import Trade, Trades
from .coinbase_rest import CoinbaseRest, with_patience
from .continuity import Hole, Ledger

MOST_IDS = 20_000
MOST_PAGES = 25
MOST_WAITING = 2_000
_GRACE_S = 0.3


class CoinbaseRefill:
    """Works off holes and doubts one after the other; `run` owns the task. What could not be fetched stays visible as LOST."""

    def __init__(
        self, *, ledger: Ledger, rest: CoinbaseRest, clock: Clock, publish: Publish, report: Callable[[], None]
    ) -> None:
        self.refilled = self.failures = 0
        self.last_error = ""
        self._ledger = ledger
        self._rest = rest
        self._clock = clock
        self._publish = publish
        self._report = report
        self._waiting: asyncio.Queue[Hole | str] = asyncio.Queue(MOST_WAITING)
        self._doubted: set[str] = set()

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    def add(self, hole: Hole) -> None:
        """Queue a hole; above 2,000 waiting ones it is given up at once."""
        try:
            self._waiting.put_nowait(hole)
        except asyncio.QueueFull:
            self._ledger.give_up(hole)

    def look(self, product: str) -> None:
        """Compare with the venue's newest trades of `product`; asked again while that waits, once is enough."""
        if product not in self._doubted and not self._waiting.full():
            self._doubted.add(product)
            self._waiting.put_nowait(product)

    async def run(self) -> None:
        while True:
            work = await self._waiting.get()
            await self._clock.sleep(_GRACE_S)
            if isinstance(work, str):
                await self._catch_up(work)
            elif work.missing and not work.lost:
                await self._mend(work)

    async def _catch_up(self, product: str) -> None:
        """Admit the venue's newest trade: if others before it are missing, the ledger opens a hole for them."""
        self._doubted.discard(product)
        try:
            rows = await with_patience(self._clock, lambda: self._rest.trades(product))
        except FeedError as error:
            self._failed(error)
            return
        last = self._ledger.last(product)
        if rows and (last is None or rows[0].trade_id > last.trade_id):
            self._hand_on(self._ledger.admit(rows[:1]))

    async def _mend(self, hole: Hole) -> None:
        if hole.size <= MOST_IDS:
            try:
                await self._fetch(hole)
            except FeedError as error:
                self._failed(error)
        if hole.missing:
            self._ledger.give_up(hole)
        self._report()

    async def _fetch(self, hole: Hole) -> None:
        """Page downwards from the end of the hole; what was found is published oldest first, even if a later page fails."""
        cursor, found = hole.to_id + 1, list[Trade]()
        try:
            for _ in range(MOST_PAGES):
                rows = [row for row in await self._page(hole.symbol, cursor) if row.trade_id < cursor]
                found += [part for row in rows if (part := self._ledger.fill(hole, row)) is not None]
                cursor = min((row.trade_id for row in rows), default=hole.from_id)
                if cursor <= hole.from_id:
                    return
        finally:
            self._hand_on(sorted(found, key=lambda trade: trade.trade_id))

    async def _page(self, product: str, below: int) -> list[Trade]:
        return await with_patience(self._clock, lambda: self._rest.trades(product, before_id=below))

    def _hand_on(self, trades: list[Trade]) -> None:
        if trades:
            self.refilled += len(trades)
            self._publish(Trades(self._ledger.venue, self._clock.now_ms(), trades, refill=True))
        self._report()

    def _failed(self, error: FeedError) -> None:
        self.failures += 1
        self.last_error = str(error)
