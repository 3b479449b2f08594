"""Alerts: one tick of the evaluator with 1,000 rules over 2,000 symbols, states and alerts included.

The floor is numpy alone: as many comparisons of float64 columns as the rules hold, one call each, without states. The metrics
are slow random walks, so that cells pend, fire and recover all the time; `changed` tells how many did.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.harness import Report, interleave, parse
from marketwatch.alerts.evaluator import Evaluator
from marketwatch.model.alerts import Rule
from marketwatch.model.market import Instrument
from marketwatch.model.metrics import WINDOW_METRICS, MetricTable, Window
from marketwatch.rules.frame import MarketFacts
from marketwatch.state import LiveState

WINDOWS = (Window("60", 500, 60), Window("5m", 500, 600), Window("1h", 60_000, 60))
NAMES = ("volatility", "drawdown", "change", "zscore", "trade_rate", "buy_ratio")
TICKS = 20


def rule(number: int) -> Rule:
    """All different; a third with `for`, a third of two comparisons, most with a recovery threshold."""
    first, second = NAMES[number % 6], NAMES[(number * 7 + 1) % 6]
    window, other = WINDOWS[number % 3].name, WINDOWS[number // 3 % 3].name
    limit = 3.8 + number % 97 / 97
    text = f"{first}({window}) > {limit:.4f}"
    if number % 3 == 1:
        text = f"{first}({window}) > {limit - 1.4:.4f} and {second}({other}) < {-2.4 - number % 17 / 20:.4f}"
    recover = None if number % 5 == 0 else f"{limit - 1.8:.4f}"
    return Rule(
        f"r{number:04}", 1, f"Rule {number}", text, for_ms=5000 if number % 3 == 2 else 0, recover=recover,
        keep_firing_ms=2000, cooldown_ms=60_000,
    )  # fmt: skip


class Ticks:
    """An evaluator in a market that moves."""

    def __init__(self, count: int, width: int) -> None:
        self._symbols = tuple(f"S{number}" for number in range(width))
        self._facts = MarketFacts(self._symbols)
        self._state = LiveState([Instrument(symbol, symbol, "USDT") for symbol in self._symbols])
        self._random = np.random.default_rng(7)
        self._values = {one.name: {name: self._random.normal(size=width) for name in WINDOW_METRICS} for one in WINDOWS}
        self._time_ms = 0
        self.evaluator = Evaluator(symbols=self._symbols, sample_ms=500, rules=map(rule, range(count)))
        self._comparisons = sum(rule(number).expression.count("(") for number in range(count))
        self.changed: list[int] = []

    def _moved(self) -> MetricTable:
        width = len(self._symbols)
        for values in self._values.values():
            values |= {name: 0.995 * values[name] + 0.1 * self._random.normal(size=width) for name in NAMES}
        self._time_ms += 500
        price = np.full(width, 100.0)
        return MetricTable(
            self._time_ms, self._symbols, WINDOWS, {"price": price, "bid": price, "ask": price, "spread_bps": price},
            {name: dict(values) for name, values in self._values.items()},
            {one.name: np.zeros(width, np.uint8) for one in WINDOWS},
            {one.name: np.full(width, one.length) for one in WINDOWS},
        )  # fmt: skip

    def ours(self) -> float:
        """Milliseconds a tick."""
        spent = 0.0
        for _ in range(TICKS):
            frame = self._facts.tick(self._moved(), self._state, lambda interval: None)
            start = time.perf_counter()
            found = self.evaluator.evaluate(frame)
            spent += time.perf_counter() - start
            self.changed.append(0 if found is None else len(found.alerts))
        return spent * 1e3 / TICKS

    def floor(self) -> float:
        """Milliseconds for as many plain comparisons."""
        columns = list(self._values["60"].values())
        start = time.perf_counter()
        for number in range(self._comparisons):
            _ = columns[number % len(columns)] > 0.5
        return (time.perf_counter() - start) * 1e3


def main() -> None:
    arguments = parse(__doc__)
    report = Report("alerts", arguments, ("numpy",))
    count, width = (200, 500) if arguments.quick else (1000, 2000)
    ticks = Ticks(count, width)
    figures = interleave({"marketwatch": ticks.ours, "numpy, comparisons alone": ticks.floor}, arguments.runs)
    report.add(figures, unit="ms a tick", what=f"{count} rules x {width} symbols", base="numpy, comparisons alone")
    report.note(
        f"Changed: {sum(ticks.changed) / len(ticks.changed):.1f} episodes a tick, {len(ticks.evaluator.shown())} active."
    )
    report.print()


if __name__ == "__main__":
    main()
