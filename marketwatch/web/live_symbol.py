"""The channel of one symbol's page."""

from __future__ import annotations

from ..watch import Watch
from .alert_history import AlertHistory
from .contexts.alert_marks import marks_of
from .contexts.gaps import gaps_of
from .contexts.metrics import metrics_of
from .contexts.summary import whales_of
from .contexts.symbol import HeadView, head_of, prints_of, tick_of, with_flash
from .live_channel import Channel
from .render import Renderer

_FLASH_TICKS = 2


class SymbolChannel(Channel):
    """Head, metrics, tape, whales, alerts, gaps and the chart's open candle of one symbol."""

    def __init__(self, symbol: str, name: str, renderer: Renderer, history: AlertHistory) -> None:
        super().__init__(name, renderer)
        self._history = history
        self.symbol = symbol
        self._price: float | None = None
        self._flash = ("", -1)

    def update(self, watch: Watch, now_ms: int, tick: int) -> None:
        """Bring every part up to `now_ms`."""
        symbol = self.symbol
        self.put("head", "fragments/_head.html", self._flashing(watch, head_of(watch, symbol, now_ms), tick), tick)
        self.put("metrics", "fragments/_metrics.html", metrics_of(watch, symbol), tick)
        # Replaced, not morphed: a morph keeps the rows and moves them down, which the reader sees as a shifting layout.
        self.put("prints", "fragments/_prints.html", prints_of(watch, symbol), tick, swap="outerHTML")
        self.put("whales", "fragments/_whales.html", whales_of(watch, symbol, 10), tick)
        past = self._history.past(watch)
        self.put("marks", "fragments/_marks.html", marks_of(watch, past, symbol, now_ms), tick)
        self.put("gaps", "fragments/_gaps.html", gaps_of(watch, symbol), tick)
        self.put("tick", "fragments/_tick.html", tick_of(watch, symbol), tick)

    def _flashing(self, watch: Watch, head: HeadView, tick: int) -> HeadView:
        price, before = watch.state.symbols[self.symbol].price, self._price
        self._price = price
        if price is not None and before is not None and price != before:
            self._flash = (f"{'up' if price > before else 'down'}{tick % 2}", tick)
        flash, at = self._flash
        return with_flash(head, flash) if tick - at <= _FLASH_TICKS else head

    def forget(self) -> None:
        super().forget()
        self._price = None
