"""Episodes as facts: their ids, and the alert with everything that was known when it fired."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.alerts import Alert, AlertState, Rule
from ..model.market import Samples
from ..model.metrics import MetricTable, Window, WindowState
from ..model.portfolio import LOCAL_OWNER
from ..model.private import AUTHOR
from ..model.system import Level
from ..rules.live import Result
from ..rules.nodes import walk
from ..rules.spans import matches
from .compiled import Compiled


def alert_id(rule_id: str, version: int, symbol: str, fired_ms: int) -> str:
    """The id of an episode: the same in live, replay and after a restart. 24 hexadecimal digits."""
    return _digest(rule_id, str(version), symbol, str(fired_ms))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


class TradeIds(NamedTuple):
    """First and last trade id of each symbol's newest step with a trade; int64, 0 where none was seen."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def take(self, samples: Samples) -> None:
        traded = samples.trades > 0
        np.copyto(self.first, samples.first_id, where=traded)
        np.copyto(self.last, samples.last_id, where=traded)


def number(value: float) -> float | None:
    """A finite number, or None: what JSON can say."""
    return float(value) if math.isfinite(value) else None


def pending_id(rule_id: str, version: int, symbol: str, since_ms: int) -> str:
    """The id of what is pending since then: never that of an episode."""
    return _digest(rule_id, str(version), symbol, str(since_ms), "pending")


class Moment(NamedTuple):
    """What an alert is made from: the step at which its cell changed."""

    table: MetricTable
    ids: TradeIds
    sample_ms: int


def begun(one: Compiled, result: Result, moment: Moment, column: int, name: str, state: AlertState, **facts: Any) -> Alert:
    """The alert of what begins to pend or fires at this step for the symbol of `column`, shown as `name`."""
    rule, program = one.rule, one.program
    table, ids, sample_ms = moment
    assert program is not None
    first = program.first_comparison
    terms = {key: number(value) for key, value in result.at(column).items()}
    metric = program.source if first is None else first.metric
    context: dict[str, Any] = {"time_ms": table.time_ms, "terms": terms}
    if one.holdings:
        context[AUTHOR] = rule.owner_id
    if state is AlertState.FIRING:
        context |= {
            "price": number(float(table.points["price"][column])),
            "windows": windows_at(one, table, column, sample_ms),
            "trades": {"first_id": int(ids.first[column]) or None, "last_id": int(ids.last[column]) or None},
            "rule": rule_facts(rule),
            **facts,
        }
    identity = alert_id if state is AlertState.FIRING else pending_id
    return Alert(
        identity(rule.rule_id, rule.version, name, table.time_ms), rule.rule_id, rule.version, rule.name, name, metric,
        None if first is None else first.threshold, _value(one, result, column), table.time_ms, state,
        rule.severity, late=bool(facts.get("late")), context=context,
    )  # fmt: skip


def _value(one: Compiled, result: Result, column: int) -> float | None:
    """The value of the first comparison's metric; of a rule without one nothing."""
    assert one.program is not None
    first = one.program.first_comparison
    node = None if first is None else next((node for node in walk(one.program.expression) if node.key == first.metric), None)
    return None if node is None else number(float(result.plan.column(node)[column]))


_FLAGS = {bits: [flag.name.lower() for flag in WindowState if bits & flag and flag.name] for bits in range(8)}


def windows_at(one: Compiled, table: MetricTable, column: int, sample_ms: int) -> dict[str, Any]:
    """How full and how sound the rule's windows are."""
    return {
        wanted: {
            "filled": int(table.filled[window.name][column]),
            "length": window.length,
            "flags": _FLAGS[int(table.state[window.name][column]) & 7],
        }
        for wanted, window in windows_of(one.windows, table.windows, sample_ms)
    }


@lru_cache(maxsize=4096)
def windows_of(wanted: tuple[str, ...], have: tuple[Window, ...], sample_ms: int) -> tuple[tuple[str, Window], ...]:
    """Which of the engine's windows a rule means; those that the engine has not are left out."""
    by_name = {window.name: window for window in have}
    return tuple((name, by_name[found]) for name, found in matches(wanted, have, sample_ms).items())


def rule_facts(rule: Rule) -> dict[str, Any]:
    """A rule as plain values, which everybody may know: without its author."""
    facts = {**rule._asdict(), "severity": rule.severity.value, "symbols": list(rule.symbols), "channels": list(rule.channels)}
    del facts[AUTHOR]
    return facts


def rule_of(facts: dict[str, Any], owner_id: str | None = None) -> Rule:
    """The rule that `rule_facts` described; `owner_id`: its author, where that is known."""
    given = {name: facts[name] for name in Rule._fields if name in facts} | {AUTHOR: owner_id or LOCAL_OWNER}
    given |= {"severity": Level(facts["severity"]), "symbols": tuple(facts["symbols"]), "channels": tuple(facts["channels"])}
    return Rule(**given)


def alert_facts(alert: Alert) -> dict[str, Any]:
    """An alert as plain values."""
    return {**alert._asdict(), "state": alert.state.value, "severity": alert.severity.value}


def alert_of(facts: dict[str, Any]) -> Alert:
    """The alert that `alert_facts` described."""
    given = {name: facts[name] for name in Alert._fields if name in facts}
    return Alert(**{**given, "state": AlertState(facts["state"]), "severity": Level(facts["severity"])})
