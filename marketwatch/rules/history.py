"""Stored samples of one symbol on a dense grid: what a rule sees when it looks along time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.market import Gap, GapState, QuietCause, QuietSpan
from ..ports import SampleColumns
from .truth import F8, Flags

_MOST_STEPS = 100_000_000
I8 = NDArray[np.int64]


_SHOWN = ("open", "high", "low", "volume", "notional", "taker_buy_volume", "trades", "bid", "ask")
_COLUMNS = ("price", *_SHOWN, "gap")
_POINTS = frozenset(_SHOWN) - {"bid", "ask"}
EVERY_COLUMN = frozenset(_SHOWN)
"""Columns of a history that a rule may not need."""


@dataclass(frozen=True, eq=False)
class History:
    """Every sample step in `[from_ms, from_ms + len * sample_ms)`: float64 columns, NaN where a price is not known.

    A step without trades has volume 0 and holds the last price in all four. `gap`: nobody knows what traded in the step.
    `whales`: times of the whale trades, sorted. `stale`: steps at which live found the symbol quiet; `missed`: steps that
    were a gap when they were first told, whatever was refilled since. None: there were none.
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
    missed: Flags | None = None
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
            missed=None if self.missed is None else self.missed[first:end],
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
    def resting(self) -> Flags:
        """Steps at which live evaluated no rule about the market of this symbol."""
        found = self.gap
        for flags in (self.missed, self.stale):
            found = found if flags is None else found | flags
        return found

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
    quiet: Sequence[QuietSpan] = (),
    wanted: Collection[str] = EVERY_COLUMN,
) -> History:
    """All steps of `[from_ms, to_ms)` from stored rows: between two rows the first holds, inside gaps nothing is known.

    `sample_ms` is needed where the store has no row to tell it. `whales`: times of whale trades. `quiet`: spans in which live
    rules rested. `wanted`: columns to fill; the others (but price and gap) are unknown throughout and take no memory. Raises
    ValueError for a span that is no span or holds more than 100 million steps.
    """
    step = sample_ms or columns.sample_ms
    if step <= 0 or to_ms <= from_ms or (to_ms - from_ms) // step > _MOST_STEPS:
        raise ValueError(f"The span from {from_ms} to {to_ms} ms cannot be cut into steps of {step} ms.")
    first = from_ms // step
    size = -(-to_ms // step) - first
    rows = _Rows(columns.time_ms, first * step, step, size)
    gap = rows.held(columns.gap)
    lost = _lost(gaps, columns.symbol, first * step, step, size)
    if lost is not None:
        gap = gap | lost
    missing = bool(gap.any())
    traded = rows.own & (rows.held(columns.trades) > 0) if missing or not _POINTS.isdisjoint(wanted) else None
    if missing and traded is not None:
        gap = gap & ~traded
    price = rows.held(columns.price)
    if missing:
        price = np.where(gap, np.nan, price)
    filled: dict[str, F8] = {"price": price}
    for name in _SHOWN:
        if name not in wanted:
            filled[name] = np.broadcast_to(np.nan, size)
        elif name in ("bid", "ask"):
            filled[name] = rows.held(getattr(columns, name))
        else:
            assert traded is not None
            value = rows.held(getattr(columns, name)).astype(np.float64, copy=False)
            filled[name] = np.where(traded, value, price if name in ("open", "high", "low") else 0.0)
    large = np.sort(np.asarray(whales, np.int64))
    stale, missed = (rested(quiet, columns.symbol, cause, from_ms=first * step, step=step, size=size) for cause in QuietCause)
    return History(
        columns.symbol, step, first * step, gap=gap, whales=large, stale=stale, missed=missed, started=False, **filled
    )


class _Rows:
    """Which row holds at each step: `own` says where a step has one itself (True: everywhere)."""

    def __init__(self, time_ms: I8, from_ms: int, step: int, size: int) -> None:
        self._size = size
        self._before = int(np.searchsorted(time_ms, from_ms))
        self._end = int(np.searchsorted(time_ms, from_ms + size * step))
        inside = time_ms[self._before : self._end]
        whole = len(inside) == size and int(inside[0]) == from_ms and bool((inside[1:] - inside[:-1] == step).all())
        self._row: I8 | None = None if whole else self._spread((time_ms // step) - from_ms // step)
        if whole:
            self.own: Flags = np.broadcast_to(np.True_, size)

    def _spread(self, places: I8) -> I8:
        """For each step the row that holds there, -1 where none does yet."""
        row = np.full(self._size, -1, np.int64)
        self.own = np.zeros(self._size, np.bool_)
        inside = np.arange(self._before, self._end)
        row[places[inside]] = inside
        self.own[places[inside]] = True
        if self._size and row[0] < 0 and self._before:
            row[0] = self._before - 1
        return np.maximum.accumulate(row)

    def held(self, column: NDArray[Any]) -> NDArray[Any]:
        """A column at each step, NaN, 0 or False before the first row; the column itself where every step has a row."""
        if self._row is None:
            return column[self._before : self._end]
        nothing = np.nan if column.dtype.kind == "f" else 0
        if not len(column):
            return np.full(self._size, nothing, column.dtype)
        values: NDArray[Any] = column[self._row]
        if self._row[0] < 0:
            values[: int(np.searchsorted(self._row, 0))] = nothing
        return values


def _lost(gaps: Sequence[Gap], symbol: str, from_ms: int, step: int, size: int) -> Flags | None:
    """Steps that a gap touches which is not closed; None where there is no such gap."""
    lost = None
    for gap in gaps:
        if gap.symbol == symbol and gap.state is not GapState.CLOSED:
            first, last = (gap.from_ms - from_ms) // step, (gap.to_ms - from_ms) // step
            lost = np.zeros(size, np.bool_) if lost is None else lost
            lost[max(0, first) : max(0, last + 1)] = True
    return lost


def rested(quiet: Sequence[QuietSpan], symbol: str, cause: QuietCause, *, from_ms: int, step: int, size: int) -> Flags | None:
    """Steps of `step` ms from `from_ms` on that a quiet span of the cause touches; None where there is no such step."""
    found = None
    for span in quiet:
        first, end = (span.from_ms - from_ms) // step, -((from_ms - span.until_ms) // step)
        if span.symbol == symbol and span.cause is cause and first < size and end > 0:
            found = np.zeros(size, np.bool_) if found is None else found
            found[max(0, first) : end] = True
    return found
