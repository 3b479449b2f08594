"""TA-Lib's functions by their own names: what they take, what they answer. The library is imported when first needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
FIELDS = ("open", "high", "low", "close", "volume")
MOST_PERIOD = 1000
_MOST_PARAMETER = 1e6
_NEEDS_MORE = frozenset({"mavp"})


class Study(NamedTuple):
    """A function: its parameters with their defaults (an int where it takes whole numbers), inputs and outputs."""

    name: str
    title: str
    parameters: dict[str, float]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@cache
def _library(name: str) -> Any:
    return import_module(name)


@cache
def studies() -> Mapping[str, Study]:
    """Every function that works on candles alone, by its name in lower case."""
    found = {}
    for name in _library("talib").get_functions():
        if name.lower() not in _NEEDS_MORE:
            info = _library("talib.abstract").Function(name).info
            found[name.lower()] = Study(
                name.lower(), str(info["display_name"]), dict(info["parameters"]), _inputs(info["input_names"]),
                tuple(info["output_names"]),
            )  # fmt: skip
    return found


def _inputs(names: Mapping[str, Any]) -> tuple[str, ...]:
    listed = [[one] if isinstance(one, str) else list(one) for one in names.values()]
    return tuple(name for part in listed for name in part)


def completed(study: Study, given: Sequence[float]) -> tuple[float, ...]:
    """The given parameters and the defaults of the rest. Raises ValueError with a sentence where one is impossible."""
    if len(given) > len(study.parameters):
        most = len(study.parameters)
        raise ValueError(f"{study.name} takes {most} number{'' if most == 1 else 's'} before the interval, not {len(given)}.")
    values = (*given, *list(study.parameters.values())[len(given) :])
    for (name, default), value in zip(study.parameters.items(), values, strict=True):
        whole = isinstance(default, int)
        if whole and (value != int(value) or not 0 <= value <= MOST_PERIOD):
            raise ValueError(f"{name} of {study.name} is a whole number from 0 to {MOST_PERIOD}.")
        if not math.isfinite(value) or abs(value) > _MOST_PARAMETER:
            raise ValueError(f"{name} of {study.name} is out of range.")
    _probe(study.name, values)
    return values


@cache
def _probe(name: str, values: tuple[float, ...]) -> None:
    """Let the library itself judge the parameters, on a few made-up candles."""
    column = np.linspace(1.0, 2.0, 8)
    try:
        run(studies()[name], values, dict.fromkeys(FIELDS, column))
    except Exception as error:
        parameters = ", ".join(studies()[name].parameters)
        raise ValueError(f"TA-Lib refuses these parameters of {name} ({parameters}).") from error


def call(study: Study, values: Sequence[float], inputs: Sequence[F8]) -> list[NDArray[Any]]:
    """The library's own outputs for one symbol's inputs, oldest first."""
    whole = [isinstance(default, int) for default in study.parameters.values()]
    given = [int(value) if one else value for value, one in zip(values, whole, strict=True)]
    out = getattr(_library("talib"), study.name.upper())(*inputs, *given)
    return list(out) if isinstance(out, (list, tuple)) else [out]


def run(study: Study, values: Sequence[float], candles: Mapping[str, F8]) -> list[F8]:
    """All outputs over the candles of one symbol, oldest first; NaN until enough were seen."""
    return [_floats(column) for column in call(study, values, [candles[name] for name in study.inputs])]


def _floats(column: NDArray[Any]) -> F8:
    values = np.asarray(column, np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def output(study: Study, values: Sequence[float], candles: Mapping[str, F8], which: int) -> F8:
    """One output; candles before the first known close are passed over."""
    close = candles["close"]
    out = np.full(len(close), np.nan)
    known = np.flatnonzero(~np.isnan(close))
    if len(known):
        first = int(known[0])
        out[first:] = run(study, values, {name: np.ascontiguousarray(column[first:]) for name, column in candles.items()})[
            which
        ]
    return out


def average(values: F8, n: int) -> F8:
    """The exponential average of known values (TA-Lib EMA, seeded with the mean of the first n), at C speed."""
    return np.full(len(values), np.nan) if len(values) < n else np.asarray(_library("talib").EMA(values, n), np.float64)
