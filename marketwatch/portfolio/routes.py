"""How prices of the watched pairs become prices in a base currency.

A coin is priced by its pair with the base currency; else by its pair with another currency that leads there. Dollars and their
stablecoins count one for one, both where the base currency is one of them and on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..model.market import DOLLARS, Instrument
from ..model.valuation import Mark, MarkSource
from ..state import LiveState
from .ledger import at_par

F8 = NDArray[np.float64]
S = TypeVar("S", bound=np.generic)
FRESH_MS = 10_000
"""A quote older than this gives way to the last trade."""

_BRIDGES = ("USDT", "USD", "USDC", "FDUSD", "EUR", "BTC", "ETH", "BNB")


class Leg(NamedTuple):
    """One pair of a route. `inverted`: its price is divided by (the coin is the quote asset)."""

    symbol: str
    inverted: bool = False


Route = tuple[Leg, ...]
"""Legs whose prices are multiplied; empty for what is at par."""


class Routes:
    """Routes to one base currency over a fixed list of pairs."""

    def __init__(self, instruments: Iterable[Instrument], base_currency: str) -> None:
        self.base_currency = base_currency
        self.par = at_par(base_currency)
        self._pairs: dict[tuple[str, str], str] = {}
        for item in instruments:
            self._pairs.setdefault((item.base.upper(), item.quote.upper()), item.symbol)
        self._quotes: dict[str, list[str]] = {}
        for base, quote in self._pairs:
            self._quotes.setdefault(base, []).append(quote)
        self._found: dict[str, Route | None] = {}

    def route(self, asset: str) -> Route | None:
        """None: no watched pair leads from `asset` to the base currency."""
        if asset not in self._found:
            self._found[asset] = self._find(asset)
        return self._found[asset]

    def _find(self, asset: str) -> Route | None:
        if asset in self.par:
            return ()
        direct = self._direct(asset)
        if direct is not None:
            return (direct,)
        for quote in sorted(self._quotes.get(asset, ()), key=_preference):
            onward = self._direct(quote) or (self._from_dollars() if quote in DOLLARS else None)
            if onward is not None:
                return Leg(self._pairs[asset, quote]), onward
        if asset in DOLLARS and (dollars := self._from_dollars()) is not None:
            return (dollars,)
        return None

    def _direct(self, asset: str) -> Leg | None:
        par = sorted(self.par, key=lambda code: (code != self.base_currency, _preference(code)))
        for code in par:
            if (asset, code) in self._pairs:
                return Leg(self._pairs[asset, code])
        for code in par:
            if (code, asset) in self._pairs:
                return Leg(self._pairs[code, asset], inverted=True)
        return None

    def _from_dollars(self) -> Leg | None:
        """From any dollar to a base currency that is none."""
        for dollar in sorted(DOLLARS, key=_preference):
            if (leg := self._direct(dollar)) is not None:
                return leg
        return None


def _preference(code: str) -> tuple[int, str]:
    return (_BRIDGES.index(code) if code in _BRIDGES else len(_BRIDGES), code)


class Board(NamedTuple):
    """What is known of all watched pairs at `time_ms`: columns, NaN unknown, times in ms as float64.

    `places`: the place of each symbol in the columns. A board of many moments has tables, a moment a column, in their place.
    """

    time_ms: int
    places: dict[str, int]
    trade: F8
    trade_ms: F8
    bid: F8
    ask: F8
    quote_ms: F8

    def leg(self, leg: Leg) -> tuple[float, MarkSource, float]:
        """Price, source and time of one leg: a fresh bid (ask when divided by), else the last trade."""
        at = self.places.get(leg.symbol)
        if at is None:
            return np.nan, MarkSource.TRADE, np.nan
        quote = float((self.ask if leg.inverted else self.bid)[at])
        fresh = self.time_ms - self.quote_ms[at] <= FRESH_MS and quote > 0
        price = quote if fresh else float(self.trade[at])
        if not price > 0:
            return np.nan, MarkSource.TRADE, np.nan
        source, time_ms = (MarkSource.BID, self.quote_ms[at]) if fresh else (MarkSource.TRADE, self.trade_ms[at])
        return (1.0 / price if leg.inverted else price), source, float(time_ms)


def board_of(state: LiveState, time_ms: int) -> Board:
    """The board of a living market."""
    entries = list(state.symbols.values())

    def column(name: str) -> F8:
        return np.array([getattr(entry, name) for entry in entries], np.float64)

    index = {symbol: at for at, symbol in enumerate(state.symbols)}
    columns = [column(name) for name in ("price", "trade_ms", "bid", "ask", "quote_ms")]
    columns[1] = np.where(np.isnan(columns[1]), column("ticker_ms"), columns[1])
    return Board(time_ms, index, *columns)


def board_at(time_ms: int, places: dict[str, int], price: F8) -> Board:
    """A board on which nothing is known but the prices of sample steps: what is the same live and when it is read again."""
    nothing = np.full((len(price), *([1] * (price.ndim - 1))), np.nan)
    return Board(time_ms, places, price, nothing, nothing, nothing, nothing)


def mark(routes: Routes, board: Board, asset: str) -> Mark | None:
    """The price of `asset` in the base currency; None without a route or a price."""
    route = routes.route(asset)
    if route is None:
        return None
    if not route:
        return Mark(asset, 1.0, MarkSource.PAR, board.time_ms)
    price, time_ms, source = 1.0, np.inf, MarkSource.BID
    for leg in route:
        factor, leg_source, leg_ms = board.leg(leg)
        price, time_ms = price * factor, min(time_ms, leg_ms)
        source = source if leg_source is MarkSource.BID else MarkSource.TRADE
    if not np.isfinite(price):
        return None
    return Mark(route[0].symbol, price, source, int(time_ms) if np.isfinite(time_ms) else 0)


class Legs:
    """Routes of many assets as columns, so that all of them are priced at once."""

    def __init__(self, routes: Sequence[tuple[Routes, str]], index: dict[str, int]) -> None:
        found = [owner.route(asset) for owner, asset in routes]
        self._par = np.array([route == () for route in found], np.bool_)
        self._first, self._first_inverted = self._leg(found, 0, index)
        self._second, self._second_inverted = self._leg(found, 1, index)
        self._two = np.array([route is not None and len(route) > 1 for route in found], np.bool_)

    @staticmethod
    def _leg(found: Sequence[Route | None], number: int, index: dict[str, int]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        legs = [route[number] if route is not None and len(route) > number else None for route in found]
        place = [len(index) if leg is None else index.get(leg.symbol, len(index)) for leg in legs]
        return np.array(place, np.intp), np.array([leg is not None and leg.inverted for leg in legs], np.bool_)

    def prices(self, board: Board) -> F8:
        """The price of every asset, NaN unknown: the same as `mark` says one by one."""
        fresh = board.time_ms - board.quote_ms <= FRESH_MS
        with np.errstate(invalid="ignore", divide="ignore"):
            sell = _padded(np.where(fresh & (board.bid > 0), board.bid, board.trade))
            buy = 1.0 / _padded(np.where(fresh & (board.ask > 0), board.ask, board.trade))
            price = np.where(beside(self._first_inverted, buy), buy[self._first], sell[self._first])
            if self._two.any():
                second = np.where(beside(self._second_inverted, buy), buy[self._second], sell[self._second])
                price = np.where(beside(self._two, price), price * second, price)
            price[self._par] = 1.0
            price[~((price > 0) & (price < np.inf))] = np.nan
        return price


def _padded(column: F8) -> F8:
    """With an unknown last place, which those without a pair point at."""
    return np.concatenate([column, np.full((1, *column.shape[1:]), np.nan)])


def beside(column: NDArray[S], table: F8) -> NDArray[S]:
    """A column so that it goes with every moment of a table; as it is where there is one moment only."""
    return column if table.ndim == 1 or column.ndim > 1 else column[:, np.newaxis]
