"""What live knew of quiet symbols, told again step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.market import QuietCause, QuietSpan, Samples
from ..rules.history import rested

_PRICES = ("open", "high", "low", "price")
_FLOWS = ("volume", "notional", "taker_buy_volume", "trades", "first_id", "last_id")


class Rests:
    """Over the steps of one grid that end by `to_ms`, in order: at each of them first `changes`, then `told`."""

    def __init__(self, spans: Sequence[QuietSpan], symbols: tuple[str, ...], to_ms: int) -> None:
        self._spans = spans
        self._symbols = symbols
        self._to_ms = to_ms
        self._from_ms: int | None = None
        self._flags: dict[QuietCause, list[tuple[int, NDArray[np.bool_]]]] = {}
        self._stale: set[int] = set()

    def changes(self, step: Samples) -> list[tuple[str, bool]]:
        """Symbols that live found stale at this step and not at the one before, or the other way round."""
        now = set(self._at(QuietCause.STALE, step))
        before, self._stale = self._stale, now
        return [(self._symbols[number], number in now) for number in sorted(now ^ before)]

    def told(self, step: Samples) -> tuple[Samples, Samples | None]:
        """The step as it was told at first, and the fact that amends it; None where nothing of it was refilled."""
        missing = [number for number in self._at(QuietCause.GAP, step) if not step.gap[number]]
        if not missing:
            return step, None
        columns: dict[str, Any] = {name: getattr(step, name).copy() for name in (*_PRICES, *_FLOWS, "gap")}
        for name, column in columns.items():
            column[missing] = True if name == "gap" else np.nan if name in _PRICES else 0
        return replace(step, **columns), replace(step, revised=np.array(missing, np.intp))

    def _at(self, cause: QuietCause, step: Samples) -> list[int]:
        """Symbols, by number, that rested at the step."""
        if self._from_ms is None:
            self._from_ms = step.time_ms
            size = max(1, -((step.time_ms - self._to_ms) // step.sample_ms))
            self._flags = {one: self._columns(one, step, size) for one in QuietCause}
        place = (step.time_ms - self._from_ms) // step.sample_ms
        return [number for number, flags in self._flags[cause] if place < len(flags) and flags[place]]

    def _columns(self, cause: QuietCause, step: Samples, size: int) -> list[tuple[int, NDArray[np.bool_]]]:
        found = [
            rested(self._spans, symbol, cause, from_ms=step.time_ms, step=step.sample_ms, size=size) for symbol in self._symbols
        ]
        return [(number, flags) for number, flags in enumerate(found) if flags is not None]
