"""Folding the trades of one symbol and one sample step: pure functions, the innermost loop of the program."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from ..model.market import Trade


class Fold(NamedTuple):
    """What the trades of one step come to. First and last are by (time, id), never by arrival."""

    prices: tuple[float, float, float, float, float, float, float]
    """open, high, low, close, volume, notional, taker-buy volume."""
    counts: tuple[int, int, int, int, int]
    """venue trades, first id, last id, first time, last time."""


def fold(trades: list[Trade]) -> Fold:
    """Fold a non-empty list. Order and exact repetition of a trade do not change a bit of the answer."""
    high = low = start = trades[0][2]
    volume = notional = taker_buy = 0.0
    count = 0
    price = start
    last_ms, last_id = trades[0][4], trades[0][1] - 1
    for _, trade_id, price, quantity, time_ms, taker_sold, prints in trades:
        if time_ms < last_ms or (time_ms == last_ms and trade_id <= last_id):
            return fold(in_order(trades))
        last_ms, last_id = time_ms, trade_id
        if price > high:
            high = price
        elif price < low:
            low = price
        volume += quantity
        notional += price * quantity
        if not taker_sold:
            taker_buy += quantity
        count += prints
    return Fold((start, high, low, price, volume, notional, taker_buy), (count, trades[0][1], last_id, trades[0][4], last_ms))


def in_order(trades: list[Trade]) -> list[Trade]:
    """The trades by (time, id), each (time, id) once."""
    kept: list[Trade] = []
    for trade in sorted(trades, key=itemgetter(4, 1)):
        if not kept or (trade[4], trade[1]) != (kept[-1][4], kept[-1][1]):
            kept.append(trade)
    return kept


def merge(prices: list[float], counts: list[int], late: Fold) -> Fold:
    """A step's values amended by trades that came late. With no trade before, the late ones are all there is."""
    if counts[0] == 0:
        return late
    start, high, low, close, volume, notional, taker_buy = prices
    count, first_id, last_id, first_ms, last_ms = counts
    if (late.counts[3], late.counts[1]) < (first_ms, first_id):
        start, first_ms, first_id = late.prices[0], late.counts[3], late.counts[1]
    if (late.counts[4], late.counts[2]) > (last_ms, last_id):
        close, last_ms, last_id = late.prices[3], late.counts[4], late.counts[2]
    high, low = max(high, late.prices[1]), min(low, late.prices[2])
    sums = (volume + late.prices[4], notional + late.prices[5], taker_buy + late.prices[6])
    return Fold((start, high, low, close, *sums), (count + late.counts[0], first_id, last_id, first_ms, last_ms))
