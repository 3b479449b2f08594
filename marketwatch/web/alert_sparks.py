"""The price around an alert as a small line in the history: from memory while it is there, else from the store."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..errors import StoreError
from ..model.alerts import Alert
from ..ports import MarketStore
from ..watch import Watch

BEFORE_S, AFTER_S = 60, 20
_WIDTH, _HEIGHT = BEFORE_S + AFTER_S - 1, 24
_KEPT = 1_000
_WAIT_S = 0.5
_REACH_MS = 240_000
_SETTLED_MS = 600_000
_MOST_CAUGHT = 4
_CLOSED_MS, _STORED_MS = 2_000, 10_000
"""How long after the line's end its candles are closed and its samples stored."""


class AlertSpark(NamedTuple):
    """A line in a box of 79 x 24, a point a second. `moment`: x of the alert; `threshold`: y of the rule's number where it is
    about the price itself, else empty."""

    points: str
    moment: int
    threshold: str


def spark_of(alert: Alert, prices: Sequence[float]) -> AlertSpark | None:
    """The line of one price a second from a minute before the alert to 20 s after it, NaN unknown; None for fewer than two."""
    found = [(second, price) for second, price in enumerate(prices) if math.isfinite(price)]
    if len(found) < 2:
        return None
    line = alert.threshold if alert.metric == "price" else None
    every = [price for _, price in found] + ([] if line is None else [line])
    low, span = min(every), max(every) - min(every)

    def height(price: float) -> str:
        return f"{_HEIGHT - 2 - (price - low) / span * (_HEIGHT - 4):.1f}" if span else f"{_HEIGHT / 2:.1f}"

    points = " ".join(f"{second},{height(price)}" for second, price in found)
    return AlertSpark(points, BEFORE_S - 1, "" if line is None else height(line))


class AlertSparks:
    """Lines by alert, each made once; at most 1,000 are kept. What is not known is None and shows nothing."""

    def __init__(self, store: MarketStore) -> None:
        self._store = store
        self._kept: OrderedDict[str, AlertSpark | None] = OrderedDict()
        self._one = asyncio.Lock()

    def of(self, alert_id: str) -> AlertSpark | None:
        """What is known of an alert."""
        return self._kept.get(alert_id)

    def catch(self, watch: Watch, alerts: Iterable[Alert], now_ms: int) -> None:
        """Make the lines of what has just ended, from the candles of one second in memory; at most 4 at a time."""
        wanted = (one for one in alerts if now_ms - _REACH_MS < one.fired_ms < now_ms - 1000 * AFTER_S - _CLOSED_MS)
        for alert, _ in zip(self._missing(wanted), range(_MOST_CAUGHT), strict=False):
            held = watch.candles.recent(alert.symbol, "1s", 300)
            self._keep(alert, _by_second(alert, ((one.time_ms, one.close) for one in held)), now_ms)

    async def fill(self, alerts: Iterable[Alert], now_ms: int) -> None:
        """Read what is missing from the store, for half a second at most; the rest comes the next time."""
        async with self._one:
            try:
                async with asyncio.timeout(_WAIT_S):
                    whole = (one for one in alerts if one.fired_ms < now_ms - 1000 * AFTER_S - _STORED_MS)
                    for alert in self._missing(whole):
                        first_ms = _first_ms(alert)
                        found = await self._store.samples(alert.symbol, first_ms - 60_000, first_ms + 1000 * (_WIDTH + 1))
                        self._keep(
                            alert, _by_second(alert, zip(found.time_ms.tolist(), found.price.tolist(), strict=True)), now_ms
                        )
            except (TimeoutError, StoreError):
                return

    def _missing(self, alerts: Iterable[Alert]) -> Iterator[Alert]:
        return (one for one in alerts if one.symbol != "*" and one.alert_id not in self._kept)

    def _keep(self, alert: Alert, prices: list[float], now_ms: int) -> None:
        made = spark_of(alert, prices)
        if made is None and now_ms - alert.fired_ms < _SETTLED_MS:
            return
        self._kept[alert.alert_id] = made
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


def _first_ms(alert: Alert) -> int:
    """The second that the line begins with: the alert's own is the sixtieth."""
    return (alert.fired_ms - 1) // 1000 * 1000 - 1000 * (BEFORE_S - 1)


def _by_second(alert: Alert, rows: Iterable[tuple[int, float]]) -> list[float]:
    """The last price of each second, the one before it where nothing was traded; NaN before the first and after the last."""
    first_ms, prices, reached = _first_ms(alert), [math.nan] * (_WIDTH + 1), -1
    before = math.nan
    for time_ms, price in rows:
        second = (time_ms - first_ms) // 1000
        if not math.isfinite(price) or second > _WIDTH:
            continue
        if second < 0:
            before = price
            continue
        for quiet in range(reached + 1, second):
            prices[quiet] = before
        prices[second] = before = price
        reached = second
    return prices
