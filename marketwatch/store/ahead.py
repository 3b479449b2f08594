"""Single trades that are ahead of the sample step that holds them."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.market import Trade

_MOST = 50_000


class Ahead:
    """Trades wait for their step: a new start resumes behind the last stored step, and what it fetches again comes as
    aggregates, which must not overlap with single trades that were stored ahead of their step. At most 50,000 wait."""

    def __init__(self) -> None:
        self._waiting: list[Trade] = []
        self._until_ms: int | None = None

    def on_trades(self, trades: Sequence[Trade]) -> list[Trade]:
        """What may be stored at once; the rest waits."""
        until = self._until_ms
        if until is None:
            return list(trades)
        self._waiting += [trade for trade in trades if trade.time_ms >= until]
        ready = [trade for trade in trades if trade.time_ms < until]
        if len(self._waiting) > _MOST:
            ready += self._waiting
            self._waiting = []
        return ready

    def on_step(self, end_ms: int) -> list[Trade]:
        """The sample grid has reached `end_ms`: what was waited for."""
        self._until_ms = max(self._until_ms or 0, end_ms)
        ready = [trade for trade in self._waiting if trade.time_ms < self._until_ms]
        if ready:
            self._waiting = [trade for trade in self._waiting if trade.time_ms >= self._until_ms]
        return ready
