"""Performance over generated and hand-made histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from marketwatch.model.portfolio import CostMethod, Transaction
from marketwatch.model.valuation import Performance
from marketwatch.portfolio.entry import order
from marketwatch.portfolio.history import PriceGrid
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.performance import performance
from tests.kit.books import DAY_MS, D, entry
from tests.kit.facts import NAN, T0

MIDNIGHT = T0 - T0 % DAY_MS
NOON = MIDNIGHT + DAY_MS // 2


def did(
    entries: Sequence[Transaction], closes: Mapping[str, Sequence[float]], *, days: int, now_value: float | None = None
) -> Performance:
    """The performance `days` after MIDNIGHT; the first close is that of the day before."""
    ledger = Ledger("USD", CostMethod.AVERAGE)
    for one in sorted(entries, key=order):
        ledger.append(one)
    prices = np.array(list(closes.values()), np.float64).T
    grid = PriceGrid(DAY_MS, MIDNIGHT - DAY_MS, tuple(closes), prices)
    found = performance(ledger, grid, now_ms=MIDNIGHT + days * DAY_MS, now_value=now_value)
    assert found is not None
    return found


def at(day: int, kind: str, coin: str, quantity: object, price: object = None, *, hour: int = 12, **more: Any) -> Transaction:
    time_ms = MIDNIGHT + day * DAY_MS + hour * 3_600_000
    return entry(kind, coin, quantity, price, time_ms=time_ms, id=f"{day:03}-{hour:02}-{kind}-{coin}", **more)


def test_time_weighted_return_is_that_of_the_published_example() -> None:
    """Investopedia's example: 1,000,000 grow to 1,162,484; 100,000 are added; 1,192,328 are left at the end.

    16.25 % and then 1,192,328 / 1,262,484 - 1 = -5.56 %, together 9.79 %: what the manager did, whenever money came. With the
    money weighted instead: 1,192,328 of 1,100,000.
    """
    middle, end = 1.162484, 1.162484 * 1_192_328 / 1_262_484
    bought = D("86022.68796680212")
    found = did(
        [
            at(0, "deposit", "USD", 1_000_000, hour=1),
            at(0, "buy", "X", 1_000_000, 1, hour=2),
            at(5, "deposit", "USD", 100_000, hour=1),
            at(5, "buy", "X", bought, "1.162484", hour=2),
        ],
        {"X": [1, 1, 1, 1, 1, middle, middle, end, end, end]},
        days=9,
    )
    assert found.twr_pct == pytest.approx(9.79, abs=0.005)
    assert found.curve.equity[-1] == pytest.approx(1_192_328, abs=1)
    assert found.curve.invested.tolist()[:2] == [0, 1_000_000]
    assert found.curve.invested[-1] == pytest.approx(1_100_000, abs=1)


def test_money_paid_in_or_taken_out_is_no_gain() -> None:
    """The price never moves, whatever comes and goes."""
    found = did(
        [
            at(0, "buy", "X", 5, 100),
            at(2, "transfer_in", "X", 3),
            at(3, "transfer_out", "X", 2),
            at(4, "withdrawal", "X", 1, 100),
            at(5, "deposit", "USD", 900),
            at(6, "withdrawal", "USD", 400),
        ],
        {"X": [100.0] * 10},
        days=9,
    )
    assert found.twr_pct == pytest.approx(0)
    assert found.max_drawdown_pct == pytest.approx(0)
    assert found.xirr_pct == pytest.approx(0, abs=1e-6)
    assert found.curve.equity[-1] == 1000


def test_equity_of_every_day_is_quantity_times_close_and_cash() -> None:
    """Bought 2 X at 10 out of 100 on day 0, sold 1 at 30 on day 2: 80 + 2 x 20, 80 + 2 x 30, 110 + 40, 110 + 50."""
    found = did(
        [at(0, "deposit", "USD", 100, hour=1), at(0, "buy", "X", 2, 10), at(2, "sell", "X", 1, 30)],
        {"X": [10, 20, 30, 40, 50]},
        days=4,
    )
    assert found.curve.equity.tolist() == [0, 120, 140, 150, 160, 160]
    assert found.curve.time_ms[-1] == MIDNIGHT + 4 * DAY_MS + 1
    assert found.twr_pct == pytest.approx(60)
    assert found.ratios.periods == 3
    assert found.ratios.insufficient


def test_drawdown_includes_the_starting_capital() -> None:
    """100 fall to 50 on the first day and never come back: -50 %, though no day had a higher close."""
    found = did([at(0, "buy", "X", 1, 100)], {"X": [100, 50, 60, 70]}, days=3)
    assert found.max_drawdown_pct == pytest.approx(-50)
    assert found.curve.drawdown.tolist() == pytest.approx([0, -50, -40, -30, -30])


def test_price_that_is_missing_makes_the_day_unknown_and_is_named() -> None:
    found = did(
        [at(0, "buy", "X", 1, 100), at(0, "buy", "Y", 1, 10), at(2, "sell", "Y", 1, 12)],
        {"X": [100, 110, 121, 121, 133.1], "Y": [10, 10, NAN, NAN, NAN]},
        days=4,
    )
    assert np.isnan(found.curve.equity).tolist() == [False, False, True, False, False, False]
    assert found.missing == ("Y",)
    assert found.twr_pct == pytest.approx(100 * ((133.1 + 12) / 110 - 1))
    assert found.ratios.periods == 1


def test_end_that_cannot_be_valued_has_no_return() -> None:
    found = did([at(0, "buy", "X", 1, 100)], {"X": [100, 110, NAN]}, days=2)
    assert (found.twr_pct, found.xirr_pct) == (None, None)
    live = did([at(0, "buy", "X", 1, 100)], {"X": [100, 110, NAN]}, days=2, now_value=130.0)
    assert live.twr_pct == pytest.approx(30)


def test_coin_that_comes_in_without_a_price_counts_at_the_market() -> None:
    found = did([at(1, "transfer_in", "X", 2)], {"X": [10, 50, 100, 200]}, days=3)
    assert found.curve.invested[-1] == 100
    assert found.twr_pct == pytest.approx(300)


def test_benchmark_buys_with_the_same_money() -> None:
    """100 buy 1 BTC, later 300 buy 1 more; BTC ends at 400. The portfolio itself held cash."""
    found = did([at(0, "deposit", "USD", 100), at(2, "deposit", "USD", 300)], {"BTC": [100, 200, 300, 350, 400]}, days=4)
    assert found.curve.benchmark[-1] == pytest.approx(800)
    assert found.benchmark_pct == pytest.approx(300)
    assert found.curve.equity[-1] == 400
    assert found.twr_pct == 0


def test_thirty_days_are_enough_and_best_and_worst_day_are_named() -> None:
    closes = [100.0, *(100.0 + day % 3 for day in range(40))]
    found = did([at(0, "buy", "X", 1, 100)], {"X": closes}, days=40)
    ratios = found.ratios
    assert (ratios.periods, ratios.insufficient) == (39, False)
    assert ratios.best_pct == pytest.approx(1)
    assert ratios.worst_pct == pytest.approx(100 * (100 / 102 - 1))
    assert ratios.best_ms == MIDNIGHT + 2 * DAY_MS
    returns = np.diff(closes[1:]) / closes[1:-1]
    assert ratios.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(365))
    assert ratios.volatility_pct == pytest.approx(100 * returns.std(ddof=1) * np.sqrt(365))


def test_book_without_transactions_has_no_performance() -> None:
    assert performance(Ledger("USD", CostMethod.FIFO), PriceGrid(DAY_MS, 0, (), np.empty((0, 0))), now_ms=NOON) is None


def test_grid_that_lacks_an_asset_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks X"):
        did([at(0, "buy", "X", 1, 100)], {"BTC": [1.0, 1.0]}, days=1)


def test_index_equals_a_loop_over_every_flow() -> None:
    """The plain definition on a random history: one growth after the other, between any two flows or midnights."""
    rng = np.random.default_rng(5)
    closes = np.exp(rng.normal(0, 0.05, 31)).cumprod() * 100
    entries, held, cash = [], 0.0, 0.0
    index, worth = 1.0, 0.0
    for day in range(30):
        price = float(closes[day])
        growth = (cash + held * price) / worth if worth else 1.0
        index, worth = index * growth, cash + held * price
        money = float(rng.integers(1, 50))
        entries.append(at(day, "deposit", "USD", money, hour=3))
        worth, cash = worth + money, cash + money
        amount = round(cash / 2 / price, 6)
        entries.append(at(day, "buy", "X", amount, repr(price), hour=4))
        held, cash = held + amount, cash - amount * price
    index *= (cash + held * float(closes[30])) / worth
    found = did(entries, {"X": closes.tolist()}, days=30)
    assert found.twr_pct == pytest.approx(100 * (index - 1), rel=1e-9)
