"""`/api/rules/.../explain`: which terms had which values for a symbol at a moment, and why the rule says what it says."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...alerts.compiled import program_of
from ...errors import InvalidRequest, NotFound, Unavailable
from ...lab.moment import Found, Place
from ...model.alerts import Alert, AlertState, Rule
from ...portfolio.timeline import Money
from ...rules.errors import RuleError
from ...rules.explain import explain_values
from ...rules.frame import Frame
from ...rules.holdings import Holding
from ...rules.nodes import of_type
from ...rules.program import Program
from ..envelope import iso
from .action import Action
from .alerts import Name
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .own_money import books_of
from .parameters import CoinId, To, read_time

PATH = "/api/rules/explain"
_MOST_TEXT = 2000
_MOST_EPISODES = 1000
Moment = Annotated[str, Meta(max_length=40, description="An ISO 8601 time; without it now")]


class ExplainQuery(msgspec.Struct, frozen=True):
    """Which rule, for which symbol, when; without `at` now."""

    rule_id: Name
    symbol: CoinId
    at: To | None = None


class ExplainAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An expression that need not be a rule yet, a number too; without `at` now."""

    expression: Annotated[str, Meta(max_length=_MOST_TEXT)]
    symbol: Annotated[str, Meta(min_length=1, max_length=64)]
    at: Moment | None = None
    intrabar: bool = False


class TermRow(msgspec.Struct, frozen=True):
    """`value` null: unknown. `source`: `live`, `stored` (as of `time`), `warming up` where too little is known, or `private`
    for a figure of somebody's own money, which is told to that person alone."""

    term: str
    value: float | None
    unit: str
    shown: str
    source: str
    time: str


class PartRow(msgspec.Struct, frozen=True):
    """A comparison or a crossing at the bottom of the rule. `truth`: true, false or unknown."""

    text: str
    truth: str
    left: float | None
    right: float | None
    sentence: str


class ExplainRow(msgspec.Struct, frozen=True):
    """Why the expression is true, false or unknown for the symbol at `time`."""

    expression: str
    symbol: str
    time: str
    truth: str
    sentence: str
    terms: list[TermRow]
    comparisons: list[PartRow]


class RuleExplainRow(ExplainRow, frozen=True):
    """`state`: normal, pending, firing or recovering; `side`: why it is not evaluated or cannot say anything, with `reason`.
    `alert_id`: the episode that was firing."""

    rule_id: str
    rule_version: int
    state: str
    side: str | None
    reason: str
    alert_id: str | None


def _row(program: Program, symbol: str, time_ms: int, found: dict[str, Found], *, private: bool) -> dict[str, Any]:
    """`private`: the money that it sees is not that of who asks."""
    if private:
        money = [node.key for node in program.terms if of_type(node, Holding)]
        found = found | dict.fromkeys(money, Found(float("nan"), "private", time_ms))
    said = explain_values(program, {key: one.value for key, one in found.items()})
    return {
        "expression": said.text, "symbol": symbol, "time": iso(time_ms), "truth": said.truth, "sentence": said.sentence,
        "terms": [
            TermRow(one.text, one.value, one.unit, one.shown, found[one.text].source, iso(found[one.text].time_ms))
            for one in said.terms
        ],
        "comparisons": [
            PartRow(one.text, one.truth, one.left, one.right, one.sentence) for one in said.whole.comparisons()
        ],
    }  # fmt: skip


def _place(desk: Desk, symbol: str) -> Place:
    watch, settings = desk.watch, desk.settings
    return Place(
        "*" if symbol == "*" else desk.coins.symbol(symbol),
        watch.symbols,
        settings.sample_ms,
        watch.reference,
        desk.market_now_ms(),
    )


def _frame(desk: Desk) -> Frame:
    watch = desk.watch
    table = watch.engine.table
    if table is None:
        raise Unavailable("No sample has come in yet; ask again in a moment.")
    return watch.facts.tick(table, watch.state, watch.candles.columns)


async def explain_expression(desk: Desk, _query: NoQuery, ask: ExplainAsk, asker: str) -> ExplainRow:
    """For the editor, while one types. `asker`: the id of who asks. Raises InvalidRequest with the column of a mistake."""
    place = _place(desk, ask.symbol if ask.symbol != "*" else desk.watch.reference)
    try:
        program = desk.lab.program(ask.expression, intrabar=ask.intrabar, owner_id=asker)
        money = await books_of(desk, asker) if program.holdings else None
        if ask.at is not None:
            at_ms = _past(desk, _moment(ask.at))
            found, _, _ = await desk.lab.moments.past(program, place, at_ms, money)
            return ExplainRow(**_row(program, place.symbol, at_ms, found, private=not asker))
    except RuleError as error:
        raise InvalidRequest(str(error), [error.detail()]) from None
    frame = _frame(desk)
    found = await desk.lab.moments.live(program, frame, place, money)
    return ExplainRow(**_row(program, place.symbol, frame.table.time_ms, found, private=not asker))


async def _money(desk: Desk, rule: Rule, program: Program, asker: str) -> Money | None:
    """The books that a rule about money sees, where they are those of who asks."""
    return await books_of(desk, asker) if program.holdings and asker == rule.owner_id else None


def _moment(text: str) -> int:
    try:
        return read_time(text)
    except ValueError:
        raise InvalidRequest(
            f'"at" was "{text[:40]}"; it must be an ISO 8601 time such as 2026-11-20T08:31:00Z.', [{"parameter": "at"}]
        ) from None


def _past(desk: Desk, at_ms: int) -> int:
    """The end of the step that was over at that moment. Raises InvalidRequest for one that is to come."""
    step = desk.settings.sample_ms
    if at_ms > desk.market_now_ms() + step:
        raise InvalidRequest(f"{iso(at_ms)} is still to come; leave out `at` for now.", [{"parameter": "at"}])
    return max(step, at_ms // step * step)


async def explain_rule(desk: Desk, query: ExplainQuery, asker: str) -> RuleExplainRow:
    """For a rule in force. `asker`: the id of who asks. Raises NotFound, InvalidRequest, StoreError."""
    rule = desk.watch.state.rules.get(query.rule_id)
    if rule is None:
        raise NotFound(f'There is no rule "{query.rule_id}" in force.', [{"parameter": "rule_id", "value": query.rule_id}])
    place = _place(desk, query.symbol)
    try:
        program = program_of(rule.expression, rule.intrabar, rule.owner_id)
        return await (
            _now(desk, rule, program, place, asker) if query.at is None else _then(desk, rule, program, place, query.at, asker)
        )
    except RuleError as error:
        raise InvalidRequest(f'The rule "{rule.name}" cannot be evaluated: {error}', [error.detail()]) from None


async def _now(desk: Desk, rule: Rule, program: Program, place: Place, asker: str) -> RuleExplainRow:
    """As the evaluator has it: the values that decided the last step."""
    frame, facts = _frame(desk), desk.slot.rules
    standing = None if facts is None else facts.standing(rule.rule_id, place.symbol)
    time_ms = frame.table.time_ms
    if standing is None:
        money = await _money(desk, rule, program, asker)
        terms = await desk.lab.moments.live(program, frame, place, money)
        return _of_rule(
            rule, place.symbol, time_ms, program, terms, "normal", [], "no data", "The rule was not evaluated yet.", asker
        )
    nan = float("nan")
    values = {key: Found(nan if value is None else value, "live", time_ms) for key, value in standing.values.items()}
    known = {node.key: values.get(node.key, Found(nan, "live", time_ms)) for node in program.terms}
    active = [one for one in desk.watch.state.alerts.values() if (one.rule_id, one.symbol) == (rule.rule_id, place.symbol)]
    return _of_rule(rule, place.symbol, time_ms, program, known, str(standing.phase.name).lower(), active,
                    None if standing.side is None else str(standing.side), standing.reason, asker)  # fmt: skip


async def _then(desk: Desk, rule: Rule, program: Program, place: Place, at: int, asker: str) -> RuleExplainRow:
    """From stored samples, and from the episodes that are stored."""
    at_ms = _past(desk, at)
    money = await _money(desk, rule, program, asker)
    found, said, rested = await desk.lab.moments.past(program, place, at_ms, money)
    stored = await desk.store.alerts(symbol=place.symbol, rule_id=rule.rule_id, to_ms=at_ms + 1, limit=_MOST_EPISODES)
    held = [*desk.watch.state.recent_alerts, *desk.watch.state.alerts.values(), *stored]
    active = [one for one in held if (one.rule_id, one.symbol) == (rule.rule_id, place.symbol) and _covers(one, at_ms)]
    truth = 0 if rested or said.truth is None else int(said.truth[-1])
    waits = truth == 1 and (rule.for_ms or program.for_s) > 0
    state = "firing" if active else "pending" if waits else "normal"
    side, reason = ("no data", "A term that decides was unknown.") if truth == 0 else (None, "")
    if rested:
        reason = f"{place.symbol} was quiet or its feed was down, so rules about its market rested."
    return _of_rule(rule, place.symbol, at_ms, program, found, state, active, side, reason, asker)


def _covers(alert: Alert, at_ms: int) -> bool:
    return (
        alert.state is not AlertState.PENDING
        and alert.fired_ms <= at_ms
        and (alert.resolved_ms is None or alert.resolved_ms > at_ms)
    )


def _of_rule(
    rule: Rule, symbol: str, time_ms: int, program: Program, found: dict[str, Found], state: str, active: list[Alert],
    side: str | None, reason: str, asker: str,
) -> RuleExplainRow:  # fmt: skip
    firing = next((one.alert_id for one in active if one.state is not AlertState.PENDING), None)
    return RuleExplainRow(
        **_row(program, symbol, time_ms, found, private=asker != rule.owner_id), rule_id=rule.rule_id,
        rule_version=rule.version, state=state, side=side, reason=reason, alert_id=firing,
    )  # fmt: skip


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/rules/{rule_id}/explain",
        "Why a rule stands where it stands",
        ExplainQuery,
        RuleExplainRow,
        explain_rule,
        "alerts",
        operation="rule_explain",
        asked=True,
        description="The terms of a rule in force for a symbol: as the evaluator has them, or in the past from stored samples.",
    ),
)
ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST",
        PATH,
        "What an expression says",
        NoQuery,
        ExplainAsk,
        ExplainRow,
        explain_expression,
        "alerts",
        operation="rules_explain",
        description="For editors: the value of each term, the truth of each part; a mistake answers 400 with column and hint.",
        role="guest",
        asked=True,
    ),
)
