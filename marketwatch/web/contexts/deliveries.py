"""Notices and what became of them, in words: the page of deliveries, the receipts of an alert, the box of the status page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from ...model.alerts import Notification
from ...model.system import DeliveryStatus
from ...watch import Watch
from .. import format as fmt
from .alert_words import moment, replay_href
from .alerts import FilterView
from .status import BoxView, Pair

STATES = {"": "All", "waiting": "Waiting", "sent": "Sent", "dead": "Given up", "discarded": "Discarded"}
_TONES = {"sent": "good", "dead": "down", "waiting": "warn"}


class Query(NamedTuple):
    """What the page is asked for; "" is everything."""

    state: str = ""
    channel: str = ""

    @classmethod
    def of(cls, get: Callable[[str], str]) -> Query:
        """From the query string; a state that does not exist is left out."""
        state = get("state")
        return cls(state if state in STATES else "", get("channel")[:200])

    @property
    def address(self) -> str:
        """The page with these filters."""
        given = {name: value for name, value in self._asdict().items() if value}
        return "/alerts/deliveries" + ("?" + urlencode(given) if given else "")


class DeliveryView(NamedTuple):
    """One notice. `when` says when it was sent, or when it is tried again. `href`: the replay of its alert."""

    key: str
    time: str
    channel: str
    kind: str
    state: str
    tone: str
    when: str
    attempts: int
    error: str
    href: str
    dead: bool
    waiting: bool


class TrialView(NamedTuple):
    """How a test notice went."""

    channel: str
    error: str


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """The page `/alerts/deliveries`. `problem`: why there are none to show."""

    states: tuple[FilterView, ...]
    channels: tuple[FilterView, ...]
    rows: tuple[DeliveryView, ...]
    more: bool
    dead: int
    set_up: tuple[str, ...]
    trial: TrialView | None
    problem: str


def delivery_view(notice: Notification, now_ms: int) -> DeliveryView:
    """One notice in words."""
    if notice.sent_ms is not None:
        when = moment(notice.sent_ms, now_ms)
    elif notice.state == "waiting":
        when = "next attempt " + ("at once" if notice.due_ms is None else moment(notice.due_ms, now_ms))
    else:
        when = ""
    return DeliveryView(
        key=notice.notification_id,
        time=moment(notice.created_ms, now_ms),
        channel=notice.channel,
        kind=notice.kind,
        state=STATES.get(notice.state, notice.state).lower(),
        tone=_TONES.get(notice.state, "soft"),
        when=when,
        attempts=notice.attempts,
        error=notice.last_error or "",
        href=replay_href(notice.alert_id),
        dead=notice.state == "dead",
        waiting=notice.state == "waiting",
    )


def receipts_of(notices: Sequence[Notification], now_ms: int) -> tuple[DeliveryView, ...]:
    """What became of the notices of one alert."""
    return tuple(delivery_view(notice, now_ms) for notice in notices)


def deliveries_page(
    watch: Watch,
    notices: Sequence[Notification],
    query: Query,
    *,
    now_ms: int,
    most: int,
    trial: TrialView | None = None,
    problem: str = "",
) -> DeliveriesPage:
    """The page; `notices` newest first, one more than `most` where there are more."""
    status = watch.state.delivery
    set_up = () if status is None else status.channels
    named = sorted({"app", *set_up, *(notice.channel for notice in notices), *([query.channel] if query.channel else [])})
    return DeliveriesPage(
        states=tuple(
            FilterView(label, query._replace(state=state).address, state == query.state, 0) for state, label in STATES.items()
        ),
        channels=tuple(
            FilterView(name, query._replace(channel="" if name == query.channel else name).address, name == query.channel, 0)
            for name in named
        ),
        rows=tuple(delivery_view(notice, now_ms) for notice in notices[:most]),
        more=len(notices) > most,
        dead=sum(notice.state == "dead" for notice in notices),
        set_up=tuple(set_up),
        trial=trial,
        problem=problem,
    )


def delivery_box(status: DeliveryStatus | None) -> BoxView:
    """Notices to the outside, since the start."""
    if status is None:
        return BoxView("delivery", "Notices", (Pair("State", "has not reported yet"),), href="/alerts/deliveries")
    failing = "; ".join(f"{name}: {reason}" for name, reason in sorted(status.failing.items()))
    pairs = (
        Pair("Channels", ", ".join(("app", *status.channels))),
        Pair("State", "failing" if failing else "working", "bad" if failing else "good"),
        Pair("Waiting", fmt.whole(status.waiting), "warn" if status.waiting else "flat"),
        Pair("Sent", fmt.whole(status.sent)),
        Pair("Failed attempts", fmt.whole(status.failed), "warn" if status.failed else "flat"),
        Pair("Given up", fmt.whole(status.dead), "bad" if status.dead else "flat"),
    )
    return BoxView("delivery", "Notices", pairs, failing, href="/alerts/deliveries")
