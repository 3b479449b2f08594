"""The status page's channel."""

from __future__ import annotations

from ..watch import Watch
from .contexts.status import all_gaps, feeds_of
from .live_channel import Channel
from .render import Renderer
from .vitals import Vitals


class StatusChannel(Channel):
    """Feeds, boxes and gaps; once a second is often enough for a person."""

    def __init__(self, renderer: Renderer, vitals: Vitals) -> None:
        super().__init__("status", renderer)
        self._vitals = vitals

    def update(self, watch: Watch, now_ms: int, tick: int) -> None:
        """Bring every part up to `now_ms`."""
        if tick % 2 and self.context("feeds") is not None:
            return
        self.put("health", "fragments/_health.html", self._vitals.health, tick)
        self.put("feeds", "fragments/_feeds.html", feeds_of(watch, now_ms), tick)
        for box in self._vitals.boxes(watch):
            self.put(f"box-{box.key}", "fragments/_box.html", box, tick)
        self.put("all-gaps", "fragments/_allgaps.html", all_gaps(self._vitals.gaps(watch)), tick)
