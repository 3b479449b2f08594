"""The daily hours in which the feed is read (`MARKETWATCH_INGEST_WINDOW`), in UTC. Pure arithmetic, no clock."""

from __future__ import annotations

from typing import NamedTuple

_DAY_MS = 86_400_000


class IngestWindow(NamedTuple):
    """From `start_ms` to `end_ms` of each UTC day; a window may reach over midnight. Empty text means always."""

    start_ms: int
    end_ms: int

    @classmethod
    def parse(cls, text: str) -> IngestWindow | None:
        """`"08:00-09:00"`; None for always. The settings have checked the form."""
        if not text:
            return None
        start, end = (int(part[:2]) * 3_600_000 + int(part[3:]) * 60_000 for part in text.split("-"))
        return None if start == end or (start, end) == (0, _DAY_MS) else cls(start, end)

    def opens_in_ms(self, now_ms: int) -> int:
        """0 inside the window, else the time until it opens."""
        of_day = now_ms % _DAY_MS
        inside = self.start_ms <= of_day < self.end_ms
        if self.start_ms > self.end_ms:
            inside = of_day >= self.start_ms or of_day < self.end_ms
        return 0 if inside else (self.start_ms - of_day) % _DAY_MS

    def closes_in_ms(self, now_ms: int) -> int:
        """The time until the window closes, for a moment inside it."""
        return (self.end_ms - now_ms % _DAY_MS) % _DAY_MS or _DAY_MS
