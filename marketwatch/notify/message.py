"""A message as JSON (the alert as the interface shows it, with the ids of the notice) and as plain text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ..model.alerts import Alert, AlertState, Notification
from ..model.private import open_context
from ..model.system import Level
from .channel import Message, Told

_MOST_TEXT, _MOST_NOTE = 200, 500


def iso(time_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compose(told: Sequence[Told], *, digest: bool, source: str) -> Message:
    """One message; a digest is known by what it sums up, whatever the order."""
    if not digest:
        return Message(told[0].notice.notification_id, list(told), False, source)
    ids = "\n".join(sorted(one.notice.notification_id for one in told))
    return Message(hashlib.sha256(ids.encode()).hexdigest()[:32], list(told), True, source)


def trial(channel: str, source: str, now_ms: int) -> Message:
    """A notice that says it is a test: of an alert that there is not."""
    key = f"test-{now_ms}"
    alert = Alert(
        key,
        "test",
        1,
        "This is a test notice",
        "TEST",
        "",
        None,
        None,
        now_ms,
        AlertState.RESOLVED,
        Level.INFO,
        resolved_ms=now_ms,
    )
    return Message(key, [Told(Notification(key, key, channel, "test", "waiting", 1, now_ms), alert)], False, source)


def alert_json(alert: Alert) -> dict[str, Any]:
    """The alert in the shape that `/api/alerts` answers."""
    return {
        "alert_id": alert.alert_id,
        "rule_id": alert.rule_id,
        "rule_version": alert.rule_version,
        "rule_name": alert.rule_name,
        "symbol": alert.symbol,
        "metric": alert.metric,
        "threshold": alert.threshold,
        "trigger_value": alert.trigger_value,
        "timestamp": iso(alert.fired_ms),
        "state": alert.state.value,
        "resolved_at": None if alert.resolved_ms is None else iso(alert.resolved_ms),
        "severity": alert.severity.value,
        "late": alert.late,
        "acknowledged_at": None if alert.acknowledged_ms is None else iso(alert.acknowledged_ms),
        "context": open_context(alert),
    }


def _one(told: Told, source: str) -> dict[str, Any]:
    notice = told.notice
    return {**alert_json(told.alert), "notification_id": notice.notification_id, "kind": notice.kind, "source": source}


def as_json(message: Message) -> bytes:
    """`{alert ..., notification_id, kind, source}`; a digest `{notification_id, kind: "digest", source, count, alerts}`."""
    bodies = [_one(told, message.source) for told in message.told]
    if not message.digest:
        return orjson.dumps(bodies[0])
    head = {"notification_id": message.message_id, "kind": "digest", "source": message.source, "count": len(bodies)}
    return orjson.dumps({**head, "alerts": bodies})


def one_line(text: str, most: int = _MOST_TEXT) -> str:
    """`text` without line breaks and control characters, at most 200 characters: fit for a header of a mail."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:most]


def _sentence(alert: Alert) -> str:
    if alert.trigger_value is None:
        return f"{alert.symbol}: {alert.rule_name}"
    bound = "" if alert.threshold is None else f" (threshold {alert.threshold:.10g})"
    return f"{alert.symbol}: {alert.rule_name}, {alert.metric} was {alert.trigger_value:.10g}{bound}"


def subject(message: Message) -> str:
    """One line that says what happened; an invented or recorded market is named first."""
    mark = "" if message.source == "live" else f"[{message.source.upper()}] "
    if message.digest:
        symbols = sorted({told.alert.symbol for told in message.told})
        shown = ", ".join(symbols[:5]) + (" ..." if len(symbols) > 5 else "")
        return one_line(f"{mark}{len(message.told)} alerts: {shown}")
    alert = message.told[0].alert
    return one_line(f"{mark}{alert.severity.value.capitalize()}: {_sentence(alert)}")


def _note(alert: Alert) -> str:
    """What the rule wants the person to know who is woken."""
    rule = alert.context.get("rule")
    note = rule.get("note") if isinstance(rule, dict) else ""
    return note if isinstance(note, str) else ""


def as_text(message: Message) -> str:
    """One line for each alert, the newest last, with its time and whether it came late; the rule's note below it."""
    lines = []
    for told in sorted(message.told, key=lambda one: (one.alert.fired_ms, one.alert.alert_id)):
        late = " [late: raised by data that came in afterwards]" if told.alert.late else ""
        again = "" if told.notice.kind == "fired" else f" ({one_line(told.notice.kind)})"
        lines.append(f"{iso(told.alert.fired_ms)} {told.alert.severity.value}: {one_line(_sentence(told.alert))}{again}{late}")
        if note := _note(told.alert):
            lines.append(f"    {one_line(note, _MOST_NOTE)}")
    if message.source != "live":
        lines.append(f"These are prices of a {message.source} market, not of a live one.")
    return "\n".join([*lines, "", f"Notice {message.message_id}", ""])
