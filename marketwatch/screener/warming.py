"""Windows that the engine has lent, filled from the candles in memory: a little at each step, for all of it would take long."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..model.market import VenueCandles
from ..model.metrics import Window
from ..watch import Watch

CANDLES_A_STEP = 1000
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000


class Warming:
    """`begin` with new windows, `step` once per sample step."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._due: deque[tuple[str, str, int]] = deque()

    def begin(self, windows: Sequence[Window]) -> None:
        """Those on candles; a window on the sample grid has nothing to be filled from."""
        engine = self._watch.engine
        for window in windows:
            if window.grid_ms < _MINUTE_MS or engine.is_full(window):
                continue
            interval, length_ms = ("1m", _MINUTE_MS) if window.grid_ms < _HOUR_MS else ("1h", _HOUR_MS)
            count = window.span_ms // length_ms + 1
            self._due.extend((symbol, interval, count) for symbol in self._watch.symbols)

    def step(self) -> None:
        """Hand over about a thousand candles."""
        room, watch = CANDLES_A_STEP, self._watch
        while self._due and room > 0:
            symbol, interval, count = self._due.popleft()
            held = watch.candles.recent(symbol, interval, count)
            watch.engine.on_venue_candles(VenueCandles(watch.venue, held, history=True))
            room -= max(1, len(held))
