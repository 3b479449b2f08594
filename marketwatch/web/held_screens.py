"""Saved screens whose past is kept although nobody looks, so that their statistics are known as soon as somebody does."""

from __future__ import annotations

from collections.abc import Iterator

from ..clock import Clock
from ..errors import RequestError
from ..model.screens import Screen
from ..screener.desk import question_of
from ..screener.question import ScreenRefused, Sieve, read
from .api.desk import Desk

MOST_HELD = 20
_EVERY_S = 1.0


class HeldScreens:
    """Has the screener of the moment hold the screens that were looked at last, of everybody; anew where the market is another
    one, or a screen was saved, changed, deleted or brought back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen = (-1, -1)

    async def run(self, clock: Clock) -> None:
        """Look every second until cancelled; a database that is away is asked again."""
        while True:
            await self.renew()
            await clock.sleep(_EVERY_S)

    async def renew(self) -> None:
        """Hold what is saved now, where that may have changed."""
        desk = self._desk
        if desk.bookkeeping is None or desk.slot.current is None:
            return
        now = (desk.slot.generation, desk.screens.changes)
        if now == self._seen:
            return
        try:
            recent = await desk.screens.recent(MOST_HELD) if desk.bookkeeping.begun else []
        except RequestError:
            return
        if desk.slot.generation == now[0]:
            desk.screener.hold(list(_sieves(recent)))
            self._seen = now


def _sieves(screens: list[Screen]) -> Iterator[Sieve]:
    """Those that can be evaluated; another program may have written nonsense."""
    for one in screens:
        try:
            yield read(question_of(one))
        except ScreenRefused:
            continue
