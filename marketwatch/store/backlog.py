"""Facts that wait to be written, in memory: bounded in bytes, with a written order of what goes first when there is no room."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from ..model.alerts import Alert, Notification, Pin, Rule
from ..model.market import Candle, Gap, Instrument, QuietSpan, Samples, Trade, Whale
from ..ports import WriteBatch

_TRADE_BYTES = 200
_CANDLE_BYTES = 300
_GAP_BYTES = 400
_INSTRUMENT_BYTES = 400
_ALERT_BYTES = 3_000

KINDS = ("instruments", "rules", "alerts", "pins", "gaps", "quiet", "candles", "venue_candles", "whales", "samples", "trades")
"""In the order in which they are written; when there is no room they are shed from the end: trades first, then samples."""


class Raised(NamedTuple):
    """Alerts with what is to be told of them: they stay together up to the commit."""

    alerts: list[Alert]
    notifications: list[Notification]


Item = (
    Samples | Raised | list[Trade] | list[Whale] | list[Candle] | list[Gap] | list[Instrument] | list[Rule] | list[Pin]
    | list[QuietSpan]
)  # fmt: skip


def sample_bytes(step: Samples) -> int:
    """Memory of a step: thirteen columns of eight bytes."""
    return 500 + 100 * len(step.symbols)


def _cost(kind: str, item: Any) -> int:
    if kind == "samples":
        return sample_bytes(item)
    if kind == "alerts":
        return _ALERT_BYTES * len(item.alerts)
    each = {"trades": _TRADE_BYTES, "gaps": _GAP_BYTES, "instruments": _INSTRUMENT_BYTES}.get(kind, _CANDLE_BYTES)
    return each * len(item)


class Shed:
    """What had to be dropped: how many facts, and per symbol the span of the samples with trades among them."""

    def __init__(self) -> None:
        self.facts = 0
        self.spans: dict[str, tuple[int, int]] = {}

    def add(self, kind: str, item: Any) -> None:
        if kind != "samples":
            self.facts += len(item.alerts) if kind == "alerts" else len(item)
            return
        self.facts += 1
        until = item.time_ms + item.sample_ms
        for index in np.flatnonzero(item.trades).tolist():
            symbol = item.symbols[index]
            first, last = self.spans.get(symbol, (item.time_ms, until))
            self.spans[symbol] = min(first, item.time_ms), max(last, until)


class Backlog:
    """Queues of facts by kind. Adding never blocks and never fails."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[tuple[Item, int]]] = {kind: deque() for kind in KINDS}
        self.bytes = 0

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def add(self, kind: str, item: Item) -> None:
        cost = _cost(kind, item)
        self._queues[kind].append((item, cost))
        self.bytes += cost

    def take(self, most_bytes: int) -> WriteBatch:
        """The oldest facts of every kind, together about `most_bytes`; an empty batch when there are none."""
        batch = WriteBatch()
        for kind, queue in self._queues.items():
            into: list[Any] = getattr(batch, kind)
            while queue and most_bytes > 0:
                item, cost = queue.popleft()
                self.bytes -= cost
                most_bytes -= cost
                if kind == "samples":
                    into.append(item)
                elif isinstance(item, Raised):
                    into.extend(item.alerts)
                    batch.notifications.extend(item.notifications)
                else:
                    into.extend(item)  # type: ignore[arg-type]
        return batch

    def shed(self, down_to_bytes: int, shed: Shed, kinds: tuple[str, ...] = KINDS) -> None:
        """Drop the oldest trades, then the oldest samples, then the rest, until at most `down_to_bytes` are held."""
        for kind in reversed(kinds):
            queue = self._queues[kind]
            while queue and self.bytes > down_to_bytes:
                item, cost = queue.popleft()
                self.bytes -= cost
                shed.add(kind, item)

    def clear(self) -> int:
        """Drop everything; answers how many entries."""
        count = len(self)
        for queue in self._queues.values():
            queue.clear()
        self.bytes = 0
        return count


def halves(batch: WriteBatch) -> tuple[WriteBatch, WriteBatch]:
    """Two batches that together are `batch`: its kinds apart where there are several, its list cut in two otherwise.

    Notices go with their alerts.
    """
    names = (
        "instruments", "samples", "trades", "whales", "candles", "gaps", "aggregates", "venue_candles", "rules", "alerts",
        "pins", "quiet",
    )  # fmt: skip
    filled = [name for name in names if getattr(batch, name)]
    left, right = WriteBatch(), WriteBatch(metrics=batch.metrics)
    if len(filled) > 1 or (filled and batch.metrics is not None):
        middle = max(1, len(filled) // 2)
        for position, name in enumerate(filled):
            setattr(left if position < middle else right, name, getattr(batch, name))
    elif filled:
        items = getattr(batch, filled[0])
        middle = len(items) // 2
        setattr(left, filled[0], items[:middle])
        setattr(right, filled[0], items[middle:])
    for part in (left, right):
        mine = {alert.alert_id for alert in part.alerts}
        part.notifications = [notice for notice in batch.notifications if notice.alert_id in mine]
    return left, right
