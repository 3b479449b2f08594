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
    ends: I8 | None = None
    """Of a history of stretches with whales: the end of each step."""

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
            ends=None if self.ends is None else self.ends[first:end],
            **{name: getattr(self, name)[first:end] for name in _COLUMNS},
        )

    def gathered(self, spans: Sequence[tuple[int, int]]) -> History:
        """The steps of some spans, in order, as if they followed each other. Where all but the ends of the last one lie on a
        grid, buckets of that grid are what they were.
        """
        columns: dict[str, Any] = {name: gathered(getattr(self, name), spans) for name in _COLUMNS}
        return replace(
            self,
            from_ms=self.from_ms + spans[0][0] * self.sample_ms,
            stale=None if self.stale is None else gathered(self.stale, spans),
            missed=None if self.missed is None else gathered(self.missed, spans),
            started=self.started or self._first_known < spans[0][0],
            ends=gathered(self.end_ms, spans) if len(self.whales) else None,
            **columns,
        )

    def begins_in(self, spans: Sequence[tuple[int, int]]) -> bool:
        """Whether the first price, if there is one, is not later than the first span, as `gathered` needs it."""
        return self.started or self._first_known < spans[0][1] or self._first_known >= spans[-1][1]

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
        if self.ends is not None:
            return self.ends
        ends: I8 = self.from_ms + self.sample_ms * np.arange(1, len(self) + 1, dtype=np.int64)
        return ends


def gathered(column: NDArray[Any], spans: Sequence[tuple[int, int]]) -> NDArray[Any]:
    """The parts of a column one after the other; one that says the same throughout takes no memory then, either."""
    if column.strides == (0,):
        return np.broadcast_to(column[0], sum([end - first for first, end in spans]))
    return np.concatenate([column[first:end] for first, end in spans])


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
    gap = rows.held(columns.gap) if columns.gap.any() else np.zeros(size, np.bool_)
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
        columns.symbol, step, first * step, gap=gap, whales=large, stale=stale, missed=missed, started=False, ends=None,
        **filled,
    )  # fmt: skip


class _Rows:
    """Which row holds at each step: that of the step itself, else the last one before it."""

    def __init__(self, time_ms: I8, from_ms: int, step: int, size: int) -> None:
        self._size = size
        first, self._end = (int(np.searchsorted(time_ms, edge)) for edge in (from_ms, from_ms + size * step))
        inside = time_ms[first : self._end]
        self._whole = len(inside) == size and int(inside[0]) == from_ms and bool((inside[1:] - inside[:-1] == step).all())
        self._first = first if self._whole else max(0, first - 1)
        self._places = None if self._whole else (time_ms[self._first : self._end] - from_ms) // step

    @cached_property
    def own(self) -> Flags:
        """Where a step has a row itself."""
        if self._places is None:
            return np.broadcast_to(np.True_, self._size)
        own = np.zeros(self._size, np.bool_)
        own[self._places[self._places >= 0]] = True
        return own

    @cached_property
    def _lasts(self) -> I8:
        """For how many steps each row holds; before them the steps before the first row."""
        assert self._places is not None
        return np.diff(self._places.clip(0), prepend=0, append=self._size)

    def held(self, column: NDArray[Any]) -> NDArray[Any]:
        """A column at each step, NaN, 0 or False before the first row; the column itself where every step has a row."""
        rows = column[self._first : self._end]
        if self._whole:
            return rows
        nothing = np.array([np.nan if column.dtype.kind == "f" else 0], column.dtype)
        return np.repeat(np.concatenate([nothing, rows]), self._lasts)


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
