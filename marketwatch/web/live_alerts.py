"""The channel of the alerts page: one for each set of filters that somebody looks at."""

from __future__ import annotations

from collections.abc import Callable

from ..watch import Watch
from .alert_history import AlertHistory
from .authors import Names
from .contexts.alerts import MOST_PAST, Query, active_of, filters_of, past_of, rules_of
from .contexts.silences import silences_of
from .live_channel import Channel
from .render import Renderer

Authors = Callable[[], Names | None]
"""The names of the authors that are told; None where nobody who looks may know them."""


class AlertsChannel(Channel):
    """Filters, active alerts, history and rules."""

    def __init__(self, query: Query, name: str, renderer: Renderer, history: AlertHistory, authors: Authors) -> None:
        super().__init__(name, renderer)
        self.query = query
        self._history = history
        self._authors = authors

    def update(self, watch: Watch, now_ms: int, tick: int) -> None:
        """Bring every part up to `now_ms`."""
        past, query = self._history.past(watch), self.query
        problem, sparks = self._history.problem, self._history.sparks
        sparks.catch(watch, past[:MOST_PAST], now_ms)
        rules = rules_of(watch, past, query, now_ms, problem, self._authors())
        self.put("filters", "fragments/_filters.html", filters_of(watch, past, query), tick)
        self.put("active", "fragments/_active.html", active_of(watch, query, now_ms), tick)
        self.put("past", "fragments/_past.html", past_of(watch, past, query, now_ms, problem, sparks), tick)
        self.put("silences", "fragments/_silences.html", silences_of(watch, now_ms), tick)
        self.put("rules", "fragments/_rules.html", rules, tick)
