"""The past of a span against plain loops over every hour, and its gaps."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from marketwatch.model.portfolio import CostMethod, Transaction
from marketwatch.model.valuation import Blank, Past
from marketwatch.portfolio.entry import order
from marketwatch.portfolio.errors import LedgerError
from marketwatch.portfolio.history import PriceGrid
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.past import past
from tests.kit.books import D, entry
from tests.kit.facts import NAN, T0

HOUR_MS = 3_600_000
NOON = T0 - T0 % HOUR_MS
COINS = ("BTC", "ETH")


def at(hours: float, kind: str, coin: str, quantity: object, price: object = None) -> Transaction:
    time_ms = NOON + round(hours * HOUR_MS)
    return entry(kind, coin, quantity, price, time_ms=time_ms, id=f"{hours:08.3f}-{kind}-{coin}")


def told(
    entries: Sequence[Transaction],
    closes: Mapping[str, Sequence[float]],
    *,
    hours: int,
    first: int = 0,
    now_price: float | None = None,
) -> Past:
    """The past from hour `first` until `hours` after NOON; the first close is that of the hour before NOON."""
    ledger = Ledger("USD", CostMethod.AVERAGE)
    for one in sorted(entries, key=order):
        ledger.append(one)
    grid = PriceGrid(HOUR_MS, NOON - HOUR_MS, tuple(closes), np.array(list(closes.values()), np.float64).T)
    found = past(
        ledger,
        grid,
        from_ms=NOON + first * HOUR_MS,
        now_ms=NOON + hours * HOUR_MS,
        now_price=now_price,
    )
    assert found is not None
    return found


def plain_quantities(entries: Sequence[Transaction], before_ms: int) -> dict[str, float]:
    held = dict.fromkeys((*COINS, "USD"), D(0))
    for one in entries:
        if one.time_ms < before_ms:
            sign = 1 if one.kind.value in ("buy", "deposit") else -1
            held[one.coin] += sign * one.quantity
            if one.price is not None:
                held["USD"] -= sign * one.quantity * one.price
    return {name: float(amount) for name, amount in held.items()}


@pytest.mark.parametrize("seed", range(30))
def test_equity_by_hour_is_quantity_times_close_wherever_closes_are_known(seed: int) -> None:
    """Against a loop; closes are missing at random, and with them the value as long as the coin is held."""
    rng, hours = random.Random(seed), 60
    first, gaps = rng.randrange(20), rng.random() < 0.7
    closes = {coin: [NAN if gaps and rng.random() < 0.1 else rng.uniform(50, 150) for _ in range(hours + 1)] for coin in COINS}
    ledger, booked = Ledger("USD", CostMethod.AVERAGE), []
    for one in [at(0.25, "deposit", "USD", 1_000_000)] + [
        at(rng.uniform(0.5, hours), rng.choice(("buy", "sell")), rng.choice(COINS), rng.randint(1, 9), rng.randint(50, 150))
        for _ in range(12)
    ]:
        booked.append(one)
    accepted: list[Transaction] = []
    for one in sorted(booked, key=order):
        try:
            ledger.append(one)
        except LedgerError:
            continue
        accepted.append(one)
    found = told(accepted, closes, hours=hours, first=first)
    begin = max(first, 0)
    assert found.curve.time_ms.tolist()[:-1] == [NOON + hour * HOUR_MS for hour in range(begin, hours + 1)]
    for place, hour in enumerate(range(begin, hours + 1)):
        held = plain_quantities(accepted, NOON + hour * HOUR_MS)
        parts = [held["USD"]] + [0.0 if not held[coin] else held[coin] * closes[coin][hour] for coin in COINS]
        assert found.curve.equity[place] == pytest.approx(sum(parts), nan_ok=True), hour
        drop = found.curve.drawdown[place]
        assert math.isnan(drop) == math.isnan(sum(parts)) or not place
    unknown = np.flatnonzero(np.isnan(found.curve.equity)).tolist()
    spans = [(one.from_ms, one.to_ms) for one in found.blanks]
    for place in unknown:
        moment = int(found.curve.time_ms[place])
        assert any(low <= moment <= high for low, high in spans)
    assert (spans == []) == (unknown == [])
    assert set(found.missing) <= set(COINS)


def test_gap_is_named_from_the_last_known_value_to_the_next_one_and_nothing_is_carried_on() -> None:
    found = told([at(0.5, "buy", "ETH", 2, 10)], {"BTC": [1] * 8, "ETH": [10, 11, NAN, NAN, 14, 15, NAN, 17]}, hours=7)
    hour = [NOON + at * HOUR_MS for at in range(9)]
    assert found.curve.equity.tolist()[:2] == [0.0, 22.0]
    assert np.isnan(found.curve.equity[2:4]).all()
    assert (found.curve.equity[4], found.missing) == (28.0, ("ETH",))
    assert found.blanks == (Blank(hour[1], hour[4]), Blank(hour[5], hour[7]))
    assert found.twr_pct == pytest.approx(70.0)


def test_end_without_a_price_has_no_return_and_its_gap_reaches_until_now() -> None:
    found = told([at(0.5, "buy", "ETH", 2, 10)], {"BTC": [1] * 4, "ETH": [10, 11, 12, NAN]}, hours=3)
    assert (found.twr_pct, found.benchmark_pct) == (None, None)
    assert found.blanks[-1].to_ms == int(found.curve.time_ms[-1])


def test_span_begins_with_the_value_of_its_beginning_for_the_benchmark_and_the_index() -> None:
    """20 ETH are worth 200 when the span begins; 100 more come in when Bitcoin stands at 20; it ends at 30.

    In Bitcoin: 200 / 10 = 20, and 100 / 20 = 5, together 25 at 30: 750. The index: 11/10, then 12/11.
    """
    entries = [at(0.5, "buy", "ETH", 20, 1), at(5.5, "deposit", "USD", 100)]
    closes = {"BTC": [10, 10, 10, 10, 10, 20, 20, 30], "ETH": [1, 1, 1, 10, 11, 11, 11, 12]}
    found = told(entries, closes, hours=7, first=3)
    assert found.curve.equity.tolist() == [200, 220, 220, 320, 340, 340]
    assert found.curve.benchmark.tolist() == [200, 200, 400, 500, 750, 750]
    assert found.curve.index[0] == 1.0
    assert found.twr_pct == pytest.approx(100 * (1.1 * 340 / 320 - 1))
    assert found.benchmark_pct == pytest.approx(200.0)
    assert found.max_drawdown_pct == 0.0
    assert told(entries, closes, hours=7, first=3, now_price=20.0).benchmark_pct == pytest.approx(100.0)


def test_drawdown_of_a_span_counts_from_the_highest_value_in_it_without_the_flows() -> None:
    entries = [at(0.5, "buy", "ETH", 10, 10), at(3.5, "deposit", "USD", 1000)]
    found = told(entries, {"BTC": [1] * 7, "ETH": [10, 10, 20, 15, 15, 15, 18]}, hours=6, first=1)
    assert found.max_drawdown_pct == pytest.approx(-25.0)
    assert found.curve.drawdown[:3].tolist() == [0.0, 0.0, -25.0]


def test_ledger_without_a_move_has_no_past() -> None:
    grid = PriceGrid(HOUR_MS, NOON, ("BTC",), np.ones((3, 1)))
    assert past(Ledger("USD", CostMethod.FIFO), grid, from_ms=NOON, now_ms=NOON + HOUR_MS) is None
