"""What an evaluator remembers, as plain values: so that a restart goes on where the program ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..model.alerts import Alert, Alerts, AlertState, Rule
from .episodes import alert_facts, alert_of
from .evaluator import Evaluator
from .machine import NEVER, Cause, Phase

FORMAT = 1


def snapshot(evaluator: Evaluator) -> dict[str, Any]:
    """The whole state by rule, version and symbol; JSON can hold it."""
    width = len(evaluator.symbols)
    cells = []
    for row in evaluator.machine.save():
        rule = evaluator.rules[row["cell"] // width].rule
        key = {"rule_id": rule.rule_id, "version": rule.version, "symbol": evaluator.symbols[row["cell"] % width]}
        alert = evaluator.alerts.get(row["cell"]) or evaluator.waiting.get(row["cell"])
        told = {} if alert is None else {"alert": alert_facts(alert)}
        cells.append({**key, **{name: value for name, value in row.items() if name != "cell"}, **told})
    return {"format": FORMAT, "time_ms": evaluator.machine.time_ms, "cells": cells}


def active_ids(saved: dict[str, Any] | None) -> list[str]:
    """The ids of the alerts of a snapshot. Raises ValueError for a damaged one."""
    try:
        return [str(cell["alert"]["alert_id"]) for cell in (saved or {}).get("cells", []) if "alert" in cell]
    except (KeyError, TypeError) as error:
        raise ValueError(f"The snapshot of the alerts is damaged: {error!r}.") from None


def restore(evaluator: Evaluator, saved: dict[str, Any] | None, stored: Iterable[Alert] | None = None) -> Alerts | None:
    """Go on from a snapshot; call it before the first step. Answers what has to be published because of it.

    `stored`: what the store has of the active alerts of the snapshot, and all its own active ones (None: there is no store).
    What both know goes on without a second notice. What only the snapshot knows was not committed: it is told once more, under
    the same id. Of what only the store knows, a firing one goes on and a pending one is withdrawn. What the store knows as
    resolved is over. Episodes of rules or symbols that are here no more end. A snapshot of another format counts as none.
    Raises ValueError for a damaged one.
    """
    if saved is None or saved.get("format") != FORMAT:
        saved = {"format": FORMAT, "time_ms": -1, "cells": []}
    try:
        return _Restoring(evaluator, saved, None if stored is None else {alert.alert_id: alert for alert in stored}).run()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        evaluator.forget()
        raise ValueError(f"The snapshot of the alerts is damaged: {error!r}.") from None


class _Restoring:
    """One restoration."""

    def __init__(self, evaluator: Evaluator, saved: dict[str, Any], stored: dict[str, Alert] | None) -> None:
        self._into = evaluator
        self._saved = saved
        self._stored = stored
        self._rows = {(one.rule.rule_id, one.rule.version): row for row, one in enumerate(evaluator.rules) if one.rule.enabled}
        self._columns = {symbol: column for column, symbol in enumerate(evaluator.symbols)} | {"*": 0}
        self._said: list[Alert] = []
        self._notify: list[str] = []
        self._time_ms = int(saved["time_ms"])

    def run(self) -> Alerts | None:
        rows = [row for row in map(self._row, self._saved["cells"]) if row is not None]
        mine = {saved["alert"]["alert_id"] for saved in self._saved["cells"] if "alert" in saved}
        strays = [alert for key, alert in (self._stored or {}).items() if key not in mine]
        rows += [row for row in map(self._stray, strays) if row is not None]
        cells = {row["cell"]: row for row in rows}
        self._into.machine.load(self._time_ms, list(cells.values()), restored=self._time_ms >= 0)
        said = sorted(self._said, key=lambda alert: (alert.rule_id, alert.symbol, alert.fired_ms))
        return Alerts(self._time_ms, said, sorted(self._notify)) if said else None

    def _cell(self, rule_id: str, version: int, symbol: str) -> int | None:
        row, column = self._rows.get((rule_id, version)), self._columns.get(symbol)
        if row is None or column is None or not self._into.rules[row].applies[column]:
            return None
        return row * len(self._into.symbols) + column

    def _rule(self, cell: int) -> Rule:
        return self._into.rules[cell // len(self._into.symbols)].rule

    def _row(self, saved: dict[str, Any]) -> dict[str, Any] | None:
        """A cell of the snapshot, where its rule and symbol are still here."""
        alert = alert_of(saved["alert"]) if "alert" in saved else None
        cell = self._cell(saved["rule_id"], saved["version"], saved["symbol"])
        if cell is None:
            if alert is not None:
                self._end(alert)
            return None
        active = Phase(saved["phase"]) in (Phase.FIRING, Phase.RECOVERING)
        if active and alert is None:
            raise ValueError("an active cell has no alert")
        if alert is None or not self._is_over(alert):
            self._go_on(cell, alert, active=active)
            return {**saved, "cell": cell}
        return {**{name: saved[name] for name in ("told_ms", "flaps") if name in saved}, "cell": cell, "phase": Phase.NORMAL}

    def _is_over(self, alert: Alert) -> bool:
        known = (self._stored or {}).get(alert.alert_id)
        return known is not None and known.state is AlertState.RESOLVED

    def _go_on(self, cell: int, alert: Alert | None, *, active: bool) -> None:
        if alert is None:
            return
        known = (self._stored or {}).get(alert.alert_id)
        if known is not None:
            alert = alert._replace(acknowledged_ms=known.acknowledged_ms)
        (self._into.alerts if active else self._into.waiting)[cell] = alert
        if self._stored is not None and alert.alert_id not in self._stored:
            self._said.append(alert)
            if active and alert.context.get("notices") and not self._rule(cell).muted(self._time_ms):
                self._notify.append(alert.alert_id)

    def _stray(self, alert: Alert) -> dict[str, Any] | None:
        """An active alert that was committed after the snapshot was taken."""
        cell = self._cell(alert.rule_id, alert.rule_version, alert.symbol)
        if alert.state is AlertState.RESOLVED:
            return None
        if cell is None or alert.state is AlertState.PENDING or cell in self._into.alerts:
            self._end(alert)
            return None
        self._into.waiting.pop(cell, None)
        self._into.alerts[cell] = alert
        self._time_ms = max(self._time_ms, alert.fired_ms)
        rule, told = self._rule(cell), int(alert.context.get("notices", 1))
        untold = told == 0 and not _dropped(alert)
        pause = rule.cooldown_ms if untold else None if rule.repeat_ms is None else max(rule.repeat_ms, rule.cooldown_ms)
        due = NEVER if pause is None else alert.fired_ms + pause
        phase = Phase.RECOVERING if alert.state is AlertState.RECOVERING else Phase.FIRING
        times = {"since": self._time_ms, "known": self._time_ms, "due": due, "told_ms": alert.fired_ms}
        return {"cell": cell, "phase": phase, "told": told, **times}

    def _end(self, alert: Alert) -> None:
        ended_ms = max(self._time_ms, alert.fired_ms)
        context = {**alert.context, "resolution": Cause.CHANGED.value}
        self._said.append(alert._replace(state=AlertState.RESOLVED, resolved_ms=ended_ms, context=context))


def _dropped(alert: Alert) -> bool:
    """Whether its first notice was kept back for good."""
    silenced = alert.context.get("silenced")
    return isinstance(silenced, dict) and not silenced.get("later")
