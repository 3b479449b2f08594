"""Stored samples of one symbol on a dense grid: what a rule sees when it looks along time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..model.market import Gap, GapState
from ..ports import SampleColumns
from .truth import F8, Flags

_MOST_STEPS = 100_000_000
I8 = NDArray[np.int64]


_COLUMNS = (
    "open", "high", "low", "price", "volume", "notional", "taker_buy_volume", "trades", "bid", "ask", "gap",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class History:
    """Every sample step in `[from_ms, from_ms + len * sample_ms)`: float64 columns, NaN where a price is not known.

    A step without trades has volume 0 and holds the last price in all four. `gap`: nobody knows what traded in the step.
    `whales`: times of the whale trades, sorted. `stale`: steps at which the symbol was known to be quiet, where that is known.
    """

    symbol: str
    sample_ms: int
    from_ms: int
    open: F8
    high: F8
    low: F8
    price: F8
    volume: F8
    notional: F8
    taker_buy_volume: F8
    trades: F8
    bid: F8
    ask: F8
    gap: Flags
    whales: I8 = field(default_factory=lambda: np.empty(0, np.int64))
    stale: Flags | None = None
    started: bool = False
    """There was a price before the first step: a part of a longer history."""

    def __len__(self) -> int:
        return len(self.price)

    def part(self, first: int, end: int) -> History:
        """The steps `[first, end)` as a history of their own; shares memory."""
        return replace(
            self,
            from_ms=self.from_ms + first * self.sample_ms,
            stale=None if self.stale is None else self.stale[first:end],
            started=self.started or self._first_known < first,
            **{name: getattr(self, name)[first:end] for name in _COLUMNS},
        )

    @cached_property
    def _first_known(self) -> int:
        """The first step with a price; beyond the last without any."""
        known = ~np.isnan(self.price)
        return int(np.argmax(known)) if known.any() else len(self)

    @cached_property
    def clean(self) -> bool:
        """Every price is known and nothing is missing: the fast case everywhere."""
        return bool(np.isfinite(self.price.sum())) and not self.gap.any()

    @property
    def end_ms(self) -> I8:
        """The end of each step: the time of its tick."""
        ends: I8 = self.from_ms + self.sample_ms * np.arange(1, len(self) + 1, dtype=np.int64)
        return ends


def densify(
    columns: SampleColumns,
    gaps: Sequence[Gap],
    *,
    from_ms: int,
    to_ms: int,
    sample_ms: int | None = None,
    whales: Sequence[int] = (),
    stale: Flags | None = None,
) -> History:
    """All steps of `[from_ms, to_ms)` from stored rows: between two rows the first holds, inside gaps nothing is known.

    `sample_ms` is needed where the store has no row to tell it. `whales`: times of whale trades. Raises ValueError for a span
    that is no span or holds more than 100 million steps.
    """
    step = sample_ms or columns.sample_ms
    if step <= 0 or to_ms <= from_ms or (to_ms - from_ms) // step > _MOST_STEPS:
        raise ValueError(f"The span from {from_ms} to {to_ms} ms cannot be cut into steps of {step} ms.")
    first = from_ms // step
    size = -(-to_ms // step) - first
    row, own = _rows(columns.time_ms // step - first, size)
    lost = _lost(gaps, columns.symbol, first * step, step, size)
    traded = own & (_held(columns.trades, row, 0.0) > 0)
    price = _held(columns.price, row, np.nan)
    gap = (_held(columns.gap, row, 0.0) > 0) | lost
    gap &= ~traded
    price[gap] = np.nan
    prices = [np.where(traded, _held(column, row, np.nan), price) for column in (columns.open, columns.high, columns.low)]
    flows = [
        np.where(traded, _held(column, row, 0.0), 0.0)
        for column in (columns.volume, columns.notional, columns.taker_buy_volume, columns.trades)
    ]
    quotes = [_held(column, row, np.nan) for column in (columns.bid, columns.ask)]
    opened, high, low = prices
    volume, notional, taker_buy, trades = flows
    return History(
        columns.symbol, step, first * step, opened, high, low, price, volume, notional, taker_buy, trades,
        quotes[0], quotes[1], gap, np.sort(np.asarray(whales, np.int64)), stale,
    )  # fmt: skip


def _rows(places: I8, size: int) -> tuple[I8, Flags]:
    """For each step the row that holds there (-1: none yet), and whether the row is the step's own."""
    row = np.full(size, -1, np.int64)
    own = np.zeros(size, np.bool_)
    before = np.flatnonzero(places < 0)
    inside = np.flatnonzero((places >= 0) & (places < size))
    row[places[inside]] = inside
    own[places[inside]] = True
    if size and row[0] < 0 and len(before):
        row[0] = before[-1]
    return np.maximum.accumulate(row), own


def _held(column: NDArray[np.generic], row: I8, nothing: float) -> F8:
    if not len(column):
        return np.full(len(row), nothing)
    values: F8 = column[row].astype(np.float64)
    values[row < 0] = nothing
    return values


def _lost(gaps: Sequence[Gap], symbol: str, from_ms: int, step: int, size: int) -> Flags:
    """Steps that a gap touches which is not closed."""
    lost = np.zeros(size, np.bool_)
    for gap in gaps:
        if gap.symbol == symbol and gap.state is not GapState.CLOSED:
            first, last = (gap.from_ms - from_ms) // step, (gap.to_ms - from_ms) // step
            lost[max(0, first) : max(0, last + 1)] = True
    return lost
