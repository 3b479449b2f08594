"""The rule lab: 30 days of one-second samples of ten symbols, from samples in memory to every firing and figure.

The floor is the rule language alone: the truth of the rule at every step, without what follows from it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.harness import Report, interleave, parse
from benchmarks.rules import a_history
from marketwatch.lab.preview import preview
from marketwatch.lab.question import DAY_MS, Question, question
from marketwatch.lab.trial import Track, conclude, look
from marketwatch.rules.along import along
from marketwatch.rules.history import History

RULES = ("change(5m) <= -0.1", "volatility(60) > 0.01 and drawdown(1h) < -0.1", "price > 60000")


def whole(asked: Question, histories: Sequence[History]) -> float:
    """Seconds for all symbols, one after the other."""
    start = time.perf_counter()
    trials = []
    for history in histories:
        track = Track(history.symbol, history.from_ms, history.sample_ms)
        look(asked, track, history, {}, history.from_ms)
        trials.append(conclude(asked, track))
    preview(asked, trials)
    return time.perf_counter() - start


def floor(asked: Question, histories: Sequence[History]) -> float:
    """Seconds for the truths alone."""
    start = time.perf_counter()
    for history in histories:
        along(asked.program, history, windows=asked.windows)
    return time.perf_counter() - start


def main() -> None:
    arguments = parse(__doc__)
    report = Report("lab", arguments, ("numpy",))
    days, symbols = (3, 2) if arguments.quick else (30, 10)
    histories = [a_history("S" * (number + 1), days * 86_400) for number in range(symbols)]
    names = [history.symbol for history in histories]
    start_ms = histories[0].from_ms
    for rule in RULES:
        asked = question(
            rule, symbols=names, watched=names, from_ms=start_ms, to_ms=start_ms + days * DAY_MS, sample_ms=1000,
            reference=names[0],
        )  # fmt: skip
        rivals: dict[str, Any] = {
            "marketwatch": partial(whole, asked, histories),
            "truth alone": partial(floor, asked, histories),
        }
        what = f"{rule}, {days} days of 1 s, {symbols} symbols"
        report.add(interleave(rivals, arguments.runs), unit="s", what=what, base="truth alone")
    report.print()


if __name__ == "__main__":
    main()
