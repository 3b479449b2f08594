"""What is stored about a moment: everything that a watch as of then is rebuilt from, and how much of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..alerts.episodes import rule_of
from ..errors import NotFound
from ..model.alerts import Alert, AlertState, Rule
from ..model.market import Candle, Gap, Instrument, QuietSpan, Whale
from ..model.metrics import Window
from ..model.private import author_of
from ..ports import MarketStore, SampleColumns, SampleMarks
from ..watch import Watch

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
LEAST_LEAD_MS = 300_000
_MOST_CELLS = 400_000
_MOST_MINUTES, _MOST_HOURS = 120_000, 40_000
_MOST_WHALES = _MOST_ALERTS = 500
_MOST_GAPS = 500


class Reach(NamedTuple):
    """How far back is read: samples from `from_ms` (a whole minute) to `to_ms`, before them candles. `whole`: the samples reach
    over every window that runs on them."""

    from_ms: int
    to_ms: int
    minutes: int
    hours: int
    whole: bool


class Past(NamedTuple):
    """What is stored. `samples` and `candles` by symbol, in the order of `instruments`; whales, gaps and alerts oldest first,
    alerts with the state that they had then. `quiet`: spans that touch the last step."""

    reach: Reach
    venue: str
    sample_ms: int
    instruments: tuple[Instrument, ...]
    windows: tuple[str, ...]
    samples: tuple[SampleColumns, ...]
    candles: Mapping[str, list[Candle]]
    whales: tuple[Whale, ...]
    gaps: tuple[Gap, ...]
    alerts: tuple[Alert, ...]
    rules: tuple[Rule, ...]
    quiet: tuple[QuietSpan, ...] = ()


def reach_of(to_ms: int, windows: tuple[Window, ...], sample_ms: int, symbols: int) -> Reach:
    """What is read for a watch of so many symbols: less per symbol the more there are, so that memory stays bounded.

    Samples reach over the longest window that runs on them, five minutes at least, as long as symbols times steps stay below
    400,000; candles over 24 h of minutes and 30 days of hours, as the live start has them, while there are few symbols.
    """
    lead_ms = max([LEAST_LEAD_MS, *(one.span_ms for one in windows if one.grid_ms == sample_ms)])
    room_ms = max(_MINUTE_MS, _MOST_CELLS // max(1, symbols) * sample_ms)
    from_ms = to_ms - min(lead_ms, room_ms)
    minutes = min(1440, max(120, _MOST_MINUTES // max(1, symbols)))
    hours = min(720, max(26, _MOST_HOURS // max(1, symbols)))
    return Reach(from_ms - from_ms % _MINUTE_MS, to_ms, minutes, hours, lead_ms <= room_ms)


async def read_past(store: MarketStore, live: Watch, to_ms: int, sample_ms: int) -> Past:
    """What is stored about the moment `to_ms` of the symbols of `live`. Raises NotFound where no sample is, StoreError."""
    windows = live.engine.windows
    reach = reach_of(to_ms, windows, sample_ms, len(live.symbols))
    marks = await store.sample_marks(to_ms)
    if marks.before_ms is None or marks.before_ms < min(reach.from_ms, to_ms - LEAST_LEAD_MS):
        raise nothing_around(to_ms, marks)
    samples, candles = [], {}
    quiet: list[QuietSpan] = []
    for symbol in live.symbols:
        quiet += await store.quiet(symbol, from_ms=to_ms - sample_ms, to_ms=to_ms)
        samples.append(await store.samples(symbol, reach.from_ms, to_ms, held_ms=_DAY_MS))
        candles[symbol] = await _candles(store, symbol, reach)
    whales = await store.whales(to_ms=to_ms, limit=_MOST_WHALES)
    gaps = await store.gaps(from_ms=to_ms - _DAY_MS, to_ms=to_ms, limit=_MOST_GAPS)
    alerts = await _alerts(store, live, to_ms)
    return Past(
        reach=reach,
        venue=live.venue,
        sample_ms=_step_of(samples, sample_ms),
        instruments=tuple(live.instruments.values()),
        windows=tuple(one.name for one in windows),
        samples=tuple(samples),
        candles=candles,
        whales=tuple(
            Whale(one.trade, one.value_usd or 0.0, 0.0) for one in reversed(whales) if one.trade.symbol in live.instruments
        ),
        gaps=tuple(gap._replace(to_ms=min(gap.to_ms, to_ms)) for gap in reversed(gaps) if gap.symbol in live.instruments),
        alerts=tuple(alerts),
        rules=tuple(rules_then(live.state.rules, alerts)),
        quiet=tuple(quiet),
    )


def _step_of(samples: list[SampleColumns], sample_ms: int) -> int:
    """The step of the newest stored row."""
    newest = max((one for one in samples if len(one.time_ms)), key=lambda one: int(one.time_ms[-1]), default=None)
    return newest.sample_ms if newest is not None else sample_ms


async def _candles(store: MarketStore, symbol: str, reach: Reach) -> list[Candle]:
    """Hours and minutes that were over when the read samples begin."""
    start = reach.from_ms
    hour = start - start % _HOUR_MS
    hours = await store.candles(symbol, "1h", from_ms=hour - reach.hours * _HOUR_MS, to_ms=hour, limit=reach.hours)
    minutes = await store.candles(symbol, "1m", from_ms=start - reach.minutes * _MINUTE_MS, to_ms=start, limit=reach.minutes)
    return hours + minutes


async def _alerts(store: MarketStore, live: Watch, to_ms: int) -> list[Alert]:
    """Alerts that had begun, the newest and all that were not over, oldest first. What memory knows of an end is newer than
    what is stored."""
    stored = [*await store.alerts(to_ms=to_ms + 1, limit=_MOST_ALERTS), *await store.standing_alerts(to_ms)]
    found = {one.alert_id: one for one in stored}
    for one in (*live.state.alerts.values(), *live.state.recent_alerts):
        known = found.get(one.alert_id)
        if one.fired_ms <= to_ms and (known is None or known.resolved_ms is None):
            seen_ms = None if known is None else known.acknowledged_ms
            found[one.alert_id] = one._replace(acknowledged_ms=one.acknowledged_ms or seen_ms)
    ordered = sorted(found.values(), key=lambda one: (one.fired_ms, one.alert_id))
    return [alert_then(one, to_ms) for one in ordered]


def alert_then(alert: Alert, at_ms: int) -> Alert:
    """The alert with the state that it had at `at_ms`: what ended or was seen later was still firing or unseen.

    Whether it was just recovering is not stored, so it fires until it is over.
    """
    over = alert.resolved_ms is not None and alert.resolved_ms <= at_ms
    seen = alert.acknowledged_ms is not None and alert.acknowledged_ms <= at_ms
    state = alert.state if over or alert.state is AlertState.PENDING else AlertState.FIRING
    return alert._replace(
        state=state,
        resolved_ms=alert.resolved_ms if over else None,
        acknowledged_ms=alert.acknowledged_ms if seen else None,
    )


def rules_then(now: Mapping[str, Rule], alerts: list[Alert]) -> list[Rule]:
    """The rules in force now, each in the version of its newest alert then; and rules that have gone since, if they had one.

    When a version came into force is not stored: a rule without an alert is shown as it is now.
    """
    found = dict(now)
    for one in alerts:
        facts: Any = one.context.get("rule")
        if not isinstance(facts, dict) or "expression" not in facts:
            continue
        current = found.get(one.rule_id)
        if current is None or current.version != one.rule_version:
            found[one.rule_id] = rule_of(facts, author_of(one))
    return list(found.values())


def nothing_around(at_ms: int, marks: SampleMarks) -> NotFound:
    """The refusal of a moment of which nothing is stored; its details hold the marks of what is."""
    ways = {"parameter": "at", "value": at_ms, "marks": marks}
    if marks.newest_ms is None:
        return NotFound("No sample is stored yet, so there is no earlier moment to show.", [ways])
    if marks.before_ms is None:
        return NotFound("This moment lies before the first sample that is stored.", [ways])
    return NotFound("No sample is stored around this moment: the program was not running, or its database was away.", [ways])
