"""The lab's page: the form, and what a rule would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple
from urllib.parse import urlencode

import orjson

from ...alerts.compiled import of_money_alone
from ...lab.preview import Firing, Move, Preview
from ...lab.question import split_at_number
from ...lab.trace import Trace
from ...rules.catalogue import catalogue
from ...watch import Watch
from .. import format as fmt
from .frame import symbol_href
from .rule_words import pointed

_HOUR_MS = 3_600_000
SPANS = {"1h": _HOUR_MS, "6h": 6 * _HOUR_MS, "24h": 24 * _HOUR_MS, "7d": 168 * _HOUR_MS, "30d": 720 * _HOUR_MS}
_LABELS = {"1h": "1 hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
_CANDLES = {"1h": "1m", "6h": "1m", "24h": "5m", "7d": "1h", "30d": "1h"}
_ROWS = 50
_MARKS = 300
_EXAMPLES = (
    "change(5m) <= -0.5",
    "volatility(60) > 0.05 and drawdown(1h) < -0.5",
    "whales(5m) >= 3",
    "crosses_above(ema(20, 1m), ema(50, 1m))",
)


class Fields(NamedTuple):
    """The form as it was sent, texts as written."""

    expression: str = ""
    symbols: tuple[str, ...] = ()
    span: str = "24h"
    wait: str = ""
    recover: str = ""
    keep: str = ""
    cooldown: str = ""
    per_day: str = ""
    schedule: str = ""
    intrabar: bool = False

    def wished(self) -> float | None:
        """How many firings a day somebody wishes, where that is a possible number."""
        try:
            found = float(self.per_day)
        except ValueError:
            return None
        return found if isfinite(found) and 0 < found <= 10_000 else None

    def address(self) -> str:
        """The page with these fields."""
        return _address("/alerts/lab", {**self._rule(), "span": self.span, "per_day": self.per_day})

    def editor(self) -> str:
        """The rule editor with these fields filled in."""
        return _address("/alerts/rules/new", self._rule())

    def _rule(self) -> dict[str, str]:
        return {
            "expression": self.expression, "symbols": ",".join(self.symbols), "for": self.wait, "recover": self.recover,
            "keep_firing_for": self.keep, "cooldown": self.cooldown, "schedule": self.schedule,
            "intrabar": "yes" if self.intrabar else "",
        }  # fmt: skip


def _address(path: str, values: dict[str, str]) -> str:
    return f"{path}?" + urlencode({name: value for name, value in values.items() if value})


class Mistake(NamedTuple):
    """What is wrong. `column` counts from 1 in the expression, 0 where it is about something else."""

    sentence: str
    hint: str = ""
    column: int = 0


class Term(NamedTuple):
    """A line of the catalogue."""

    name: str
    signature: str
    doc: str
    example: str


class Choice(NamedTuple):
    """An option of the form."""

    value: str
    label: str
    chosen: bool


class FiringRow(NamedTuple):
    """A firing as a row; `time_ms` and `symbol` place its mark in the chart."""

    symbol: str
    href: str
    time: str
    time_ms: int
    value: str
    price: str
    lasted: str
    notices: int


class MoveRow(NamedTuple):
    """What the price did after firings, beside random moments."""

    label: str
    median: fmt.Signed
    up: str
    random_median: fmt.Signed
    random_up: str
    firings: int


class Mark(NamedTuple):
    """A firing in the chart."""

    symbol: str
    time_ms: int
    end_ms: int


class Tip(NamedTuple):
    """A suggested threshold, the page with it, and what it changes: (label, now, then)."""

    expression: str
    wish: str
    href: str
    changes: tuple[tuple[str, str, str], ...]


class Line(NamedTuple):
    """The metric of a rule that is one comparison with a number, for the chart. `before` and `after`: what is written around
    the number. `points`: JSON, `[start in s, lowest, highest, last]` for each candle; empty where the candles show it."""

    metric: str
    operator: str
    threshold: float
    before: str
    after: str
    of_price: bool
    points: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result, or what is wrong, or neither before a rule is written."""

    mistake: Mistake | None
    before: str
    wrong: str
    after: str
    figures: tuple[tuple[str, str, str], ...]
    firings: tuple[FiringRow, ...]
    more: int
    count: int
    blank: bool
    moves: tuple[MoveRow, ...]
    marks: tuple[Mark, ...]
    tip: Tip | None
    line: Line | None
    save: str
    notes: tuple[str, ...]
    ready: bool
    symbol: str
    interval: str
    from_ms: int
    to_ms: int
    decimals: int
    examples: tuple[tuple[str, str], ...]
    money: bool = False
    """It is about portfolios, and no symbol."""


@dataclass(frozen=True, slots=True)
class LabPage:
    """The whole page."""

    fields: Fields
    symbols: tuple[Choice, ...]
    spans: tuple[Choice, ...]
    terms: tuple[Term, ...]
    outcome: Outcome


def lab_page(watch: Watch, fields: Fields, outcome: Outcome) -> LabPage:
    """The page around an outcome."""
    chosen = set(watch.symbols if "*" in fields.symbols else fields.symbols) or {watch.symbols[0]}
    symbols = [Choice(name, name, name in chosen) for name in watch.symbols]
    return LabPage(
        fields=fields,
        symbols=tuple(sorted(symbols, key=lambda one: not one.chosen))[:500],
        spans=tuple(Choice(key, label, key == fields.span) for key, label in _LABELS.items()),
        terms=tuple(Term(entry.name, entry.signature, entry.doc, entry.example) for entry in catalogue()),
        outcome=outcome,
    )


def outcome_of(watch: Watch, fields: Fields, found: Preview | None, mistake: Mistake | None) -> Outcome:
    """What the page shows of an answer."""
    shown = next((one for one in fields.symbols if one in watch.instruments), watch.symbols[0])
    if found is not None and found.symbols:
        shown = found.symbols[0] if found.symbols[0] in watch.instruments else shown
    money = of_money_alone(fields.expression)
    column = 0 if mistake is None else mistake.column
    before, wrong, after = pointed(fields.expression, column) if column else ("", "", "")
    firings = () if found is None else tuple(_row(watch, one) for one in reversed(found.firings[-_ROWS:]))
    return Outcome(
        mistake=mistake,
        before=before,
        wrong=wrong,
        after=after,
        figures=() if found is None else _figures(found),
        firings=firings,
        more=0 if found is None else found.fired - len(firings),
        count=0 if found is None else found.fired,
        blank=found is not None and not found.completeness,
        moves=() if found is None or not found.fired or money else tuple(_move(one) for one in found.moves),
        money=money,
        marks=() if found is None else _marks(found, shown),
        tip=None if found is None else _tip(fields, found),
        line=None if found is None else _line(fields, found.trace, shown),
        save=fields.editor(),
        notes=() if found is None else found.notes,
        ready=found is not None,
        symbol=shown,
        interval=_CANDLES[fields.span],
        from_ms=0 if found is None else found.from_ms,
        to_ms=0 if found is None else found.to_ms,
        decimals=watch.instruments[shown].price_decimals,
        examples=tuple((one, fields._replace(expression=one).address()) for one in _EXAMPLES),
    )


def _figures(found: Preview) -> tuple[tuple[str, str, str], ...]:
    """Label, figure, and a small word beside it."""
    days = (found.to_ms - found.from_ms) / 86_400_000
    lasted = fmt.UNKNOWN if found.median_s is None else fmt.long_duration(found.median_s * 1000.0)
    longest = "" if found.longest_s is None else f"longest {fmt.long_duration(found.longest_s * 1000.0)}"
    avoided = found.avoided_by_for + found.avoided_by_hysteresis
    return (
        ("Firings", fmt.whole(found.fired), f"{_rate(found.a_day)} a day" if days >= 0.2 else ""),
        ("Notices", fmt.whole(found.notices), "after cooldown"),
        ("Lasted", lasted, longest),
        ("Flaps avoided", fmt.whole(avoided), f"{found.avoided_by_for} by for, {found.avoided_by_hysteresis} by recovery"),
        ("Data", _share(found.completeness), "of the span known"),
    )


def _rate(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _share(share: float) -> str:
    return "100 %" if share >= 100.0 else fmt.percent(min(share, 99.9), 1)


def _row(watch: Watch, one: Firing) -> FiringRow:
    instrument = watch.instruments.get(one.symbol)
    lasted = "still firing" if one.resolved_ms is None else fmt.long_duration(one.resolved_ms - one.fired_ms)
    return FiringRow(
        symbol=one.symbol,
        href=symbol_href(one.symbol) if instrument is not None else "",
        time=fmt.date_time(one.fired_ms),
        time_ms=one.fired_ms,
        value=fmt.UNKNOWN if one.trigger_value is None else _value(one.trigger_value),
        price=fmt.price(one.price, instrument.price_decimals if instrument is not None else 2),
        lasted=lasted,
        notices=one.notices,
    )


def _value(value: float) -> str:
    text = f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.4g}"
    return text.replace("-", fmt.MINUS)


def _move(one: Move) -> MoveRow:
    return MoveRow(
        f"{one.minutes} min",
        fmt.signed(one.median, 3),
        fmt.percent(one.share_up, 0),
        fmt.signed(one.random_median, 3),
        fmt.percent(one.random_share_up, 0),
        one.firings,
    )


def _marks(found: Preview, symbol: str) -> tuple[Mark, ...]:
    mine: Sequence[Firing] = [one for one in found.firings if one.symbol in (symbol, "*")][-_MARKS:]
    return tuple(Mark(one.symbol, one.fired_ms, one.resolved_ms or found.to_ms) for one in mine)


def _tip(fields: Fields, found: Preview) -> Tip | None:
    tip = found.suggestion
    if tip is None:
        return None
    changes = (
        ("Firings", fmt.whole(found.fired), fmt.whole(tip.firings)),
        ("Notices", fmt.whole(found.notices), fmt.whole(tip.notices)),
    )
    return Tip(tip.expression, f"{tip.per_day:g}", fields._replace(expression=tip.expression).address(), changes)


def _line(fields: Fields, trace: Trace | None, shown: str) -> Line | None:
    """None where the number cannot be written anew in place, and for another symbol than the chart shows."""
    around = split_at_number(fields.expression)
    if trace is None or around is None or trace.symbol != shown:
        return None
    of_price = trace.metric == "price"
    rows = [] if of_price else [[at // 1000, *(float(f"{v:.6g}") for v in values)] for at, *values in trace.points]
    return Line(trace.metric, trace.operator, trace.threshold, *around, of_price, orjson.dumps(rows).decode())
