"""Rules in words: places of mistakes, moments, and how one version differs from another."""

from __future__ import annotations

from urllib.parse import quote

from ...alerts.compiled import of_money_alone
from ...model.alerts import FOREVER_MS, Rule
from ..envelope import iso
from ..format import UNKNOWN, span

_FIELDS = {
    "name": "Name", "expression": "Rule", "symbols": "Symbols", "for_ms": "For", "recover": "Recover at",
    "keep_firing_ms": "Keep firing", "cooldown_ms": "Cooldown", "repeat_ms": "Repeat", "severity": "Severity",
    "channels": "Channels", "enabled": "Enabled", "expires_ms": "Expires", "schedule": "Schedule", "intrabar": "Open candles",
    "note": "Note",
}  # fmt: skip


def rule_href(rule_id: str) -> str:
    """The page of a rule."""
    return "/alerts/rules/" + quote(rule_id, safe="")


def expiry_text(time_ms: int | None) -> str:
    """A moment as the form takes it: `2027-01-01T00:00:00Z`."""
    if time_ms is None:
        return ""
    text = iso(time_ms)
    return text.replace(".000Z", "Z")


def pointed(text: str, column: int) -> tuple[str, str, str]:
    """The text cut at a column (from 1), shortened far from it: before, the word there, after."""
    at = max(0, min(column - 1, len(text)))
    before, rest = text[max(0, at - 60) : at], text[at:]
    word = 1
    while word < min(len(rest), 30) and (rest[word].isalnum() or rest[word] == "_") and rest[0].isalnum():
        word += 1
    return before, rest[:word] or " ", rest[word : word + 60]


def shown(rule: Rule, field: str) -> str:
    """A field of a rule in words."""
    value = getattr(rule, field)
    if field == "symbols":
        return "all" if value == ("*",) else ", ".join(value[:8]) + (f" and {len(value) - 8} more" if len(value) > 8 else "")
    if value is None or value in ("", 0):
        return "no" if value is False else UNKNOWN
    if isinstance(value, bool):
        return "yes"
    if isinstance(value, tuple):
        return ", ".join(value)
    if field == "expires_ms":
        return expiry_text(value)
    return span(value) if isinstance(value, int) else str(value)


def about(rule: Rule, most: int = 8) -> str:
    """What a rule looks at: `portfolio` where that is its author's money alone, else its symbols, the first `most` by name."""
    if of_money_alone(rule.expression):
        return "portfolio"
    names = rule.symbols
    if names == ("*",):
        return "all symbols"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def details(rule: Rule) -> str:
    """What a rule does beyond its expression, in few words."""
    parts = [rule.severity.value, about(rule)]
    times = (
        ("for", rule.for_ms),
        ("keeps firing", rule.keep_firing_ms),
        ("cooldown", rule.cooldown_ms),
        ("repeats every", rule.repeat_ms),
    )
    parts += [f"{word} {span(ms)}" for word, ms in times if ms]
    parts += [f"recovers at {rule.recover}"] if rule.recover else []
    parts += [f"tells {', '.join(rule.channels)}"]
    parts += [rule.schedule] if rule.schedule else []
    return " · ".join(parts)


def differences(rule: Rule, before: Rule | None) -> tuple[tuple[str, str, str], ...]:
    """Label, then, now of every field that differs; none for the first version."""
    if before is None:
        return ()
    return tuple(
        (label, shown(before, field), shown(rule, field))
        for field, label in _FIELDS.items()
        if getattr(rule, field) != getattr(before, field)
    )


def muted(rule: Rule, now_ms: int) -> str:
    """Until when nobody is told, in words; empty for a rule that is not muted."""
    if not rule.muted(now_ms) or rule.muted_until_ms is None:
        return ""
    return "muted" if rule.muted_until_ms >= FOREVER_MS else f"muted until {expiry_text(rule.muted_until_ms)}"
