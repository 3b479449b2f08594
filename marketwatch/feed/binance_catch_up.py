"""After a line was down: quiet pairs are asked over REST for what they traded meanwhile.

An id jump shows a loss only when the next trade comes. For a pair that trades once an hour that is an hour too late, so each
pair without a trade since the line came back is asked for its newest aggregate; ids beyond the last known one open a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..clock import Clock
from ..errors import FeedError
from .binance_rest import BinanceRest
from .continuity import Ledger

WAIT_S = 2.0
SHARE = 0.35
MOST_TRIES = 5
MOST_WAITING = 20_000


class _Ask(NamedTuple):
    symbol: str
    last_id: int
    tries: int = 0


class CatchUp:
    """Works off the pairs of lines that came back, one request at a time. `failures` counts requests that brought nothing."""

    def __init__(self, *, ledger: Ledger, rest: BinanceRest, clock: Clock, report: Callable[[], None]) -> None:
        self.failures = 0
        self._ledger = ledger
        self._rest = rest
        self._clock = clock
        self._report = report
        self._waiting: asyncio.Queue[_Ask] = asyncio.Queue(MOST_WAITING)

    def line_up(self, symbols: Iterable[str]) -> None:
        """These pairs have a line again. Above 20,000 waiting ones the rest is left to their next trade."""
        for symbol in symbols:
            last = self._ledger.last(symbol)
            if last is not None and not self._waiting.full():
                self._waiting.put_nowait(_Ask(symbol, last.trade_id))

    async def run(self) -> None:
        while True:
            asks = [await self._waiting.get()]
            await self._clock.sleep(WAIT_S)
            while not self._waiting.empty():
                asks.append(self._waiting.get_nowait())
            for ask in asks:
                await self._look(ask)

    async def _look(self, ask: _Ask) -> None:
        last = self._ledger.last(ask.symbol)
        if last is None or last.trade_id != ask.last_id:
            return
        try:
            rows = await self._rest.agg_trades(ask.symbol, limit=1, share=SHARE)
        except FeedError:
            self.failures += 1
            if ask.tries < MOST_TRIES and not self._waiting.full():
                self._waiting.put_nowait(ask._replace(tries=ask.tries + 1))
            return
        if rows:
            first_id, row = rows[-1]
            newest = row.trade_id if self._ledger.space == "aggtrade" else first_id + row.trades - 1
            self._ledger.missed(ask.symbol, newest, row.time_ms)
            self._report()
