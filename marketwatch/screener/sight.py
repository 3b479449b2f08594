"""What a screen said of every symbol at a tick, and how that is cut and sorted for who looks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..rules.truth import F8, I1, TRUE, UNKNOWN
from .question import SORT_BY_SYMBOL, Sieve

Flags = NDArray[np.bool_]
ASCENDING, DESCENDING = "asc", "desc"
NO_DATA, QUIET, WARMING = "no data yet", "quiet", "warming up"


@dataclass(frozen=True, eq=False)
class Sight:
    """A screen at one tick, over `symbols`: `truth` int8 of the filter, `columns` float64, NaN unknown, a truth as 1, 0 or -1.

    `no_data`: symbols that never traded. `quiet`: those that went quiet."""

    time_ms: int
    sieve: Sieve
    symbols: tuple[str, ...]
    truth: I1
    columns: tuple[F8, ...]
    no_data: Flags
    quiet: Flags


class Match(NamedTuple):
    """A symbol that passes, with its columns; None unknown. `key`: its place in the watch."""

    key: int
    symbol: str
    values: tuple[float | None, ...]


class Matches(NamedTuple):
    """The first of those that pass, in their order. `passing`: how many pass, `total`: of how many that were looked at.

    `unknown`: symbols of which the filter cannot be told yet, with the reason."""

    time_ms: int
    rows: tuple[Match, ...]
    passing: int
    total: int
    unknown: tuple[tuple[str, str], ...]


def arrange(sight: Sight, symbols: Collection[str] | None, sort: str, direction: str, most: int) -> Matches:
    """Those of `symbols` (None: all) that pass, sorted by a column, `symbol` or, for any other text, as the watch has them.

    Unknown values are last in either direction; without a direction a column begins with its largest, the symbol with A.
    """
    inside = np.ones(len(sight.symbols), np.bool_)
    if symbols is not None:
        inside = np.fromiter((one in symbols for one in sight.symbols), np.bool_, len(sight.symbols))
    passing = np.flatnonzero(inside & (sight.truth == TRUE))
    order = _sorted(sight, passing, sort, direction)[:most]
    cells = [column[order].tolist() for column in sight.columns]
    rows = tuple(
        Match(key, sight.symbols[key], tuple(None if column[at] != column[at] else column[at] for column in cells))
        for at, key in enumerate(order.tolist())
    )
    unknown = tuple(_reason(sight, key) for key in np.flatnonzero(inside & (sight.truth == UNKNOWN)).tolist())
    return Matches(sight.time_ms, rows, len(passing), int(inside.sum()), unknown)


def _sorted(sight: Sight, passing: NDArray[np.intp], sort: str, direction: str) -> NDArray[np.intp]:
    if sort == SORT_BY_SYMBOL:
        names = sorted(passing.tolist(), key=lambda key: sight.symbols[key], reverse=direction == DESCENDING)
        return np.array(names, np.intp)
    place = sight.sieve.place(sort)
    if place is None:
        return passing
    values = sight.columns[place][passing]
    return passing[np.argsort(values if direction == ASCENDING else -values, kind="stable")]


def _reason(sight: Sight, key: int) -> tuple[str, str]:
    reason = NO_DATA if sight.no_data[key] else QUIET if sight.quiet[key] else WARMING
    return sight.symbols[key], reason


def reasons(unknown: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The symbols of each reason, in their order."""
    found: dict[str, list[str]] = {}
    for symbol, reason in unknown:
        found.setdefault(reason, []).append(symbol)
    return found
