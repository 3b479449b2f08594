"""What the terms of a rule are for one symbol at one moment: from memory where it holds them, else from stored samples.

Nothing here adds a window to the engine or a rule to the evaluator: asking changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import InvalidRequest
from ..portfolio.timeline import Money
from ..rules.along import Along, along
from ..rules.errors import RuleError
from ..rules.frame import Frame
from ..rules.history import History
from ..rules.nodes import Crosses, Derived, Indicator, Kind, Metric, Node
from ..rules.plan import Plan
from ..rules.program import Program
from ..rules.spans import matches
from ..rules.studies import StudyColumn
from ..rules.truth import F8, Knowledge
from .archive import Archive
from .own_money import OwnMoney
from .question import DAY_MS, Question, question

_MOST_LEAD_MS = DAY_MS
LIVE, STORED, WARMING = "live", "stored", "warming up"


class Found(NamedTuple):
    """The value of a term, NaN unknown. `source`: `live`, `stored` (as of `time_ms`) or `warming up`."""

    value: float
    source: str
    time_ms: int


class Place(NamedTuple):
    """What every question about a moment needs to know of the watch."""

    symbol: str
    watched: Sequence[str]
    sample_ms: int
    reference: str
    now_ms: int


def held(program: Program, frame: Frame, place: Place) -> tuple[dict[str, Found], list[Node]]:
    """The terms that memory can tell at a tick, by text, and the others."""
    table = frame.table
    column = 0 if place.symbol == "*" else list(table.symbols).index(place.symbol)
    missing = [node for node in program.terms if not _is_held(node, frame, place)]
    plain = [node for node in program.terms if node not in missing and not isinstance(node, Indicator)]
    found: dict[str, Found] = {}
    if plain:
        plan = Plan([Program(one.key, one) for one in plain], table.symbols, place.sample_ms, Knowledge(), None)
        plan.tick(frame)
        found = {one.key: Found(float(plan.column(one)[column]), LIVE, table.time_ms) for one in plain}
    for node in program.terms:
        if isinstance(node, Indicator):
            found[node.key] = Found(_of_candles(node, frame, place.symbol), LIVE, table.time_ms)
    return found, missing


def _is_held(node: Node, frame: Frame, place: Place) -> bool:
    if isinstance(node, Metric) and node.window is not None:
        return node.other is None and bool(matches([node.window.text], frame.table.windows, place.sample_ms))
    return not isinstance(node, Derived | Crosses)


def _of_candles(node: Indicator, frame: Frame, symbol: str) -> float:
    wanted = node.symbol or symbol
    if wanted not in frame.table.symbols:
        return np.nan
    return float(StudyColumn(replace(node, symbol=wanted), frame.table.symbols.index(wanted)).take(frame))


class Moments:
    """Asks the archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def live(self, program: Program, frame: Frame, place: Place, money: Money | None = None) -> dict[str, Found]:
        """Every term as of now. `money`: the books of the program's owner, for the past of its terms. Raises StoreError."""
        found, missing = held(program, frame, place)
        for node in missing:
            found[node.key] = await self._stored(node, place, frame.table.time_ms, money)
        return {node.key: found[node.key] for node in program.terms}

    async def _stored(self, node: Node, place: Place, now_ms: int, money: Money | None) -> Found:
        """A term of which memory has no past, from the newest stored samples."""
        text = node.key if node.kind is Kind.BOOL else f"{node.key} > 0"
        try:
            asked = self._question(text, place, now_ms, money)
        except (InvalidRequest, RuleError):
            return Found(np.nan, WARMING, now_ms)
        if asked.lead_ms > _MOST_LEAD_MS:
            return Found(np.nan, WARMING, now_ms)
        said, own = await self._said(asked, place, now_ms)
        traded = np.flatnonzero(own.trades > 0)
        if not len(traded):
            return Found(np.nan, WARMING, now_ms)
        step = int(traded[-1])
        value = said.at(step).get(node.key, np.nan)
        return Found(value, STORED if np.isfinite(value) else WARMING, int(own.end_ms[step]))

    async def past(
        self, program: Program, place: Place, at_ms: int, money: Money | None = None
    ) -> tuple[dict[str, Found], Along, bool]:
        """Every term at a past moment, what it said on the way, and whether a rule of it rested, for the symbol was quiet or
        its feed down. `money`: the books of the program's owner. Raises StoreError, InvalidRequest, RuleError."""
        text = program.expression.key
        asked = self._question(text if program.kind is Kind.BOOL else f"({text}) > 0", place, at_ms, money)
        said, own = await self._said(asked, place, at_ms)
        time_ms = int(own.end_ms[-1])
        rested = asked.rule.market_only and bool(own.resting[-1])
        return {key: Found(value, STORED, time_ms) for key, value in said.at(len(own) - 1).items()}, said, rested

    @staticmethod
    def _question(text: str, place: Place, at_ms: int, money: Money | None) -> Question:
        return question(
            text, symbols=(place.symbol,), watched=place.watched, from_ms=max(0, at_ms - place.sample_ms), to_ms=at_ms,
            sample_ms=place.sample_ms, reference=place.reference, money=money,
        )  # fmt: skip

    async def _said(self, asked: Question, place: Place, at_ms: int) -> tuple[Along, History]:
        from_ms = max(0, at_ms - asked.lead_ms)
        lanes: dict[str, History] = {}
        columns = asked.columns | {"trades"}
        symbol = asked.symbols[0] if place.symbol == "*" else place.symbol
        for name in dict.fromkeys((symbol, *asked.needs)):
            lanes[name] = await self._archive.history(
                name, from_ms, at_ms, sample_ms=place.sample_ms, whales=asked.counts_whales, columns=columns
            )
        said = await OwnMoney(self._archive, asked).along(lanes, lanes[symbol])
        return await asyncio.to_thread(_along, asked, symbol, lanes, said)


def _along(asked: Question, symbol: str, lanes: Mapping[str, History], money: Mapping[str, F8]) -> tuple[Along, History]:
    reference = None if asked.reference is None else lanes.get(asked.reference)
    own = lanes[symbol]
    return along(asked.program, own, windows=asked.windows, others=lanes, reference=reference, money=money), own
