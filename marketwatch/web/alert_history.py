"""The newest alerts of the database, read once for each market, and what has ended since: what the pages call history."""

from __future__ import annotations

import asyncio

from ..errors import StoreError
from ..model.alerts import Alert, AlertState
from ..ports import MarketStore
from ..watch import Watch, WatchSlot
from .alert_sparks import AlertSparks

MOST = 500
_STORE_WAIT_S = 2.0


class AlertHistory:
    """Asks the database when a page first needs it. `problem`: why there is nothing older than the start, in a sentence."""

    def __init__(self, *, store: MarketStore, slot: WatchSlot) -> None:
        self._store = store
        self._slot = slot
        self._generation = -1
        self._stored: list[Alert] = []
        self._one = asyncio.Lock()
        self.sparks = AlertSparks(store)
        self.problem = ""

    async def load(self) -> None:
        """Read what was stored before, unless that was done for this market."""
        async with self._one:
            generation = self._slot.generation
            if generation == self._generation:
                return
            try:
                async with asyncio.timeout(_STORE_WAIT_S):
                    stored = await self._store.alerts(limit=MOST)
            except TimeoutError:
                self.problem = f"The database has not answered within {_STORE_WAIT_S:.0f} s; older alerts are not shown."
            except StoreError as error:
                self.problem = f"{error} Older alerts are not shown."
            else:
                self._stored, self._generation, self.problem = stored, generation, ""

    def past(self, watch: Watch) -> list[Alert]:
        """Episodes that are not active now, newest first, at most 500."""
        stored = self._stored if self._generation == self._slot.generation else []
        found = {alert.alert_id: alert for alert in stored if alert.state is not AlertState.PENDING}
        found |= {alert.alert_id: alert for alert in watch.state.recent_alerts}
        seen = watch.state.seen
        ended = [
            alert._replace(acknowledged_ms=seen[alert.alert_id]) if alert.alert_id in seen else alert
            for alert in found.values()
            if alert.alert_id not in watch.state.alerts
        ]
        return sorted(ended, key=lambda alert: (alert.fired_ms, alert.alert_id), reverse=True)[:MOST]
