"""Rules: 1,000 of them over 2,000 symbols at a tick, and 30 days of one-second samples of ten symbols at once.

The floor of the tick is numpy alone: as many comparisons of float64 columns as the rules hold, one call each, without a
thought for what is unknown. For the history it is pandas' rolling windows over the same columns, where pandas is installed
in an environment of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness import Peer, PeerMissing, Report, interleave, parse
from marketwatch.model.market import Instrument
from marketwatch.model.metrics import WINDOW_METRICS, MetricTable, Window
from marketwatch.rules.along import along
from marketwatch.rules.frame import MarketFacts
from marketwatch.rules.history import History
from marketwatch.rules.live import LiveTable
from marketwatch.rules.program import Program, compile_rule
from marketwatch.rules.verdicts import Rows
from marketwatch.state import LiveState

WINDOWS = (Window("60", 500, 60), Window("5m", 500, 600), Window("1h", 60_000, 60), Window("24h", 60_000, 1440))
PANDAS = """
import json, sys, time
import numpy as np, pandas as pd
size = int(sys.argv[1])
price = pd.Series(60000 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 1e-5, size))))
start = time.perf_counter()
rolling = price.rolling(60)
volatility = 100 * rolling.std(ddof=0) / rolling.mean()
drawdown = 100 * (price / price.rolling(3600).max() - 1)
fires = int(((volatility > 0.01) & (drawdown < -0.1)).sum())
print(json.dumps(time.perf_counter() - start))
"""


def comparison(random: np.random.Generator) -> str:
    window = WINDOWS[random.integers(len(WINDOWS))].name
    return f"{random.choice(WINDOW_METRICS)}({window}) {random.choice(['<', '>', '<=', '>='])} {random.normal():.4f}"


def rules(count: int) -> list[str]:
    """All different: two comparisons of random metrics with random thresholds each, some with arithmetic or a third."""
    random = np.random.default_rng(7)
    found = []
    for number in range(count):
        parts = [comparison(random) for _ in range(2 + (number % 10 == 0))]
        if number % 20 == 0:
            parts[0] = f"abs(price / sma(60) - 1) * 100 > {random.random():.4f}"
        found.append(f" {random.choice(['and', 'or'])} ".join(parts))
    return found


def a_table(symbols: tuple[str, ...], time_ms: int) -> MetricTable:
    random = np.random.default_rng(time_ms)
    names = ("price", "bid", "ask", "spread_bps")
    return MetricTable(
        time_ms, symbols, WINDOWS, {name: random.normal(100, 1, len(symbols)) for name in names},
        {window.name: {name: random.normal(size=len(symbols)) for name in WINDOW_METRICS} for window in WINDOWS},
        {window.name: np.zeros(len(symbols), np.uint8) for window in WINDOWS},
        {window.name: np.full(len(symbols), window.length) for window in WINDOWS},
    )  # fmt: skip


class Ticks:
    """A live table with many rules, and numpy doing nothing but the comparisons."""

    def __init__(self, count: int, width: int) -> None:
        symbols = tuple(f"S{number}" for number in range(width))
        self._facts = MarketFacts(symbols)
        self._state = LiveState([Instrument(symbol, symbol, "USDT") for symbol in symbols])
        self._tables = [a_table(symbols, 500 * number) for number in range(1, 9)]
        self.table = LiveTable(symbols=symbols, sample_ms=500)
        self.programs = self.table.add_all(compile_rule(rule) for rule in rules(count))
        self._rows: Rows | None = None
        self._time_ms = 0
        self._columns = [self._tables[0].values["60"][name] for name in WINDOW_METRICS]
        self._comparisons = sum(rule.count("<") + rule.count(">") for rule in rules(count))

    def ours(self) -> float:
        """Milliseconds a tick, with the truths of all programs taken out as the evaluator takes them."""
        frames = []
        for table in self._tables:
            self._time_ms += 500
            moved = MetricTable(
                self._time_ms, table.symbols, table.windows, table.points, table.values, table.state, table.filled
            )
            frames.append(self._facts.tick(moved, self._state, lambda interval: None))
        start = time.perf_counter()
        for frame in frames:
            self.table.tick(frame)
            if self._rows is None:
                self._rows = self.table.verdicts.rows(live.program.expression for live in self.programs)
            self.table.verdicts.take(self._rows)
        return (time.perf_counter() - start) * 1e3 / len(frames)

    def floor(self) -> float:
        """Milliseconds for as many plain comparisons."""
        start = time.perf_counter()
        for number in range(self._comparisons):
            _ = self._columns[number % len(self._columns)] > 0.5
        return (time.perf_counter() - start) * 1e3


def a_history(symbol: str, size: int) -> History:
    random = np.random.default_rng(len(symbol))
    price = 60_000 * np.exp(np.cumsum(random.normal(0, 1e-5, size)))
    volume = random.exponential(1.0, size)
    trades = random.integers(0, 5, size).astype(np.float64)
    return History(
        symbol, 1000, 1_700_000_000_000 // 1000 * 1000, price, price, price, price, volume, volume * price, volume / 2, trades,
        price - 1, price + 1, np.zeros(size, np.bool_),
    )  # fmt: skip


def along_all(program: Program, histories: Sequence[History], windows: dict[str, Window]) -> float:
    """Seconds for all symbols, one after the other."""
    start = time.perf_counter()
    for history in histories:
        along(program, history, windows=windows)
    return time.perf_counter() - start


def main() -> None:
    arguments = parse(__doc__)
    report = Report("rules", arguments, ("numpy",))
    count, width = (200, 500) if arguments.quick else (1000, 2000)
    ticks = Ticks(count, width)
    figures = interleave({"marketwatch": ticks.ours, "numpy, comparisons alone": ticks.floor}, arguments.runs)
    report.add(figures, unit="ms a tick", what=f"{count} different rules x {width} symbols", base="numpy, comparisons alone")
    days, symbols = (3, 2) if arguments.quick else (30, 10)
    histories = [a_history("S" * (number + 1), days * 86_400) for number in range(symbols)]
    windows = {"60": Window("60", 1000, 60), "1h": Window("1h", 60_000, 60), "5m": Window("5m", 1000, 300)}
    for source in ("volatility(60) > 0.01 and drawdown(1h) < -0.1", "change(5m) <= -0.1", "rsi(14, 1m) < 30"):
        program = compile_rule(source)
        rivals: dict[str, Any] = {"marketwatch": lambda program=program: along_all(program, histories, windows)}
        if source.startswith("volatility") and arguments.peers:
            rivals |= _pandas(report, days * 86_400, symbols)
        what = f"{source}, {days} days of 1 s, {symbols} symbols"
        report.add(interleave(rivals, arguments.runs), unit="s", what=what, base="marketwatch")
    report.print()


def _pandas(report: Report, size: int, symbols: int) -> dict[str, Any]:
    try:
        peer = Peer("pandas", "pandas==2.3.3", "numpy")
    except PeerMissing as error:
        report.note(str(error))
        return {}
    return {"pandas, rolling": lambda: symbols * float(peer.run(PANDAS, str(size)))}


if __name__ == "__main__":
    main()
