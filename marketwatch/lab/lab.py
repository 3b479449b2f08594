"""The lab: from a question to its answer, symbol by symbol and piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ..ports import MarketStore
from ..rules.history import History
from ..rules.program import Program, compile_rule
from .archive import Archive
from .moment import Moments
from .preview import Preview, preview
from .question import Question
from .trial import Track, Trial, conclude, look, pieces


class Lab:
    """Answers questions, one at a time: whoever comes second waits for the first."""

    def __init__(self, store: MarketStore) -> None:
        self._archive = Archive(store)
        self.moments = Moments(self._archive)
        self._turn = asyncio.Lock()

    @staticmethod
    def program(expression: str, *, intrabar: bool = False) -> Program:
        """What an expression means, a condition or a number. Raises RuleError."""
        return compile_rule(expression, condition=False, intrabar=intrabar)

    async def preview(self, question: Question, *, now_ms: int, per_day: float | None = None) -> Preview:
        """The preview of a question. Raises StoreError, InvalidRequest."""
        async with self._turn:
            trials = [await self._trial(question, symbol, now_ms) for symbol in question.symbols]
            return await asyncio.to_thread(preview, question, trials, per_day)

    async def _trial(self, question: Question, symbol: str, now_ms: int) -> Trial:
        track: Track | None = None
        for read_ms, keep_ms, to_ms in pieces(question):
            track = track or Track(symbol, keep_ms, question.sample_ms)
            histories = await self._histories(question, symbol, read_ms, to_ms, now_ms)
            own = histories[symbol]
            others = {name: history for name, history in histories.items() if name != symbol or name in question.needs}
            await asyncio.to_thread(look, question, track, own, others, keep_ms)
        assert track is not None
        return await asyncio.to_thread(conclude, question, track)

    async def _histories(self, question: Question, symbol: str, from_ms: int, to_ms: int, now_ms: int) -> Mapping[str, History]:
        return {
            name: await self._archive.history(
                name, from_ms, to_ms, sample_ms=question.sample_ms, now_ms=now_ms, whales=question.counts_whales
            )
            for name in dict.fromkeys((symbol, *question.needs))
        }
