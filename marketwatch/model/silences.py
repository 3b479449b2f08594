"""What people say about alerts: that they have seen one, and that they do not want to be told for a while. Immutable facts."""

from __future__ import annotations

from typing import NamedTuple

from .alerts import Alert

EVERYTHING = "*"


def glob(pattern: str, text: str) -> bool:
    """Whether `pattern` is `text`, where `*` stands for any characters and `?` for one. Takes at most both lengths' product."""
    at = place = 0
    star, resume = -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == EVERYTHING:
            star, resume = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip(EVERYTHING)


class Silence(NamedTuple):
    """Nobody is told of alerts that match all three patterns, from `starts_ms` on and before `ends_ms`, in event time.

    `ended_ms`: somebody ended it before its time. `remind`: what still fires when it ends by itself is told then, once; that
    makes it a snooze. `who` and `created_ms` say who made it, and when by the clock.
    """

    silence_id: str
    starts_ms: int
    ends_ms: int
    rule_id: str = EVERYTHING
    symbol: str = EVERYTHING
    severity: str = EVERYTHING
    comment: str = ""
    who: str = ""
    created_ms: int = 0
    ended_ms: int | None = None
    remind: bool = False

    @property
    def until_ms(self) -> int:
        """The first moment at which it is not in force any more."""
        return self.ends_ms if self.ended_ms is None else min(self.ends_ms, self.ended_ms)

    def holds(self, time_ms: int) -> bool:
        """Whether it is in force at that moment."""
        return self.starts_ms <= time_ms < self.until_ms

    def matches(self, rule_id: str, symbol: str, severity: str) -> bool:
        """Whether it is about alerts of this rule, symbol and severity."""
        return glob(self.rule_id, rule_id) and glob(self.symbol, symbol) and glob(self.severity, severity)

    def takes(self, alert: Alert) -> bool:
        """Whether it is about this alert."""
        return self.matches(alert.rule_id, alert.symbol, alert.severity.value)


class Silences(NamedTuple):
    """New silences, and those that changed: travels over the bus, at the start with all that may still matter."""

    silences: list[Silence]


class Seen(NamedTuple):
    """An alert was acknowledged, or that was taken back: travels over the bus with the alert as it is now."""

    alert: Alert
