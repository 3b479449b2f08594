"""Closed sample steps: columns over all symbols, held for a while so that late trades can amend them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.market import Samples

OPEN, HIGH, LOW, PRICE, VOLUME, NOTIONAL, TAKER_BUY, BID, ASK = range(9)
TRADES, FIRST_ID, LAST_ID, FIRST_MS, LAST_MS = range(5)
_REVISION_MS = 120_000
_REVISION_CELLS = 150_000


@dataclass(slots=True)
class Step:
    """One step. `prices` is float64 (9, symbols), `counts` int64 (5, symbols), `gap` bool (symbols)."""

    number: int
    prices: NDArray[np.float64]
    counts: NDArray[np.int64]
    gap: NDArray[np.bool_]

    @classmethod
    def empty(cls, number: int, last_price: NDArray[np.float64]) -> Step:
        """A step without a trade: the four prices hold the last known one."""
        prices = np.zeros((9, len(last_price)))
        prices[:4] = last_price
        return cls(number, prices, np.zeros((5, len(last_price)), np.int64), np.zeros(len(last_price), np.bool_))

    def copy(self) -> Step:
        return Step(self.number, self.prices.copy(), self.counts.copy(), self.gap.copy())

    def hold(self, symbol: int, price: float) -> None:
        """No trade of the symbol, and its last known price is `price`."""
        self.prices[:4, symbol] = price
        self.gap[symbol] = False

    def lose(self, symbol: int) -> None:
        """No trade of the symbol arrived, and nobody knows whether there was one."""
        self.prices[:4, symbol] = np.nan
        self.gap[symbol] = True

    def samples(self, sample_ms: int, symbols: tuple[str, ...], revised: NDArray[np.intp] | None = None) -> Samples:
        """The fact that subscribers get. It shares memory with the step, so a published step is never written again."""
        prices, counts = self.prices, self.counts
        return Samples(
            time_ms=self.number * sample_ms, sample_ms=sample_ms, symbols=symbols,
            open=prices[OPEN], high=prices[HIGH], low=prices[LOW], price=prices[PRICE],
            volume=prices[VOLUME], notional=prices[NOTIONAL], taker_buy_volume=prices[TAKER_BUY], trades=counts[TRADES],
            bid=prices[BID], ask=prices[ASK], first_id=counts[FIRST_ID], last_id=counts[LAST_ID], gap=self.gap,
            revised=revised,
        )  # fmt: skip


def steps_held(sample_ms: int, symbols: int) -> int:
    """How many closed steps can be amended: those of 120 s, fewer with very many symbols."""
    return max(8, min(_REVISION_MS // sample_ms, _REVISION_CELLS // max(1, symbols)))


class Retained:
    """The newest closed steps, by number, bounded. Amendments are collected on copies and published together."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._steps: deque[Step] = deque(maxlen=capacity)
        self._touched: dict[int, set[int]] = {}

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def append(self, step: Step) -> None:
        self._steps.append(step)

    def position(self, number: int) -> int | None:
        """Where the step of that number is, None when it is not held (too old, or skipped)."""
        low, high = 0, len(self._steps)
        while low < high:
            middle = (low + high) // 2
            if self._steps[middle].number < number:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self._steps) and self._steps[low].number == number else None

    def at(self, position: int) -> Step:
        return self._steps[position]

    def amend(self, position: int, symbol: int) -> Step:
        """The step at that position, made writable and noted as touched for the symbol."""
        step = self._steps[position]
        if step.number not in self._touched:
            self._touched[step.number] = set()
            step = self._steps[position] = step.copy()
        self._touched[step.number].add(symbol)
        return step

    def hold_on(self, position: int, symbol: int, price: float) -> bool:
        """Carry a changed close over the steps after `position` that had no trade. True when it reached the newest step."""
        for later in range(position + 1, len(self._steps)):
            step = self._steps[later]
            if step.counts[TRADES, symbol]:
                return False
            if not step.gap[symbol] and step.prices[PRICE, symbol] != price:
                self.amend(later, symbol).hold(symbol, price)
        return True

    def flush(self, publish: Callable[[Step, NDArray[np.intp]], None]) -> int:
        """Publish every touched step once, oldest first; answers how many."""
        touched, self._touched = self._touched, {}
        for number in sorted(touched):
            position = self.position(number)
            if position is not None:
                publish(self._steps[position], np.array(sorted(touched[number]), np.intp))
        return len(touched)
