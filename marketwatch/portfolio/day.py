"""What a ledger did since a moment: quantities then, and what was paid in since. What today's change is computed from."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import NamedTuple

from ..model.portfolio import NOTHING, Flow
from .amounts import EXACT
from .ledger import Ledger

DAY_MS = 86_400_000


class Since(NamedTuple):
    """One asset since a moment. `before`: its quantity then. `paid`: what was put into it since, less what was drawn from it.

    `at_market`: the quantity that came in since (negative: left) without a known price; it counts at the price of now.
    """

    before: Decimal
    paid: Decimal
    at_market: Decimal


class Day(NamedTuple):
    """All assets that were held then or moved since, and the flows over the border since."""

    start_ms: int
    assets: dict[str, Since]
    flows: tuple[Flow, ...]


def day_of(ledger: Ledger, now_ms: int) -> Day:
    """Since 00:00 UTC of the day of `now_ms`."""
    start_ms = now_ms - now_ms % DAY_MS
    said = ledger.statement()
    held = {one.coin: one.quantity for one in said.positions} | said.cash
    assets = {asset: Since(quantity, NOTHING, NOTHING) for asset, quantity in held.items()}
    with localcontext(EXACT):
        for move in reversed(ledger.moves):
            if move.time_ms < start_ms:
                break
            one = assets.get(move.asset, Since(NOTHING, NOTHING, NOTHING))
            assets[move.asset] = Since(
                one.before - move.quantity,
                one.paid + (NOTHING if move.value is None else move.value),
                one.at_market + (move.quantity if move.value is None else NOTHING),
            )
    flows = []
    for flow in reversed(ledger.flows):
        if flow.time_ms < start_ms:
            break
        flows.append(flow)
    return Day(start_ms, assets, tuple(reversed(flows)))
