"""`/api/replay`: the events around an alert, from what is stored."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...model.alerts import AlertState
from ...model.private import told_to
from ...ports import SampleColumns
from ...replay.incident import Incident, read_incident
from ...replay.lanes import Lanes, TermLane
from ..envelope import iso
from .alerts import AlertRow, Name, alert_row
from .desk import Desk
from .endpoint import Endpoint
from .history import TradeRow, trade_row
from .own_money import books_of

Minutes = Annotated[
    int,
    Meta(ge=1, le=60, description="Before and after it", extra={"expects": "a whole number from 1 to 60", "number": True}),
]


class ReplayQuery(msgspec.Struct, frozen=True):
    """Which alert, and how much of the market around it."""

    alert_id: Name
    minutes: Minutes = 5


class ReplayEvent(msgspec.Struct, frozen=True):
    """One sample step of one symbol: its last price, the range and the volumes within the step, and the quote at its end.
    Only steps with news are stored; between two of them the earlier holds. `gap`: the feed was down."""

    time: str
    symbol: str
    price: float | None
    open: float | None
    high: float | None
    low: float | None
    volume: float | None
    notional: float | None
    taker_buy_volume: float | None
    trades: int
    bid: float | None
    ask: float | None
    gap: bool


class ReplayMarker(msgspec.Struct, frozen=True):
    """Where the alert fired: the moment, the price at it, and what was compared with what."""

    time: str
    symbol: str
    price: float | None
    metric: str
    value: float | None
    threshold: float | None
    resolved_at: str | None


class ReplayThreshold(msgspec.Struct, frozen=True):
    """A number that the rule compares a term with; `recovery`: its recovery condition does."""

    operator: str
    value: float
    recovery: bool


class ReplayLane(msgspec.Struct, frozen=True):
    """A term of the rule along the steps: value i belongs to the step that ends i times `sample_ms` after `lanes_from`, null
    where it is unknown. `unit`: `%`, `s`, `price`, `count` ..., or `truth` for what is true (1), unknown (0) or false (-1).
    `at_alert`: the value that was stored when the alert fired."""

    term: str
    unit: str
    thresholds: list[ReplayThreshold]
    values: list[float | None]
    at_alert: float | None


class ReplayStretch(msgspec.Struct, frozen=True):
    """Where the rule stood: `false`, `unknown`, `pending`, `firing` or `recovering`, from the end of the first step to that of
    the last."""

    state: str
    from_: str = msgspec.field(name="from")
    to: str


class Replay(msgspec.Struct, frozen=True):
    """`events`: the alert's own symbol first, then those that its rule looks at, each oldest first. `trades`: oldest first, the
    nearest 20,000 to the alert; `trades_left_out`: how many more are stored. `sample_ms`: length of a step. `lanes`: at most 8
    terms of the rule, those that are compared with numbers first; `stretches`: where the rule stood. Both are evaluated from
    the stored samples; `lanes_agree` tells whether the rule fires there at the alert's moment with the values of its record
    (null: that cannot be told), `lanes_note` what else is to be known."""

    alert: AlertRow
    symbol: str
    from_: str = msgspec.field(name="from")
    to: str
    sample_ms: int
    events: list[ReplayEvent]
    trades: list[TradeRow]
    trades_left_out: int
    marker: ReplayMarker
    lanes: list[ReplayLane]
    lanes_from: str
    lanes_left_out: int
    lanes_agree: bool | None
    lanes_note: str
    stretches: list[ReplayStretch]


def _events(columns: SampleColumns) -> Iterator[ReplayEvent]:
    names = ("price", "open", "high", "low", "volume", "notional", "taker_buy_volume", "trades", "bid", "ask", "gap")
    values = [getattr(columns, name).tolist() for name in names]
    for time_ms, *row in zip(columns.time_ms.tolist(), *values, strict=True):
        yield ReplayEvent(iso(time_ms), columns.symbol, *row)


def _marker(incident: Incident) -> ReplayMarker:
    alert, own = incident.alert, incident.samples[0]
    before = own.price[own.time_ms < alert.fired_ms]
    price = alert.context.get("price")
    if not isinstance(price, int | float):
        price = float(before[-1]) if len(before) else None
    resolved = None if alert.resolved_ms is None or alert.state is not AlertState.RESOLVED else iso(alert.resolved_ms)
    return ReplayMarker(
        iso(alert.fired_ms), incident.symbol, price, alert.metric, alert.trigger_value, alert.threshold, resolved
    )


def _lane(lane: TermLane) -> ReplayLane:
    values = [value if math.isfinite(value) else None for value in lane.values.tolist()]
    return ReplayLane(lane.text, lane.unit, [ReplayThreshold(*one) for one in lane.thresholds], values, lane.at_alert)


def replay_row(incident: Incident, lanes: Lanes, asker: str = "") -> Replay:
    """An incident as the API shows it to `asker`."""
    incident = told_incident(incident, asker)
    return Replay(
        alert=alert_row(incident.alert, asker),
        symbol=incident.symbol,
        from_=iso(incident.from_ms),
        to=iso(incident.to_ms),
        sample_ms=max((columns.sample_ms for columns in incident.samples), default=0),
        events=[event for columns in incident.samples for event in _events(columns)],
        trades=[trade_row(one) for one in incident.trades],
        trades_left_out=incident.left_out,
        marker=_marker(incident),
        lanes=[_lane(one) for one in lanes.lanes],
        lanes_from=iso(lanes.first_ms),
        lanes_left_out=lanes.left_out,
        lanes_agree=lanes.agrees,
        lanes_note=lanes.note,
        stretches=[ReplayStretch(one.state, iso(one.from_ms), iso(one.to_ms)) for one in lanes.stretches],
    )


async def replay(desk: Desk, query: ReplayQuery, asker: str) -> Replay:
    """The events around an alert. Raises NotFound, StoreError."""
    incident = told_incident(await read_incident(desk.store, desk.watch, query.alert_id, query.minutes * 60_000), asker)
    lanes = await desk.lanes.read(incident, desk.watch, await books_of(desk, asker))
    return await asyncio.to_thread(replay_row, incident, lanes, asker)


def told_incident(incident: Incident, asker: str) -> Incident:
    """An incident as `asker` may know it: without the figures of somebody else's money."""
    return incident._replace(alert=told_to(incident.alert, asker))


REPLAY = Endpoint(
    "/api/replay",
    "Events around an alert",
    ReplayQuery,
    Replay,
    replay,
    "alerts",
    asked=True,
    description="From the stored samples and trades; those around an alert are kept for good.",
)
ENDPOINTS: tuple[Endpoint[Any], ...] = (REPLAY,)
