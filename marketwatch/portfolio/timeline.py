"""Portfolios as they were: the books of somebody along time, and what a rule's terms of one's own money said at every step.

A transaction counts from the first step on that ends at its time or later. The figures are those of the marker: the same table,
asked about the prices of many steps at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidRequest
from ..model.market import Candle, Instrument
from ..rules.holdings import Holding, picked
from .book import Book
from .day import DAY_MS
from .ledger import Ledger
from .marks import Kept, MarkTable
from .opening import CandlesOfThen, opening_of
from .routes import F8, Route, Routes, board_at

MOST_CHANGES = 2000
_AT_ONCE = 20_000
I8 = NDArray[np.int64]
Stored = Mapping[tuple[str, str], Sequence[Candle]]
"""Candles by symbol and interval, oldest first."""


class Timeline:
    """The ledgers of books that are asked about later and later moments."""

    def __init__(self, books: Sequence[Book]) -> None:
        self._books = [book for book in books if book.ledger is not None]
        self._kept = [
            Kept(book.portfolio, Ledger(book.portfolio.base_currency, book.portfolio.cost_method)) for book in self._books
        ]
        self._next = [0] * len(self._books)
        self._begun = False

    def at(self, time_ms: int) -> list[Kept]:
        """As of the end of a step; the ledgers are this timeline's own and go on with it."""
        self.moves(time_ms)
        return self._kept

    def moves(self, time_ms: int) -> bool:
        """Go on to a moment; whether anything was booked on the way, or it is the first one."""
        moved, self._begun = not self._begun, True
        for number, (book, kept) in enumerate(zip(self._books, self._kept, strict=True)):
            place = self._next[number]
            while place < len(book.entries) and book.entries[place].time_ms <= time_ms:
                kept.ledger.append(book.entries[place])
                place += 1
            moved, self._next[number] = moved or place > self._next[number], place
        return moved


@dataclass(frozen=True, slots=True, eq=False)
class Money:
    """What terms of one's own money are computed from: the books of one owner, in the order in which they were made, and the
    watched pairs. `symbols` of terms are those whose samples and candles are needed."""

    owner_id: str
    books: tuple[Book, ...]
    instruments: tuple[Instrument, ...]

    def symbols(self, nodes: Sequence[Holding]) -> tuple[str, ...]:
        """The pairs that price what was ever held of what is asked for."""
        routes: dict[str, Routes] = {}
        found: dict[str, None] = {}
        for book in self._asked(nodes):
            base = book.portfolio.base_currency
            to = routes.setdefault(base, Routes(self.instruments, base))
            coins = dict.fromkeys(name for entry in book.entries for name in (entry.coin, entry.currency, entry.fee_currency))
            found |= {leg.symbol: None for coin in coins for leg in to.route(coin) or ()}
        return tuple(found)

    def along(self, nodes: Sequence[Holding], prices: Mapping[str, F8], end_ms: I8, stored: Stored) -> dict[str, F8]:
        """The figure of each term at every step, by its text; NaN unknown. Runs in a thread.

        `prices`: of each symbol at the ends of the steps, `stored`: its daily and hourly candles from two days before on.
        Raises InvalidRequest where too much was booked in the span.
        """
        books = self._asked(nodes)
        found = {node.key: np.full(len(end_ms), np.nan) for node in nodes}
        if not len(end_ms):
            return found
        names = tuple(prices)
        places = {name: place for place, name in enumerate(names)}
        table = np.stack([prices[name] for name in names]) if names else np.zeros((0, len(end_ms)))
        timeline = Timeline(books)
        for first, last in pairwise(self._edges(books, end_ms)):
            now_ms = int(end_ms[first])
            candles = CandlesOfThen(stored, now_ms)
            opening = partial(_opening, candles, now_ms)
            marks = MarkTable(timeline.at(now_ms), self.instruments, places, now_ms=now_ms, opening=opening)
            for start in range(first, last, _AT_ONCE):
                part = slice(start, min(last, start + _AT_ONCE))
                said = marks.named(board_at(now_ms, places, table[:, part]))
                for node in nodes:
                    found[node.key][part] = picked(node, *said)
        return found

    def _asked(self, nodes: Sequence[Holding]) -> list[Book]:
        """All books where a coin is asked for, else those that are named."""
        names = {node.subject for node in nodes if node.name == "portfolio"}
        every = any(node.name == "position" for node in nodes)
        return [book for book in self.books if every or " ".join(book.portfolio.name.casefold().split()) in names]

    @staticmethod
    def _edges(books: Sequence[Book], end_ms: I8) -> list[int]:
        """Steps at which something was booked or a day began, the first one and the one behind the last."""
        booked = np.array([entry.time_ms for book in books for entry in book.entries], np.int64)
        days = np.arange(end_ms[0] - end_ms[0] % DAY_MS, end_ms[-1] + 1, DAY_MS)
        edges = np.unique(np.searchsorted(end_ms, np.concatenate([booked, days])))
        inside = edges[(edges > 0) & (edges < len(end_ms))].tolist()
        if len(inside) > MOST_CHANGES:
            raise InvalidRequest(
                f"{len(inside)} transactions and days lie in this span, and {MOST_CHANGES} are the most that terms of one's "
                "own money are followed through; choose a shorter span."
            )
        return [0, *inside, len(end_ms)]


def _opening(candles: CandlesOfThen, now_ms: int, route: Route | None) -> float | None:
    return opening_of(candles, route, now_ms)
