"""The bell of the top bar, the count in the navigation, and what the page says aloud once for each new alert."""

from __future__ import annotations

from dataclasses import dataclass

from ...model.alerts import Alert, AlertState
from ...watch import Watch
from .alert_words import element_id, reason, replay_href, subject_of
from .silences import loud

_MOST_TOASTS = 8


@dataclass(frozen=True, slots=True)
class ToastView:
    """A notice of one alert. `fired_ms` lets the page leave old ones alone."""

    key: str
    alert_id: str
    fired_ms: int
    severity: str
    title: str
    text: str
    replay: str


@dataclass(frozen=True, slots=True)
class BellView:
    """How many alerts fire that nobody has seen or silenced, whether one of them is critical, and the newest notices."""

    count: int
    tone: str  # "", warning or critical
    toasts: tuple[ToastView, ...]


@dataclass(frozen=True, slots=True)
class CountView:
    """The number beside `Alerts` in the navigation."""

    count: int


def firing(watch: Watch) -> list[Alert]:
    """What fires now, recovering ones among it, newest first."""
    found = [alert for alert in watch.state.alerts.values() if alert.state is not AlertState.PENDING]
    return sorted(found, key=lambda alert: (alert.fired_ms, alert.alert_id), reverse=True)


def bell_of(watch: Watch | None, now_ms: int) -> BellView:
    """The bell as of now."""
    if watch is None:
        return BellView(0, "", ())
    active = loud(watch, firing(watch), now_ms)
    critical = any(alert.severity.value == "critical" for alert in active)
    return BellView(len(active), "critical" if critical else "warning" if active else "", _toasts(watch))


def count_of(watch: Watch | None, now_ms: int) -> CountView:
    """The same number, for the navigation."""
    return CountView(0 if watch is None else len(loud(watch, firing(watch), now_ms)))


def _toasts(watch: Watch) -> tuple[ToastView, ...]:
    state = watch.state
    newest = list(dict.fromkeys(reversed(state.notified)))[:_MOST_TOASTS]
    if not newest:
        return ()
    ended = {alert.alert_id: alert for alert in state.recent_alerts}
    known = [state.alerts.get(alert_id) or ended.get(alert_id) for alert_id in newest]
    return tuple(_toast(alert, watch) for alert in known if alert is not None)


def _toast(alert: Alert, watch: Watch) -> ToastView:
    firing_now = alert._replace(state=AlertState.FIRING)
    title = f"{subject_of(alert, watch)}: {alert.rule_name}"
    return ToastView(
        key=element_id(alert.alert_id),
        alert_id=alert.alert_id,
        fired_ms=alert.fired_ms,
        severity=alert.severity.value,
        title=title,
        text=reason(firing_now),
        replay=replay_href(alert.alert_id),
    )
