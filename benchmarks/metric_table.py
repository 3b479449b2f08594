"""Every metric of the metric table for 2,000 symbols at one sample step, at windows of 60, 600 and 3,600 samples.

Ours is the engine of the program with state, point metrics and the table object, once with nine window metrics read and once
with all 18 (a column is computed when it is first read). `recomputed` is plain numpy over the whole window for the nine (sma,
ema by its recursion, price_std, volatility, drawdown, max_drawdown, vwap, zscore, change), which is what a rolling table costs
without keeping sums. `pandas` does the same nine with wide rolling frames.
Milliseconds of processor time a step; lower is better.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Figure, Peer, PeerMissing, Report, interleave, parse, short
from marketwatch.engine.engine import Engine
from marketwatch.model.market import Samples
from marketwatch.model.metrics import WINDOW_METRICS, MetricTable

Floats = NDArray[np.float64]
SYMBOLS = 2000
NINE = ("sma", "ema", "price_std", "volatility", "drawdown", "max_drawdown", "vwap", "zscore", "change")
PANDAS = r"""
import json, sys, time
import numpy as np, pandas as pd
symbols, window, runs = map(int, sys.argv[1:])
random = np.random.default_rng(0)
price = pd.DataFrame(100 * np.exp(np.cumsum(random.normal(0, 1e-4, (window, symbols)), axis=0)))
volume = pd.DataFrame(random.random((window, symbols)))
def step():
    start = time.process_time()
    mean, std, last = price.mean(), price.std(ddof=0), price.iloc[-1]
    price.ewm(span=window, adjust=False).mean().iloc[-1]
    100 * std / mean
    peak = price.cummax()
    100 * (last / peak.iloc[-1] - 1)
    100 * (price / peak - 1).min()
    (price * volume).sum() / volume.sum()
    (last - mean) / std
    100 * (last / price.iloc[0] - 1)
    return (time.process_time() - start) * 1000
step()
print(json.dumps([step() for _ in range(runs)]))
"""


def market(symbols: int) -> Iterator[Samples]:
    """Samples without end: random walks in which everything trades in every step."""
    random = np.random.default_rng(0)
    names = tuple(f"S{at}" for at in range(symbols))
    price, ids, number = random.uniform(1, 100, symbols), np.zeros(symbols, np.int64), 0
    while True:
        price = price * np.exp(random.normal(0, 1e-4, symbols))
        volume = random.random(symbols)
        yield Samples(
            number * 500, 500, names, price, price * 1.0001, price * 0.9999, price, volume, volume * price, volume * 0.4,
            np.ones(symbols, np.int64), price * 0.9999, price * 1.0001, ids, ids, np.zeros(symbols, np.bool_),
        )  # fmt: skip
        number += 1


class Ours:
    """The engine with a full window, of whose table `metrics` are read at each step. `worst` is the slowest single step."""

    def __init__(self, window: int, steps: int, metrics: Sequence[str]) -> None:
        self._metrics = metrics
        self._window = str(window)
        self._feed = market(SYMBOLS)
        self._steps = steps
        self.worst = 0.0
        names = tuple(f"S{at}" for at in range(SYMBOLS))
        self._engine = Engine(symbols=names, sample_ms=500, windows=(self._window,), reference="S0", publish=self._read)
        for _ in range(window + window // 4):
            self._engine.on_samples(next(self._feed))

    def _read(self, table: MetricTable) -> None:
        values = table.values[self._window]
        for metric in self._metrics:
            values[metric]

    def __call__(self) -> float:
        spent = []
        for _ in range(self._steps):
            samples = next(self._feed)
            start = time.process_time()
            self._engine.on_samples(samples)
            spent.append((time.process_time() - start) * 1000)
        self.worst = max(self.worst, *spent)
        return float(np.median(spent))


def recomputed(window: int) -> float:
    """Nine metrics from the whole window, in milliseconds."""
    random = np.random.default_rng(0)
    price: Floats = 100 * np.exp(np.cumsum(random.normal(0, 1e-4, (window, SYMBOLS)), axis=0))
    volume, average = random.random((window, SYMBOLS)), price[0]
    start = time.process_time()
    mean, std, last = price.mean(axis=0), price.std(axis=0), price[-1]
    average = average + 2 / (window + 1) * (last - average)
    peak = np.maximum.accumulate(price, axis=0)
    table = (
        100 * std / mean, 100 * (last / peak[-1] - 1), 100 * ((price / peak).min(axis=0) - 1),
        (price * volume).sum(axis=0) / volume.sum(axis=0), (last - mean) / std, 100 * (last / price[0] - 1), average,
    )  # fmt: skip
    assert all(np.isfinite(column).all() for column in table)
    return (time.process_time() - start) * 1000


def main() -> int:
    """Run, print."""
    arguments = parse(__doc__)
    report = Report("metric table, 2,000 symbols", arguments, libraries=("numpy",))
    for window in (60, 600) if arguments.quick else (60, 600, 3600):
        steps = 50 if arguments.quick else 200
        ours = {"ours (9 metrics)": Ours(window, steps, NINE), "ours (18 metrics)": Ours(window, steps, WINDOW_METRICS)}
        figures = interleave({**ours, "recomputed (9)": partial(recomputed, window)}, arguments.runs)
        if arguments.peers:
            try:
                found = Peer("pandas", "pandas").run(PANDAS, str(SYMBOLS), str(window), str(arguments.runs))
                figures["pandas, wide frames (9)"] = Figure(tuple(found))
            except PeerMissing as missing:
                report.note(str(missing))
        report.add(figures, unit="ms a step", what=f"window of {window} samples", base="ours (9 metrics)")
        worst = max(one.worst for one in ours.values())
        report.note(f"window of {window}: slowest single step of ours {short(worst)} ms")
    report.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
