"""Which rules rest at a moment, and why: those that have expired, and those whose schedule is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .compiled import Compiled
from .machine import NEVER, Cause


class Rest(NamedTuple):
    """Rows that begin to rest at a step; `cause`: of the end of their episodes."""

    rows: list[int]
    cause: Cause


class Pauses:
    """Asked once per step; between the moments at which something changes that costs one comparison."""

    def __init__(self, rules: Sequence[Compiled]) -> None:
        self._rules = rules
        self._expired: set[int] = set()
        self._closed: set[int] = set()
        self._edges = {row: -1 for row, one in enumerate(rules) if one.schedule is not None and one.rule.enabled}
        self._expiries = {row: one.rule.expires_ms for row, one in enumerate(rules) if one.rule.expires_ms is not None}
        self._next_ms = -1
        self.rows: list[int] = []
        """All that rest, in order."""

    def at(self, time_ms: int) -> list[Rest]:
        """What begins to rest at this step; times rise."""
        if time_ms < self._next_ms:
            return []
        expired = [row for row, end_ms in self._expiries.items() if end_ms <= time_ms]
        for row in expired:
            del self._expiries[row]
        self._expired.update(expired)
        closing = self._turn(time_ms)
        self._next_ms = min([*self._edges.values(), *self._expiries.values(), NEVER])
        self.rows = sorted(self._expired | self._closed)
        return [rest for rest in (Rest(expired, Cause.EXPIRED), Rest(closing, Cause.CLOSED)) if rest.rows]

    def _turn(self, time_ms: int) -> list[int]:
        """Open and close what is due; answers what closes."""
        closing = []
        for row in [row for row, edge_ms in self._edges.items() if edge_ms <= time_ms]:
            schedule = self._rules[row].schedule
            assert schedule is not None
            self._edges[row] = schedule.stays_until(time_ms)
            if schedule.is_open(time_ms):
                self._closed.discard(row)
            elif row not in self._closed:
                self._closed.add(row)
                closing.append(row)
        return closing

    def reason(self, row: int, time_ms: int) -> str:
        """Why a rule rests, in a sentence; "" for one that does not."""
        if row in self._expired:
            return "The rule has expired."
        schedule = self._rules[row].schedule
        if row not in self._closed or schedule is None:
            return ""
        opens_ms = schedule.opens_at(time_ms)
        after = "it does not open again within a year" if opens_ms is None else f"it opens {schedule.shown(opens_ms)}"
        return f"The rule rests outside of its schedule ({schedule.text}); {after}."
