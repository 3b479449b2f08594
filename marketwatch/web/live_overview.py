"""The overview's channel: rows by symbol, each rendered at most once a tick whatever the number of clients."""

from __future__ import annotations

from typing import Any

from ..watch import Watch
from .contexts.alerts import firing_of
from .contexts.overview import Facts, RowView, all_facts, columns_of, row_of, spark_of, spark_tone, with_flash
from .contexts.summary import feed_view, strip_of, whales_of
from .live_channel import Channel
from .render import Renderer

_FLASH_TICKS = 2
_DERIVED_TICKS = 4
_SPARK_TICKS = 20


class OverviewChannel(Channel):
    """Compares the numbers first, then the words, and renders only rows whose words changed."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__("overview", renderer)
        self._facts: dict[int, Facts] = {}
        self._moved: dict[int, int] = {}
        self.rendered = 0

    def update(self, watch: Watch, now_ms: int, tick: int) -> None:
        """Bring rows and parts up to `now_ms`."""
        columns = columns_of(watch.state.table)
        facts = all_facts(watch, now_ms, columns)
        for item in facts:
            before = self._facts.get(item.key)
            if self._is_due(item, before, tick):
                self._put_row(item, before, tick)
        self._put_sparks(watch, facts, tick)
        self.put("strip", "fragments/_strip.html", strip_of(watch, facts, columns, now_ms), tick)
        self.put("firing", "fragments/_firing.html", firing_of(watch, now_ms), tick)
        self.put("whales", "fragments/_whales.html", whales_of(watch), tick)
        self.put("feed", "fragments/_feed.html", feed_view(watch), tick)

    def _is_due(self, item: Facts, before: Facts | None, tick: int) -> bool:
        """A price shows at once; what is only derived from it moves with every step of its window and may wait a moment."""
        if before is None or item.price != before.price or item.stale != before.stale:
            return True
        return item != before and tick - self.changed_at(f"r{item.key}") >= _DERIVED_TICKS

    def _put_row(self, item: Facts, before: Facts | None, tick: int) -> None:
        self._facts[item.key] = item
        row = self._flashing(row_of(item), item, before, tick)
        self.rendered += self.put(f"r{item.key}", "fragments/_row.html", row, tick)

    def _flashing(self, row: RowView, item: Facts, before: Facts | None, tick: int) -> RowView:
        """A moved price flashes; its mark stays until the animation has ended, so that other cells do not cut it short."""
        shown: Any = self.context(f"r{item.key}")
        if before is None or shown is None or before.price is None or item.price is None:
            return row
        if item.price != before.price and row.price != shown.price:
            self._moved[item.key] = tick
            return with_flash(row, "up" if item.price > before.price else "down", tick)
        if shown.flash and self._moved.get(item.key, tick) >= tick - _FLASH_TICKS:
            return with_flash(row, shown.flash[:-1], int(shown.flash[-1]))
        self._moved.pop(item.key, None)
        return row

    def _put_sparks(self, watch: Watch, facts: list[Facts], tick: int) -> None:
        """Every tick a twentieth of the symbols: a minute's line need not follow every trade."""
        for item in facts[tick % _SPARK_TICKS :: _SPARK_TICKS]:
            spark = spark_of(watch.engine.sparkline(item.instrument.symbol, 60), spark_tone(item.change_1h))
            self.put(f"s{item.key}", "fragments/_spark.html", spark, tick, swap="innerHTML")

    def forget(self) -> None:
        super().forget()
        self._facts.clear()
        self._moved.clear()
