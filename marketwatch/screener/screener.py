"""The screener of a watch: evaluates every screen that somebody looks at, once a sample step, for all symbols at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, TooMany, Unavailable
from ..model.metrics import MetricTable, WindowState
from ..rules.errors import RuleError
from ..rules.frame import Tick
from ..rules.live import LiveProgram, LiveTable
from ..rules.program import Program
from ..rules.truth import TRUE, UNKNOWN
from ..watch import Watch
from .question import COLUMNS, Mistake, ScreenRefused, Sieve
from .sight import Sight
from .warming import Warming

MOST_SCREENS = 32
MOST_STUDIES = 24_000
"""Indicators x symbols computed when a candle closes, over all screens; one with the open candle counts twenty times."""
MOST_CELLS = 3_000_000
"""Values that statistics of expressions may remember, over all screens."""
KEPT_S = 20.0
_IDLE_S = 3.0
_RETRY_S = 5
_INTRABAR = 20


@dataclass(eq=False, slots=True)
class LiveScreen:
    """A screen that somebody looks at: its programs in the table, when it was asked for last, and what it said last."""

    sieve: Sieve
    programs: tuple[LiveProgram, ...]
    used_s: float
    sight: Sight | None = None


class Screener:
    """`look` at a screen: from then on it is evaluated at every step, and forgotten 20 s after nobody looked any more.

    `now`: seconds of a clock that only goes on. Equal screens are one; at most 32 different ones are looked at. Windows that
    the engine does not have are lent by it, so that nothing else changes; the candles in memory fill them bit by bit.
    """

    def __init__(self, *, watch: Watch, sample_ms: int, now: Callable[[], float]) -> None:
        self._watch = watch
        self._now = now
        self._table = LiveTable(symbols=watch.symbols, sample_ms=sample_ms, most_cells=MOST_CELLS)
        self._screens: dict[str, LiveScreen] = {}
        self._held: dict[str, LiveScreen] = {}
        self._warming = Warming(watch)
        self._unsubscribe = watch.bus.subscribe(MetricTable, self._on_table, name="screener")

    def __len__(self) -> int:
        """Screens that are looked at."""
        return len(self._screens)

    def close(self) -> None:
        """The watch is over."""
        self._unsubscribe()
        self._screens.clear()
        self._held.clear()

    def hold(self, sieves: Sequence[Sieve]) -> int:
        """Screens whose past is kept from now on although nobody looks: their windows are lent, their statistics and crossings
        go on. What was held else is given back. Answers how many there was room for, the first ones first; those that somebody
        looks at go before all of them."""
        wanted = {one.key: one for one in sieves if one.lasting or one.windows}
        for key in [key for key in self._held if key not in wanted]:
            for live in self._held.pop(key).programs:
                self._table.remove(live)
        for key, sieve in wanted.items():
            if key not in self._held:
                with suppress(ScreenRefused):
                    self._held[key] = LiveScreen(sieve, self._taken_in(sieve, sieve.lasting), self._now())
        self._lend(self._sieves)
        return len(self._held)

    def look(self, sieve: Sieve) -> Sight:
        """What the screen says at the newest step. Raises ScreenRefused, TooMany, and Unavailable before the first step."""
        table = self._watch.engine.wide
        if table is None:
            raise Unavailable("No sample has come in yet; ask again in a moment.")
        screen = self._screens.get(sieve.key)
        if screen is None:
            screen = self._open(sieve)
            table = self._watch.engine.wide or table
        screen.used_s = self._now()
        if screen.sight is None or screen.sight.time_ms != table.time_ms:
            screen.sight = self._seen(screen, table)
        return screen.sight

    # Which screens there are

    def _open(self, sieve: Sieve) -> LiveScreen:
        self._make_room()
        held = [one.sieve for one in self._held.values()]
        try:
            return self._begun(sieve)
        except ScreenRefused:
            if not held:
                raise
        self.hold(())
        try:
            return self._begun(sieve)
        finally:
            self.hold(held)

    def _begun(self, sieve: Sieve) -> LiveScreen:
        screen = self._screens[sieve.key] = LiveScreen(sieve, self._taken_in(sieve, sieve.programs), self._now())
        return screen

    def _taken_in(self, sieve: Sieve, programs: Sequence[Program]) -> tuple[LiveProgram, ...]:
        """The programs in the table, with what they need. Raises ScreenRefused, with everything as it was."""
        others = self._sieves
        self._check_studies([*others, sieve])
        self._lend([*others, sieve])
        added: list[LiveProgram] = []
        try:
            added.extend(self._table.add(program) for program in programs)
        except RuleError as error:
            for live in added:
                self._table.remove(live)
            self._lend(others)
            raise ScreenRefused([Mistake(COLUMNS, 0, error.message, error.hint)]) from None
        return tuple(added)

    @property
    def _sieves(self) -> list[Sieve]:
        return [one.sieve for kind in (self._screens, self._held) for one in kind.values()]

    def _make_room(self) -> None:
        self._forget(KEPT_S)
        if len(self._screens) >= MOST_SCREENS:
            self._forget(_IDLE_S)
        if len(self._screens) >= MOST_SCREENS:
            sentence = f"{MOST_SCREENS} different screens are looked at now, which are the most; try again in a moment."
            raise TooMany(sentence, _RETRY_S)

    def _forget(self, idle_s: float) -> None:
        oldest = self._now() - idle_s
        gone = [key for key, one in self._screens.items() if one.used_s < oldest]
        for key in gone:
            for live in self._screens.pop(key).programs:
                self._table.remove(live)
        if gone:
            self._lend(self._sieves)

    def _check_studies(self, sieves: list[Sieve]) -> None:
        nodes = {node.key: node for one in sieves for node in one.indicators}
        every = len(self._watch.symbols)
        count = sum((1 if one.symbol else every) * (_INTRABAR if one.intrabar else 1) for one in nodes.values())
        if count > MOST_STUDIES:
            sentence = (
                f"The candle indicators of all screens that are looked at would be computed {count:,} times a candle for "
                f"{every} symbols; {MOST_STUDIES:,} are the most."
            )
            raise ScreenRefused([Mistake(COLUMNS, 0, sentence, "Use fewer of them, or without intrabar.")])

    def _lend(self, sieves: list[Sieve]) -> None:
        engine = self._watch.engine
        windows = tuple(dict.fromkeys(name for one in sieves for name in one.windows))
        pairs = tuple(dict.fromkeys(pair for one in sieves for pair in one.pairs))
        before = engine.lent
        try:
            engine.lend(windows, pairs)
        except ConfigError as error:
            raise ScreenRefused([Mistake(COLUMNS, 0, str(error), "Use windows that other screens or rules have.")]) from None
        self._warming.begin([one for one in engine.lent if one not in before])

    # A step

    def _on_table(self, _table: MetricTable) -> None:
        if not self._screens and not self._held:
            return
        self._forget(KEPT_S)
        self._warming.step()
        wide = self._watch.engine.wide
        if (self._screens or self._held) and wide is not None:
            self._table.tick(self._frame(wide))

    def _frame(self, table: MetricTable) -> Tick:
        watch = self._watch
        return watch.facts.tick(table, watch.state, watch.candles.columns)

    def _seen(self, screen: LiveScreen, table: MetricTable) -> Sight:
        """A copy of what its programs said, for the columns of the table are good for one step."""
        frame = self._frame(table)
        results = [one.evaluate(frame) for one in screen.programs]
        width = len(table.symbols)
        no_data = np.isnan(table.points["price"])
        state = next(iter(table.state.values()), None)
        quiet = np.zeros(width, np.bool_) if state is None else (state & np.uint8(WindowState.STALE)) != 0
        samples = self._watch.state.samples
        if samples is not None:
            quiet = quiet | samples.gap
        truth = np.full(width, TRUE, np.int8)
        if screen.sieve.filter is not None:
            said = results.pop(0).truth
            assert said is not None
            truth = said.copy()
            truth[no_data | quiet if screen.sieve.market_only else no_data] = UNKNOWN
        columns = tuple(np.array(one.values) for one in results)
        return Sight(table.time_ms, screen.sieve, table.symbols, truth, columns, no_data, quiet)
