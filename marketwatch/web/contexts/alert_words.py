"""Alerts in words: the same sentence on every page, in the bell and in a toast."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from ...model.alerts import Alert, AlertState
from ...model.private import author_of, is_money, is_private, told_to
from ...watch import Watch
from .. import format as fmt

MARKET = "*"
"""The symbol of alerts about the market as a whole or about the program."""
PORTFOLIO = "Portfolio"
_DAY_MS = 86_400_000
_labels: WeakKeyDictionary[Watch, dict[str, str]] = WeakKeyDictionary()
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
STATE_WORDS = {
    AlertState.PENDING: "pending",
    AlertState.FIRING: "firing",
    AlertState.RECOVERING: "recovering",
    AlertState.RESOLVED: "resolved",
}


def element_id(given: str, kind: str = "alert") -> str:
    """An id for a page that is safe whatever the alert's (or rule's) own id is."""
    safe = given if _SAFE.fullmatch(given) else hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:24]
    return f"{kind}-{safe}"


def figure(value: float | None) -> str:
    """A value of a rule's term: five significant digits without zeros at the end."""
    text = fmt.quantity(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def subject(symbol: str, watch: Watch) -> str:
    """What an alert is about: the coin, the whole symbol where several pairs are of that coin, or the market."""
    if symbol == MARKET:
        return "Market"
    labels = _labels.get(watch)
    if labels is None:
        counts = Counter(item.base for item in watch.instruments.values())
        labels = _labels[watch] = {
            item.symbol: item.base if counts[item.base] == 1 else item.symbol for item in watch.instruments.values()
        }
    return labels.get(symbol, symbol)


def subject_of(alert: Alert, watch: Watch) -> str:
    """What one alert is about; "Portfolio" where that is its author's money alone."""
    return PORTFOLIO if alert.symbol == MARKET and author_of(alert) is not None else subject(alert.symbol, watch)


def moment(time_ms: int, now_ms: int) -> str:
    """`14:02:31`; what was not within the last day as `2026-11-20 14:02`."""
    return fmt.clock_time(time_ms) if 0 <= now_ms - time_ms < _DAY_MS else fmt.date_time(time_ms)[:16]


def age(time_ms: int, now_ms: int) -> str:
    """`now` in the first minute, then `4 min`: a text that does not change with every tick."""
    past = now_ms - time_ms
    return "now" if past < 60_000 else fmt.duration(past)


def reason(alert: Alert, asker: str = "") -> str:
    """`change(5m) was −3.25, threshold −3`, or `portfolio('main').upnl (private), threshold −500`; a rule without a comparison
    simply holds. `asker`: who reads it, "" for everybody; figures of somebody else's money are private."""
    alert = told_to(alert, asker)
    private = is_private(alert) and is_money(alert.metric)
    if alert.threshold is None:
        held = "holds" if alert.state is not AlertState.RESOLVED else "held"
        value = "" if alert.trigger_value is None else f", at {figure(alert.trigger_value)}"
        return f"{alert.metric} {held}{value}" + (" (private)" if private else "")
    said = "(private)" if private else f"was {figure(alert.trigger_value)}"
    return f"{alert.metric} {said}, threshold {figure(alert.threshold)}"


def sentence(alert: Alert, now_ms: int, wait_ms: int = 0) -> str:
    """Why, and since when. `wait_ms`: how long the rule's condition must hold before it fires."""
    since = moment(alert.fired_ms, now_ms)
    if alert.state is AlertState.PENDING:
        waits = f", fires after {fmt.long_duration(wait_ms)}" if wait_ms else ""
        return f"{reason(alert)}, pending since {since}{waits}"
    if alert.state is AlertState.RESOLVED:
        until = "" if alert.resolved_ms is None else f" for {fmt.long_duration(alert.resolved_ms - alert.fired_ms)}"
        return f"{reason(alert)}, {since}{until}"
    return f"{reason(alert)}, since {since}"


def replay_href(alert_id: str, minutes: int = 5) -> str:
    """The address of an alert's replay."""
    return "/replay?" + urlencode({"alert_id": alert_id} | ({} if minutes == 5 else {"minutes": str(minutes)}))
