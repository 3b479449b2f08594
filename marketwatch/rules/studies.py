"""Indicators over closed candles across all symbols: computed once when a candle closes, held until the next does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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

    def take(self, frame: Frame) -> F8:
        """Over all symbols; one number (shape ()) where the rule names the symbol."""
        candles = frame.candles(self._node.interval)
        if self._node.symbol is not None and self._symbol is None:
            return self._value
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
