"""Cases played through a watch of their own: the very evaluator that runs live, fed step by step, and what did not come out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import Settings
from ..model.alerts import Alert, Alerts, AlertState, Watchlists
from ..model.market import Instrument, Samples, Source, Trade, Whale, Whales
from ..watch import Watch
from .cases import Case, Expected
from .lookout import Lookout
from .machine import Phase
from .series import HELD

_MOST_SHOWN = 40
Columns = dict[str, NDArray[np.float64]]


class Event(NamedTuple):
    """Something that happened to an episode, so long after the start."""

    at_ms: int
    symbol: str
    what: str


class Verdict(NamedTuple):
    """What came out: without `mistakes` the case holds. `events`: the course of the rule."""

    case: Case
    steps: int
    mistakes: tuple[str, ...]
    events: tuple[Event, ...]

    def lines(self) -> list[str]:
        """As a person reads it: one line, and for a mismatch what was expected and what happened."""
        if not self.mistakes:
            return [f"ok    {self.case.name}"]
        course = [f"        {shown_ms(one.at_ms)} {one.symbol} {one.what}" for one in self.events[:_MOST_SHOWN]]
        more = len(self.events) - _MOST_SHOWN
        head = [f"FAIL  {self.case.name} (line {self.case.line})", *(f"      {one}" for one in self.mistakes)]
        return [
            *head,
            "      What happened:",
            *(course or ["        nothing"]),
            *([f"        and {more} more"] if more > 0 else []),
        ]


def shown_ms(ms: int) -> str:
    """An offset such as 1m30.5s."""
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if minutes or hours else ''}{rest / 1000:g}s"


def rehearse(case: Case, settings: Settings) -> Verdict:
    """Play a case. `settings`: what rules can see of them, such as the reference symbol."""
    return _Rehearsal(case, settings).run()


class _Rehearsal:
    """One case."""

    def __init__(self, case: Case, settings: Settings) -> None:
        self._case = case
        self._symbols = tuple(case.input)
        own = replace(settings, sample_ms=case.interval_ms, tape_mb=1, windows=())
        instruments = [Instrument(symbol, symbol, "USDT", Decimal("0.01"), Decimal("0.01")) for symbol in self._symbols]
        self._watch = Watch(settings=own, source=Source.REPLAY, venue="test", instruments=instruments, on_error=self._on_error)
        self._lookout = Lookout(watch=self._watch, sample_ms=case.interval_ms)
        self._events: list[Event] = []
        self._episodes: dict[str, Alert] = {}
        self._notices = dict.fromkeys((*self._symbols, "*"), 0)
        self._mistakes: list[str] = []
        self._now_ms = 0
        self._held = np.full(len(self._symbols), np.nan)
        self._watch.bus.subscribe(Alerts, self._on_alerts, name="rehearsal")

    def _on_error(self, name: str, error: BaseException) -> None:
        raise RuntimeError(f"{name} failed: {error}") from error

    def run(self) -> Verdict:
        case, publish = self._case, self._watch.bus.publish
        publish(Watchlists("file", case.watchlists))
        self._lookout.use([case.rule])
        refused = self._watch.state.notices.get("alert-windows")
        if refused is not None:
            self._mistakes.append(refused.message)
        columns, steps = self._columns()
        waiting = list(case.expected)
        for step in range(steps + 1):
            while waiting and waiting[0].at_ms < (step + 1) * case.interval_ms:
                self._check(waiting.pop(0))
            if step < steps:
                self._step(columns, step)
        return Verdict(case, steps, tuple(self._mistakes), tuple(self._events))

    # Input

    def _columns(self) -> tuple[dict[str, Columns], int]:
        """All series made equally long: what is not said is a step without a trade."""
        case = self._case
        needed = max(one.at_ms for one in case.expected) // case.interval_ms
        steps = max(needed, *(len(column) for series in case.input.values() for column in series.values()))
        found = {}
        for symbol, series in case.input.items():
            found[symbol] = {
                name: np.concatenate([column, np.full(steps - len(column), HELD)]) for name, column in series.items()
            }
        return found, steps

    def _step(self, columns: dict[str, Columns], step: int) -> None:
        case = self._case
        time_ms = case.start_ms + step * case.interval_ms
        self._now_ms = (step + 1) * case.interval_ms
        cells = np.array([_cells(columns[symbol], step) for symbol in self._symbols])
        price, volume, trades, ratio, bid, ask, whales = cells.T
        gap, traded = np.isnan(price), np.isfinite(price) & (trades > 0)
        self._held = np.where(np.isfinite(price), price, self._held)
        shown = np.where(gap, np.nan, self._held)
        volume = np.where(traded, volume, 0.0)
        self._publish_whales(whales, time_ms)
        nothing = np.zeros(len(price), np.int64)
        self._watch.bus.publish(
            Samples(
                time_ms=time_ms, sample_ms=case.interval_ms, symbols=self._symbols, open=shown, high=shown, low=shown,
                price=shown, volume=volume, notional=volume * np.nan_to_num(shown), taker_buy_volume=volume * ratio,
                trades=np.where(traded, trades, 0).astype(np.int64), bid=bid, ask=ask, first_id=nothing,
                last_id=nothing, gap=gap,
            )
        )  # fmt: skip

    def _publish_whales(self, whales: NDArray[np.float64], time_ms: int) -> None:
        found = [
            Whale(Trade(symbol, number + 1, 1.0, 1.0, time_ms, False), 1e6, 1e5)
            for symbol, count in zip(self._symbols, whales, strict=True)
            for number in range(min(int(count), 1000))
        ]
        if found:
            self._watch.bus.publish(Whales(found))

    # Output

    def _on_alerts(self, batch: Alerts) -> None:
        told = set(batch.notify)
        for alert in batch.alerts:
            before = self._episodes.get(alert.symbol)
            if alert.state is AlertState.RESOLVED and before is not None and before.alert_id != alert.alert_id:
                continue
            self._notices[alert.symbol] = self._notices.get(alert.symbol, 0) + (alert.alert_id in told)
            self._episodes[alert.symbol] = alert
            self._events.append(Event(self._now_ms, alert.symbol, _what(alert, told=alert.alert_id in told)))

    def _check(self, expected: Expected) -> None:
        case, symbol = self._case, expected.symbol
        standing = self._lookout.standing(case.rule.rule_id, symbol)
        if standing is None:
            self._mistakes.append(f"{shown_ms(expected.at_ms)} {symbol}: there was no step before that.")
            return
        states, alert = self._states(symbol), self._episodes.get(symbol)
        wrong = []
        if expected.state is not None and expected.state not in states:
            reason = f" ({standing.reason})" if standing.reason else ""
            wrong.append(f"state {expected.state} expected, was {states[0]}{reason}")
        value = None if alert is None else alert.trigger_value
        if expected.value is not None and not _close(expected.value, value):
            wrong.append(f"value {expected.value:g} expected, was {'unknown' if value is None else f'{value:.10g}'}")
        if expected.notices is not None and expected.notices != self._notices[symbol]:
            wrong.append(f"notices {expected.notices} expected, were {self._notices[symbol]}")
        if wrong:
            terms = ", ".join(f"{key} = {'unknown' if v is None else f'{v:.10g}'}" for key, v in standing.values.items())
            self._mistakes.append(f"{shown_ms(expected.at_ms)} {symbol}: {'; '.join(wrong)}. {terms}".rstrip())

    def _states(self, symbol: str) -> list[str]:
        """Everything that may be said of the state, what says most first."""
        standing = self._lookout.standing(self._case.rule.rule_id, symbol)
        assert standing is not None
        side = [] if standing.side is None else [standing.side.value]
        if standing.phase is not Phase.NORMAL:
            return [standing.phase.name.lower(), *side]
        ended = self._episodes.get(symbol)
        over = ["resolved"] if ended is not None and "notices" in ended.context else []
        return [*side, *over] if side else [*over, "normal"]


def _cells(columns: Columns, step: int) -> list[float]:
    """One step of a symbol: price (inf: no trade, NaN: unknown) and the rest with its defaults."""
    price = float(columns["price"][step])
    traded = 1.0 if np.isfinite(price) else 0.0
    defaults = (traded, traded, 0.5, np.nan, np.nan, 0.0)
    out = [price]
    for name, default in zip(("volume", "trades", "buy_ratio", "bid", "ask", "whales"), defaults, strict=True):
        value = float(columns[name][step]) if name in columns else default
        out.append(value if np.isfinite(value) else default)
    return out


def _what(alert: Alert, *, told: bool) -> str:
    notice = f", notice {alert.context.get('notices')}" if told else ""
    if alert.state is AlertState.RESOLVED:
        return f"resolved ({alert.context.get('resolution')}){notice}"
    value = "" if alert.trigger_value is None else f" ({alert.metric} = {alert.trigger_value:.10g})"
    return f"{alert.state.value}{value}{notice}"


def _close(expected: float, value: float | None) -> bool:
    return value is not None and abs(expected - value) <= 1e-9 + 1e-6 * max(abs(expected), abs(value))
