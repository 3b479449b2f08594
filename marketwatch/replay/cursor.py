"""The time cursor: watches as of earlier moments, each built once, the newest few kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from ..config import Settings
from ..errors import InvalidRequest, Unavailable
from ..model.market import Source, Trades
from ..ports import MarketStore, SampleMarks
from ..watch import Watch, WatchSlot
from .past import Past, Reach, nothing_around, read_past
from .rebuild import rebuild

_MOST_KEPT = 16
_MOST_SYMBOLS_KEPT = 600
_MOST_WAITING = 8
_SETTLED_MS = 30_000
_TAPE_MS, _TAPE = 600_000, 50


@dataclass(eq=False)
class Moment:
    """A watch as of `at_ms` (the end of a sample step). `origin`: what the market was that is shown again. `marks`: where
    samples are stored, as of when it was built. `taped`: symbols whose stored trades are on its tape."""

    watch: Watch
    origin: Source
    at_ms: int
    reach: Reach
    marks: SampleMarks
    taped: set[str] = field(default_factory=set)


class Cursor:
    """Rebuilds the market of earlier moments from the store, for readers of the watch in `slot`.

    One moment is built at a time, in a thread; who asks for a moment that is being built waits for it, and at most eight
    others may wait. Kept are up to 16 moments, fewer with many symbols; moments of the last half minute are not, since the
    store may still learn more about them.
    """

    def __init__(self, *, store: MarketStore, slot: WatchSlot, settings: Settings) -> None:
        self._store = store
        self._slot = slot
        self._settings = settings
        self._kept: OrderedDict[tuple[int, int], Moment] = OrderedDict()
        self._building: dict[tuple[int, int], asyncio.Task[Moment]] = {}
        self._turn = asyncio.Lock()
        self.built = 0
        self.errors = 0

    async def at(self, at_ms: int, now_ms: int) -> Moment:
        """The moment `at_ms`, down to the step that had ended. `now_ms`: of the market. Raises InvalidRequest for the future,
        NotFound where nothing is stored, Unavailable when too many ask, StoreError."""
        if at_ms > now_ms:
            raise InvalidRequest("This moment has not come yet.")
        step = self._settings.sample_ms
        key = (self._slot.generation, at_ms - at_ms % step)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        task = self._building.get(key)
        if task is None:
            if len(self._building) > _MOST_WAITING:
                raise Unavailable("Too many moments are being rebuilt at once. Try again in a few seconds.")
            task = self._building[key] = asyncio.create_task(self._build(key, now_ms), name=f"moment {key[1]}")
            task.add_done_callback(lambda done: self._on_built(key, done))
        return await asyncio.shield(task)

    def _on_built(self, key: tuple[int, int], task: asyncio.Task[Moment]) -> None:
        self._building.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone meanwhile

    async def tape(self, moment: Moment, symbol: str) -> None:
        """Have the newest stored trades of `symbol` on the moment's tape."""
        if symbol in moment.taped:
            return
        at_ms = moment.at_ms
        found = await self._store.trades(symbol, from_ms=at_ms - _TAPE_MS, to_ms=at_ms, limit=_TAPE)
        if symbol not in moment.taped:
            moment.taped.add(symbol)
            moment.watch.tape.on_trades(Trades(moment.watch.venue, at_ms, [one.trade for one in reversed(found)]))

    async def aclose(self) -> None:
        """Wait for what is being built; a thread cannot be stopped."""
        tasks = list(self._building.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _build(self, key: tuple[int, int], now_ms: int) -> Moment:
        generation, at_ms = key
        async with self._turn:
            live = self._slot.current
            if live is None or self._slot.generation != generation:
                raise Unavailable("The market has just changed. Load the page again.")
            marks = await self._store.sample_marks(at_ms)
            at_ms = self._stored_end(at_ms, now_ms, marks)
            past = await read_past(self._store, live, at_ms, self._settings.sample_ms)
            watch = await asyncio.to_thread(self._rebuild, past)
            self.built += 1
            moment = Moment(watch, live.source, at_ms, past.reach, marks)
            if at_ms < now_ms - _SETTLED_MS:
                self._keep(key, moment)
            return moment

    def _rebuild(self, past: Past) -> Watch:
        return rebuild(past, settings=self._settings, on_error=self._on_error)

    def _on_error(self, _name: str, _error: BaseException) -> None:
        self.errors += 1

    def _stored_end(self, at_ms: int, now_ms: int, marks: SampleMarks) -> int:
        """`at_ms`, or the end of what is stored where the newest samples are still on their way to the store."""
        if marks.newest_ms is None:
            raise nothing_around(at_ms, marks)
        end_ms = marks.newest_ms + self._settings.sample_ms
        fresh = at_ms > now_ms - _SETTLED_MS and at_ms - _SETTLED_MS < end_ms < at_ms
        return end_ms if fresh else at_ms

    def _keep(self, key: tuple[int, int], moment: Moment) -> None:
        most = max(1, min(_MOST_KEPT, _MOST_SYMBOLS_KEPT // max(1, len(moment.watch.symbols))))
        self._kept[key] = moment
        current = self._slot.generation
        for old in [old for old in self._kept if old[0] != current]:
            del self._kept[old]
        while len(self._kept) > most:
            self._kept.popitem(last=False)
