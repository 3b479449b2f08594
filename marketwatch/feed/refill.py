"""Closing gaps: missing trade ids are fetched again as aggTrades and fitted into the ledger's holes.

In the id space of aggregates the venue pages by `fromId`. In the space of single trades the span is found by time and each
aggregate's first and last trade id say what it covers. Quantities cannot be split: see `Ledger.fill` for aggregates that a
hole's border cuts; what they leave is looked for among the newest single trades. A hole that is too large, too old, or not
served stays visible as LOST; its span then gets the venue's candles instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..bus import Publish
from ..clock import Clock
from ..errors import FeedError, RateLimited
from ..model.market import Trade, Trades
from .binance_rest import BinanceRest, Refused
from .continuity import Hole, Ledger

MOST_IDS = 20_000
MOST_SPAN_MS = 600_000
MOST_PAGES = 25
MOST_TRIES = 60
LONGEST_PAUSE_S = 20.0
MOST_FULL_TRIES = 3
"""Answers that covered the hole and still lacked ids, or refusals: a fourth one would say the same."""
MOST_AGE_S = 900.0
MOST_WAITING = 5_000
WORKERS = 4
GRACE_S = 0.3
HOUR_MS = 3_600_000
_MARGIN_MS = 10

Lost = Callable[[Hole], Awaitable[None]]


class Refill:
    """Works off holes with a few tasks; `run` owns them. `lost` is awaited for a hole that was given up."""

    def __init__(
        self, *, ledger: Ledger, rest: BinanceRest, clock: Clock, publish: Publish, report: Callable[[], None], lost: Lost
    ) -> None:
        self.refilled = 0
        self.failures = 0
        self.last_error = ""
        self._ledger = ledger
        self._rest = rest
        self._clock = clock
        self._publish = publish
        self._report = report
        self._lost = lost
        self._waiting: asyncio.Queue[Hole] = asyncio.Queue(MOST_WAITING)

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    def add(self, hole: Hole) -> None:
        """Queue a newly opened hole; above 5,000 waiting ones it is given up at once (and stays visible as LOST)."""
        try:
            self._waiting.put_nowait(hole)
        except asyncio.QueueFull:
            self._ledger.give_up(hole)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(self._work(), name=f"refill {number}")

    async def _work(self) -> None:
        while True:
            hole = await self._waiting.get()
            await self._clock.sleep(GRACE_S)
            if not hole.missing or hole.lost:
                continue
            if hole.size <= MOST_IDS and hole.to_ms - hole.from_ms <= MOST_SPAN_MS:
                await self._mend(hole)
            if hole.missing:
                self._ledger.give_up(hole)
                self._report()
                await self._lost(hole)

    async def _mend(self, hole: Hole) -> None:
        """Try until nothing is missing, the venue has nothing more to say, or it takes too long."""
        began, full = self._clock.monotonic(), 0
        for attempt in range(MOST_TRIES):
            pause = min(0.5 * 2**attempt, LONGEST_PAUSE_S)
            try:
                answered = await self._fetch(hole)
                full += answered
                if answered and hole.missing and hole.space == "trade":
                    await self._fetch_singles(hole)
            except Refused as error:
                self._failed(error)
                full += 1
            except RateLimited as error:
                self._failed(error)
                pause = error.retry_after_s
            except FeedError as error:
                self._failed(error)
            if not hole.missing or full >= MOST_FULL_TRIES or self._clock.monotonic() + pause - began > MOST_AGE_S:
                return
            await self._clock.sleep(min(pause, MOST_AGE_S))

    def _failed(self, error: FeedError) -> None:
        self.failures += 1
        self.last_error = str(error)

    async def _fetch(self, hole: Hole) -> bool:
        """Ask page by page; answers whether the pages reached the end of the hole."""
        agg = hole.space == "aggtrade"
        rows = await (self._rest.agg_trades(hole.symbol, from_id=hole.missing[0][0]) if agg else self._first_page(hole))
        for _ in range(MOST_PAGES):
            self._apply(hole, rows)
            if not rows:
                return False
            first_id, last = rows[-1]
            if not hole.missing or (last.trade_id if agg else first_id + last.trades - 1) >= hole.to_id:
                return True
            rows = await self._rest.agg_trades(hole.symbol, from_id=last.trade_id + 1)
        return False

    async def _fetch_singles(self, hole: Hole) -> None:
        """What no aggregate could be split into: the venue's newest single trades, where they reach back so far."""
        singles = await self._rest.recent_trades(hole.symbol)
        self._apply(hole, [(trade.trade_id, trade) for trade in singles])

    async def _first_page(self, hole: Hole) -> list[tuple[int, Trade]]:
        """The first aggregates of the hole's span; a span is asked for hour by hour."""
        start, end = hole.from_ms - _MARGIN_MS, hole.to_ms + _MARGIN_MS
        while start <= end:
            rows = await self._rest.agg_trades(hole.symbol, from_ms=start, to_ms=min(end, start + HOUR_MS - 1))
            if rows:
                return rows
            start += HOUR_MS
        return []

    def _apply(self, hole: Hole, rows: list[tuple[int, Trade]]) -> None:
        """Fit a page into the hole and publish what was new, in order."""
        found: list[Trade] = []
        for first_id, row in rows:
            trade = row if hole.space == "aggtrade" else row._replace(trade_id=first_id + row.trades - 1)
            part = self._ledger.fill(hole, trade)
            if part is not None:
                found.append(part)
        if found:
            self.refilled += len(found)
            self._publish(Trades(hole.venue, self._clock.now_ms(), found, refill=True))
        self._report()
