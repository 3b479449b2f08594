"""`/api/alerts/stream`: alerts as they change, as server-sent events."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ...model.alerts import Alert, Alerts
from ...model.silences import Seen
from ..envelope import iso
from ..keys import HUB
from .alerts import alert_row
from .desk import Desk
from .endpoint import Parameters
from .market import NoQuery
from .ticker import PriceTicker

PATH = "/api/alerts/stream"
_CHANNEL = "alerts:json"
_MOST = 1_000
_encoder = msgspec.json.Encoder()
_parameters = Parameters(NoQuery)


class AlertStream:
    """Collects what changed between two ticks, the newest fact of each alert, and publishes it once.

    Overflow: above 1,000 changed alerts in one tick the oldest are left to the next who asks `/api/alerts`.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._generation = -1
        self._changed: dict[str, Alert] = {}
        self.dropped = 0

    def on_tick(self, _ticker: PriceTicker) -> None:
        """Every event holds `{data: [alert, ...], meta}`, the shape of an answer of `/api/alerts`."""
        self._listen()
        if self._changed and self._desk.hub.has_clients(_CHANNEL):
            self._desk.hub.publish(_CHANNEL, self._event(list(self._changed.values())))
        self._changed.clear()

    def _listen(self) -> None:
        """Hear the bus of the watch of the moment; after a change of it everything active is new to who listens."""
        slot = self._desk.slot
        if slot.current is not None and self._generation != slot.generation:
            self._changed = dict(slot.current.state.alerts) if self._generation >= 0 else {}
            self._generation = slot.generation
            slot.current.bus.subscribe(Alerts, self._on_alerts, name="alert stream")
            slot.current.bus.subscribe(Seen, self._on_seen, name="alert stream")

    def _on_seen(self, fact: Seen) -> None:
        self._note([fact.alert])

    def _on_alerts(self, batch: Alerts) -> None:
        self._note(batch.alerts)

    def _note(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            self._changed.pop(alert.alert_id, None)
            self._changed[alert.alert_id] = alert
        while len(self._changed) > _MOST:
            del self._changed[next(iter(self._changed))]
            self.dropped += 1

    def _event(self, alerts: list[Alert]) -> bytes:
        meta = {"timestamp": iso(self._desk.clock.now_ms()), "source": self._desk.source}
        return _encoder.encode({"data": [alert_row(alert) for alert in alerts], "meta": meta})

    def first(self) -> bytes:
        """All active alerts, for who has just come."""
        self._listen()
        return self._event(list(self._desk.watch.state.alerts.values()))


ALERT_STREAM: web.AppKey[AlertStream] = web.AppKey("alert_stream", AlertStream)


async def stream(request: web.Request) -> web.StreamResponse:
    """First all active alerts, then those that changed, twice a second at most."""
    _parameters.parse(request)
    first = request.app[ALERT_STREAM].first()
    return await request.app[HUB].serve(request, _CHANNEL, first=first)
