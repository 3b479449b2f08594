"""One coin in a ledger: quantity and cost, by average or first in, first out."""

from __future__ import annotations

from collections import deque
from copy import copy
from decimal import Decimal
from typing import Self

from ..model.portfolio import NOTHING, CostMethod, Lot, Position
from .amounts import part


class Holding:
    """What is held at average cost: one pool. All arithmetic in the caller's exact context."""

    __slots__ = ("coin", "cost", "cost_known", "income", "quantity", "realized")

    def __init__(self, coin: str) -> None:
        self.coin = coin
        self.quantity = self.cost = self.realized = self.income = NOTHING
        self.cost_known = True

    def put(self, quantity: Decimal, cost: Decimal, time_ms: int, transaction_id: str) -> None:
        """Add a quantity and what it cost."""
        self.quantity += quantity
        self.cost += cost

    def take(self, quantity: Decimal) -> Decimal:
        """Remove a quantity of at most what is held; answers its cost. The last unit takes the whole rest."""
        cost = part(self.cost, quantity, self.quantity)
        self.quantity -= quantity
        self.cost -= cost
        if not self.quantity:
            self.cost_known = True
        return cost

    def fork(self) -> Self:
        """A copy that goes its own way."""
        return copy(self)

    def lots(self) -> tuple[Lot, ...]:
        return ()

    def position(self) -> Position:
        """As an immutable fact."""
        return Position(self.coin, self.quantity, self.cost, self.realized, self.income, self.cost_known, self.lots())


class FifoHolding(Holding):
    """What is held in lots; the oldest leaves first."""

    __slots__ = ("_lots",)

    def __init__(self, coin: str) -> None:
        super().__init__(coin)
        self._lots: deque[Lot] = deque()

    def put(self, quantity: Decimal, cost: Decimal, time_ms: int, transaction_id: str) -> None:
        super().put(quantity, cost, time_ms, transaction_id)
        self._lots.append(Lot(quantity, cost, time_ms, transaction_id))

    def take(self, quantity: Decimal) -> Decimal:
        left, cost = quantity, NOTHING
        while left:
            lot = self._lots[0]
            taken = min(left, lot.quantity)
            lot_cost = part(lot.cost, taken, lot.quantity)
            if taken == lot.quantity:
                self._lots.popleft()
            else:
                self._lots[0] = lot._replace(quantity=lot.quantity - taken, cost=lot.cost - lot_cost)
            left -= taken
            cost += lot_cost
        self.quantity -= quantity
        self.cost -= cost
        if not self.quantity:
            self.cost_known = True
        return cost

    def fork(self) -> Self:
        found = copy(self)
        found._lots = self._lots.copy()
        return found

    def lots(self) -> tuple[Lot, ...]:
        return tuple(self._lots)


def holding(coin: str, method: CostMethod) -> Holding:
    """An empty one."""
    return FifoHolding(coin) if method is CostMethod.FIFO else Holding(coin)
