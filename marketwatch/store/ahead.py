"""Single trades, and whales, that are ahead of the sample step that holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..model.market import Trade, Whale

_MOST = 50_000
T = TypeVar("T")


class _Waiting(Generic[T]):
    """Facts wait until the sample grid has reached their time; at most 50,000 of them."""

    def __init__(self, time_ms: Callable[[T], int]) -> None:
        self._time_ms = time_ms
        self._waiting: list[T] = []
        self._until_ms: int | None = None

    def take(self, facts: Sequence[T]) -> list[T]:
        """What may be stored at once; the rest waits."""
        until = self._until_ms
        if until is None:
            return list(facts)
        self._waiting += [fact for fact in facts if self._time_ms(fact) >= until]
        ready = [fact for fact in facts if self._time_ms(fact) < until]
        if len(self._waiting) > _MOST:
            ready += self._waiting
            self._waiting = []
        return ready

    def on_step(self, end_ms: int) -> list[T]:
        """The sample grid has reached `end_ms`: what was waited for."""
        self._until_ms = max(self._until_ms or 0, end_ms)
        ready = [fact for fact in self._waiting if self._time_ms(fact) < self._until_ms]
        if ready:
            self._waiting = [fact for fact in self._waiting if self._time_ms(fact) >= self._until_ms]
        return ready


class Ahead(_Waiting[Trade]):
    """Trades wait for their step: a new start resumes behind the last stored step, and what it fetches again comes as
    aggregates, which must not overlap with single trades that were stored ahead of their step."""

    def __init__(self) -> None:
        super().__init__(lambda trade: trade.time_ms)

    def on_trades(self, trades: Sequence[Trade]) -> list[Trade]:
        """What may be stored at once; the rest waits."""
        return self.take(trades)


class WhalesAhead(_Waiting[Whale]):
    """Whales wait for the same reason: the aggregate that comes back may be a whale too."""

    def __init__(self) -> None:
        super().__init__(lambda whale: whale.trade.time_ms)
