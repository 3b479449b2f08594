"""Silences in words: what nobody is told of at the moment, until when, and the form that makes a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...model.alerts import Alert
from ...model.silences import EVERYTHING, Silence
from ...watch import Watch
from .. import format as fmt
from .alert_words import moment

_MOST = 50
_MOST_PAST = 10
_DAY_MS = 86_400_000
LENGTHS = (("15m", "15 min"), ("1h", "1 hour"), ("4h", "4 hours"), ("tomorrow", "until 08:00 UTC tomorrow"))
"""How long a snooze may last, and how that is called."""
SPANS = (("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("7d", "1 week"), ("30d", "30 days"))


class SilenceView(NamedTuple):
    """One silence; `when` says until when it holds, or when it held."""

    key: str
    what: str
    when: str
    comment: str
    who: str
    snooze: bool
    state: str


@dataclass(frozen=True, slots=True)
class SilencesView:
    """Silences that hold or are to come, then the newest that are over; `more` of either are not shown."""

    active: tuple[SilenceView, ...]
    past: tuple[SilenceView, ...]
    more: int


@dataclass(frozen=True, slots=True)
class SilenceForm:
    """The form for a new silence, filled from an alert where one is given."""

    rule_id: str = ""
    symbol: str = ""
    severity: str = ""
    comment: str = ""
    mistake: str = ""
    open: bool = False


def until(time_ms: int, now_ms: int) -> str:
    """`14:02`, or with the day where that is not within the next day."""
    return fmt.clock_time(time_ms)[:5] if 0 <= time_ms - now_ms < _DAY_MS else fmt.date_time(time_ms)[:16]


def quiet(alert: Alert, watch: Watch, now_ms: int) -> str:
    """`snoozed until 14:02` while nobody is told of an alert; `silenced` for one of which nobody ever was; else nothing."""
    silence = watch.state.silence_of(alert, now_ms)
    if silence is not None:
        return f"{'snoozed' if silence.remind else 'silenced'} until {until(silence.until_ms, now_ms)}"
    return "silenced" if alert.context.get("silenced") and not alert.context.get("notices") else ""


def loud(watch: Watch, alerts: list[Alert], now_ms: int) -> list[Alert]:
    """Those that ask for somebody: not acknowledged, and neither silenced nor snoozed."""
    state = watch.state
    return [alert for alert in alerts if alert.acknowledged_ms is None and state.silence_of(alert, now_ms) is None]


def silences_of(watch: Watch, now_ms: int) -> SilencesView:
    """What holds, and what has held."""
    ordered = sorted(watch.state.silences.values(), key=lambda one: (one.until_ms, one.silence_id))
    active = [one for one in ordered if now_ms < one.until_ms]
    past = [one for one in reversed(ordered) if one.until_ms <= now_ms]
    return SilencesView(
        tuple(_view(one, now_ms) for one in active[:_MOST]),
        tuple(_view(one, now_ms) for one in past[:_MOST_PAST]),
        max(0, len(active) - _MOST) + max(0, len(past) - _MOST_PAST),
    )


def _view(silence: Silence, now_ms: int) -> SilenceView:
    if silence.until_ms <= now_ms:
        when, state = f"ended {moment(silence.until_ms, now_ms)}", "expired"
    elif silence.holds(now_ms):
        when, state = f"until {until(silence.until_ms, now_ms)}", "active"
    else:
        when, state = f"from {until(silence.starts_ms, now_ms)} until {until(silence.until_ms, now_ms)}", "coming"
    return SilenceView(silence.silence_id, _what(silence), when, silence.comment, silence.who, silence.remind, state)


def _what(silence: Silence) -> str:
    named = (("rule", silence.rule_id), ("symbol", silence.symbol), ("severity", silence.severity))
    parts = [f"{name} {pattern}" for name, pattern in named if pattern != EVERYTHING]
    return ", ".join(parts) or "everything"


def form_like(alert: Alert | None) -> SilenceForm:
    """The form, filled with what silences an alert like this one."""
    if alert is None:
        return SilenceForm()
    return SilenceForm(alert.rule_id, alert.symbol, "", f"Like {alert.rule_name}"[:200], open=True)
