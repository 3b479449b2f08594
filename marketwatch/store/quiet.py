"""Quiet spans on their way from the bus to the writer: at which steps the evaluator found a symbol stale, or missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.market import QuietCause, QuietSpan, Samples, Staleness
from ..ports import MarketStore, WriteBatch

_SAY_MS = 60_000
Key = tuple[str, QuietCause]
Add = Callable[[str, Any], None]


class QuietIntake:
    """Follows the steps as the engine does: a `Staleness` counts from the first step that is told after it. Only first facts of
    a step count; what is amended later comes too late for live.

    Costs one comparison of a column of flags a step while nothing changes. An open span is said again once a minute.
    """

    def __init__(self, add: Add, sample_ms: int) -> None:
        self.venue = ""
        self._add = add
        self._sample_ms = sample_ms
        self._open: dict[Key, int] = {}
        self._stale: set[str] = set()
        self._gap: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._changed = self._settled = False
        self._end_ms = self._say_ms = 0

    def on_staleness(self, fact: Staleness) -> None:
        """From the next step on."""
        self.venue = self.venue or fact.venue
        (self._stale.add if fact.stale else self._stale.discard)(fact.symbol)
        self._changed = True

    def on_samples(self, step: Samples) -> None:
        """Begin and end what changed with this step."""
        if step.revised is not None:
            return
        before_ms, self._end_ms = self._end_ms or step.time_ms, step.time_ms + step.sample_ms
        if self._changed:
            self._follow(QuietCause.STALE, self._stale, step.time_ms, step.time_ms)
            self._changed = False
        if not np.array_equal(step.gap, self._gap):
            missing = {step.symbols[number] for number in np.flatnonzero(step.gap).tolist()}
            # Steps that were left out, for there were too many of them, are missing as well.
            self._follow(QuietCause.GAP, missing, min(before_ms, step.time_ms), step.time_ms)
            self._gap = step.gap.copy()
        if step.time_ms >= self._say_ms:
            self._say_ms = step.time_ms + _SAY_MS
            self._say(list(self._open))

    def _follow(self, cause: QuietCause, now: Collection[str], from_ms: int, to_ms: int) -> None:
        self._end([key for key in self._open if key[1] is cause and key[0] not in now], to_ms)
        begun = [(symbol, cause) for symbol in sorted(now) if (symbol, cause) not in self._open]
        self._open |= dict.fromkeys(begun, from_ms)
        self._say(begun)

    def _say(self, keys: Iterable[Key]) -> None:
        self._add("quiet", [QuietSpan(*key, self._open[key], self._end_ms, True, self.venue) for key in keys])

    def _end(self, keys: Iterable[Key], to_ms: int) -> None:
        self._add("quiet", [QuietSpan(*key, self._open.pop(key), to_ms, False, self.venue) for key in keys])

    def close(self) -> None:
        """The last step has been told: nothing goes on behind it."""
        self._end(list(self._open), self._end_ms)

    async def settle(self, store: MarketStore) -> None:
        """End once what a process that died left open, with the last step that it stored. Raises StoreError."""
        if self._settled:
            return
        own = {(*key, from_ms) for key, from_ms in self._open.items()}
        left = [span for span in await store.open_quiet() if span[:3] not in own]
        ends = {}
        for until_ms in {span.until_ms for span in left}:
            ends[until_ms] = ((await store.sample_marks(until_ms)).before_ms or 0) + self._sample_ms
        if left:
            ended = [one._replace(to_ms=max(one.to_ms, ends[one.until_ms]), is_open=False) for one in left]
            await store.write(WriteBatch(quiet=ended))
        self._settled = True
