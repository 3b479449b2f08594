"""Where a rule stands for a symbol at the moment, and why: what pages and `explain` show beside the episodes."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from ..model.metrics import MetricTable, WindowState
from ..rules.live import Result
from ..rules.truth import UNKNOWN
from .compiled import Compiled, Scope
from .episodes import windows_of
from .machine import Phase


class Side(StrEnum):
    """Why a rule is not evaluated, or cannot say anything."""

    WARMUP = "warmup"
    NO_DATA = "no data"
    ERROR = "error"
    PAUSED = "paused"


class Standing(NamedTuple):
    """`side` None: it is evaluated. `reason`: one sentence where there is a side. `values`: its terms, None unknown."""

    phase: Phase
    side: Side | None
    reason: str
    since_ms: int
    values: dict[str, float | None]


class Place(NamedTuple):
    """A symbol at the last step."""

    table: MetricTable
    column: int
    sample_ms: int
    seen: bool
    silent: bool


def side_of(one: Compiled, result: Result | None, place: Place, *, paused: str) -> tuple[Side | None, str]:
    """The side state of a rule at a place, with its reason. `paused`: why the rule rests as a whole, or ""."""
    symbol = place.table.symbols[place.column]
    if not one.rule.enabled:
        return Side.PAUSED, "The rule is switched off."
    if paused:
        return Side.PAUSED, paused
    if one.error:
        return Side.ERROR, one.error
    if not one.applies[place.column]:
        return Side.PAUSED, f"The rule is not about {symbol}."
    if not place.seen and one.scope is Scope.SYMBOL:
        return Side.NO_DATA, f"There has been no trade of {symbol} yet."
    if place.silent and one.market_only:
        return Side.NO_DATA, f"{symbol} is quiet or its feed is down, so rules about its market rest."
    if result is None or result.truth is None or result.truth[place.column] != UNKNOWN:
        return None, ""
    return _unknown(one, result, place)


def _unknown(one: Compiled, result: Result, place: Place) -> tuple[Side, str]:
    table, column = place.table, place.column
    for wanted, window in windows_of(one.windows, table.windows, place.sample_ms):
        if table.state[window.name][column] & np.uint8(WindowState.WARMUP):
            return Side.WARMUP, f"The window {wanted} has {table.filled[window.name][column]} of {window.length} buckets."
    missing = [key for key, value in result.at(column).items() if np.isnan(value)]
    return Side.NO_DATA, f"Not known at the moment: {', '.join(missing)[:200] or one.rule.expression[:200]}."
