"""`/api/deliveries`: what became of each notice, and what to do with those that nobody took."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...errors import NotFound, Unavailable
from ...model.alerts import Notification
from ..envelope import iso
from .action import Action
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .parameters import Limit

STATES = ("waiting", "sent", "dead", "discarded")
_STATES = ", ".join(STATES)


def _read_state(text: str) -> str:
    if text not in STATES:
        raise ValueError(text)
    return text


State = Annotated[
    str,
    Meta(
        description="Only notices in this state",
        extra={"expects": f"one of {_STATES}", "read": _read_state, "schema": {"type": "string", "enum": list(STATES)}},
    ),
]
ChannelName = Annotated[
    str,
    Meta(min_length=1, max_length=200, extra={"expects": "the name of a channel, 1 to 200 characters", "example": "webhook"}),
]
NoticeId = Annotated[
    str, Meta(min_length=1, max_length=200, extra={"expects": "the id of a notice, 1 to 200 characters", "example": "n1"})
]


class DeliveriesQuery(msgspec.Struct, frozen=True):
    """Filters over notices; both must hold."""

    state: State | None = None
    channel: ChannelName | None = None
    limit: Limit = 100


class NoticeQuery(msgspec.Struct, frozen=True):
    """Which notice."""

    notification_id: NoticeId


class DeliveryRow(msgspec.Struct, frozen=True):
    """One notice of an alert to one channel. `state`: `waiting` (`next_attempt_at`: when it is tried again, null: at once),
    `sent`, `dead` (given up, `last_error` says why) or `discarded`. `kind`: `fired`, `repeat-2`, ..."""

    notification_id: str
    alert_id: str
    channel: str
    kind: str
    state: str
    attempts: int
    created_at: str
    sent_at: str | None
    next_attempt_at: str | None
    last_error: str | None


class TestAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Through which channel."""

    channel: Annotated[str, Meta(min_length=1, max_length=200)]


class TestRow(msgspec.Struct, frozen=True):
    """`error`: why the notice was not accepted; null: it was."""

    channel: str
    delivered: bool
    error: str | None


class CountRow(msgspec.Struct, frozen=True):
    """How many notices wait once more."""

    retried: int


def delivery_row(notice: Notification) -> DeliveryRow:
    """A notice as the API shows it."""
    return DeliveryRow(
        notification_id=notice.notification_id,
        alert_id=notice.alert_id,
        channel=notice.channel,
        kind=notice.kind,
        state=notice.state,
        attempts=notice.attempts,
        created_at=iso(notice.created_ms),
        sent_at=None if notice.sent_ms is None else iso(notice.sent_ms),
        next_attempt_at=None if notice.due_ms is None or notice.state != "waiting" else iso(notice.due_ms),
        last_error=notice.last_error,
    )


async def deliveries(desk: Desk, query: DeliveriesQuery) -> list[DeliveryRow]:
    """Newest first."""
    found = await desk.store.deliveries(state=query.state, channel=query.channel, limit=query.limit)
    return [delivery_row(notice) for notice in found]


async def retry(desk: Desk, notification_id: str | None) -> int:
    """Let a dead letter, or all, wait once more. Raises NotFound for one that is not dead."""
    count = await desk.store.revive(notification_id)
    if notification_id is not None and not count:
        raise _no_letter(notification_id)
    return count


async def discard(desk: Desk, notification_id: str) -> None:
    """Give a notice up for good. Raises NotFound for one that neither waits nor is dead."""
    if not await desk.store.discard(notification_id):
        raise _no_letter(notification_id)


def _no_letter(notification_id: str) -> NotFound:
    shown = notification_id[:64]
    return NotFound(
        f'There is no notice "{shown}" that could not be delivered.', [{"parameter": "notification_id", "value": shown}]
    )


async def test(desk: Desk, channel: str) -> str | None:
    """Send a test notice; None when it was accepted, else why not. Raises Unavailable."""
    notices = desk.slot.notices
    if notices is None:
        raise Unavailable(f"Notices cannot be sent yet. {desk.slot.waiting}")
    return await notices.try_out(channel)


async def _retry_all(desk: Desk, _query: NoQuery, _body: None) -> CountRow:
    return CountRow(await retry(desk, None))


async def _retry_one(desk: Desk, query: NoticeQuery, _body: None) -> CountRow:
    return CountRow(await retry(desk, query.notification_id))


async def _discard(desk: Desk, query: NoticeQuery, _body: None) -> CountRow:
    await discard(desk, query.notification_id)
    return CountRow(0)


async def _test(desk: Desk, _query: NoQuery, body: TestAsk) -> TestRow:
    error = await test(desk, body.channel)
    return TestRow(body.channel, error is None, error)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/deliveries", "Notices and what became of them", DeliveriesQuery, list[DeliveryRow], deliveries, "alerts",
        description="Newest first.", role="viewer",
    ),
)  # fmt: skip
ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", "/api/deliveries/retry", "Try all dead letters again", NoQuery, None, CountRow, _retry_all, "alerts",
        "deliveries_retry",
    ),
    Action(
        "POST", "/api/deliveries/test", "Send a test notice", NoQuery, TestAsk, TestRow, _test, "alerts", "deliveries_test",
    ),
    Action(
        "POST", "/api/deliveries/{notification_id}/retry", "Try a dead letter again", NoticeQuery, None, CountRow, _retry_one,
        "alerts", "delivery_retry",
    ),
    Action(
        "DELETE", "/api/deliveries/{notification_id}", "Discard a notice", NoticeQuery, None, CountRow, _discard, "alerts",
        "delivery_discard",
    ),
)  # fmt: skip
