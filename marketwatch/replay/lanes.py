"""Lanes: every term of an alert's rule along the minutes around it, and where the rule stood, from what is stored.

The numbers come from the columns of `rules.lane`, the states from `lab.course`: what live and lab evaluate.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..alerts.compiled import Compiled
from ..alerts.episodes import rule_of
from ..alerts.machine import Phase
from ..errors import InvalidRequest
from ..lab.archive import Archive
from ..lab.course import phases, runs
from ..lab.own_money import OwnMoney
from ..lab.question import Durations, Question, question
from ..lab.trial import closed_of, recovery_told, told
from ..model.alerts import Alert, Rule
from ..model.private import author_of
from ..portfolio.timeline import Money
from ..ports import MarketStore
from ..rules.errors import RuleError
from ..rules.explain import unit_of
from ..rules.history import History
from ..rules.lane import Lane, Side
from ..rules.nodes import Kind, Node, walk
from ..rules.program import Program
from ..rules.truth import F8, I1, UNKNOWN, Knowledge
from ..watch import Watch
from .incident import Incident
from .pins import MOST_LEAD_MS

MOST_LANES = 8
_SAME = 1e-9
_WORDS = {Phase.PENDING: "pending", Phase.FIRING: "firing", Phase.RECOVERING: "recovering"}
_OTHERWISE = (
    "Read from what is stored, the rule was not where it was live: samples were amended since, or its windows reach back "
    "beyond what is kept."
)


class Threshold(NamedTuple):
    """A number that a lane is compared with. `recovery`: by the recovery condition."""

    operator: str
    value: float
    recovery: bool


class TermLane(NamedTuple):
    """A term by its text in the rule. `values`: one for each step, NaN unknown; a truth is 1, 0 or -1 and has the unit `truth`.
    `at_alert`: the value that the alert's record holds, None where it holds none."""

    text: str
    unit: str
    thresholds: tuple[Threshold, ...]
    values: F8
    at_alert: float | None


class Stretch(NamedTuple):
    """Steps at which the rule stood alike: `false`, `unknown`, `pending`, `firing` or `recovering`. Times are ends of steps,
    the last one included."""

    state: str
    from_ms: int
    to_ms: int


class Lanes(NamedTuple):
    """`first_ms`: the end of the first step, `sample_ms` to the next. `agrees`: whether the rule fires at the alert's moment
    with the values of its record, None where that cannot be said. `note`: a sentence where there is something to know."""

    first_ms: int
    sample_ms: int
    lanes: tuple[TermLane, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    agrees: bool | None = None
    left_out: int = 0
    note: str = ""


class LaneReader:
    """Reads the lanes of one incident at a time: whoever comes second waits for the first."""

    def __init__(self, store: MarketStore) -> None:
        self._archive = Archive(store)
        self._turn = asyncio.Lock()

    async def read(self, incident: Incident, watch: Watch, money: Money | None = None) -> Lanes:
        """The lanes of an incident; none, with the reason in `note`, where its rule cannot be evaluated. `money`: the books of
        who asks, which count where the rule is theirs. Raises StoreError."""
        sample_ms = max((columns.sample_ms for columns in incident.samples), default=0)
        nothing = Lanes(incident.from_ms, sample_ms)
        if not sample_ms or not any(len(columns.time_ms) for columns in incident.samples):
            return nothing
        try:
            asked = _question(incident, watch, sample_ms, money)
        except InvalidRequest as error:
            return nothing._replace(note=str(error))
        from_ms = (asked.from_ms - min(asked.lead_ms, MOST_LEAD_MS)) // sample_ms * sample_ms
        to_ms = min(asked.to_ms, _known_ms(incident, watch))
        async with self._turn:
            read, whales = self._archive.history, asked.counts_whales
            histories = {
                name: await read(name, from_ms, to_ms, sample_ms=sample_ms, whales=whales, columns=asked.columns)
                for name in dict.fromkeys((*asked.symbols, incident.symbol, *asked.needs))
            }
            own = histories[asked.symbols[0]]
            said = await OwnMoney(self._archive, asked).along(histories, own)
            return await asyncio.to_thread(lanes_of, asked, histories, incident.alert, said)


def _question(incident: Incident, watch: Watch, sample_ms: int, money: Money | None) -> Question:
    """The alert's rule as a question about its own minutes. Raises InvalidRequest where it is none."""
    rule, author = _rule(incident.alert), author_of(incident.alert)
    try:
        return question(
            rule.expression,
            symbols=[incident.symbol],
            watched=watch.symbols,
            from_ms=incident.from_ms,
            to_ms=incident.to_ms,
            sample_ms=sample_ms,
            reference=watch.reference,
            recover=rule.recover,
            durations=Durations(rule.for_ms or None, rule.keep_firing_ms, rule.cooldown_ms, rule.schedule, rule.intrabar),
            money=money if money is not None and money.owner_id == author else None,
        )
    except RuleError as error:
        raise InvalidRequest(f"The rule as it is stored cannot be evaluated: {error}") from None


def _rule(alert: Alert) -> Rule:
    try:
        rule = rule_of(alert.context["rule"])
        fine = isinstance(rule.expression, str) and all(isinstance(one, str | None) for one in (rule.recover, rule.schedule))
        fine = fine and all(isinstance(one, int) for one in (rule.for_ms, rule.keep_firing_ms, rule.cooldown_ms))
    except (KeyError, TypeError, ValueError):
        fine = False
    if not fine:
        raise InvalidRequest("The rule was not stored with the alert, so its terms cannot be drawn.")
    return rule


def _known_ms(incident: Incident, watch: Watch) -> int:
    """Up to where something can be known: to the last step that the market has reached, or the last one that is stored."""
    newest = watch.state.samples
    stored = max(int(columns.time_ms[-1]) + columns.sample_ms for columns in incident.samples if len(columns.time_ms))
    return max(stored, incident.alert.fired_ms, 0 if newest is None else newest.time_ms + newest.sample_ms)


def lanes_of(asked: Question, histories: Mapping[str, History], alert: Alert, money: Mapping[str, F8] | None = None) -> Lanes:
    """The lanes over the histories, which begin with the lead. `money`: terms of one's own money. Runs in a thread."""
    own = histories[asked.symbols[0]]
    reference = None if asked.reference is None else histories.get(asked.reference)
    lane = Lane(Side(own, histories, reference, money or {}), asked.windows, Knowledge())
    closed = closed_of(asked, own)
    truth = told(asked, lane.truth(asked.program.expression), own, closed, seen=False)
    recover = asked.rule.recover
    recovered = None if recover is None else recovery_told(asked, lane.truth(recover.expression), own)
    stood = phases(truth, recovered, asked.rule.timing(-1), own.sample_ms, closed)
    skip = max(0, (asked.from_ms - own.from_ms) // own.sample_ms)
    nodes, thresholds = _drawn(asked.rule)
    terms = _stored(alert)
    found = [
        TermLane(key, _unit(node), thresholds.get(key, ()), lane.column(node)[skip:].copy(), terms.get(key))
        for key, node in list(nodes.items())[:MOST_LANES]
    ]
    agrees = _agrees(asked, lane, stood, alert)
    first_ms = own.from_ms + (skip + 1) * own.sample_ms
    note = " ".join([*asked.notes, *([_OTHERWISE] if agrees is False and not asked.notes else [])])
    return Lanes(
        first_ms, own.sample_ms, tuple(found), tuple(_stretches(truth[skip:], stood[skip:], first_ms, own.sample_ms)),
        agrees, max(0, len(nodes) - MOST_LANES), note,
    )  # fmt: skip


def _unit(node: Node) -> str:
    return "truth" if node.kind is Kind.BOOL else unit_of(node)


def _drawn(rule: Compiled) -> tuple[dict[str, Node], dict[str, tuple[Threshold, ...]]]:
    """What is drawn, in order: what is compared with numbers, then all other terms; and the numbers."""
    compared: dict[str, Node] = {}
    others: dict[str, Node] = {}
    thresholds: dict[str, tuple[Threshold, ...]] = {}
    for program, recovery in _programs(rule):
        by_key = {node.key: node for node in walk(program.expression)}
        for one in program.comparisons:
            if one.threshold is not None:
                compared.setdefault(one.metric, by_key[one.metric])
                line = Threshold(one.operator, one.threshold, recovery)
                thresholds[one.metric] = (*thresholds.get(one.metric, ()), line)
        others |= {node.key: node for node in program.terms}
    return compared | {key: node for key, node in others.items() if key not in compared}, thresholds


def _programs(rule: Compiled) -> Iterator[tuple[Program, bool]]:
    for program in (rule.program, rule.recover):
        if program is not None:
            yield program, program is rule.recover


def _stored(alert: Alert) -> dict[str, float | None]:
    """The values of the alert's record, by term."""
    terms: Any = alert.context.get("terms")
    if not isinstance(terms, dict):
        return {}
    found = {str(key): float(value) for key, value in terms.items() if isinstance(value, int | float)}
    if alert.trigger_value is not None:
        found.setdefault(alert.metric, alert.trigger_value)
    return {key: value if math.isfinite(value) else None for key, value in found.items()}


def _agrees(asked: Question, lane: Lane, stood: I1, alert: Alert) -> bool | None:
    """Whether the rule fires at the alert's step, with the values that its record holds."""
    terms: Any = alert.context.get("terms")
    step, off = divmod(alert.fired_ms - lane.history.from_ms, lane.history.sample_ms)
    if off or not 1 < step <= len(stood) or not isinstance(terms, dict) or (asked.rule.holdings and asked.money is None):
        return None
    fires = stood[step - 1] == Phase.FIRING and stood[step - 2] in (Phase.NORMAL, Phase.PENDING)
    return bool(fires) and all(_same(lane.column(node)[step - 1], terms.get(node.key)) for node in asked.program.terms)


def _same(found: float, stored: object) -> bool:
    if not isinstance(stored, int | float):
        return bool(np.isnan(found))
    return bool(np.isclose(found, stored, rtol=_SAME, atol=_SAME))


def _stretches(truth: I1, stood: I1, first_ms: int, sample_ms: int) -> list[Stretch]:
    """Where the rule stood, in runs."""
    names = {Phase.NORMAL.value: "false", 4: "unknown"} | {phase.value: word for phase, word in _WORDS.items()}
    shown: NDArray[np.int8] = np.where((stood == Phase.NORMAL.value) & (truth == UNKNOWN), 4, stood).astype(np.int8)
    found = [
        Stretch(names[number], first_ms + int(start) * sample_ms, first_ms + int(end - 1) * sample_ms)
        for number in np.unique(shown).tolist()
        for start, end in zip(*runs(shown == number), strict=True)
    ]
    return sorted(found, key=lambda one: one.from_ms)
