"""Portfolios: a book of 10,000 transactions in 100 coins over years, and 1,000 portfolios marked to market at a tick.

Performance is what the page of a portfolio asks for once its ledger is folded: daily equity, drawdown, time-weighted and
money-weighted return, ratios. The floor of marking is numpy alone: one product and one sum per cell. The fold itself is
measured whole (a replay, as after an edit) and for one more transaction.
"""

from __future__ import annotations

import random
import time
from decimal import Decimal

import numpy as np

from benchmarks.harness import Report, interleave, parse
from marketwatch.model.market import Instrument
from marketwatch.model.portfolio import CostMethod, Portfolio, Transaction, TransactionKind
from marketwatch.portfolio.entry import checked
from marketwatch.portfolio.history import PriceGrid
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.marks import Kept, MarkTable
from marketwatch.portfolio.past import past
from marketwatch.portfolio.performance import performance
from marketwatch.portfolio.routes import Board

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
START_MS = 1_600_041_600_000
BOOK = Portfolio("p", "owner", "Main", "USD", CostMethod.FIFO)


def coins(count: int) -> list[str]:
    return ["BTC", *(f"C{number:03}" for number in range(1, count))]


def transactions(count: int, names: list[str], days: int) -> list[Transaction]:
    """Deposits, purchases and sales of what is held, with fees, over all days."""
    rng, held = random.Random(7), dict.fromkeys(names, Decimal(0))
    found = []
    for number in range(count):
        coin = names[number % len(names)]
        kind = TransactionKind.SELL if held[coin] > 2 and rng.random() < 0.4 else TransactionKind.BUY
        amount = Decimal(rng.randint(1, 1000)).scaleb(-3)
        if rng.random() < 0.02:
            kind, coin, amount = TransactionKind.DEPOSIT, "USD", Decimal(rng.randint(1000, 90_000))
        else:
            held[coin] += amount if kind is TransactionKind.BUY else -amount
        price = None if kind is TransactionKind.DEPOSIT else Decimal(rng.randint(9000, 11_000)).scaleb(-2)
        made = Transaction(
            f"{number:06}", "p", kind, coin, amount, START_MS + days * DAY_MS * number // count, price, fee=amount.scaleb(-3)
        )
        found.append(checked(made, "USD"))
    return found


class Years:
    """One large book."""

    def __init__(self, count: int, width: int, days: int) -> None:
        self._names = coins(width)
        self._entries = transactions(count, self._names, days)
        self._ledger = Ledger.replay(BOOK, self._entries)
        walk = np.random.default_rng(7).normal(0, 0.02, (days + 2, width)).cumsum(axis=0)
        self._grid = PriceGrid(DAY_MS, START_MS - DAY_MS, tuple(self._names), 100.0 * np.exp(walk))
        self._now_ms = START_MS + days * DAY_MS
        hours = np.repeat(self._grid.prices[-367:], 24, axis=0)
        first_ms = self._now_ms - len(hours) * HOUR_MS
        self._hours = PriceGrid(HOUR_MS, first_ms, tuple(self._names), hours)

    def performance(self) -> float:
        """Milliseconds."""
        start = time.perf_counter()
        assert performance(self._ledger, self._grid, now_ms=self._now_ms) is not None
        return (time.perf_counter() - start) * 1e3

    def past(self) -> float:
        """Milliseconds for the last year by hour."""
        start = time.perf_counter()
        from_ms = self._now_ms - 365 * DAY_MS
        assert past(self._ledger, self._hours, from_ms=from_ms, now_ms=self._now_ms) is not None
        return (time.perf_counter() - start) * 1e3

    def replay(self) -> float:
        """Milliseconds."""
        start = time.perf_counter()
        Ledger.replay(BOOK, self._entries)
        return (time.perf_counter() - start) * 1e3

    def append(self) -> float:
        """Milliseconds for one more."""
        last = self._entries[-1]
        start = time.perf_counter()
        self._ledger.append(
            last._replace(time_ms=(self._ledger.last or (0,))[0] + 1, kind=TransactionKind.BUY, price=Decimal(100))
        )
        return (time.perf_counter() - start) * 1e3


class Tick:
    """Many small portfolios in a market that moves."""

    def __init__(self, portfolios: int, width: int, symbols: int) -> None:
        names = coins(symbols)
        rng = random.Random(5)
        books = []
        for number in range(portfolios):
            book = BOOK._replace(portfolio_id=f"p{number}", name=f"Book {number}")
            entries = [
                checked(
                    Transaction(
                        f"{at}", "p", TransactionKind.BUY, coin, Decimal(rng.randint(1, 99)), START_MS + at, Decimal(100)
                    ),
                    "USD",
                )
                for at, coin in enumerate(rng.sample(names, width))
            ]
            books.append(Kept(book, Ledger.replay(book, entries)))
        instruments = [Instrument(f"{name}USDT", name, "USDT") for name in names]
        self._places = {item.symbol: at for at, item in enumerate(instruments)}
        self._table = MarkTable(books, instruments, self._places, now_ms=START_MS + DAY_MS, opening=lambda route: 100.0)
        self._prices = np.random.default_rng(3).uniform(50, 150, len(names))
        self._rows = np.repeat(np.arange(portfolios), width)
        self._columns = np.array([rng.randrange(symbols) for _ in self._rows])
        self._quantity = np.ones(len(self._rows))

    def marked(self) -> float:
        """Milliseconds a tick."""
        self._prices *= 1.0001
        times = np.full(len(self._prices), float(START_MS))
        board = Board(START_MS + DAY_MS, self._places, self._prices, times, self._prices, self._prices, times)
        start = time.perf_counter()
        self._table.marked(board)
        return (time.perf_counter() - start) * 1e3

    def floor(self) -> float:
        """Milliseconds for a product and a sum of every cell."""
        start = time.perf_counter()
        np.bincount(self._rows, weights=self._quantity * self._prices[self._columns])
        return (time.perf_counter() - start) * 1e3


def main() -> None:
    arguments = parse(__doc__)
    report = Report("portfolio", arguments, ("numpy", "pyxirr"))
    count, width, days = (2000, 50, 500) if arguments.quick else (10_000, 100, 1825)
    years = Years(count, width, days)
    figures = interleave(
        {
            "performance": years.performance,
            "a year by hour": years.past,
            "replay of the ledger": years.replay,
            "one more transaction": years.append,
        },
        arguments.runs,
    )
    report.add(figures, unit="ms", what=f"{count:,} transactions in {width} coins over {days} days")
    portfolios = 200 if arguments.quick else 1000
    tick = Tick(portfolios, 20, 200)
    figures = interleave({"marketwatch": tick.marked, "numpy, one product and sum": tick.floor}, arguments.runs)
    report.add(figures, unit="ms a tick", what=f"{portfolios:,} portfolios of 20 coins", base="numpy, one product and sum")
    report.print()


if __name__ == "__main__":
    main()
