"""The screener at a tick: a filter of three conditions with five columns over 2,000 symbols, evaluated, sorted, put into words.

Everybody who looks at the same screen shares this; the stream does it once a second. `evaluated`: the rule language alone, at
every sample step. `shown`: that, and the first hundred of those that pass as one fragment, in another order than before.
`32 screens` are as many as may be looked at, all different. Milliseconds of processor time; lower is better.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks.harness import Report, interleave, parse
from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.model.market import Instrument, Samples, Source
from marketwatch.model.metrics import MetricTable
from marketwatch.screener.question import Question, read
from marketwatch.screener.screener import MOST_SCREENS, Screener
from marketwatch.screener.sight import arrange
from marketwatch.watch import Watch
from marketwatch.web.contexts.screen_rows import MOST_ROWS, Found, matches_view, said_view
from marketwatch.web.render import Renderer

START_MS = 1_700_000_000_000
FILTER = "change(60) > -{} and volatility(60) > 0 and volume(60) > 0"
COLUMNS = "price, change(60), volatility(60), drawdown(60), 12 * volume(60) / trade_rate(60)"


class Screens:
    """A watch of `width` symbols, all of which trade at every step, and `count` screens; calling it runs `steps` of them."""

    def __init__(self, width: int, count: int, steps: int, *, shown: bool) -> None:
        instruments = [Instrument(f"C{n}USDT", f"C{n}", "USDT") for n in range(width)]
        settings = Settings.of(backfill=False)
        self._watch = Watch(settings=settings, source=Source.LIVE, venue="binance", instruments=instruments, on_error=_raise)
        self._began = self._ended = 0.0
        self._watch.bus.subscribe(MetricTable, self._before, name="before")
        self._screener = Screener(watch=self._watch, sample_ms=500, now=lambda: 0.0)
        self._watch.bus.subscribe(MetricTable, self._after, name="after")
        self._renderer = Renderer(settings, ManualClock(START_MS))
        self._questions = [Question(FILTER.format(number + 1), COLUMNS, "", "change(60)", "desc") for number in range(count)]
        self._sieves = [read(one) for one in self._questions]
        self._random, self._time_ms = np.random.default_rng(7), START_MS
        self._price, self._steps, self._shown = 100.0 + np.arange(width), steps, shown
        for number in range(70):
            self._step()
            for sieve in self._sieves if number else ():
                self._screener.look(sieve)

    def _before(self, _table: MetricTable) -> None:
        self._began = time.process_time()

    def _after(self, _table: MetricTable) -> None:
        self._ended = time.process_time()

    def _step(self) -> float:
        """One sample step; the screener's share of its processor time, in seconds."""
        width = len(self._price)
        self._price = self._price * (1.0 + self._random.normal(0, 3e-4, width))
        ones = np.ones(width)
        samples = Samples(
            time_ms=self._time_ms, sample_ms=500, symbols=self._watch.symbols, price=self._price, open=self._price,
            high=self._price, low=self._price, volume=ones, notional=self._price, taker_buy_volume=ones / 2,
            trades=np.full(width, 3, np.int64), bid=self._price, ask=self._price, first_id=np.ones(width, np.int64),
            last_id=np.ones(width, np.int64), gap=np.zeros(width, np.bool_),
        )  # fmt: skip
        self._time_ms += 500
        self._watch.bus.publish(samples)
        return self._ended - self._began

    def _show(self) -> None:
        for sieve, question in zip(self._sieves, self._questions, strict=True):
            found = Found(sieve, arrange(self._screener.look(sieve), None, question.sort, question.direction, MOST_ROWS))
            view = matches_view(self._watch, found)
            assert len(view.rows) == min(MOST_ROWS, len(self._price))
            self._renderer.fragment("fragments/_screened.html", said_view(found))
            self._renderer.fragment("fragments/_matches.html", view)

    def __call__(self) -> float:
        """The median over the steps."""
        spent = []
        for _ in range(self._steps):
            evaluated = self._step()
            start = time.process_time()
            for sieve in self._sieves:
                self._screener.look(sieve)
            if self._shown:
                self._show()
            spent.append((evaluated + time.process_time() - start) * 1000)
        return float(np.median(spent))


def _raise(name: str, error: BaseException) -> None:
    raise RuntimeError(name) from error


def main() -> int:
    """Run, print."""
    arguments = parse(__doc__)
    report = Report("screener", arguments, libraries=("numpy", "jinja2"))
    width, steps = (500, 10) if arguments.quick else (2000, 40)
    screens = {
        "evaluated": Screens(width, 1, steps, shown=False),
        "shown": Screens(width, 1, steps, shown=True),
        f"{MOST_SCREENS} screens, evaluated": Screens(width, MOST_SCREENS, steps, shown=False),
    }
    what = f"3 conditions, 5 columns, {width} symbols"
    report.add(interleave(screens, arguments.runs), unit="ms a step", what=what, base="evaluated")
    report.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
