"""A trouble that lasts for a while: told once when it begins, and once when it is over."""

from __future__ import annotations

from .bus import Publish
from .clock import Clock
from .model.system import Level, Notice


class Trouble:
    """`key`: of its notices; `over`: the sentence that ends it. Before `begin` nobody is told."""

    def __init__(self, clock: Clock, *, key: str, over: str) -> None:
        self._clock = clock
        self._key = key
        self._over = over
        self._publish: Publish | None = None
        self._lasts = False

    def begin(self, publish: Publish) -> None:
        """Another bus hears of it from now on, where nothing has been told yet."""
        self._publish, self._lasts = publish, False

    def tell(self, message: str) -> None:
        """It is there; what is told while it lasts is not told again."""
        first, self._lasts = not self._lasts, True
        if first and self._publish is not None:
            self._publish(Notice(self._key, Level.WARNING, message, self._clock.now_ms()))

    def end(self) -> None:
        """It is over; harmless where there was none."""
        if self._lasts and self._publish is not None:
            self._publish(Notice(self._key, Level.INFO, self._over, self._clock.now_ms(), over=True))
        self._lasts = False
