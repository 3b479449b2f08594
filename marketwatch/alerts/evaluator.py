"""The evaluator: what all rules say of all symbols at a sample step, and what changes because of it.

Pure: (state, frame) -> (state, facts). No wall clock, no `await`, nothing random: the same frames give the same alerts to the
byte, ordered by rule and symbol.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..model.alerts import Alert, Alerts, AlertState, Rule
from ..model.market import Samples
from ..model.metrics import WindowState
from ..model.silences import Seen, Silence
from ..rules.errors import RuleError
from ..rules.frame import Frame
from ..rules.live import LiveProgram, LiveTable, Result
from ..rules.nodes import Node
from ..rules.truth import UNKNOWN
from ..rules.verdicts import Rows, Verdicts
from .compiled import Compiled, Lists, Scope, compiled, list_names
from .episodes import Moment, TradeIds, begun, number
from .hush import Hush, Say, verdict
from .hush import Place as Whom
from .machine import I1, Cause, Change, Machine, Outcome, Phase
from .pauses import Pauses
from .standing import Place, Standing, side_of

LATE_MS = 30_000
"""Data that amends steps older than this, or that is received this long after its time, makes what it raises late."""
MOST_RULES = 1000
MOST_PENDING, MOST_NEWLY_PENDING = 500, 50
"""Pending ones that are shown, in all and from one step; the others are evaluated all the same."""


class Evaluator:
    """Evaluates `rules` for `symbols` once per metric table.

    `evaluate` answers `Alerts` when something changed. `held_back` counts the episodes that had to wait for want of room.
    """

    def __init__(self, *, symbols: Sequence[str], sample_ms: int, rules: Iterable[Rule] = ()) -> None:
        self.symbols = tuple(symbols)
        self.sample_ms = sample_ms
        self.held_back = 0
        self.table = LiveTable(symbols=self.symbols, sample_ms=sample_ms)
        self.rules: tuple[Compiled, ...] = ()
        self.alerts: dict[int, Alert] = {}
        """Firing and recovering ones by cell; `waiting` holds the pending ones that are shown."""
        self.waiting: dict[int, Alert] = {}
        self.machine = Machine((), len(self.symbols), step_ms=sample_ms)
        self.hush = Hush()
        self._silencing: dict[int, Silence | None] = {}
        self.ids = TradeIds(*(np.zeros(len(self.symbols), np.int64) for _ in range(2)))
        self._live: list[tuple[LiveProgram, LiveProgram | None] | None] = []
        self._verdicts: Verdicts | None = None
        self._looked = False
        self._rows: tuple[Rows, Rows] = (np.empty(0, np.intp), np.empty(0, np.intp))
        self._seen = np.zeros(len(self.symbols), np.bool_)
        self._late = np.zeros(len(self.symbols), np.bool_)
        self._pauses = Pauses(())
        self._lists: Lists = {}
        self.set_rules(rules)

    # Rules

    @property
    def windows(self) -> tuple[str, ...]:
        """The engine's windows that the rules need."""
        return tuple(dict.fromkeys(name for one in self.rules for name in one.windows))

    def set_rules(self, rules: Iterable[Rule]) -> Alerts | None:
        """Evaluate these from the next step on, at most 1,000. Versions that stay keep their state, the others end."""
        chosen = sorted({rule.rule_id: rule for rule in rules}.values(), key=lambda rule: rule.rule_id)[:MOST_RULES]
        before = {(one.rule.rule_id, one.rule.version): row for row, one in enumerate(self.rules)}
        kept = {key: row for key, row in before.items() if any(_key(rule) == key and rule.enabled for rule in chosen)}
        gone = [row for key, row in before.items() if key not in kept]
        ended = self._end_rows(gone, Cause.CHANGED)
        self._compile(chosen, {row: key for key, row in kept.items()})
        return Alerts(self.machine.time_ms, ended, []) if ended else None

    def set_watchlists(self, lists: Lists) -> Alerts | None:
        """Resolve `watchlist/NAME` by these. Episodes of symbols that stay go on, those of symbols that left end."""
        self._lists = dict(lists)
        ended: list[Alert] = []
        rules = list(self.rules)
        for row, one in enumerate(self.rules):
            if one.program is not None and list_names(one.rule.symbols):
                rules[row] = compiled(one.rule, self.symbols, self._lists)
                left = np.flatnonzero(one.applies & ~rules[row].applies) + row * len(self.symbols)
                ended += self._end_cells(left, Cause.UNLISTED, self.machine.time_ms)
        self.rules, self._looked = tuple(rules), False
        return Alerts(self.machine.time_ms, ended, []) if ended else None

    def forget(self) -> None:
        """Nothing pends and nothing fires; the rules stay."""
        self.machine = Machine((), len(self.symbols), step_ms=self.sample_ms)
        self.alerts, self.waiting = {}, {}
        self._compile([one.rule for one in self.rules], {})

    def _compile(self, rules: list[Rule], kept: dict[int, tuple[str, int]]) -> None:
        old, width = self.machine, len(self.symbols)
        saved = [(kept[row["cell"] // width], row) for row in old.save() if row["cell"] // width in kept]
        alerts, waiting = self._by_key(self.alerts, kept), self._by_key(self.waiting, kept)
        for pair in self._live:
            for live in pair or ():
                if live is not None:
                    self.table.remove(live)
        self.rules, self._live = (), []
        self.rules = tuple(self._taken(compiled(rule, self.symbols, self._lists)) for rule in rules)
        self._looked, self._pauses = False, Pauses(self.rules)
        rows = {_key(one.rule): row for row, one in enumerate(self.rules)}
        recovers = [row for row, one in enumerate(self.rules) if one.recover is not None]
        timings = [one.timing(recovers.index(row) if row in recovers else -1) for row, one in enumerate(self.rules)]
        muted = [one.rule.muted_until_ms or 0 for one in self.rules]
        self.machine = Machine(timings, width, step_ms=self.sample_ms, muted_ms=muted)
        placed = [{**row, "cell": rows[key] * width + row["cell"] % width} for key, row in saved]
        self.machine.load(old.time_ms, placed, restored=old.restored)
        self.alerts = {rows[key] * width + column: alert for (key, column), alert in alerts.items()}
        self.waiting = {rows[key] * width + column: alert for (key, column), alert in waiting.items()}

    def _by_key(self, of: dict[int, Alert], kept: dict[int, tuple[str, int]]) -> dict[tuple[tuple[str, int], int], Alert]:
        width = len(self.symbols)
        return {(kept[cell // width], cell % width): alert for cell, alert in of.items() if cell // width in kept}

    def _taken(self, one: Compiled) -> Compiled:
        """Put the programs of a rule into the table; what it refuses is the rule's error."""
        if one.program is None or not one.rule.enabled:
            self._live.append(None)
            return one
        added: list[LiveProgram] = []
        try:
            added += self.table.add_all(one.programs)
        except RuleError as error:
            self._live.append(None)
            return Compiled(one.rule, None, None, one.scope, np.zeros_like(one.applies), one.market_only, str(error))
        self._live.append((added[0], added[1] if len(added) > 1 else None))
        return one

    # A step

    def on_samples(self, samples: Samples) -> None:
        """Steps that are amended long after their time make late what they raise at the next one."""
        if samples.revised is not None and self.machine.time_ms - samples.time_ms > LATE_MS:
            self._late[samples.revised] = True

    def evaluate(self, frame: Frame) -> Alerts | None:
        """Take one step. None where nothing changed."""
        table = frame.table
        self._seen |= np.isfinite(table.points["price"])
        if frame.state.samples is not None:
            self.ids.take(frame.state.samples)
        changes = [
            alert for rest in self._pauses.at(table.time_ms) for alert in self._end_rows(rest.rows, rest.cause, table.time_ms)
        ]
        truth, recovered = self._truths(frame)
        outcome = self._step(table.time_ms, truth, recovered)
        self.held_back += outcome.held_back
        found = self._facts(frame, changes, outcome)
        self._late[:] = False
        return found

    def on_seen(self, fact: Seen) -> None:
        """Somebody has seen an alert, or takes that back: it is not repeated, or is again."""
        for cell, alert in self.alerts.items():
            if alert.alert_id == fact.alert.alert_id:
                self.alerts[cell] = alert._replace(acknowledged_ms=fact.alert.acknowledged_ms)

    def _step(self, time_ms: int, truth: I1, recovered: I1) -> Outcome:
        """A step of the machine, in which what is silenced, snoozed or seen is not told."""
        machine, in_force = self.machine, self.hush.in_force(time_ms)
        for snooze in self.hush.ended(machine.time_ms, time_ms):
            machine.recall([cell for cell, alert in self.alerts.items() if _reminds(snooze, alert)], time_ms)
        self._silencing = {}

        def hushed(cell: int) -> bool | None:
            alert = self.alerts.get(cell)
            if not in_force and (alert is None or alert.acknowledged_ms is None):
                return None
            row, column = divmod(cell, len(self.symbols))
            one = self.rules[row]
            whom = Whom(one.rule.rule_id, self._name(one, column), one.rule.severity.value, alert)
            said = verdict(whom, in_force, time_ms)
            self._silencing[cell] = said.silence
            return None if said.say is Say.TELL else said.say is Say.HOLD

        return machine.step(time_ms, truth, recovered, hushed)

    def _truths(self, frame: Frame) -> tuple[I1, I1]:
        """The truths of all rules and recovery conditions, (rules, symbols): unknown where a rule is not to be evaluated."""
        self.table.tick(frame)
        self._look_up()
        verdicts = self.table.verdicts
        truth, recovered = (verdicts.take(rows) for rows in self._rows)
        if not self._everywhere:
            truth *= self._applies
        if self._pauses.rows:
            truth[self._pauses.rows] = UNKNOWN
        quiet = self.silent(frame)
        if quiet.any():
            truth[np.ix_(self._market, quiet)] = UNKNOWN
            recovered[np.ix_(self._resting, quiet)] = UNKNOWN
        if not self._seen.all():
            truth[np.ix_(self._of_symbols, ~self._seen)] = UNKNOWN
        return truth, recovered

    def _look_up(self) -> None:
        """Where the table writes the truth of each rule: found anew after the table made a new plan."""
        verdicts = self.table.verdicts
        if self._looked and verdicts is self._verdicts:
            return
        self._verdicts, self._looked = verdicts, True
        pairs = [(None, None) if pair is None else pair for pair in self._live]
        fires = [condition for condition, _ in pairs]
        recovers = [condition for one, (_, condition) in zip(self.rules, pairs, strict=True) if one.recover is not None]
        self._rows = (verdicts.rows(map(_expression, fires)), verdicts.rows(map(_expression, recovers)))
        self._applies = np.array([one.applies for one in self.rules], np.int8).reshape(-1, len(self.symbols))
        self._everywhere = bool(self._applies.all())
        self._market = np.flatnonzero([one.market_only for one in self.rules])
        self._resting = np.flatnonzero([one.rests_in_recovery for one in self.rules if one.recover is not None])
        self._of_symbols = np.flatnonzero([one.scope is Scope.SYMBOL for one in self.rules])

    def silent(self, frame: Frame) -> NDArray[np.bool_]:
        """Symbols that went quiet or whose feed was down for the step: rules about their market are not evaluated."""
        state = next(iter(frame.table.state.values()), None)
        samples = frame.state.samples
        quiet = np.zeros(len(self.symbols), np.bool_) if state is None else (state & np.uint8(WindowState.STALE)) != 0
        return quiet if samples is None else quiet | samples.gap

    # Facts

    def _facts(self, frame: Frame, ended: list[Alert], outcome: Outcome) -> Alerts | None:
        moment = Moment(frame.table, self.ids, self.sample_ms)
        alerts, notify = list(ended), list[str]()
        alerts += self._withdrawn(outcome)
        late = self._received_late(frame)
        for change in outcome.changes:
            alerts.append(self._changed(change, moment, late=late))
        time_ms = frame.table.time_ms
        for told in outcome.notices:
            alert = self.alerts[told.cell]
            self.alerts[told.cell] = alert._replace(context={**alert.context, "notices": told.number, "told_ms": time_ms})
            notify.append(alert.alert_id)
        newest = {alert.alert_id: alert for alert in alerts}
        newest |= {self.alerts[told.cell].alert_id: self.alerts[told.cell] for told in outcome.notices}
        newest |= {alert.alert_id: alert for alert in self._silenced(outcome)}
        alerts = list(newest.values())
        alerts += self._shown(outcome.pending, moment)
        if not alerts:
            return None
        alerts.sort(key=lambda alert: (alert.rule_id, alert.symbol, alert.fired_ms, alert.state is not AlertState.RESOLVED))
        return Alerts(frame.table.time_ms, alerts, sorted(notify))

    def _received_late(self, frame: Frame) -> bool:
        received = frame.state.last_received_ms
        return received is not None and received - frame.table.time_ms > LATE_MS

    def _silenced(self, outcome: Outcome) -> list[Alert]:
        """Episodes of which a silence has kept a notice back, with that in their context, once for each silence."""
        found = []
        for cell, later in outcome.withheld:
            silence, alert = self._silencing[cell], self.alerts[cell]
            fact = None if silence is None else {"silence_id": silence.silence_id, "later": later}
            if fact is not None and alert.context.get("silenced") != fact:
                self.alerts[cell] = alert._replace(context={**alert.context, "silenced": fact})
                found.append(self.alerts[cell])
        return found

    def _changed(self, change: Change, moment: Moment, *, late: bool) -> Alert:
        row, column = divmod(change.cell, len(self.symbols))
        if change.cause is Cause.FIRED:
            facts: dict[str, object] = {"since_ms": change.since_ms, "late": late or bool(self._late[column]), "notices": 0}
            if change.flapping:
                facts["flapping"] = True
            alert = self._begun(row, column, moment, AlertState.FIRING, facts)
            self.alerts[change.cell] = alert
            return alert
        state = AlertState.RECOVERING if change.phase is Phase.RECOVERING else AlertState.FIRING
        if change.phase is not Phase.NORMAL:
            self.alerts[change.cell] = self.alerts[change.cell]._replace(state=state)
            return self.alerts[change.cell]
        return _over(self.alerts.pop(change.cell), change.cause, moment.table.time_ms)

    def _begun(self, row: int, column: int, moment: Moment, state: AlertState, facts: dict[str, object]) -> Alert:
        one = self.rules[row]
        pair = self._live[row]
        assert pair is not None
        return begun(one, self.table.result(pair[0].program), moment, column, self._name(one, column), state, **facts)

    def _name(self, one: Compiled, column: int) -> str:
        return "*" if one.scope is Scope.SYSTEM else self.symbols[column]

    def _withdrawn(self, outcome: Outcome) -> list[Alert]:
        """Pending ones that were shown and are not pending since then any more."""
        machine = self.machine
        gone = [
            cell
            for cell, alert in self.waiting.items()
            if machine.phase[cell] != Phase.PENDING or alert.fired_ms < machine.since[cell] == machine.time_ms
        ]
        causes = [Cause.HELD if machine.phase[cell] == Phase.FIRING else Cause.WITHDRAWN for cell in gone]
        return [_over(self.waiting.pop(cell), cause, machine.time_ms) for cell, cause in zip(gone, causes, strict=True)]

    def _shown(self, begun: list[int], moment: Moment) -> list[Alert]:
        """Pending ones that began at this step, as long as there is room."""
        cells = begun[: max(0, min(MOST_NEWLY_PENDING, MOST_PENDING - len(self.waiting)))]
        for cell in cells:
            row, column = divmod(cell, len(self.symbols))
            self.waiting[cell] = self._begun(row, column, moment, AlertState.PENDING, {})
        return [self.waiting[cell] for cell in cells]

    def _end_rows(self, rows: Sequence[int], cause: Cause, time_ms: int | None = None) -> list[Alert]:
        """End all episodes of some rules."""
        width = len(self.symbols)
        cells = (np.asarray(rows, np.int64)[:, None] * width + np.arange(width)).reshape(-1)
        return self._end_cells(cells, cause, self.machine.time_ms if time_ms is None else time_ms)

    def _end_cells(self, cells: NDArray[np.int64], cause: Cause, time_ms: int) -> list[Alert]:
        self.machine.end(cells, cause)
        ended: list[Alert] = []
        for held in (self.alerts, self.waiting):
            mine = np.intersect1d(np.array(list(held), np.int64), cells) if held else ()
            ended += [_over(held.pop(int(cell)), cause, time_ms) for cell in mine]
        return ended

    # Answers

    def shown(self) -> list[Alert]:
        """All that is firing, recovering or pending, by rule and symbol."""
        every = [*self.alerts.values(), *self.waiting.values()]
        return sorted(every, key=lambda alert: (alert.rule_id, alert.symbol, alert.fired_ms))

    def standing(self, rule_id: str, symbol: str, frame: Frame) -> Standing | None:
        """Where a rule stands for a symbol, and why; None for one that is not here. `frame`: that of the last step."""
        row = next((row for row, one in enumerate(self.rules) if one.rule.rule_id == rule_id), None)
        column = 0 if symbol == "*" else next((at for at, name in enumerate(self.symbols) if name == symbol), None)
        if row is None or column is None:
            return None
        one, pair, cell = self.rules[row], self._live[row], row * len(self.symbols) + column
        result: Result | None = None if pair is None or not self._looked else self.table.result(pair[0].program)
        place = Place(frame.table, column, self.sample_ms, bool(self._seen[column]), bool(self.silent(frame)[column]))
        side, reason = side_of(one, result, place, paused=self._pauses.reason(row, frame.table.time_ms))
        values = {} if result is None else {key: number(value) for key, value in result.at(column).items()}
        return Standing(Phase(int(self.machine.phase[cell])), side, reason, int(self.machine.since[cell]), values)


def _expression(live: LiveProgram | None) -> Node | None:
    return None if live is None else live.program.expression


def _key(rule: Rule) -> tuple[str, int]:
    return rule.rule_id, rule.version


def _reminds(snooze: Silence, alert: Alert) -> bool:
    """Whether an alert has to be told of again because a snooze has ended: unless that was done before a restart."""
    told_ms = alert.context.get("told_ms")
    return snooze.takes(alert) and not (isinstance(told_ms, int) and told_ms >= snooze.ends_ms)


def _over(alert: Alert, cause: Cause, time_ms: int) -> Alert:
    return alert._replace(state=AlertState.RESOLVED, resolved_ms=time_ms, context={**alert.context, "resolution": cause.value})
