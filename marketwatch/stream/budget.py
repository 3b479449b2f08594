"""How often something may be sent when its commands are counted by the day."""

from __future__ import annotations

DAY_S = 86_400.0


class CommandBudget:
    """At most `a_day` commands in any day (0: no bound), spread evenly; a tenth of them is kept for what cannot wait.

    `pause_s(commands)`: how long after a round of so many commands the next one may follow.
    """

    def __init__(self, a_day: int, *, shortest_s: float) -> None:
        self.a_day = a_day
        self._shortest_s = shortest_s
        self._day = -1
        self.used = 0

    @property
    def counts(self) -> bool:
        """Whether there is a bound at all."""
        return bool(self.a_day)

    def spend(self, commands: int, now_s: float) -> None:
        """Count what was sent."""
        day = int(now_s // DAY_S)
        self.used = commands if day != self._day else self.used + commands
        self._day = day

    def used_today(self, now_s: float) -> int:
        """Commands of this day."""
        return self.used if int(now_s // DAY_S) == self._day else 0

    def has_room(self, commands: int, now_s: float) -> bool:
        """Whether so many more fit into this day."""
        return not self.a_day or self.used_today(now_s) + commands <= self.a_day

    def pause_s(self, commands: int) -> float:
        """Seconds between two rounds of so many commands."""
        if not self.a_day:
            return self._shortest_s
        return max(self._shortest_s, commands * DAY_S / (0.9 * self.a_day))
