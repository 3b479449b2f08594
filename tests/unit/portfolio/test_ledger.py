"""The ledger's rules, one by one, with figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from marketwatch.model.portfolio import CostMethod, Position, Statement, Transaction
from marketwatch.portfolio.errors import LedgerError, TransactionError
from marketwatch.portfolio.ledger import Ledger
from tests.kit.books import D, entry


def booked(*entries: Transaction, method: str = "average", base: str = "USD") -> Statement:
    ledger = Ledger(base, CostMethod(method))
    for one in entries:
        ledger.append(one)
    return ledger.statement()


def seen(*values: object) -> tuple[object, ...]:
    """So that figures may be written down as plain numbers."""
    return values


def held(said: Statement, coin: str) -> Position:
    return next(one for one in said.positions if one.coin == coin)


def test_fee_in_the_bought_coin_reduces_the_position() -> None:
    """1.0 BTC for 50,000 with a fee of 0.001 BTC leaves 0.999 BTC that cost 50,000; the fee was worth 50."""
    said = booked(entry("deposit", "USD", 50_000), entry("buy", "BTC", 1, 50_000, at=1, fee="0.001", fee_currency="BTC"))
    assert seen(held(said, "BTC").quantity, held(said, "BTC").cost, said.fees) == (D("0.999"), 50_000, 50)
    assert said.cash == {}


def test_purchase_fee_is_cost_and_sale_fee_lessens_the_proceeds() -> None:
    """Bought 2 at 100 with fee 2: cost 202. Sold 1 at 150 with fee 3: proceeds 147, cost 101, profit 46."""
    said = booked(
        entry("deposit", "USD", 1000),
        entry("buy", "ETH", 2, 100, at=1, fee=2),
        entry("sell", "ETH", 1, 150, at=2, fee=3),
    )
    assert seen(held(said, "ETH").realized, held(said, "ETH").cost, said.cash["USD"]) == (46, 101, 945)
    assert seen(said.realized, said.fees, said.net_invested, said.remarks) == (46, 5, 1000, ())


@pytest.mark.parametrize(("method", "realized", "left"), [("average", 50, 150), ("fifo", 100, 200)])
def test_cost_of_what_is_sold_follows_the_method(method: str, realized: int, left: int) -> None:
    """Bought 1 at 100 and 1 at 200, sold 1 at 200: by average it cost 150, first in first out 100."""
    trades = (entry("buy", "ETH", 1, 100), entry("buy", "ETH", 1, 200, at=1), entry("sell", "ETH", 1, 200, at=2))
    said = booked(*trades, method=method)
    assert seen(said.realized, held(said, "ETH").cost) == (realized, left)
    assert seen(*((lot.quantity, lot.cost) for lot in held(said, "ETH").lots)) == (((1, 200),) if method == "fifo" else ())


def test_fee_in_a_third_coin_leaves_its_position_at_cost_and_goes_into_the_cost() -> None:
    """1 BNB of 300 pays the fee: the 2 SOL cost 2 x 50 + 300 x 0.1."""
    said = booked(entry("buy", "BNB", 1, 300), entry("buy", "SOL", 2, 50, at=1, currency="USDT", fee="0.1", fee_currency="BNB"))
    assert seen(held(said, "BNB").quantity, held(said, "BNB").cost, held(said, "SOL").cost, said.fees) == (
        D("0.9"),
        270,
        130,
        30,
    )


def test_fee_in_a_coin_that_is_not_held_is_booked_with_a_remark() -> None:
    said = booked(entry("buy", "SOL", 2, 50, fee="0.1", fee_currency="BNB"))
    assert held(said, "SOL").cost == 100
    assert any("0.1 BNB of the fee were not held" in remark.message for remark in said.remarks)


def test_purchase_without_cash_counts_as_paid_in_from_outside() -> None:
    said = booked(entry("deposit", "USDT", 30), entry("buy", "BTC", "0.01", 10_000, at=1, currency="USDT"))
    assert seen(said.net_invested, said.implied, said.cash_total) == (100, 70, 0)
    assert "short of 70 USDT" in said.remarks[0].message


def test_dollar_and_its_stablecoins_are_one_purse_at_par() -> None:
    """900 USDT are paid out of 1,000 USD: each keeps its own balance, together 100 are left."""
    said = booked(entry("deposit", "USD", 1000), entry("buy", "BTC", 1, 900, at=1, currency="USDT"))
    assert seen(said.cash, said.cash_total, said.implied) == ({"USD": 1000, "USDT": -900}, 100, 0)


def test_exchange_of_two_stablecoins_realises_the_difference() -> None:
    said = booked(entry("deposit", "USDT", 1000), entry("buy", "USDC", 1000, "0.999", at=1, currency="USDT"))
    assert seen(said.cash, said.realized) == ({"USDC": 1000, "USDT": 1}, 1)


def test_dollar_is_a_position_in_a_portfolio_of_euros() -> None:
    """1,100 USDT cost 1,000 EUR; half of them buys 1 ETH at a rate of 0.95: a gain of 522.5 - 500 on the USDT."""
    said = booked(
        entry("buy", "USDT", 1100, "0.909090909090909091", currency="EUR", base="EUR"),
        entry("buy", "ETH", 1, 550, at=1, currency="USDT", rate="0.95", base="EUR"),
        base="EUR",
    )
    assert held(said, "ETH").cost == D("522.5")
    assert abs(held(said, "USDT").realized - D("22.5")) < D("1e-12")
    assert said.cash == {}


def test_coin_bought_with_a_coin_is_a_sale_of_it_at_the_rate() -> None:
    """1 BTC of 20,000 pays 10 ETH at 0.05 BTC when the BTC stands at 60,000: 0.5 BTC cost 10,000 and bring 30,000."""
    said = booked(entry("buy", "BTC", 1, 20_000), entry("buy", "ETH", 10, "0.05", at=1, currency="BTC", rate=60_000))
    assert seen(held(said, "BTC").realized, held(said, "BTC").quantity, held(said, "ETH").cost) == (20_000, D("0.5"), 30_000)


def test_coin_bought_with_a_coin_without_a_rate_moves_the_cost_on() -> None:
    said = booked(entry("buy", "BTC", 1, 20_000), entry("buy", "ETH", 10, "0.05", at=1, currency="BTC"))
    assert seen(said.realized, held(said, "ETH").cost, held(said, "BTC").cost) == (0, 10_000, 10_000)
    assert "nothing is realised" in said.remarks[-1].message


def test_coin_sold_for_a_coin_brings_its_value_less_the_fee() -> None:
    """10 ETH of 1,000 bring 0.5 BTC less a fee of 0.001 at 60,000: 29,940, a profit of 28,940."""
    said = booked(
        entry("buy", "ETH", 10, 100),
        entry("sell", "ETH", 10, "0.05", at=1, currency="BTC", rate=60_000, fee="0.001", fee_currency="BTC"),
    )
    assert seen(said.realized, held(said, "BTC").quantity, held(said, "BTC").cost, said.fees) == (
        28_940,
        D("0.499"),
        29_940,
        60,
    )


def test_transfer_in_brings_its_cost_and_transfer_out_takes_it_along() -> None:
    """What leaves at cost lessens the money invested by that cost; the network's fee is an expense."""
    said = booked(
        entry("transfer_in", "BTC", 2, 30_000),
        entry("transfer_out", "BTC", 1, at=1, fee="0.1", fee_currency="BTC"),
    )
    assert seen(said.net_invested, said.expenses, held(said, "BTC").cost, said.realized) == (30_000, 3000, 27_000, 0)


def test_transfer_in_without_a_price_costs_nothing_and_says_so() -> None:
    said = booked(entry("transfer_in", "BTC", 1))
    assert seen(held(said, "BTC").cost, held(said, "BTC").cost_known) == (0, False)
    assert "counts with cost 0" in said.remarks[0].message


def test_reward_is_income_at_its_price_and_airdrop_costs_nothing() -> None:
    said = booked(entry("reward", "ETH", 1, 2000), entry("airdrop", "ARB", 100, at=1), entry("reward", "USDT", 5, at=2))
    assert seen(said.income, held(said, "ETH").cost, held(said, "ARB").cost, said.cash) == (2005, 2000, 0, {"USDT": 5})
    assert said.net_invested == 0


def test_fee_of_its_own_is_an_expense() -> None:
    said = booked(entry("deposit", "USD", 10), entry("buy", "BNB", 1, 8, at=1), entry("fee", "BNB", "0.5", at=2))
    assert seen(said.expenses, said.fees, held(said, "BNB").quantity) == (4, 4, D("0.5"))


@pytest.mark.parametrize(
    ("kind", "coin", "quantity", "words"),
    [
        ("sell", "BTC", 2, "takes 2 BTC where 1 are held"),
        ("transfer_out", "BTC", "1.5", "takes 1.5 BTC where 1 are held"),
        ("withdrawal", "USD", 11, "takes 11 USD where 10 are held"),
        ("fee", "DOGE", 1, "takes 1 DOGE where 0 are held"),
    ],
)
def test_more_cannot_leave_than_is_held(kind: str, coin: str, quantity: Any, words: str) -> None:
    ledger = Ledger("USD", CostMethod.FIFO)
    for one in (entry("deposit", "USD", 10), entry("transfer_in", "BTC", 1, 5, at=1)):
        ledger.append(one)
    before = ledger.statement()
    with pytest.raises(LedgerError, match=words) as caught:
        ledger.append(entry(kind, coin, quantity, 1, at=2, id="the-sale"))
    assert caught.value.transaction_id == "the-sale"
    assert caught.value.status == 409
    assert ledger.statement() == before


def test_fee_that_eats_what_comes_in_is_refused() -> None:
    with pytest.raises(LedgerError, match="leaves nothing"):
        booked(entry("buy", "BTC", 1, 5, fee=1, fee_currency="BTC"))
    with pytest.raises(LedgerError, match="takes all"):
        booked(entry("reward", "BTC", 1, 5, fee=1, fee_currency="BTC"))


def test_sale_whose_fee_exceeds_the_proceeds_is_a_loss() -> None:
    said = booked(entry("transfer_in", "DOGE", 1, 1), entry("sell", "DOGE", 1, 1, at=1, fee=3))
    assert seen(said.realized, said.implied, said.cash_total) == (-3, 2, 0)


def test_entries_of_one_moment_are_booked_in_their_sequence_and_income_first() -> None:
    later = entry("buy", "BTC", 1, 10, id="a")
    sale = entry("sell", "ETH", 1, 10, id="b")
    incoming = entry("transfer_in", "ETH", 1, 4, id="c")
    ledger = Ledger("USD", CostMethod.AVERAGE)
    for one in sorted((later, sale, incoming), key=lambda one: (one.sequence, {"c": 0, "b": 1, "a": 2}[one.transaction_id])):
        assert ledger.follows(one)
        ledger.append(one)
    assert not ledger.follows(entry("buy", "BTC", 1, 10, id="0"))
    assert ledger.statement().implied == 0


@pytest.mark.parametrize(
    ("kind", "coin", "quantity", "price", "more", "field"),
    [
        ("buy", "BTC", 0, 1, {}, "quantity"),
        ("buy", "BTC", -1, 1, {}, "quantity"),
        ("buy", "BTC", "1e19", 1, {}, "quantity"),
        ("buy", "BTC", "1e-19", 1, {}, "quantity"),
        ("buy", "BTC", "NaN", 1, {}, "quantity"),
        ("buy", "BTC", 1, None, {}, "price"),
        ("buy", "BTC", 1, -1, {}, "price"),
        ("buy", "USD", 1, 1, {}, "currency"),
        ("buy", "", 1, 1, {}, "coin"),
        ("buy", "B C", 1, 1, {}, "coin"),
        ("buy", "BTC", 1, 1, {"rate": 0}, "rate"),
        ("buy", "BTC", 1, 1, {"fee": -1}, "fee"),
        ("buy", "BTC", 1, 1, {"fee_currency": "<b>"}, "fee_currency"),
        ("buy", "BTC", 1, 1, {"time_ms": -1}, "time"),
    ],
)
def test_impossible_entry_is_refused_naming_the_field(
    kind: str, coin: str, quantity: Any, price: Any, more: dict[str, Any], field: str
) -> None:
    with pytest.raises(TransactionError) as caught:
        entry(kind, coin, quantity, price, **more)
    assert caught.value.field == field
    assert str(caught.value).endswith(".")
