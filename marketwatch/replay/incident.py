"""An incident: everything that is stored around the moment at which an alert fired, read for people to watch again."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import NotFound
from ..model.alerts import Alert
from ..ports import MarketStore, SampleColumns, StoredTrade
from ..watch import Watch
from .pins import symbols_of

_MOST_READ = 100_000
MOST_TRADES = 20_000


class Incident(NamedTuple):
    """`samples`: one for each symbol that the alert's rule looks at, the alert's own first. `trades`: the own symbol's, oldest
    first; `left_out`: how many more there are, farthest from the moment."""

    alert: Alert
    symbol: str
    from_ms: int
    to_ms: int
    samples: list[SampleColumns]
    trades: list[StoredTrade]
    left_out: int


async def find_alert(store: MarketStore, watch: Watch, alert_id: str) -> Alert:
    """The alert as memory knows it, else as stored. Raises NotFound."""
    state = watch.state
    held = state.alerts.get(alert_id) or next((one for one in state.recent_alerts if one.alert_id == alert_id), None)
    found = held or await store.alert(alert_id)
    if found is not None and alert_id in state.seen:
        found = found._replace(acknowledged_ms=state.seen[alert_id])
    if found is None:
        shown = alert_id if len(alert_id) <= 64 else alert_id[:61] + "..."
        raise NotFound(
            f'There is no alert "{shown}" to replay; the alerts that can be replayed are listed at /replay.',
            [{"parameter": "alert_id", "value": shown}],
        )
    return found


async def read_incident(store: MarketStore, watch: Watch, alert_id: str, around_ms: int) -> Incident:
    """What is stored from `around_ms` before to `around_ms` after the alert fired. Raises NotFound, StoreError."""
    alert = await find_alert(store, watch, alert_id)
    from_ms, to_ms = alert.fired_ms - around_ms, alert.fired_ms + around_ms
    symbols = symbols_of(alert, watch.symbols, watch.reference)
    samples = [await store.samples(symbol, from_ms, to_ms) for symbol in symbols]
    found = await store.trades(symbols[0], from_ms=from_ms, to_ms=to_ms, limit=_MOST_READ)
    nearest = sorted(found, key=lambda one: abs(one.trade.time_ms - alert.fired_ms))[:MOST_TRADES]
    nearest.sort(key=lambda one: (one.trade.time_ms, one.trade.trade_id))
    return Incident(alert, symbols[0], from_ms, to_ms, samples, nearest, len(found) - len(nearest))
