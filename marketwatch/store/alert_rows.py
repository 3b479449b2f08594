"""How rules, alerts and notices look in the database."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..model.alerts import Alert, AlertState, Notification, Pin, Rule, RuleRemoval
from ..model.silences import Silence
from ..model.system import Level
from .rows import clean

_DEEPEST = 8
_LARGEST = 2**63


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON can hold it and every database takes it: unknown numbers are null, odd characters are replaced."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else float(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth >= _DEEPEST:
        return clean(str(value)[:200])
    if isinstance(value, Mapping):
        return {clean(str(name)): plain(part, depth + 1) for name, part in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist(), depth + 1)
    if isinstance(value, Sequence | set | frozenset):
        return [plain(part, depth + 1) for part in value]
    return clean(str(value)[:200])


def _json(value: Any) -> str:
    return orjson.dumps(plain(value)).decode()


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def rule_row(rule: Rule) -> tuple[Any, ...]:
    """In the order of the columns of `put_rule`."""
    recover = None if rule.recover is None else clean(rule.recover)
    return (
        clean(rule.rule_id), rule.version, clean(rule.name), clean(rule.expression), _json(rule.symbols), rule.for_ms, recover,
        rule.keep_firing_ms, rule.cooldown_ms, rule.repeat_ms, str(rule.severity), _json(rule.channels), rule.enabled,
        rule.expires_ms, clean(rule.origin), None if rule.schedule is None else clean(rule.schedule), rule.intrabar,
        clean(rule.note), rule.muted_until_ms, clean(rule.owner_id),
    )  # fmt: skip


def removal_row(removal: RuleRemoval) -> tuple[Any, ...]:
    return clean(removal.rule_id), removal.removed_ms


def alert_row(alert: Alert) -> tuple[Any, ...]:
    """In the order of the columns of `put_alert`."""
    return (
        clean(alert.alert_id), clean(alert.rule_id), alert.rule_version, clean(alert.rule_name), clean(alert.symbol),
        clean(alert.metric), _number(alert.threshold), alert.fired_ms, _number(alert.trigger_value), str(alert.state),
        alert.resolved_ms, str(alert.severity), alert.late, alert.acknowledged_ms, _json(alert.context),
    )  # fmt: skip


def notification_row(notice: Notification) -> tuple[Any, ...]:
    error = None if notice.last_error is None else clean(notice.last_error)
    names = (clean(notice.notification_id), clean(notice.alert_id), clean(notice.channel), clean(notice.kind))
    return (*names, clean(notice.state), notice.attempts, notice.created_ms, error, notice.due_ms, notice.sent_ms)


def silence_row(silence: Silence) -> tuple[Any, ...]:
    """In the order of the columns of `put_silence`."""
    patterns = (clean(silence.rule_id), clean(silence.symbol), clean(silence.severity))
    said = (silence.starts_ms, silence.ends_ms, clean(silence.comment), clean(silence.who), silence.created_ms)
    return (clean(silence.silence_id), *patterns, *said, silence.ended_ms, silence.remind)


def pin_row(pin: Pin) -> tuple[Any, ...]:
    return clean(pin.alert_id), clean(pin.symbol), pin.from_ms, pin.to_ms


def decode_rule(row: Sequence[Any]) -> Rule:
    """A row of the query `rules`."""
    rule_id, version, name, expression, symbols, for_ms, recover, keep, cooldown, repeat, severity, channels, *rest = row
    enabled, expires_ms, origin, schedule, intrabar, note, muted_until_ms, owner_id = rest
    return Rule(
        rule_id=rule_id,
        version=version,
        name=name,
        expression=expression,
        symbols=tuple(orjson.loads(symbols)),
        for_ms=for_ms,
        recover=recover,
        keep_firing_ms=keep,
        cooldown_ms=cooldown,
        repeat_ms=repeat,
        severity=Level(severity),
        channels=tuple(orjson.loads(channels)),
        enabled=bool(enabled),
        expires_ms=expires_ms,
        origin=origin,
        schedule=schedule,
        intrabar=bool(intrabar),
        note=note,
        muted_until_ms=muted_until_ms,
        owner_id=owner_id,
    )


def decode_alert(row: Sequence[Any]) -> Alert:
    """A row of the queries `alerts` and `alert`."""
    alert_id, rule_id, version, name, symbol, metric, threshold, value, fired_ms, state, severity, *rest = row
    resolved_ms, acknowledged_ms, late, context = rest
    return Alert(
        alert_id=alert_id,
        rule_id=rule_id,
        rule_version=version,
        rule_name=name,
        symbol=symbol,
        metric=metric,
        threshold=threshold,
        trigger_value=value,
        fired_ms=fired_ms,
        state=AlertState(state),
        severity=Level(severity),
        resolved_ms=resolved_ms,
        acknowledged_ms=acknowledged_ms,
        late=bool(late),
        context=orjson.loads(context),
    )


def notices_of(alert: Alert, channels: Sequence[str], time_ms: int) -> list[Notification]:
    """One notice for every channel. In the app the alert itself is the notice: it is told once it is committed.

    A repeated notice is another kind; the alert's context counts them.
    """
    number = alert.context.get("notices", 1)
    kind = f"repeat-{number}" if isinstance(number, int) and number > 1 else "fired"
    found = []
    for channel in channels:
        key = "\n".join((alert.alert_id, kind, channel)).encode("utf-8", "replace")
        digest = hashlib.sha256(key).hexdigest()[:32]
        notice = Notification(digest, alert.alert_id, channel, kind, "waiting", 0, time_ms)
        found.append(notice._replace(state="sent", attempts=1, sent_ms=time_ms) if channel == "app" else notice)
    return found
