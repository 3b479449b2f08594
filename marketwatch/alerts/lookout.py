"""The lookout: an evaluator at its place in a running watch."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError
from ..model.alerts import Rule, Rules, Watchlists
from ..model.market import Samples, VenueCandles
from ..model.metrics import MetricTable
from ..model.silences import Seen, Silences
from ..model.system import Level, Notice
from ..rules.frame import Tick
from ..watch import Watch
from .evaluator import Evaluator
from .standing import Standing

_MOST_CANDLES = 100_000
_WINDOWS, _BUSY = "alert-windows", "alert-rush"


class Lookout:
    """Evaluates the rules in force at each metric table of `watch`, and publishes `Alerts`.

    The rules in force are those of the newest `Rules` on the bus. The engine gets the windows that they need, warmed by the
    candles that are in memory.
    """

    def __init__(self, *, watch: Watch, sample_ms: int) -> None:
        self._watch = watch
        self._frame: Tick | None = None
        self._busy = False
        self.evaluator = Evaluator(symbols=watch.symbols, sample_ms=sample_ms)
        on = watch.bus.subscribe
        on(Rules, self._on_rules, name="alerts")
        on(Silences, self.evaluator.hush.on_silences, name="alerts")
        on(Seen, self.evaluator.on_seen, name="alerts")
        on(Watchlists, self._on_watchlists, name="alerts")
        on(Samples, self.evaluator.on_samples, name="alerts")
        on(MetricTable, self._on_table, name="alerts")

    def use(self, rules: Iterable[Rule]) -> None:
        """Put these rules, all of them, in force."""
        self._watch.bus.publish(Rules(list(rules)))

    def standing(self, rule_id: str, symbol: str) -> Standing | None:
        """Where a rule stands for a symbol and why; None before the first step and for what is not here."""
        return None if self._frame is None else self.evaluator.standing(rule_id, symbol, self._frame)

    def _on_rules(self, batch: Rules) -> None:
        ended = self.evaluator.set_rules(batch.rules)
        self._require()
        if ended is not None:
            self._watch.bus.publish(ended)

    def _on_watchlists(self, _batch: Watchlists) -> None:
        ended = self.evaluator.set_watchlists(self._watch.state.watchlists)
        if ended is not None:
            self._watch.bus.publish(ended)

    def _require(self) -> None:
        """The windows of each rule, as long as the engine has room."""
        engine, before = self._watch.engine, len(self._watch.engine.windows)
        refused: ConfigError | None = None
        for one in self.evaluator.rules:
            try:
                engine.require(one.windows, one.pairs)
            except ConfigError as error:
                refused = error
        if refused is not None:
            self._notice(_WINDOWS, f"Some rules stay unknown, for the engine has no room for their windows. {refused}")
        else:
            self._notice(_WINDOWS, "All rules have their windows.", over=True)
        if len(engine.windows) > before and engine.table is not None:
            self._warm()

    def _warm(self) -> None:
        watch = self._watch
        most = max(60, _MOST_CANDLES // max(1, len(watch.symbols)))
        for interval in ("1m", "1h"):
            for symbol in watch.symbols:
                held = watch.candles.recent(symbol, interval, most)
                watch.engine.on_venue_candles(VenueCandles(watch.venue, held, history=True))

    def _on_table(self, table: MetricTable) -> None:
        watch, before = self._watch, self.evaluator.held_back
        self._frame = watch.facts.tick(table, watch.state, watch.candles.columns)
        found = self.evaluator.evaluate(self._frame)
        if found is not None:
            watch.bus.publish(found)
        busy = self.evaluator.held_back > before
        if busy != self._busy:
            self._busy = busy
            message = (
                "So many alerts fire at once that some of them are told a step later."
                if busy
                else "The rush of alerts is over."
            )
            self._notice(_BUSY, message, over=not busy)

    def _notice(self, key: str, message: str, *, over: bool = False) -> None:
        if over and key not in self._watch.state.notices:
            return
        now_ms = max(0, self.evaluator.machine.time_ms)
        self._watch.bus.publish(Notice(key, Level.INFO if over else Level.WARNING, message, now_ms, over=over))
