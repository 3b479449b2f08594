"""What is not to be told, and why: the one place where that is decided.

It is decided where notices are made, inside the evaluator's step, and not where they are sent: only there is it a function of
event time and of facts on the bus, so that the page, the outbox, a restart and a rerun of the same samples agree. What is
withheld here never becomes a notice, so nothing has to be taken back from the outbox, and nothing can come later in a burst.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ..model.alerts import Alert
from ..model.silences import Silence, Silences

_MOST = 1000


class Say(IntEnum):
    """What becomes of a notice that is due. HOLD: it stays due, and is told when nothing holds it any more. DROP: it counts as
    told, and nobody is."""

    TELL = 0
    HOLD = 1
    DROP = 2


class Place(NamedTuple):
    """Whom a notice would speak of. `alert`: the episode as it is, None where it begins at this step."""

    rule_id: str
    symbol: str
    severity: str
    alert: Alert | None


class Verdict(NamedTuple):
    """`silence`: which one says so; None for an alert that somebody has seen."""

    say: Say
    silence: Silence | None = None


_TELL = Verdict(Say.TELL)


class Hush:
    """The silences as the bus told them, by id. At most 1,000 are held: those that end last."""

    def __init__(self) -> None:
        self.silences: dict[str, Silence] = {}

    def on_silences(self, batch: Silences) -> None:
        self.silences |= {silence.silence_id: silence for silence in batch.silences}
        while len(self.silences) > _MOST:
            del self.silences[min(self.silences.values(), key=lambda one: (one.until_ms, one.silence_id)).silence_id]

    def in_force(self, time_ms: int) -> list[Silence]:
        """Those that hold at a moment; those that drop notices before those that hold them back."""
        return sorted(
            (one for one in self.silences.values() if one.holds(time_ms)), key=lambda one: (one.remind, one.silence_id)
        )

    def ended(self, after_ms: int, until_ms: int) -> list[Silence]:
        """Snoozes that ran out by themselves after the one moment and not after the other, unless another goes on."""
        return [
            one
            for one in self.silences.values()
            if one.remind and after_ms < one.ends_ms <= until_ms and one.ended_ms is None and one.starts_ms < one.ends_ms
        ]


def verdict(place: Place, in_force: list[Silence], time_ms: int) -> Verdict:
    """What becomes of a notice about `place` that is due now."""
    alert = place.alert
    if alert is not None and alert.acknowledged_ms is not None and alert.acknowledged_ms <= time_ms:
        return Verdict(Say.DROP)
    for silence in in_force:
        if silence.matches(place.rule_id, place.symbol, place.severity):
            return Verdict(Say.HOLD if silence.remind else Say.DROP, silence)
    return _TELL
