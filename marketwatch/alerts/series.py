"""Series of tests in short: `100+1x60 99 _x5 ?x3` is a value for each sample step.

`99` is one step, `99x30` thirty of them, `100+1x60` sixty steps that begin at 100 and rise by 1. `_` is a step without a trade:
the last price holds. `?` is a step of which nobody knows anything.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from ..errors import MarketwatchError

MOST_STEPS = 100_000
HELD, LOST = math.inf, math.nan
"""What stands for `_` and for `?` among the values."""
_NUMBER = r"[-+]?(?:\d{1,15}\.?\d{0,15}|\.\d{1,15})(?:[eE][-+]?\d{1,2})?"
_WORD = re.compile(
    rf"(?:(?P<sign>[_?])|(?P<first>{_NUMBER})(?P<step>[-+](?!$)[\d.]+(?:[eE][-+]?\d{{1,2}})?)?)(?:x(?P<times>\d{{1,9}}))?"
)


class SeriesError(MarketwatchError):
    """A series that cannot be read. `column` counts from 1."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"Column {column}: {message}")
        self.column = column
        self.message = message


def read_series(text: str) -> NDArray[np.float64]:
    """A value for each step, `HELD` and `LOST` among them. Raises SeriesError and nothing else."""
    parts: list[NDArray[np.float64]] = []
    steps = 0
    for match in re.finditer(r"\S+", text):
        column, word = match.start() + 1, match.group()
        found = _WORD.fullmatch(word) if word.isascii() else None
        if found is None:
            raise SeriesError(column, f"{word[:30]!r} is no part of a series; write 100, 100x5, 100+1x60, _ or ?.")
        times = 1 if found["times"] is None else int(found["times"])
        steps += times
        if not times or steps > MOST_STEPS:
            raise SeriesError(column, f"A series has from 1 to {MOST_STEPS:,} steps.")
        parts.append(_values(found, times, column))
    if not parts:
        raise SeriesError(1, "The series is empty; write 100x60.")
    return np.concatenate(parts)


def _values(found: re.Match[str], times: int, column: int) -> NDArray[np.float64]:
    if found["sign"] is not None:
        return np.full(times, HELD if found["sign"] == "_" else LOST)
    try:
        first, step = float(found["first"]), float(found["step"] or 0.0)
    except ValueError:
        raise SeriesError(column, f"{found.group()[:30]!r} is no number.") from None
    values = first + step * np.arange(times, dtype=np.float64)
    if np.abs(values).max() > 1e15:
        raise SeriesError(column, "A value of a series is at most 1e15.")
    return np.asarray(values, np.float64)
