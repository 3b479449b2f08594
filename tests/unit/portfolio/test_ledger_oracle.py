"""The ledger against one that was written a second time, in another way, on 10,000 generated histories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import pytest

from marketwatch.model.portfolio import CostMethod, Transaction
from marketwatch.portfolio.amounts import EXACT
from marketwatch.portfolio.errors import LedgerError
from marketwatch.portfolio.ledger import Ledger
from tests.kit.books import COINS, entry, history, plainly, portfolio, shuffled
from tests.kit.plain_ledger import PlainLedger, Refused

CHUNKS, PER_CHUNK = 10, 1000


def pairs(seeds: range) -> Iterator[tuple[Ledger, PlainLedger, list[Transaction]]]:
    """Both ledgers after every history, with the entries that neither refused; they must refuse the same."""
    for seed in seeds:
        base, fifo = ("USD", "EUR")[seed % 3 == 0], seed % 2 == 0
        ours = Ledger(base, CostMethod.FIFO if fifo else CostMethod.AVERAGE)
        theirs, booked = PlainLedger(base, fifo), []
        for one in history(seed, base):
            before = ours.statement()
            try:
                theirs.book(plainly(one))
            except Refused:
                with pytest.raises(LedgerError, match=one.transaction_id):
                    ours.append(one)
                assert ours.statement() == before, (seed, one)
            else:
                ours.append(one)
                booked.append(one)
        yield ours, theirs, booked


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_ledger_agrees_with_the_plain_one_and_conserves_exactly(chunk: int) -> None:
    refused = 0
    for ours, theirs, booked in pairs(range(chunk * PER_CHUNK, (chunk + 1) * PER_CHUNK)):
        said = ours.statement()
        names = {*COINS, "EUR"} - set(theirs.cash_names)
        held = {one.coin: (one.quantity, one.cost, one.realized) for one in said.positions}
        nothing = (Decimal(0),) * 3
        for coin in names:
            plain = (theirs.quantity(coin), theirs.cost(coin), theirs.profit.get(coin, Decimal(0)))
            assert held.get(coin, nothing) == plain, coin
        assert all(said.cash.get(name, Decimal(0)) == theirs.cash_of(name) for name in theirs.cash_names)
        assert (said.net_invested, said.implied) == (theirs.outside, theirs.unasked)
        assert (said.realized, said.income, said.expenses) == (theirs.profit_total, theirs.earned, theirs.spent)
        left = EXACT.add(said.net_invested, EXACT.add(said.realized, EXACT.subtract(said.income, said.expenses)))
        assert left == EXACT.add(total(said.cash.values()), total(one.cost for one in said.positions))
        refused += len(booked) < said.transactions
    assert refused == 0


def total(values: Iterable[Decimal]) -> Decimal:
    found = Decimal(0)
    for value in values:
        found = EXACT.add(found, value)
    return found


def test_quantities_that_moved_are_the_quantities_that_are_held() -> None:
    for ours, _, _ in pairs(range(1000)):
        said = ours.statement()
        moved: dict[str, Decimal] = {}
        for move in ours.moves:
            moved[move.asset] = EXACT.add(moved.get(move.asset, Decimal(0)), move.quantity)
        held = {one.coin: one.quantity for one in said.positions} | said.cash
        assert {asset: amount for asset, amount in moved.items() if amount} == {
            asset: amount for asset, amount in held.items() if amount
        }


def test_average_and_fifo_agree_when_everything_is_sold() -> None:
    """The order in which costs leave differs; once nothing is left, all of them have left."""
    for seed in range(1000):
        sums = []
        for method in ("average", "fifo"):
            ledger = Ledger("USD", CostMethod(method))
            for one in history(seed):
                if one.kind.value not in ("buy", "sell") or one.currency not in ledger.par or one.rate is not None:
                    continue
                try:
                    ledger.append(one)
                except LedgerError:
                    continue
            for at, position in enumerate(ledger.statement().positions):
                if position.quantity:
                    ledger.append(entry("sell", position.coin, position.quantity, 7, at=90_000 + at))
            said = ledger.statement()
            assert not any(one.quantity or one.cost for one in said.positions)
            sums.append((said.realized, said.cash, said.net_invested, [one.realized for one in said.positions]))
        fees_at_cost = any(one.fee_currency == "BNB" and one.fee for one in history(seed))
        assert sums[0][:3] == sums[1][:3]
        assert fees_at_cost or sums[0][3] == sums[1][3]


def test_edited_or_deleted_entries_equal_a_fresh_replay_in_any_order() -> None:
    compared = 0
    for seed, (ours, _, booked) in enumerate(pairs(range(500))):
        book = portfolio(ours.method.value, ours.base_currency)
        again = Ledger.replay(book, shuffled(booked, seed))
        assert again.statement() == ours.statement()
        assert (again.moves, again.flows) == (ours.moves, ours.flows)
        changed = [one for one in booked if one.kind.value in ("buy", "reward")]
        compared += 1
        for cut in range(len(changed) + 1):
            kept = changed[:cut] + changed[cut + 1 :]
            one_by_one = Ledger(book.base_currency, book.cost_method)
            try:
                expected = Ledger.replay(book, kept).statement()
            except LedgerError:
                continue
            for one in kept:
                assert one_by_one.follows(one)
                before, fork = one_by_one.statement(), one_by_one.fork()
                fork.append(one)
                assert one_by_one.statement() == before
                one_by_one = fork
            assert one_by_one.statement() == expected
    assert compared == 500
