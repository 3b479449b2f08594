"""The alerts page: what fires, what is about to, what was, and the rules behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from ...alerts.compiled import of_money_alone
from ...model.alerts import Alert, AlertState, Rule
from ...watch import Watch
from .. import format as fmt
from ..alert_history import MOST
from ..alert_sparks import AlertSpark, AlertSparks
from ..authors import Names, said
from .alert_acts import ActsView, acts_of
from .alert_words import MARKET, STATE_WORDS, age, element_id, moment, reason, replay_href, sentence, subject, subject_of
from .bell import firing
from .cursor import market_then
from .frame import symbol_href
from .rule_statistics import statistics_of
from .rule_told import ExampleView, ToldView, examples_of
from .rule_words import about, muted, rule_href
from .silences import SilenceForm, SilencesView, quiet, silences_of

_MOST_ACTIVE = 100
MOST_PAST = 100
_MOST_COINS = 8
STATES = {"": "All", "firing": "Firing", "pending": "Pending", "resolved": "Resolved"}


class Query(NamedTuple):
    """What the page is asked for; "" is everything. `coin` is a watched symbol, `rule` the id of a rule."""

    state: str = ""
    coin: str = ""
    rule: str = ""

    @classmethod
    def of(cls, get: Callable[[str], str]) -> Query:
        """From the query string; a state that does not exist is left out."""
        state = get("state")
        return cls(state if state in STATES else "", get("coin")[:64], get("rule")[:200])

    @property
    def address(self) -> str:
        """`/alerts?...` with only what was asked for."""
        given = {name: value for name, value in self._asdict().items() if value}
        return "/alerts?" + urlencode(given) if given else "/alerts"

    def takes(self, alert: Alert) -> bool:
        """Whether an alert is about the wanted coin and rule."""
        return self.coin in ("", alert.symbol) and self.rule in ("", alert.rule_id)


class AlertView(NamedTuple):
    """One episode. `href` is empty for alerts about the market as a whole."""

    key: str
    severity: str
    state: str
    rule_name: str
    base: str
    href: str
    sentence: str
    age: str
    late: bool
    acknowledged: bool
    replay: str = ""
    quiet: str = ""
    acts: ActsView | None = None


class PastView(NamedTuple):
    """An episode that is over, as a row. `then`: the market as of the moment at which it fired."""

    key: str
    severity: str
    time: str
    time_ms: int
    base: str
    href: str
    rule_name: str
    reason: str
    lasted: str
    late: bool
    acknowledged: bool
    replay: str = ""
    then: str = ""
    quiet: str = ""
    acts: ActsView | None = None
    spark: AlertSpark | None = None


@dataclass(frozen=True, slots=True)
class FiringView:
    """What fires now, for the overview; `more` others do not fit, `rules` are in force."""

    alerts: tuple[AlertView, ...]
    more: int
    rules: int


@dataclass(frozen=True, slots=True)
class ActiveView:
    """Firing and pending alerts; the counts are of all, the lists may be cut. `sections`: which of both are wanted."""

    firing: tuple[AlertView, ...]
    pending: tuple[AlertView, ...]
    firing_count: int
    pending_count: int
    sections: tuple[str, ...]
    rules: int


@dataclass(frozen=True, slots=True)
class PastViews:
    """The history; `more` older ones are not shown, `problem` says why the database's are missing."""

    alerts: tuple[PastView, ...]
    more: int
    problem: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule with how it stands for its symbols."""

    key: str
    name: str
    expression: str
    details: str
    severity: str
    href: str
    current: bool
    enabled: bool
    firing: int
    pending: int
    quiet: str
    last: str
    page: str = ""
    copy: str = ""
    mine: bool = False
    muted: str = ""
    figures: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class RulesView:
    """Every rule in force, by name."""

    rules: tuple[RuleView, ...]


@dataclass(frozen=True, slots=True)
class FilterView:
    """A filter as a link."""

    label: str
    href: str
    current: bool
    count: int


@dataclass(frozen=True, slots=True)
class FiltersView:
    """Filters by state, by coin, and the way out of one by rule."""

    states: tuple[FilterView, ...]
    coins: tuple[FilterView, ...]
    rule: FilterView | None


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """The page `/alerts`. `file`: where rules are written down. `told`: what was just done to a rule; `examples`: rules to
    begin with."""

    filters: FiltersView
    active: ActiveView
    past: PastViews
    rules: RulesView
    silences: SilencesView
    form: SilenceForm
    file: str
    stream: str
    told: ToldView | None = None
    examples: tuple[ExampleView, ...] = ()


def alert_view(alert: Alert, watch: Watch, now_ms: int) -> AlertView:
    """One episode in words."""
    base, href = _about(alert, watch)
    rule = watch.state.rules.get(alert.rule_id)
    return AlertView(
        key=element_id(alert.alert_id),
        severity=alert.severity.value,
        state=STATE_WORDS[alert.state],
        rule_name=alert.rule_name,
        base=base,
        href=href,
        sentence=sentence(alert, now_ms, rule.for_ms if rule is not None else 0),
        age=age(alert.fired_ms, now_ms),
        late=alert.late,
        acknowledged=alert.acknowledged_ms is not None,
        replay="" if alert.state is AlertState.PENDING else replay_href(alert.alert_id),
        quiet="" if alert.state is AlertState.PENDING else quiet(alert, watch, now_ms),
    )


def _with_acts(alert: Alert, watch: Watch, now_ms: int) -> AlertView:
    return alert_view(alert, watch, now_ms)._replace(acts=acts_of(alert, watch))


def _about(alert: Alert, watch: Watch) -> tuple[str, str]:
    return subject_of(alert, watch), symbol_href(alert.symbol) if alert.symbol in watch.instruments else ""


def _past_view(alert: Alert, watch: Watch, now_ms: int, sparks: AlertSparks | None) -> PastView:
    base, href = _about(alert, watch)
    lasted = fmt.UNKNOWN if alert.resolved_ms is None else fmt.long_duration(alert.resolved_ms - alert.fired_ms)
    return PastView(
        key=element_id(alert.alert_id),
        severity=alert.severity.value,
        time=moment(alert.fired_ms, now_ms),
        time_ms=alert.fired_ms,
        base=base,
        href=href,
        rule_name=alert.rule_name,
        reason=reason(alert),
        lasted=lasted,
        late=alert.late,
        acknowledged=alert.acknowledged_ms is not None,
        replay=replay_href(alert.alert_id),
        then=market_then(alert.fired_ms),
        quiet=quiet(alert, watch, now_ms),
        acts=acts_of(alert, watch),
        spark=None if sparks is None else sparks.of(alert.alert_id),
    )


def pending(watch: Watch) -> list[Alert]:
    """What is about to fire, newest first."""
    found = [alert for alert in watch.state.alerts.values() if alert.state is AlertState.PENDING]
    return sorted(found, key=lambda alert: (alert.fired_ms, alert.alert_id), reverse=True)


def firing_of(watch: Watch, now_ms: int, limit: int = 5) -> FiringView:
    """What the overview shows: firing ones first, then pending ones."""
    found = firing(watch) + pending(watch)
    views = tuple(alert_view(alert, watch, now_ms) for alert in found[:limit])
    return FiringView(views, max(0, len(found) - limit), _rules_in_force(watch))


def _rules_in_force(watch: Watch) -> int:
    return sum(rule.enabled for rule in watch.state.rules.values())


def active_of(watch: Watch, query: Query, now_ms: int) -> ActiveView:
    """What fires and what is about to."""
    fires = [alert for alert in firing(watch) if query.takes(alert)]
    waits = [alert for alert in pending(watch) if query.takes(alert)]
    sections = {"": ("firing", "pending"), "resolved": ()}.get(query.state, (query.state,))
    return ActiveView(
        firing=tuple(_with_acts(alert, watch, now_ms) for alert in fires[:_MOST_ACTIVE]),
        pending=tuple(alert_view(alert, watch, now_ms) for alert in waits[:_MOST_ACTIVE]),
        firing_count=len(fires),
        pending_count=len(waits),
        sections=sections,
        rules=_rules_in_force(watch),
    )


def past_of(
    watch: Watch, past: Sequence[Alert], query: Query, now_ms: int, problem: str = "", sparks: AlertSparks | None = None
) -> PastViews:
    """The history. `past`: newest first."""
    wanted = query.state in ("", "resolved")
    found = [alert for alert in past if wanted and query.takes(alert)]
    views = tuple(_past_view(alert, watch, now_ms, sparks) for alert in found[:MOST_PAST])
    return PastViews(views, max(0, len(found) - MOST_PAST), problem, wanted)


def rules_of(
    watch: Watch, past: Sequence[Alert], query: Query, now_ms: int, problem: str = "", authors: Names | None = None
) -> RulesView:
    """The rules in force with their counts. `problem`: why the history is not whole. `authors`: names by user id, for who may
    know all of them."""
    figures = statistics_of((*firing(watch), *past), now_ms, cut=bool(problem) or len(past) >= MOST)
    fires = Counter(alert.rule_id for alert in firing(watch))
    waits = Counter(alert.rule_id for alert in pending(watch))
    last: dict[str, int] = {}
    for alert in (*firing(watch), *past):
        last[alert.rule_id] = max(last.get(alert.rule_id, 0), alert.fired_ms)
    ordered = sorted(watch.state.rules.values(), key=lambda rule: (rule.name.casefold(), rule.rule_id))
    return RulesView(
        tuple(
            RuleView(
                key=element_id(rule.rule_id, "rule"),
                name=rule.name,
                expression=rule.expression,
                details=_details(rule),
                severity=rule.severity.value,
                href=Query(rule="" if rule.rule_id == query.rule else rule.rule_id).address,
                current=rule.rule_id == query.rule,
                enabled=rule.enabled,
                firing=fires[rule.rule_id],
                pending=waits[rule.rule_id],
                quiet=_quiet(rule, watch, fires[rule.rule_id] + waits[rule.rule_id]),
                last=moment(last[rule.rule_id], now_ms) if rule.rule_id in last else "",
                page=rule_href(rule.rule_id),
                copy="/alerts/rules/new?" + urlencode({"copy": rule.rule_id}),
                mine=rule.origin != "file",
                muted=muted(rule, now_ms),
                figures=figures.get(rule.rule_id, ""),
                author="" if authors is None else said(rule, authors),
            )
            for rule in ordered
        )
    )


def _details(rule: Rule) -> str:
    """Severity, symbols and durations of a rule in few words."""
    parts = [rule.severity.value, about(rule, 4)]
    parts += [f"for {fmt.long_duration(rule.for_ms)}"] if rule.for_ms else []
    parts += [f"cooldown {fmt.long_duration(rule.cooldown_ms)}"] if rule.cooldown_ms else []
    return " · ".join(parts)


def _quiet(rule: Rule, watch: Watch, active: int) -> str:
    """How many symbols of the rule are quiet; empty where that cannot be counted."""
    if of_money_alone(rule.expression):
        return ""
    if rule.symbols == (MARKET,):
        return str(max(0, len(watch.symbols) - active))
    if any(name not in watch.instruments for name in rule.symbols):
        return ""
    return str(max(0, len(rule.symbols) - active))


def filters_of(watch: Watch, past: Sequence[Alert], query: Query) -> FiltersView:
    """The filters as links; a coin is offered when it has alerts."""
    of_coin = [alert for alert in watch.state.alerts.values() if query.takes(alert)]
    waits = sum(alert.state is AlertState.PENDING for alert in of_coin)
    counts = {"firing": len(of_coin) - waits, "pending": waits}
    states = tuple(
        FilterView(label, query._replace(state=state).address, state == query.state, counts.get(state, 0))
        for state, label in STATES.items()
    )
    seen = Counter(alert.symbol for alert in (*watch.state.alerts.values(), *past) if alert.symbol in watch.instruments)
    wanted = [query.coin] if query.coin in watch.instruments else []
    names = list(dict.fromkeys(wanted + [name for name, _ in seen.most_common(_MOST_COINS)]))
    order = {name: place for place, name in enumerate(watch.symbols)}
    coins = tuple(
        FilterView(
            subject(name, watch),
            query._replace(coin="" if name == query.coin else name).address,
            name == query.coin,
            0,
        )
        for name in sorted(names, key=lambda name: order[name])
    )
    rule = watch.state.rules.get(query.rule)
    chosen = None if rule is None else FilterView(rule.name, query._replace(rule="").address, True, 0)
    return FiltersView(states, coins, chosen)


def alerts_page(
    watch: Watch,
    past: Sequence[Alert],
    query: Query,
    *,
    now_ms: int,
    stream: str,
    problem: str = "",
    file: str = "rules.yml",
    form: SilenceForm | None = None,
    told: ToldView | None = None,
    sparks: AlertSparks | None = None,
    authors: Names | None = None,
) -> AlertsPage:
    """The whole page `/alerts`."""
    return AlertsPage(
        filters=filters_of(watch, past, query),
        active=active_of(watch, query, now_ms),
        past=past_of(watch, past, query, now_ms, problem, sparks),
        rules=rules_of(watch, past, query, now_ms, problem, authors),
        silences=silences_of(watch, now_ms),
        form=form or SilenceForm(),
        file=file,
        stream=stream,
        told=told,
        examples=examples_of(watch),
    )
