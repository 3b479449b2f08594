"""The exponential average of all symbols at once."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ring import ALL, F8, PRICE, BucketRing, Columns

_CHECKPOINTS = 8


class EmaState(NamedTuple):
    """`seen` prices so far; their sum `seed` until `length` of them make the first value."""

    value: F8
    seed: F8
    seen: NDArray[np.int64]

    def copy(self, columns: Columns = ALL) -> EmaState:
        return EmaState(self.value[columns].copy(), self.seed[columns].copy(), self.seen[columns].copy())

    def put(self, columns: Columns, part: EmaState) -> None:
        self.value[columns], self.seed[columns], self.seen[columns] = part


class Ema:
    """k = 2 / (length + 1), seeded with the mean of the first `length` prices (as TA-Lib); unknown prices are passed over.

    It remembers everything since the start, so copies of its state are kept at intervals: a late trade replays from one.
    """

    def __init__(self, ring: BucketRing, length: int, *, revisable: int) -> None:
        self._ring = ring
        self._length = length
        self._k = 2.0 / (length + 1.0)
        self._every = max(1, -(-revisable // (_CHECKPOINTS - 2)))
        self._checkpoints: deque[tuple[int, EmaState]] = deque(maxlen=_CHECKPOINTS)
        self.restart()

    def restart(self) -> None:
        """Start from what the ring holds."""
        self._checkpoints.clear()
        self._state = self._blank(self._ring.symbols)
        self._settled = False
        self._end = self._ring.first
        self._peeked: F8 | None = None
        while self._end < self._ring.end:
            self.push()

    @staticmethod
    def _blank(width: int) -> EmaState:
        return EmaState(np.full(width, np.nan), np.zeros(width), np.zeros(width, np.int64))

    def peek(self, price: F8, *, clean: bool) -> F8:
        """The average with one more price, without taking it in."""
        if self._settled and clean:
            value = price - self._state.value
            value *= self._k
            value += self._state.value
            self._peeked = value
            return value
        return self._next(self._state, price).value

    def push(self, *, at_hand: bool = False) -> None:
        """The ring has one bucket more; `at_hand`: it is the one that `peek` was last asked about."""
        number = self._end
        self._end += 1
        if number % self._every == 0:
            self._checkpoints.append((number, self._state.copy()))
        price = self._ring.row(number)[PRICE]
        if self._settled and self._ring.is_clean(number):
            value = self._peeked if at_hand and self._peeked is not None else self.peek(price, clean=True)
            self._state = self._state._replace(value=value)
        else:
            self._state = self._next(self._state, price)
            self._settled = bool((self._state.seen >= self._length).all())
        self._peeked = None

    def _next(self, state: EmaState, price: F8) -> EmaState:
        known = ~np.isnan(price)
        settled = state.seen >= self._length
        count = state.seen + known
        seed = np.where(known & ~settled, state.seed + np.where(known, price, 0.0), state.seed)
        value = np.where(known & settled, state.value + self._k * (price - state.value), state.value)
        value = np.where(known & ~settled & (count == self._length), seed / self._length, value)
        return EmaState(value, seed, count)

    def rebuild(self, columns: Columns, changed: int) -> None:
        """Replay some symbols from the last copy before the bucket `changed`, or from the oldest bucket held."""
        self._peeked = None
        usable = [(number, state) for number, state in self._checkpoints if self._ring.first <= number <= changed]
        start, state = usable[-1] if usable else (self._ring.first, self._blank(self._ring.symbols))
        part = state.copy(columns)
        later = {number: kept for number, kept in self._checkpoints if number > start}
        for number in range(start, self._end):
            if number in later:
                later[number].put(columns, part)
            part = self._next(part, self._ring.row(number)[PRICE, columns])
        self._state = self._state.copy()
        self._state.put(columns, part)
        self._settled = bool((self._state.seen >= self._length).all())
