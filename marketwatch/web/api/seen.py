"""Acknowledging an alert, and taking that back: committed first, then told to every open page and stream."""

from __future__ import annotations

from typing import Any

from ...errors import Conflict, Unavailable
from ...model.alerts import Alert, AlertState
from ...model.silences import Seen
from .action import Action
from .alerts import AlertQuery, AlertRow, alert_row, find
from .desk import Desk

_TRIES, _PAUSE_S = 20, 0.25
"""An alert that has just fired is committed with the next batch of the writer, within a second or a few."""


async def acknowledge(desk: Desk, alert_id: str, *, seen: bool) -> Alert:
    """The alert as it is then. Raises NotFound, Conflict for one that only pends, Unavailable while it is not stored."""
    found = await find(desk, alert_id)
    if found.state is AlertState.PENDING:
        raise Conflict("This alert is pending: nobody was told of it, so there is nothing to acknowledge.")
    watch, at_ms = desk.watch, desk.market_now_ms() if seen else None
    for attempt in range(_TRIES):
        if await desk.store.acknowledge(alert_id, at_ms):
            break
        if attempt == _TRIES - 1:
            raise Unavailable("The alert is not stored yet, so its acknowledgement cannot be; try again in a few seconds.")
        await desk.clock.sleep(_PAUSE_S)
    before = found.acknowledged_ms
    changed = found._replace(acknowledged_ms=at_ms if before is None or at_ms is None else before)
    watch.bus.publish(Seen(changed))
    return changed


async def _put(desk: Desk, query: AlertQuery, _body: None, asker: str) -> AlertRow:
    return alert_row(await acknowledge(desk, query.alert_id, seen=True), asker)


async def _delete(desk: Desk, query: AlertQuery, _body: None, asker: str) -> AlertRow:
    return alert_row(await acknowledge(desk, query.alert_id, seen=False), asker)


PATH = "/api/alerts/{alert_id}/acknowledge"
ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", PATH, "Acknowledge an alert", AlertQuery, None, AlertRow, _put, "alerts", "alert_acknowledge",
        description="Somebody has seen it: it does not count in the bell any more and is not repeated. The first time counts.",
        conflicts=True, role="trader", asked=True,
    ),
    Action(
        "DELETE", PATH, "Take an acknowledgement back", AlertQuery, None, AlertRow, _delete, "alerts", "alert_unacknowledge",
        conflicts=True, role="trader", asked=True,
    ),
)  # fmt: skip
