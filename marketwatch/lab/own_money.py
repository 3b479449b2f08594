"""Terms of one's own money along the steps of a question, computed once for all symbols that are looked at."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from ..engine.candles import INTERVALS
from ..portfolio.day import DAY_MS
from ..portfolio.timeline import Stored
from ..rules.history import History
from ..rules.truth import F8
from .archive import Archive
from .question import Question

_KEPT = 2
_MOST_CANDLES = 10_000


class OwnMoney:
    """The columns of a question's terms of money, for one piece of its span after the other."""

    def __init__(self, archive: Archive, question: Question) -> None:
        self._archive = archive
        self._question = question
        self._stored: Stored | None = None
        self._turn = asyncio.Lock()
        self._found: OrderedDict[tuple[int, int], dict[str, F8]] = OrderedDict()

    async def along(self, histories: Mapping[str, History], own: History) -> dict[str, F8]:
        """Over the steps of `own`, beside which the histories lie. Raises StoreError, InvalidRequest."""
        question = self._question
        if question.money is None or not question.holdings:
            return {}
        async with self._turn:
            place = (own.from_ms, len(own))
            if place not in self._found:
                stored = await self._candles()
                prices = {name: histories[name].price for name in question.priced}
                said = await asyncio.to_thread(question.money.along, question.holdings, prices, own.end_ms, stored)
                self._found[place] = said
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
            return self._found[place]

    async def _candles(self) -> Stored:
        """Daily and hourly candles of the whole span, lead included, and of the two days before."""
        if self._stored is None:
            question = self._question
            from_ms = max(0, question.from_ms - question.lead_ms - 2 * DAY_MS)
            found = {}
            for name in question.priced:
                for interval in ("1d", "1h"):
                    end_ms = question.to_ms + INTERVALS[interval]
                    found[name, interval] = await self._archive.candles(name, interval, from_ms, end_ms, _MOST_CANDLES)
            self._stored = found
        return self._stored
