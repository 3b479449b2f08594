"""The replay page: the moment of an alert in words, and what was traded around it as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np

from ...model.alerts import Alert, AlertState, Notification
from ...model.private import told_to
from ...ports import SampleColumns
from ...replay.incident import Incident
from ...watch import Watch
from .. import format as fmt
from .alert_acts import ActsView, acts_of
from .alert_words import figure, reason, replay_href, subject_of
from .alerts import AlertView, alert_view
from .bell import firing
from .cursor import market_then
from .deliveries import DeliveryView, receipts_of
from .frame import Frame, symbol_href

ROW_MS = 10_000
_MOST_LISTED = 50
_MOST_TERMS = 50
_SENTENCE = "The market as it was around an alert: not the market of now."
_SENTENCES = {
    "demo": "Demo: invented prices as they were around an alert, not a real market.",
    "recorded": "A recording as it was around an alert: not the market of now.",
}


class TermView(NamedTuple):
    """A term of the rule with its value when the alert fired."""

    name: str
    value: str


class StepView(NamedTuple):
    """Ten seconds of the alert's symbol. `marked`: the alert fired in them; `gap`: the feed was down in them."""

    time: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    trades: str
    marked: bool
    gap: bool


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """An alert to watch again. `left_out`: trades that are stored but not played, for want of room."""

    alert_id: str
    minutes: int
    symbol: str
    subject: str
    href: str
    decimals: int
    rule_name: str
    expression: str
    severity: str
    reason: str
    fired: str
    resolved: str
    then: str
    late: bool
    terms: tuple[TermView, ...]
    windows: tuple[TermView, ...]
    rows: tuple[StepView, ...]
    choices: tuple[tuple[int, str, bool], ...]
    left_out: int
    download: str
    acknowledged: str
    acts: ActsView
    receipts: tuple[DeliveryView, ...]


@dataclass(frozen=True, slots=True)
class ReplayList:
    """Alerts to choose from, newest first. `problem`: why older ones are missing."""

    alerts: tuple[AlertView, ...]
    problem: str


def replay_frame(frame: Frame, path: str) -> Frame:
    """The frame of a page that does not show the market of now."""
    return replace(frame, source="replay", source_word="Replay", source_sentence=sentence_of(frame.source), path=path)


def sentence_of(source: str) -> str:
    """What is said of a replay of a market whose source is `live`, `demo` or `recorded`."""
    return _SENTENCES.get(source, _SENTENCE)


def export_href(alert_id: str, minutes: int) -> str:
    """The address of the file that an alert's replay is downloaded as."""
    return "/replay/export?" + urlencode({"alert_id": alert_id} | ({} if minutes == 5 else {"minutes": str(minutes)}))


def replay_list(watch: Watch, past: Sequence[Alert], now_ms: int, problem: str = "") -> ReplayList:
    """What fires and what has fired, newest first."""
    found = sorted((*firing(watch), *past), key=lambda alert: (alert.fired_ms, alert.alert_id), reverse=True)
    return ReplayList(tuple(alert_view(alert, watch, now_ms) for alert in found[:_MOST_LISTED]), problem)


def replay_page(
    watch: Watch, incident: Incident, minutes: int, notices: Sequence[Notification] = (), now_ms: int = 0, asker: str = ""
) -> ReplayPage:
    """One alert as `asker` may know it, what lies around it, and what became of its notices."""
    alert, symbol = told_to(incident.alert, asker), incident.symbol
    instrument = watch.instruments.get(symbol)
    decimals = 2 if instrument is None else instrument.price_decimals
    rule: Any = alert.context.get("rule")
    over = alert.state is AlertState.RESOLVED and alert.resolved_ms is not None
    return ReplayPage(
        alert_id=alert.alert_id,
        minutes=minutes,
        symbol=symbol,
        subject=subject_of(alert, watch),
        href=symbol_href(symbol) if instrument is not None else "",
        decimals=decimals,
        rule_name=alert.rule_name,
        expression=str(rule.get("expression", "")) if isinstance(rule, dict) else "",
        severity=alert.severity.value,
        reason=reason(alert, asker),
        fired=fmt.date_time(alert.fired_ms),
        resolved=fmt.long_duration(alert.resolved_ms - alert.fired_ms) if over and alert.resolved_ms is not None else "",
        then=market_then(alert.fired_ms),
        late=alert.late,
        terms=_terms(alert),
        windows=_windows(alert),
        rows=tuple(_rows(incident.samples[0], alert.fired_ms, decimals)),
        choices=tuple((one, replay_href(alert.alert_id, one), one == minutes) for one in (1, 5, 15, 60)),
        left_out=incident.left_out,
        download=export_href(alert.alert_id, minutes),
        acknowledged="" if alert.acknowledged_ms is None else fmt.date_time(alert.acknowledged_ms),
        acts=acts_of(alert, watch),
        receipts=receipts_of(notices, now_ms or alert.fired_ms),
    )


def _terms(alert: Alert) -> tuple[TermView, ...]:
    terms = alert.context.get("terms")
    if not isinstance(terms, dict):
        return ()
    return tuple(TermView(str(name), _figure(value)) for name, value in list(terms.items())[:_MOST_TERMS])


def _figure(value: object) -> str:
    return figure(float(value)) if isinstance(value, int | float) else fmt.UNKNOWN


def _windows(alert: Alert) -> tuple[TermView, ...]:
    windows = alert.context.get("windows")
    if not isinstance(windows, dict):
        return ()
    return tuple(
        TermView(str(name), f"{one.get('filled')} of {one.get('length')} steps" + _flags(one.get("flags")))
        for name, one in list(windows.items())[:_MOST_TERMS]
        if isinstance(one, dict)
    )


def _flags(flags: object) -> str:
    return ", " + ", ".join(str(flag) for flag in flags) if isinstance(flags, list) and flags else ""


def _rows(columns: SampleColumns, fired_ms: int, decimals: int) -> list[StepView]:
    """Every ten seconds with a stored step, oldest first."""
    bucket = columns.time_ms // ROW_MS
    views: list[StepView] = []
    for number in np.unique(bucket).tolist():
        inside = bucket == number
        traded = inside & (columns.trades > 0)
        chosen = traded if traded.any() else inside
        views.append(
            StepView(
                time=fmt.clock_time(number * ROW_MS),
                open=fmt.price(float(columns.open[chosen][0]), decimals),
                high=fmt.price(float(columns.high[chosen].max()), decimals),
                low=fmt.price(float(columns.low[chosen].min()), decimals),
                close=fmt.price(float(columns.price[chosen][-1]), decimals),
                volume=fmt.compact(float(columns.volume[inside].sum())),
                trades=fmt.whole(float(columns.trades[inside].sum())),
                marked=(fired_ms - 1) // ROW_MS == number,
                gap=bool(columns.gap[inside].any()),
            )
        )
    return views
