"""Indicators over closed candles across all symbols: computed once when a candle closes, held until the next does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .catalogue import CANDLE_FIELDS
from .frame import Candles, Frame
from .nodes import Indicator
from .talib import call, output, studies
from .truth import F8


class StudyColumn:
    """One indicator. A late trade or a filled hole shows at the next close. `symbol`: the row it is about, None for all."""

    def __init__(self, node: Indicator, symbol: int | None) -> None:
        self._node = node
        self._symbol = symbol
        self._newest_ms = -1
        self._value: F8 = np.asarray(np.nan)
        self._open = OpenColumns(node) if node.intrabar else None

    def take(self, frame: Frame) -> F8:
        """Over all symbols; one number (shape ()) where the rule names the symbol."""
        candles = frame.candles(self._node.interval)
        if self._node.symbol is not None and self._symbol is None:
            return self._value
        if self._open is not None:
            symbols = range(len(frame.table.symbols)) if self._symbol is None else [self._symbol]
            values = self._open.take(candles, frame.candles(self._node.interval, running=True), symbols)
            return values if self._symbol is None else np.asarray(values[0])
        if candles is None:
            return np.full(len(frame.table.symbols), np.nan) if self._node.symbol is None else self._value
        if candles.newest_ms != self._newest_ms:
            self._newest_ms = candles.newest_ms
            self._value = self._computed(candles)
        return self._value

    def _computed(self, candles: Candles) -> F8:
        if self._symbol is not None:
            return np.asarray(newest(self._node, candles, [self._symbol])[0])
        return newest(self._node, candles, range(candles.close.shape[1]))


class OpenColumns:
    """One indicator with the open candle: at each tick anew, for the symbols whose candle has changed since the last one."""

    def __init__(self, node: Indicator) -> None:
        self._node = node
        self._names = (node.name,) if node.name in CANDLE_FIELDS else studies()[node.name].inputs
        self._newest_ms = -2
        self._columns: list[F8] = []
        self._first = np.zeros(0, np.intp)
        self._cells: F8 = np.zeros((0, 0))
        self._values: F8 = np.zeros(0)

    def take(self, closed: Candles | None, running: Candles | None, symbols: Sequence[int]) -> F8:
        """The values of some symbols, always the same ones."""
        newest_ms = -1 if closed is None else closed.newest_ms
        wanted = np.asarray(symbols, np.intp)
        if newest_ms != self._newest_ms or running is None:
            self._begin(closed, wanted)
            self._newest_ms = newest_ms
        if running is None:
            self._values = self._computed(np.arange(len(wanted)), slice(None, -1))
            self._newest_ms = -2
            return self._values
        cells = np.array([getattr(running, name)[0, wanted] for name in self._names])
        changed = np.flatnonzero(((cells != self._cells) & ~(np.isnan(cells) & np.isnan(self._cells))).any(axis=0))
        for column, row in zip(self._columns, cells, strict=True):
            column[:, -1] = row
        self._cells = cells
        self._values = self._values.copy()
        self._values[changed] = self._computed(changed, slice(None))
        return self._values

    def _begin(self, closed: Candles | None, wanted: NDArray[np.intp]) -> None:
        """Take the closed candles, with room for the open one behind them."""
        rows = 0 if closed is None else len(closed.close)
        self._columns = [np.full((len(wanted), rows + 1), np.nan) for _ in self._names]
        self._first = np.full(len(wanted), rows, np.intp)
        if closed is not None and rows:
            for column, name in zip(self._columns, self._names, strict=True):
                column[:, :-1] = getattr(closed, name)[:, wanted].T
            known = ~np.isnan(closed.close[:, wanted])
            self._first = np.where(known.any(axis=0), np.argmax(known, axis=0), rows)
        self._cells = np.full((len(self._names), len(wanted)), np.inf)
        self._values = np.full(len(wanted), np.nan)

    def _computed(self, places: NDArray[np.intp], part: slice) -> F8:
        out = np.full(len(places), np.nan)
        for at, place in enumerate(places.tolist()):
            inputs = [column[place, self._first[place] :][part] for column in self._columns]
            out[at] = last_value(self._node, inputs)
        return out


def last_value(node: Indicator, inputs: Sequence[F8]) -> float:
    """An indicator at the last of some candles, NaN where it is not known."""
    if not len(inputs[0]) or np.isnan(inputs[0][-1]):
        return np.nan
    if node.name in CANDLE_FIELDS:
        return float(inputs[0][-1])
    value = float(call(studies()[node.name], node.parameters, inputs)[node.output][-1])
    return value if np.isfinite(value) else np.nan


def newest(node: Indicator, candles: Candles, symbols: Sequence[int]) -> F8:
    """The indicator at the newest closed candle of some symbols."""
    if not len(candles.close):
        return np.full(len(symbols), np.nan)
    if node.name in CANDLE_FIELDS:
        return np.array(getattr(candles, node.name)[-1, symbols])
    study = studies()[node.name]
    columns = [np.ascontiguousarray(getattr(candles, name).T) for name in study.inputs]
    known = ~np.isnan(candles.close)
    first = np.where(known.any(axis=0), np.argmax(known, axis=0), -1)
    out = np.full(len(symbols), np.nan)
    for place, symbol in enumerate(symbols):
        if first[symbol] >= 0:
            out[place] = call(study, node.parameters, [column[symbol, first[symbol] :] for column in columns])[node.output][-1]
    return np.where(np.isfinite(out), out, np.nan)


def along_candles(node: Indicator, columns: dict[str, F8]) -> F8:
    """The indicator at every candle of one symbol."""
    if node.name in CANDLE_FIELDS:
        return columns[node.name]
    return output(studies()[node.name], node.parameters, columns, node.output)
