"""Indicators over closed candles across all symbols: computed once when a candle closes, held until the next does."""

from __future__ import annotations

import numpy as np

from .frame import Candles, Frame
from .nodes import Indicator
from .talib import FIELDS, output, studies
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
            return np.asarray(newest(self._node, candles, self._symbol))
        return np.array([newest(self._node, candles, symbol) for symbol in range(candles.close.shape[1])])


def newest(node: Indicator, candles: Candles, symbol: int) -> float:
    """The indicator at the newest closed candle of a symbol."""
    columns = {name: np.ascontiguousarray(getattr(candles, name)[:, symbol]) for name in FIELDS}
    return float(along_candles(node, columns)[-1]) if len(columns["close"]) else np.nan


def along_candles(node: Indicator, columns: dict[str, F8]) -> F8:
    """The indicator at every candle of one symbol."""
    if node.name in ("open", "close"):
        return columns[node.name]
    return output(studies()[node.name], node.parameters, columns, node.output)
