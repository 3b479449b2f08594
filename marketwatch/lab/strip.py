"""A long column in the pieces in which it came, so that nothing is copied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.truth import F8

I8 = NDArray[np.int64]


class Strip:
    """Pieces one after the other; a step is counted from the beginning of the first."""

    def __init__(self) -> None:
        self._parts: list[F8] = []
        self._starts: list[int] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, part: F8) -> None:
        """The next piece; nobody may write into it any more."""
        self._parts.append(part)
        self._starts.append(self._size)
        self._size += len(part)

    def at(self, steps: I8) -> F8:
        """The values at some steps."""
        found = np.empty(len(steps))
        place = np.searchsorted(self._starts, steps, side="right") - 1
        for number in np.unique(place).tolist():
            own = place == number
            found[own] = self._parts[number][steps[own] - self._starts[number]]
        return found

    def known(self, first: int) -> NDArray[np.bool_]:
        """Where there is a value, from the step `first` on."""
        parts = [np.isfinite(part) for part in self._parts]
        return np.concatenate(parts)[first:] if parts else np.zeros(0, np.bool_)

    def whole(self) -> F8:
        """All of it as one."""
        return np.concatenate(self._parts) if self._parts else np.empty(0)
