"""What is kept for good when an alert fires: the samples that its rule looked at, and the raw trades around it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ..alerts.compiled import program_of, recovery
from ..model.alerts import Alert, Alerts, AlertState, Pin, Pinned
from ..model.market import Samples, Trades
from ..rules.errors import RuleError
from ..rules.nodes import Derived, Metric, Span, WhaleCount, of_type
from ..rules.program import Program
from ..watch import Watch

AROUND_MS = 300_000
"""Before and after the moment at which an alert fired."""
MOST_LEAD_MS = 86_400_000
_TURNS, _EMA_TURNS, _BESIDE_MS = 3, 20, 60_000
_REMEMBERED = 5_000
_MOST_SYMBOLS = 8
_NAMED = re.compile(r"['\"]([^'\"]{1,64})['\"]")


def symbols_of(alert: Alert, watched: Iterable[str], reference: str) -> list[str]:
    """The symbols that an alert is about, its own first (for the market as a whole `reference`), then those its rule names."""
    known = set(watched)
    rule = _facts(alert, "rule")
    named = _NAMED.findall(f"{rule.get('expression', '')} {rule.get('recover') or ''} {alert.metric}")
    own = alert.symbol if alert.symbol != "*" else reference
    found = [symbol for symbol in dict.fromkeys([own, *named, reference]) if symbol in known]
    return found[:_MOST_SYMBOLS] or [own]


def lead_ms(alert: Alert, sample_ms: int) -> int:
    """How far before its moment the samples must reach for every term to be as it was to the last bit: five minutes to a day.

    Sums need three windows (see `engine.sums`), exponential averages twenty.
    """
    spans, beside = [0], _BESIDE_MS
    for program in programs_of(alert):
        for metric in of_type(program.expression, Metric):
            times = _EMA_TURNS if metric.name == "ema" else _TURNS
            spans.append(times * _span_ms(metric.window, sample_ms))
        spans += [_span_ms(one.window, sample_ms) for one in of_type(program.expression, WhaleCount)]
        beside += sum(_TURNS * _span_ms(one.window, sample_ms) for one in of_type(program.expression, Derived))
    rule = _facts(alert, "rule")
    return min(MOST_LEAD_MS, max(AROUND_MS, max(spans) + beside + _whole(rule.get("for_ms"))))


def programs_of(alert: Alert) -> list[Program]:
    """Condition and recovery of the alert's rule, as far as they can be understood."""
    rule = _facts(alert, "rule")
    found: list[Program] = []
    intrabar = bool(rule.get("intrabar"))
    with suppress(RuleError):
        found.append(program_of(str(rule.get("expression", "")), intrabar))
        if rule.get("recover"):
            found.append(program_of(recovery(found[0], str(rule["recover"])), intrabar))
    return found


def _span_ms(window: Span | None, sample_ms: int) -> int:
    if window is None:
        return 0
    return window.ms or window.count * sample_ms


def _facts(alert: Alert, name: str) -> dict[str, Any]:
    """A part of an alert's record; nothing where it is not what this program writes."""
    found = alert.context.get(name)
    return found if isinstance(found, dict) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


class IncidentPins:
    """Publishes `Pinned` when an alert fires, with the trades of the five minutes before, then those of the five minutes after
    as they come.

    Costs one look at an empty dictionary per batch of trades while nothing has fired lately.
    """

    def __init__(self, *, watch: Watch, sample_ms: int) -> None:
        self._watch = watch
        self._sample_ms = sample_ms
        self._until: dict[str, int] = {}
        self._seen: set[str] = set()
        self._order: deque[str] = deque()
        on = watch.bus.subscribe
        on(Alerts, self._on_alerts, name="pins")
        on(Trades, self._on_trades, name="pins")
        on(Samples, self._on_samples, name="pins")

    def _on_alerts(self, batch: Alerts) -> None:
        for alert in batch.alerts:
            if alert.state is AlertState.FIRING and alert.alert_id not in self._seen:
                self._remember(alert.alert_id)
                self._pin(alert)

    def _remember(self, alert_id: str) -> None:
        self._seen.add(alert_id)
        self._order.append(alert_id)
        if len(self._order) > _REMEMBERED:
            self._seen.discard(self._order.popleft())

    def _pin(self, alert: Alert) -> None:
        watch, fired_ms = self._watch, alert.fired_ms
        symbols = symbols_of(alert, watch.symbols, watch.reference)
        from_ms, to_ms = fired_ms - lead_ms(alert, self._sample_ms), fired_ms + AROUND_MS
        pins = [Pin(alert.alert_id, symbol, from_ms, to_ms) for symbol in symbols]
        trades = watch.tape.between(symbols[0], fired_ms - AROUND_MS, to_ms)
        self._until[symbols[0]] = max(self._until.get(symbols[0], 0), to_ms)
        watch.bus.publish(Pinned(pins, trades))

    def _on_trades(self, batch: Trades) -> None:
        until = self._until
        if until:
            found = [trade for trade in batch.trades if trade.time_ms < until.get(trade.symbol, 0)]
            if found:
                self._watch.bus.publish(Pinned([], found))

    def _on_samples(self, step: Samples) -> None:
        if self._until and step.revised is None:
            self._until = {symbol: to_ms for symbol, to_ms in self._until.items() if to_ms + AROUND_MS > step.time_ms}
