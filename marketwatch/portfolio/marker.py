"""The marker: once per sample step, all portfolios at hand at the prices of that step.

Those are the prices of the samples, which are stored: so a rule about one's money says the same when it is tried on the past or
run again. Pages and API show the bid of the moment instead, where it is fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..bus import Publish
from ..engine.candles import CandleBook
from ..model.metrics import MetricTable
from ..state import LiveState
from .day import DAY_MS
from .marks import Kept, MarkTable
from .opening import opening_of
from .routes import Route, board_at

_REOPEN_MS = 60_000
"""The price at midnight may come in later, with the venue's history."""


class Marker:
    """Publishes `Valuations` at every metric table, while there is any portfolio. Keeps nothing per reader.

    `use` whenever the portfolios at hand or their ledgers change. Subscribe `on_metrics` before whoever evaluates rules.
    """

    def __init__(self, *, state: LiveState, candles: CandleBook, publish: Publish) -> None:
        self._state = state
        self._candles = candles
        self._publish = publish
        self._kept: tuple[Kept, ...] = ()
        self._table: MarkTable | None = None
        self._opened_ms = -1
        self._symbols: tuple[str, ...] = ()
        self._index: dict[str, int] = {}

    def use(self, kept: Sequence[Kept]) -> None:
        """These portfolios, of whomever, from the next step on."""
        self._kept = tuple(kept)
        self._table = None
        if not self._kept:
            self._state.valuations = None

    def on_metrics(self, table: MetricTable) -> None:
        """Mark as of the end of the step, in event time."""
        samples = self._state.samples
        if not self._kept or samples is None:
            return
        now_ms = table.time_ms
        opening = partial(_opening, self._candles, now_ms)
        if self._table is None or self._table.day_ms != now_ms - now_ms % DAY_MS:
            self._opened_ms = now_ms
            self._table = MarkTable(
                self._kept,
                [entry.instrument for entry in self._state.symbols.values()],
                self._places(samples.symbols),
                now_ms=now_ms,
                opening=opening,
            )
        elif now_ms - self._opened_ms >= _REOPEN_MS:
            self._opened_ms = now_ms
            self._table.reopen(opening)
        self._publish(self._table.marked(board_at(now_ms, self._places(samples.symbols), samples.price)))

    def _places(self, symbols: tuple[str, ...]) -> dict[str, int]:
        if self._symbols != symbols:
            self._symbols = symbols
            self._index = {symbol: place for place, symbol in enumerate(symbols)}
        return self._index


def _opening(candles: CandleBook, now_ms: int, route: Route | None) -> float | None:
    return opening_of(candles, route, now_ms)
