"""Terms of one's own money: `portfolio('main').upnl`, `position('BTC').change_today`.

On stored history somebody who has the ledgers says what they were; without that they are unknown there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..model.portfolio import LOCAL_OWNER
from .errors import RuleError, nearest, shown
from .frame import Frame
from .nodes import Fact, Kind
from .tree import Call, Text
from .truth import F8

Places = Mapping[tuple[str, str], int]
Columns = Mapping[str, F8]
_N, _P = Kind.NUMBER, Kind.PERCENT
FIGURES: Mapping[str, Mapping[str, tuple[str, Kind]]] = {
    "portfolio": {
        "value": ("value", _N), "upnl": ("upnl", _N), "realized": ("realized", _N), "gain": ("gain", _N), "cost": ("cost", _N),
        "cash": ("cash", _N), "income": ("income", _N), "roi": ("roi", _P), "change_today": ("change_today_pct", _P),
        "pnl_today": ("change_today", _N),
    },
    "position": {
        "quantity": ("quantity", _N), "value": ("value", _N), "cost": ("cost", _N), "upnl": ("upnl", _N),
        "change_today": ("change_today", _P), "pnl_today": ("pnl_today", _N),
    },
}  # fmt: skip
"""Figures of each term: the column of `Valuations` that holds it, and its kind."""


@dataclass(frozen=True)
class Holding(Fact):
    """A figure of a portfolio by its name, or of a coin over all portfolios of one person. `unit` is the figure's kind."""

    subject: str = ""
    figure: str = ""
    owner_id: str = LOCAL_OWNER

    @property
    def whose(self) -> str:
        return self.owner_id

    @cached_property
    def place(self) -> tuple[str, str]:
        """By what it is looked up among everybody's portfolios or coins."""
        return self.owner_id, self.subject

    def _text(self) -> str:
        return f"{self.name}('{self.subject}').{self.figure}"


def holding(call: Call) -> Holding:
    """The node of a call of `portfolio` or `position`. Raises RuleError."""
    figures = FIGURES[call.name]
    example = "portfolio('main').upnl" if call.name == "portfolio" else "position('BTC').quantity"
    if len(call.arguments) != 1 or not isinstance(call.arguments[0], Text):
        raise RuleError(call.column, f"{call.name} is not written like this.", f"Write {example}.")
    if call.field is None:
        hint = f"Write {example}, or another of {', '.join(figures)}."
        raise RuleError(call.column, f"{call.name} has several figures.", hint)
    if call.field not in figures:
        hint = nearest(call.field, frozenset(figures)) or f"It has {', '.join(figures)}."
        raise RuleError(call.field_column, f"{call.name} has no figure {shown(call.field)}.", hint)
    written = call.arguments[0].symbol
    subject = written.strip().upper() if call.name == "position" else " ".join(written.casefold().split())
    return Holding(call.name, figures[call.field][1], None, subject, call.field)


def held(node: Holding, frame: Frame) -> F8:
    """The figure at a tick, one number (shape ()); NaN without such a portfolio or coin, and while a price is missing.

    A coin that nobody holds is unknown as well, not 0: a misspelt one must not fire.
    """
    said = frame.state.valuations
    return np.asarray(np.nan) if said is None else picked(node, said.rows, said.columns, said.coins, said.positions)


def picked(node: Holding, rows: Places, columns: Columns, coins: Places, positions: Columns) -> F8:
    """The figure among those of all portfolios and coins; a whole row of it where they are told for many moments."""
    column = FIGURES[node.name][node.figure][0]
    places, found = (rows, columns) if node.name == "portfolio" else (coins, positions)
    place = places.get(node.place)
    return np.asarray(np.nan if place is None else found[column][place], np.float64)
