"""The same run once more: stored samples through a fresh watch, engine and evaluator, under recorded time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..alerts.compiled import list_names
from ..alerts.episodes import rule_of
from ..alerts.lookout import Lookout
from ..config import Settings
from ..engine.candles import INTERVALS
from ..errors import NotFound
from ..model.alerts import Alert, Alerts, Rule, Watchlists
from ..model.market import Candle, QuietSpan, Samples, Source, Staleness, VenueCandles, Whale, Whales
from ..model.private import author_of
from ..model.silences import Silence, Silences
from ..portfolio.timeline import Money, Timeline
from ..ports import MarketStore, SampleColumns
from ..rules.nodes import Indicator, of_type
from ..watch import Watch
from .incident import find_alert
from .pins import AROUND_MS, lead_ms, programs_of, symbols_of
from .rests import Rests

_DAY_MS = 86_400_000
_MOST_CANDLES = 300
_PRICES = ("open", "high", "low", "price")
_FLOWS = ("volume", "notional", "taker_buy_volume", "trades", "first_id", "last_id")


class Script(NamedTuple):
    """What is stored for a rerun of `alert`. `candles`: one-minute ones of the day before, to warm long windows, and those
    of the intervals that the rule names."""

    alert: Alert
    rule: Rule
    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int
    samples: list[SampleColumns]
    whales: list[Whale]
    candles: list[Candle]
    silences: list[Silence] = []
    quiet: list[QuietSpan] = []
    money: Money | None = None


class Step(NamedTuple):
    """One step of a rerun: what was published, and what the rule did because of it to the symbol of the alert."""

    samples: Samples
    alerts: list[Alert]


async def read_script(store: MarketStore, watch: Watch, alert_id: str, sample_ms: int, money: Money | None = None) -> Script:
    """Everything that the alert's rule looked at. `money`: the books of who asks, which count where the rule is theirs. Raises
    NotFound where nothing of it is stored."""
    alert = await find_alert(store, watch, alert_id)
    facts: Any = alert.context.get("rule")
    if not isinstance(facts, dict) or "expression" not in facts:
        raise NotFound(f'The rule of the alert "{alert_id}" was not stored with it, so it cannot be run again.')
    from_ms, to_ms = alert.fired_ms - lead_ms(alert, sample_ms), alert.fired_ms + AROUND_MS
    newest = watch.state.samples
    if newest is not None and newest.time_ms >= alert.fired_ms - newest.sample_ms:
        to_ms = min(to_ms, newest.time_ms + newest.sample_ms)
    author = author_of(alert)
    own = None if money is None or money.owner_id != author else money
    terms = [node for program in programs_of(alert) for node in program.holdings]
    priced = () if own is None or not terms else own.symbols(terms)
    symbols = tuple(dict.fromkeys((*symbols_of(alert, watch.symbols, watch.reference), *priced)))
    samples = [await store.samples(symbol, from_ms, to_ms, held_ms=_DAY_MS) for symbol in symbols]
    if not any((columns.time_ms >= from_ms).any() for columns in samples):
        raise NotFound(f'No samples are stored around the alert "{alert_id}", so it cannot be run again.')
    whales: list[Whale] = []
    candles: list[Candle] = []
    quiet: list[QuietSpan] = []
    for symbol in symbols:
        quiet += await store.quiet(symbol, from_ms=from_ms, to_ms=to_ms)
        found = await store.whales(symbol, from_ms=from_ms, to_ms=to_ms, limit=10_000)
        whales += [Whale(one.trade, one.value_usd or 0.0, 0.0) for one in found]
        candles += await store.candles(symbol, "1m", from_ms=from_ms - _DAY_MS, to_ms=from_ms // 60_000 * 60_000, limit=1440)
        if symbol in priced:
            candles += await store.candles(symbol, "1d", from_ms=from_ms - 2 * _DAY_MS, to_ms=to_ms // _DAY_MS * _DAY_MS)
        for interval in _intervals(alert):
            end_ms = from_ms // INTERVALS[interval] * INTERVALS[interval]
            candles += await store.candles(symbol, interval, to_ms=end_ms, limit=_MOST_CANDLES)
    whales.sort(key=lambda whale: (whale.trade.time_ms, whale.trade.symbol, whale.trade.trade_id))
    silences = await store.silences()
    rule = rule_of(facts, author)._replace(enabled=True)
    return Script(alert, rule, symbols, from_ms, to_ms, samples, whales, candles, silences, quiet, own if terms else None)


def _intervals(alert: Alert) -> list[str]:
    """Intervals other than a minute of the candles that the alert's rule looks at."""
    named = [one.interval for program in programs_of(alert) for one in of_type(program.expression, Indicator)]
    return [interval for interval in dict.fromkeys(named) if interval != "1m"]


def steps(samples: Sequence[SampleColumns], symbols: tuple[str, ...], from_ms: int, to_ms: int) -> Iterator[Samples]:
    """Every step of the grid from `from_ms` (the first stored row where none lies before it) to `to_ms`: what was not stored is
    held, with volumes of 0."""
    length = max(columns.sample_ms for columns in samples)
    first_ms = min(int(columns.time_ms[0]) for columns in samples if len(columns.time_ms))
    places = [0] * len(samples)
    held = _nothing(len(symbols))
    for time_ms in range(max(first_ms, from_ms - from_ms % length), to_ms, length):
        for name in _PRICES:
            held[name] = held["price"].copy()
        for name in _FLOWS:
            held[name] = np.zeros_like(held[name])
        held |= {name: held[name].copy() for name in ("bid", "ask", "gap")}
        for column, stored in enumerate(samples):
            while places[column] < len(stored.time_ms) and stored.time_ms[places[column]] <= time_ms:
                _take(held, column, stored, places[column], own=stored.time_ms[places[column]] == time_ms)
                places[column] += 1
        yield Samples(time_ms=time_ms, sample_ms=length, symbols=symbols, **held)


def _take(held: dict[str, Any], column: int, stored: SampleColumns, place: int, *, own: bool) -> None:
    """A stored row into a step; of a row from before the step only what it holds on."""
    for name, values in held.items():
        if own or name not in _FLOWS:
            values[column] = getattr(stored, "price" if name in _PRICES and not own else name)[place]


def _nothing(size: int) -> dict[str, Any]:
    unknown = {name: np.full(size, np.nan) for name in (*_PRICES, "bid", "ask")}
    flows = {name: np.zeros(size) for name in _FLOWS[:3]} | {name: np.zeros(size, np.int64) for name in _FLOWS[3:]}
    return unknown | flows | {"gap": np.zeros(size, np.bool_)}


class Rerun:
    """Runs a script through the program's own objects; iterate it once. Pure: the same script gives the same alerts.

    Only what the rule does to the alert's own symbol is told.
    """

    def __init__(self, script: Script, *, settings: Settings, watch: Watch) -> None:
        self.script = script
        instruments = [watch.instruments[symbol] for symbol in script.symbols]
        length = max(columns.sample_ms for columns in script.samples)
        own = replace(settings, sample_ms=length, tape_mb=1)
        self.watch = Watch(
            settings=own, source=Source.REPLAY, venue=watch.venue, instruments=instruments, on_error=self._on_error
        )
        self.lookout = Lookout(watch=self.watch, sample_ms=length)
        self._timeline = None if script.money is None else Timeline(script.money.books)
        self.errors = 0
        self._found: list[Alert] = []
        self._whales = list(reversed(script.whales))
        self._rests = Rests(script.quiet, script.symbols, script.to_ms)
        self.watch.bus.subscribe(Alerts, self._on_alerts, name="rerun")

    def _on_error(self, _name: str, _error: BaseException) -> None:
        self.errors += 1

    def _on_alerts(self, batch: Alerts) -> None:
        alert = self.script.alert
        self._found += [one for one in batch.alerts if (one.rule_id, one.symbol) == (alert.rule_id, alert.symbol)]

    def __iter__(self) -> Iterator[Step]:
        publish = self.watch.bus.publish
        symbol = self.script.alert.symbol
        publish(Watchlists("file", dict.fromkeys(list_names(self.script.rule.symbols), (symbol,))))
        self.lookout.use([self.script.rule])
        publish(Silences(self.script.silences))
        if self.script.candles:
            publish(VenueCandles(self.watch.venue, self.script.candles, history=True))
        for samples in steps(self.script.samples, self.script.symbols, self.script.from_ms, self.script.to_ms):
            end_ms = samples.time_ms + samples.sample_ms
            self._mark(end_ms)
            whales = self._whales_before(end_ms)
            if whales:
                publish(Whales(whales))
            for symbol, stale in self._rests.changes(samples):
                publish(Staleness(self.watch.venue, symbol, stale, samples.time_ms))
            told, amended = self._rests.told(samples)
            publish(told)
            if amended is not None:
                publish(amended)
            found, self._found = self._found, []
            yield Step(told, found)

    def _mark(self, end_ms: int) -> None:
        """Hand the marker the books as they were at the end of a step, whenever something was booked."""
        timeline = self._timeline
        if timeline is not None and timeline.moves(end_ms):
            self.watch.marker.use(timeline.at(end_ms))

    def _whales_before(self, end_ms: int) -> list[Whale]:
        found = []
        while self._whales and self._whales[-1].trade.time_ms < end_ms:
            found.append(self._whales.pop())
        return found
