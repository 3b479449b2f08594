"""What a ledger moved, as float columns that grow along: what performance reads without touching a Decimal."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray


class Trail:
    """Moves in the order of time. `names`: the place of each asset, in the order of its first move."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self._time_ms: list[int] = []
        self._assets: list[int] = []
        self._quantities: list[float] = []

    def __len__(self) -> int:
        return len(self._quantities)

    def fork(self) -> Trail:
        """A copy that goes its own way."""
        found = Trail()
        found.names = self.names.copy()
        found._time_ms, found._assets, found._quantities = self._time_ms[:], self._assets[:], self._quantities[:]
        return found

    def add(self, time_ms: int, asset: str, quantity: Decimal) -> None:
        self._time_ms.append(time_ms)
        self._assets.append(self.names.setdefault(asset, len(self.names)))
        self._quantities.append(float(quantity))

    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Times in ms, places of assets, signed quantities: copies, whole even while another thread adds."""
        count = len(self._quantities)
        return (
            np.array(self._time_ms[:count], np.int64),
            np.array(self._assets[:count], np.int64),
            np.array(self._quantities[:count], np.float64),
        )
