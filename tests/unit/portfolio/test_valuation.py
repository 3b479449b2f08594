"""A portfolio marked to market, with figures worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from marketwatch.model.portfolio import Transaction
from marketwatch.model.valuation import Mark, MarkSource, Valuation
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.valuation import value
from tests.kit.books import DAY_MS, D, entry, portfolio
from tests.kit.facts import T0

MIDNIGHT = T0 - T0 % DAY_MS
YESTERDAY = MIDNIGHT - 1000


def valued(*entries: Transaction, prices: Mapping[str, float], openings: Mapping[str, float] | None = None) -> Valuation:
    book = portfolio()

    def marks(asset: str) -> Mark | None:
        return Mark(f"{asset}USDT", prices[asset], MarkSource.BID, T0) if asset in prices else None

    def opening(asset: str) -> float | None:
        return 1.0 if asset in ("USD", "USDT") else (openings or {}).get(asset)

    return value(book, Ledger.replay(book, entries), marks, opening, T0 + 3_600_000)


def test_value_cost_and_profit_of_a_position() -> None:
    """2 BTC bought at 100 out of 1,000, one sold at 150; the other stands at 130."""
    found = valued(
        entry("deposit", "USD", 1000, time_ms=YESTERDAY, id="a"),
        entry("buy", "BTC", 2, 100, at=1),
        entry("sell", "BTC", 1, 150, at=2),
        prices={"BTC": 130.0},
    )
    (btc,) = found.positions
    assert (btc.quantity, btc.cost, btc.value, btc.unrealized, btc.realized) == (D(1), D(100), D(130), D(30), D(50))
    assert (btc.symbol, btc.source, btc.mark_ms, btc.average_cost) == ("BTCUSDT", MarkSource.BID, T0, D(100))
    assert (found.cash, found.value, found.gain, found.roi_pct) == (D(950), D(1080), D(80), 8.0)
    assert (found.unrealized, found.realized, found.missing_prices) == (D(30), D(50), ())
    assert btc.allocation_pct == pytest.approx(100 * 130 / 1080)


def test_gain_is_what_was_realised_and_not_plus_income_less_expenses() -> None:
    found = valued(
        entry("buy", "BTC", 2, 100),
        entry("reward", "BTC", "0.1", 120, at=1),
        entry("sell", "BTC", 1, 150, at=2),
        entry("fee", "BTC", "0.1", at=3),
        prices={"BTC": 130.0},
    )
    assert found.gain is not None
    assert found.unrealized is not None
    assert abs(found.gain - (found.realized + found.unrealized + found.income - found.expenses)) < D("1e-15")


def test_missing_price_is_null_and_listed_and_never_nothing() -> None:
    found = valued(entry("buy", "BTC", 1, 100), entry("buy", "XYZ", 5, 2, at=1), prices={"BTC": 120.0})
    xyz = found.positions[1]
    assert (xyz.price, xyz.value, xyz.unrealized, xyz.allocation_pct, xyz.symbol) == (None, None, None, None, None)
    assert (found.value, found.gain, found.roi_pct, found.unrealized, found.change_today) == (None,) * 5
    assert (found.priced_value, found.missing_prices) == (D(120), ("XYZ",))
    assert found.positions[0].allocation_pct is None


def test_closed_position_needs_no_price() -> None:
    found = valued(entry("buy", "XYZ", 5, 2), entry("sell", "XYZ", 5, 3, at=1), prices={})
    assert (found.value, found.missing_prices, found.positions[0].value) == (D(15), (), D(0))
    assert found.positions[0].realized == 5


def test_change_of_today_leaves_out_what_was_paid_in_today() -> None:
    """1 BTC since yesterday, at 100 at midnight; another one bought today at 110; both stand at 120: 20 + 10 on 210."""
    found = valued(
        entry("buy", "BTC", 1, 90, time_ms=YESTERDAY, id="a"),
        entry("buy", "BTC", 1, 110, at=1),
        prices={"BTC": 120.0},
        openings={"BTC": 100.0},
    )
    (btc,) = found.positions
    assert btc.change_today == D(30)
    assert btc.change_today_pct == pytest.approx(100 * 30 / 210)
    assert found.change_today == D(30)
    assert found.change_today_pct == pytest.approx(100 * 30 / 210)


def test_change_of_today_counts_what_was_sold_today() -> None:
    """2 BTC at 100 at midnight, one sold at 130, one left at 120: 30 + 20 on 200; the money withdrawn is no loss."""
    found = valued(
        entry("buy", "BTC", 2, 90, time_ms=YESTERDAY, id="a"),
        entry("sell", "BTC", 1, 130, at=1),
        entry("withdrawal", "USD", 130, at=2),
        prices={"BTC": 120.0},
        openings={"BTC": 100.0},
    )
    assert found.positions[0].change_today == 50
    assert found.change_today == D(50)
    assert found.change_today_pct == pytest.approx(25)


def test_reward_of_today_is_a_gain_and_transfer_is_none() -> None:
    found = valued(
        entry("transfer_in", "BTC", 1, time_ms=YESTERDAY, id="a"),
        entry("reward", "BTC", 1, 100, at=1),
        entry("transfer_in", "BTC", 1, at=2),
        entry("transfer_out", "BTC", 2, at=3),
        prices={"BTC": 100.0},
        openings={"BTC": 100.0},
    )
    assert (found.positions[0].change_today, found.change_today) == (D(100), D(100))
    assert found.positions[0].cost_known is False


def test_change_of_today_is_unknown_without_the_price_at_midnight() -> None:
    found = valued(entry("buy", "BTC", 1, 90, time_ms=YESTERDAY, id="a"), prices={"BTC": 120.0})
    assert (found.positions[0].change_today, found.change_today, found.change_today_pct) == (None, None, None)


def test_empty_portfolio_is_worth_nothing_and_has_no_return() -> None:
    found = valued(prices={})
    assert (found.value, found.gain, found.roi_pct, found.change_today, found.positions) == (D(0), D(0), None, D(0), ())
