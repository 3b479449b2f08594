"""Whose turn it is: one question at a time, the others in the order in which they came, each knowing its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Told = Callable[[int], None]


class Line:
    """A queue of waiting tasks. A place counts those who come before, the one whose turn it is among them."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.Event, Told]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, told: Told) -> AsyncIterator[None]:
        """Wait for the turn and keep it. `told` is called with the place at first, and whenever it changes, 0 at last."""
        me = (asyncio.Event(), told)
        self._waiting.append(me)
        self._tell(me)
        try:
            await me[0].wait()
            yield
        finally:
            at = self._waiting.index(me)
            del self._waiting[at]
            for other in self._waiting[at:]:
                self._tell(other)

    def _tell(self, one: tuple[asyncio.Event, Told]) -> None:
        place = self._waiting.index(one)
        one[1](place)
        if place == 0:
            one[0].set()
