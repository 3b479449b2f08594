"""The alerts of one symbol: a box on its page, and marks on its chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...model.alerts import Alert
from ...watch import Watch
from .alerts import AlertView, Query, alert_view
from .bell import firing


@dataclass(frozen=True, slots=True)
class MarksView:
    """The alerts of one symbol, newest first."""

    alerts: tuple[AlertView, ...]
    times: tuple[int, ...]
    href: str

    @property
    def rows(self) -> list[tuple[AlertView, int]]:
        """Each alert with its moment, for the chart."""
        return list(zip(self.alerts, self.times, strict=True))


def marks_of(watch: Watch, past: Sequence[Alert], symbol: str, now_ms: int, limit: int = 8) -> MarksView:
    """Firing and past alerts of one symbol."""
    found = [alert for alert in (*firing(watch), *past) if alert.symbol == symbol][:limit]
    views = tuple(alert_view(alert, watch, now_ms) for alert in found)
    return MarksView(views, tuple(alert.fired_ms for alert in found), Query(coin=symbol).address)
