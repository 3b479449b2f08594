"""`/api/alerts`, `/api/rules`: what fires, what fired, and why; the newest facts from memory, older ones from the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...errors import NotFound, StoreUnavailable
from ...model.alerts import Alert, AlertState, Rule
from ...model.private import open_context, told_to
from ...state import LiveState
from ..authors import Reader
from ..envelope import iso
from ..format import span
from .deliveries import DeliveryRow, delivery_row
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .parameters import CoinId, From, Limit, To

_STATES = ", ".join(AlertState)
State = Annotated[
    AlertState, Meta(description="Only alerts in this state", extra={"expects": f"one of {_STATES}", "read": AlertState})
]
Name = Annotated[
    str,
    Meta(min_length=1, max_length=200, extra={"expects": "the id of an alert or a rule, 1 to 200 characters", "example": "a1"}),
]
Version = Annotated[
    int, Meta(ge=1, le=2**31 - 1, description="Version", extra={"expects": "a whole number from 1", "number": True})
]


class AlertsQuery(msgspec.Struct, frozen=True):
    """Filters over alerts; all of them must hold."""

    state: State | None = None
    coin_id: CoinId | None = None
    from_ms: From | None = msgspec.field(default=None, name="from")
    to_ms: To | None = msgspec.field(default=None, name="to")
    limit: Limit = 100


class AlertQuery(msgspec.Struct, frozen=True):
    """Which alert."""

    alert_id: Name


class RuleQuery(msgspec.Struct, frozen=True):
    """Which rule, and which version of it."""

    rule_id: Name
    version: Version | None = None


class AlertRow(msgspec.Struct, frozen=True):
    """One episode of a rule on a symbol; the symbol `*` stands for the market as a whole.

    `timestamp`: when it fired (or began to pend). `metric`, `threshold` and `trigger_value` are the first comparison's;
    `context` holds every term's value and the data quality, and `private: true` where figures of somebody's own money are left
    out (null), which are told to that person alone. `late`: raised by data that came in after the fact."""

    alert_id: str
    rule_id: str
    rule_version: int
    rule_name: str
    symbol: str
    metric: str
    threshold: float | None
    trigger_value: float | None
    timestamp: str
    state: AlertState
    resolved_at: str | None
    severity: str
    late: bool
    acknowledged_at: str | None
    context: dict[str, Any]


class AlertDetail(AlertRow, frozen=True):
    """An alert with what became of its notices, newest first."""

    deliveries: list[DeliveryRow]


class AuthorRow(msgspec.Struct, frozen=True):
    """Who wrote a rule. `user_id` is `owner` for the owner of the program; `username` null: the account is gone."""

    user_id: str
    username: str | None


class RuleRow(msgspec.Struct, frozen=True):
    """One version of a rule. Durations as texts such as `30s`; `symbols` is a list, `*` or the name of a watchlist.

    `schedule`: when it is evaluated; null: always. `muted_until`: nobody is told before then; the year 9999 is for ever.
    `author`: told to themself and to admins; null for others, for rules of the file, and without accounts."""

    rule_id: str
    version: int
    name: str
    expression: str
    symbols: list[str] | str
    wait: str = msgspec.field(name="for")
    recover: str | None
    keep_firing_for: str
    cooldown: str
    repeat: str | None
    severity: str
    channels: list[str]
    enabled: bool
    expires_at: str | None
    origin: str
    schedule: str | None
    intrabar: bool
    note: str
    muted_until: str | None
    author: AuthorRow | None


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso(time_ms)


def alert_row(alert: Alert, asker: str = "") -> AlertRow:
    """An alert as the API shows it to `asker`, "" for everybody."""
    alert = told_to(alert, asker)
    return AlertRow(
        alert_id=alert.alert_id,
        rule_id=alert.rule_id,
        rule_version=alert.rule_version,
        rule_name=alert.rule_name,
        symbol=alert.symbol,
        metric=alert.metric,
        threshold=alert.threshold,
        trigger_value=alert.trigger_value,
        timestamp=iso(alert.fired_ms),
        state=alert.state,
        resolved_at=_time(alert.resolved_ms),
        severity=alert.severity.value,
        late=alert.late,
        acknowledged_at=_time(alert.acknowledged_ms),
        context=open_context(alert),
    )


def rule_row(rule: Rule, reader: Reader) -> RuleRow:
    """A rule as the API shows it to `reader`."""
    one = rule.symbols[0] if len(rule.symbols) == 1 else ""
    return RuleRow(
        rule_id=rule.rule_id,
        version=rule.version,
        name=rule.name,
        expression=rule.expression,
        symbols=one if one == "*" or one.startswith("watchlist/") else list(rule.symbols),
        wait=span(rule.for_ms),
        recover=rule.recover,
        keep_firing_for=span(rule.keep_firing_ms),
        cooldown=span(rule.cooldown_ms),
        repeat=None if rule.repeat_ms is None else span(rule.repeat_ms),
        severity=rule.severity.value,
        channels=list(rule.channels),
        enabled=rule.enabled,
        expires_at=_time(rule.expires_ms),
        origin=rule.origin,
        schedule=rule.schedule,
        intrabar=rule.intrabar,
        note=rule.note,
        muted_until=_time(rule.muted_until_ms),
        author=AuthorRow(rule.owner_id, reader.name_of(rule)) if reader.knows(rule) else None,
    )


def held(state: LiveState) -> Iterator[Alert]:
    """Every alert in memory, active ones last."""
    yield from state.recent_alerts
    yield from state.alerts.values()


def newest(stored: Iterable[Alert], memory: Iterable[Alert]) -> dict[str, Alert]:
    """Alerts by id. Memory is ahead of the database and alone knows what is pending; the database knows what was seen."""
    found = {alert.alert_id: alert for alert in stored if alert.state is not AlertState.PENDING}
    for alert in memory:
        before = found.get(alert.alert_id)
        seen = alert.acknowledged_ms if before is None else (before.acknowledged_ms or alert.acknowledged_ms)
        found[alert.alert_id] = alert._replace(acknowledged_ms=seen)
    return found


async def alerts(desk: Desk, query: AlertsQuery, asker: str) -> list[AlertRow]:
    """Newest first."""
    symbol = None if query.coin_id is None else desk.coins.symbol(query.coin_id)
    memory = list(held(desk.watch.state))
    stored = await _stored(desk, query, symbol, enough=bool(memory))

    def wanted(alert: Alert) -> bool:
        return (
            query.state in (None, alert.state)
            and symbol in (None, alert.symbol)
            and (query.from_ms is None or alert.fired_ms >= query.from_ms)
            and (query.to_ms is None or alert.fired_ms < query.to_ms)
        )

    chosen = [alert for alert in newest(stored, memory).values() if wanted(alert)]
    chosen.sort(key=lambda alert: (alert.fired_ms, alert.alert_id), reverse=True)
    return [alert_row(alert, asker) for alert in chosen[: query.limit]]


async def _stored(desk: Desk, query: AlertsQuery, symbol: str | None, *, enough: bool) -> list[Alert]:
    try:
        return await desk.store.alerts(
            state=query.state, symbol=symbol, from_ms=query.from_ms, to_ms=query.to_ms, limit=query.limit
        )
    except StoreUnavailable:
        desk.telemetry.errors.labels("store_read").inc()
        if not enough:
            raise
        return []


async def find(desk: Desk, alert_id: str) -> Alert:
    """One alert, as memory and database together know it. Raises NotFound."""
    memory = [item for item in held(desk.watch.state) if item.alert_id == alert_id]
    try:
        stored = await desk.store.alert(alert_id)
    except StoreUnavailable:
        desk.telemetry.errors.labels("store_read").inc()
        if not memory:
            raise
        stored = None
    found = newest([] if stored is None else [stored], memory).get(alert_id)
    if found is None:
        raise NotFound(f'There is no alert "{alert_id}".', [{"parameter": "alert_id", "value": alert_id}])
    return found


async def receipts(desk: Desk, alert_id: str) -> list[DeliveryRow]:
    """What became of the notices of an alert, newest first; nothing while the database does not answer."""
    try:
        return [delivery_row(notice) for notice in await desk.store.deliveries(alert_id=alert_id)]
    except StoreUnavailable:
        desk.telemetry.errors.labels("store_read").inc()
        return []


async def alert(desk: Desk, query: AlertQuery, asker: str) -> AlertDetail:
    """One alert with its notices. Raises NotFound."""
    row = alert_row(await find(desk, query.alert_id), asker)
    return AlertDetail(**msgspec.structs.asdict(row), deliveries=await receipts(desk, query.alert_id))


def rules(desk: Desk, _query: NoQuery, reader: Reader) -> list[RuleRow]:
    """The rules in force, by name."""
    found = sorted(desk.watch.state.rules.values(), key=lambda rule: (rule.name.casefold(), rule.rule_id))
    return [rule_row(rule, reader) for rule in found]


async def stored_versions(desk: Desk, rule_id: str) -> list[Rule]:
    """Every version of a rule, newest first: a person's own from their database, one of the file from that of the watch.

    Raises NotFound."""
    found = [] if desk.rules is None else desk.rules.versions(rule_id)
    found = found or await desk.store.rules(rule_id, every_version=True)
    active = desk.watch.state.rules.get(rule_id)
    if active is not None and all(one.version != active.version for one in found):
        found = [active, *found]
    if not found:
        raise NotFound(f'There is no rule "{rule_id}".', [{"parameter": "rule_id", "value": rule_id}])
    return found


async def rule(desk: Desk, query: RuleQuery, reader: Reader) -> RuleRow:
    """One rule: as it is in force, or the named or newest version that is stored. Raises NotFound."""
    active = desk.watch.state.rules.get(query.rule_id)
    if active is not None and query.version in (None, active.version):
        return rule_row(active, reader)
    if query.version is None and desk.rules is not None and desk.rules.is_removed(query.rule_id):
        raise NotFound(f'The rule "{query.rule_id}" was deleted; `POST /api/rules/{query.rule_id}/restore` takes that back.')
    for stored in await stored_versions(desk, query.rule_id):
        if query.version in (None, stored.version):
            return rule_row(stored, reader)
    version = "" if query.version is None else f" with version {query.version}"
    raise NotFound(f'There is no rule "{query.rule_id}"{version}.', [{"parameter": "rule_id", "value": query.rule_id}])


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/alerts",
        "Alerts",
        AlertsQuery,
        list[AlertRow],
        alerts,
        "alerts",
        asked=True,
        description="Newest first, by the moment at which they fired (or began to pend).",
    ),
    Endpoint("/api/alerts/{alert_id}", "One alert", AlertQuery, AlertDetail, alert, "alerts", operation="alert", asked=True),
    Endpoint(
        "/api/rules",
        "Rules in force",
        NoQuery,
        list[RuleRow],
        rules,
        "alerts",
        hot=True,
        reader=True,
        description="By name; also paused ones.",
    ),
    Endpoint(
        "/api/rules/{rule_id}",
        "One rule",
        RuleQuery,
        RuleRow,
        rule,
        "alerts",
        operation="rule",
        description="As it is in force, or another version of it by `version`.",
        reader=True,
    ),
)
