"""The lab: from a question to its answer, symbol by symbol and piece by piece.

Memory stays bounded: a piece is 700,000 steps of the columns that the rule needs, a symbol keeps 9 to 25 bytes a
step until its episodes are known, and two symbols are worked on at a time only while each is at most three million steps long
and the rule looks at three columns beside the price at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..errors import Conflict
from ..model.portfolio import LOCAL_OWNER
from ..ports import MarketStore
from ..rules.history import History
from ..rules.program import Program, compile_rule
from .archive import Archive, Breaks
from .line import Line
from .moment import Moments
from .own_money import OwnMoney
from .preview import Preview, preview, tunable
from .question import Question
from .trial import Trial, conclude, look, pieces, track_of

_SIDE_BY_SIDE = 3_000_000
_FEW_COLUMNS = 3


class Progress(NamedTuple):
    """How far a question is. `place`: how many are before it (then nothing is done yet); `symbol`: which was worked on last."""

    place: int
    share: float
    symbol: str


Report = Callable[[Progress], None]


class Lab:
    """Answers questions, one at a time: whoever comes second waits. A page that asks anew takes its earlier question back."""

    def __init__(self, store: MarketStore) -> None:
        self._archive = Archive(store)
        self._line = Line()
        self._asking: dict[str, asyncio.Task[Preview]] = {}
        self.moments = Moments(self._archive)

    @staticmethod
    def program(expression: str, *, intrabar: bool = False, owner_id: str = LOCAL_OWNER) -> Program:
        """What an expression means, a condition or a number; `owner_id`: whose portfolios it sees. Raises RuleError."""
        return compile_rule(expression, condition=False, intrabar=intrabar, owner_id=owner_id)

    async def preview(
        self, question: Question, *, per_day: float | None = None, asker: str | None = None, report: Report | None = None
    ) -> Preview:
        """The preview of a question. `asker`: who asks; the earlier question of the same one ends with Conflict. `report`: is
        told of every piece and every change of place. Raises StoreError, InvalidRequest, Conflict.

        Being cancelled ends the work with the piece that is in hand.
        """
        work = asyncio.ensure_future(self._answer(question, per_day, report or _unheard))
        if asker is not None:
            earlier = self._asking.get(asker)
            if earlier is not None:
                earlier.cancel()
            self._asking[asker] = work
        try:
            await asyncio.wait({work})
        finally:
            if asker is not None and self._asking.get(asker) is work:
                del self._asking[asker]
            work.cancel()
            await asyncio.wait({work})
        if work.cancelled():
            raise Conflict("A newer question of the same page has taken the place of this one.")
        return work.result()

    async def _answer(self, question: Question, per_day: float | None, report: Report) -> Preview:
        async with self._line.turn(lambda place: report(Progress(place, 0.0, ""))):
            trials = await _Run(self._archive, question, report, tuned=per_day is not None and tunable(question)).trials()
            return await asyncio.to_thread(preview, question, trials, per_day)


class _Run:
    """One question at work."""

    def __init__(self, archive: Archive, question: Question, report: Report, *, tuned: bool) -> None:
        self._archive = archive
        self._question = question
        self._report = report
        self._tuned = tuned
        self._money = OwnMoney(archive, question)
        self._pieces = list(pieces(question))
        self._broken: dict[str, Breaks] = {}
        self._done = 0
        small = question.steps <= _SIDE_BY_SIDE and len(question.columns) <= _FEW_COLUMNS
        self._room = asyncio.Semaphore(2 if small else 1)

    async def trials(self) -> list[Trial]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._trial(symbol)) for symbol in self._question.symbols]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _trial(self, symbol: str) -> Trial:
        question = self._question
        async with self._room:
            shown = symbol == question.symbols[0]
            track = track_of(question, symbol, whole=shown or self._tuned)
            for read_ms, keep_ms, to_ms in self._pieces:
                histories = await self._histories(symbol, read_ms, to_ms)
                others = {name: history for name, history in histories.items() if name != symbol or name in question.needs}
                money = await self._money.along(histories, histories[symbol])
                await asyncio.to_thread(look, question, track, histories[symbol], others, keep_ms, money)
                self._done += 1
                self._report(Progress(0, self._done / (len(self._pieces) * len(question.symbols)), symbol))
            return await asyncio.to_thread(conclude, question, track, tuned=self._tuned, shown=shown)

    async def _histories(self, symbol: str, from_ms: int, to_ms: int) -> Mapping[str, History]:
        question = self._question
        return {
            name: await self._archive.history(
                name, from_ms, to_ms, sample_ms=question.sample_ms, whales=question.counts_whales, columns=question.columns,
                breaks=(await self._breaks(name)).within(from_ms, to_ms),
            )
            for name in dict.fromkeys((symbol, *question.needs))
        }  # fmt: skip

    async def _breaks(self, symbol: str) -> Breaks:
        """Those of the whole span, asked once."""
        if symbol not in self._broken:
            span = self._pieces[0][0], self._pieces[-1][2]
            self._broken[symbol] = await self._archive.breaks(symbol, *span)
        return self._broken[symbol]


def _unheard(_progress: Progress) -> None:
    """Nobody wants to know."""
