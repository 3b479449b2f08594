"""Many portfolios marked to market at once: positions as columns, one row per portfolio and coin, Decimals left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.market import Instrument
from ..model.portfolio import Portfolio
from ..model.valuation import Valuations
from .day import Day, day_of
from .ledger import Ledger
from .routes import F8, Board, Legs, Route, Routes, beside

Places = Mapping[tuple[str, str], int]
Opening = Callable[[Route | None], float | None]
"""The price of a route at 00:00 UTC."""

POSITION_FIGURES = ("quantity", "value", "cost", "upnl", "change_today", "pnl_today")
_TOTALS = ("cash", "net_invested", "realized", "income", "expenses")


class Kept(NamedTuple):
    """A portfolio with its ledger."""

    portfolio: Portfolio
    ledger: Ledger


class MarkTable:
    """The columns of a fixed list of portfolios as of one day: build a new one when a ledger or the day changes.

    `places`: the place of each watched symbol on the boards it will be asked about.
    """

    def __init__(
        self,
        kept: Sequence[Kept],
        instruments: Iterable[Instrument],
        places: Mapping[str, int],
        *,
        now_ms: int,
        opening: Opening,
    ) -> None:
        listed = list(instruments)
        self._kept = list(kept)
        self.portfolio_ids = tuple(one.portfolio.portfolio_id for one in self._kept)
        self.day_ms = now_ms - now_ms % 86_400_000
        routes: dict[str, Routes] = {}
        cells: list[tuple[int, int, float, float, float, float, float, float]] = []
        assets: dict[tuple[str, str], int] = {}
        totals = np.zeros((len(_TOTALS), len(self._kept)))
        before, flows = np.zeros(len(self._kept)), np.zeros(len(self._kept))
        for row, (portfolio, ledger) in enumerate(self._kept):
            base = portfolio.base_currency
            routes.setdefault(base, Routes(listed, base))
            said, day = ledger.statement(), day_of(ledger, now_ms)
            sums = (said.cash_total, said.net_invested, said.realized, said.income, said.expenses)
            totals[:, row] = [float(amount) for amount in sums]
            before[row] = float(sum((one.before for name, one in day.assets.items() if name in ledger.par), said.cost * 0))
            flows[row] = float(sum((flow.value for flow in day.flows if flow.value is not None), said.cost * 0))
            open_flows = _unpriced(day)
            for position in said.positions:
                since = day.assets[position.coin]
                if not (position.quantity or since.before or since.paid or since.at_market):
                    continue
                place = assets.setdefault((base, position.coin), len(assets))
                cells.append(
                    (
                        row, place, float(position.quantity), float(position.cost), float(since.before), float(since.paid),
                        float(since.at_market), open_flows.get(position.coin, 0.0),
                    )
                )  # fmt: skip
        self._totals = dict(zip(_TOTALS, totals, strict=True))
        self._cash_before, self._flows = before, flows
        self._legs = Legs([(routes[base], coin) for base, coin in assets], dict(places))
        self._routes = [routes[base].route(coin) for base, coin in assets]
        table = np.array(cells, np.float64).reshape(len(cells), 8).T
        self._row, self._asset = table[0].astype(np.intp), table[1].astype(np.intp)
        self._quantity, self._cost, self._held, self._paid, self._at_market, self._flowed = table[2:].copy()
        self._name([coin for _, coin in assets])
        self.reopen(opening)

    def reopen(self, opening: Opening) -> None:
        """Ask for the prices at midnight again."""
        opened = np.array([np.nan if (price := opening(route)) is None else price for route in self._routes], np.float64)
        held = self._held
        self._then = np.where(held == 0.0, 0.0, held * opened[self._asset]) if len(held) else held
        self._before = self._cash_before + self._sum(self._then)

    def _name(self, coins: Sequence[str]) -> None:
        """By what rules ask: an owner's portfolios by name, an owner's coins over all of these. `coins`: that of each asset."""
        owners = [one.portfolio.owner_id for one in self._kept]
        self._rows = {
            (owner, _key(one.portfolio.name)): at for at, (owner, one) in enumerate(zip(owners, self._kept, strict=True))
        }
        cells = [(owners[row], coins[at]) for row, at in zip(self._row.tolist(), self._asset.tolist(), strict=True)]
        self._coins = {place: at for at, place in enumerate(sorted(set(cells)))}
        self._coin = np.array([self._coins[cell] for cell in cells], np.intp)
        counted: dict[str, set[frozenset[str]]] = {}
        for owner, one in zip(owners, self._kept, strict=True):
            counted.setdefault(owner, set()).add(one.ledger.par)
        self._mixed = np.array([len(counted[owner]) > 1 for owner, _ in self._coins], np.bool_)

    def marked(self, board: Board) -> Valuations:
        """All portfolios at the prices of a board. A portfolio without a price for something it holds is unknown (NaN)."""
        columns, positions = self.figures(board)
        return Valuations(board.time_ms, self.portfolio_ids, self._rows, columns, self._coins, positions)

    def figures(self, board: Board) -> tuple[dict[str, F8], dict[str, F8]]:
        """Columns over the portfolios, and over the coins of each owner; of a board of many moments tables, one a column."""
        price = self._legs.prices(board)[self._asset]
        columns = (self._quantity, self._cost, self._then, self._paid, self._at_market, self._flowed)
        quantity, cost, then, paid, at_market, flowed = (beside(one, price) for one in columns)
        totals = {name: beside(column, price) for name, column in self._totals.items()}
        before, flows, invested = beside(self._before, price), beside(self._flows, price), totals["net_invested"]
        with np.errstate(invalid="ignore", divide="ignore"):
            worth = np.where(quantity == 0.0, 0.0, quantity * price)
            paid = paid + np.where(at_market == 0.0, 0.0, at_market * price)
            change = worth - then - paid
            value = totals["cash"] + self._sum(worth)
            came = flows + self._sum(np.where(flowed == 0.0, 0.0, flowed * price))
            gain = value - invested
            today = value - before - came
            found = {
                "value": value, "upnl": self._sum(worth - cost), "cost": self._sum(np.broadcast_to(cost, worth.shape)),
                "gain": gain, "roi": _percent(gain, invested), "change_today": today,
                "change_today_pct": _percent(today, before + np.maximum(came, 0.0)), **totals,
            }  # fmt: skip
            return found, self._positions(worth, change, paid)

    def named(self, board: Board) -> tuple[Places, dict[str, F8], Places, dict[str, F8]]:
        """Figures of a board and by which names they are asked for: rows, columns, coins, positions as in `Valuations`."""
        columns, positions = self.figures(board)
        return self._rows, columns, self._coins, positions

    def _sum(self, cells: F8) -> F8:
        return _gathered(self._row, cells, len(self._kept))

    def _positions(self, worth: F8, change: F8, paid: F8) -> dict[str, F8]:
        """Figures of each owner's coins."""

        def sums(cells: F8) -> F8:
            return _gathered(self._coin, np.broadcast_to(beside(cells, worth), worth.shape), len(self._coins))

        base = sums(self._then) + np.maximum(sums(paid), 0.0)
        found = {
            "quantity": sums(self._quantity), "value": sums(worth), "cost": sums(self._cost),
            "upnl": sums(worth - beside(self._cost, worth)),
            "change_today": _percent(sums(change), base), "pnl_today": sums(change),
        }  # fmt: skip
        if self._mixed.any():
            for name in POSITION_FIGURES[1:]:
                found[name][self._mixed] = np.nan
        return found


def _gathered(places: NDArray[np.intp], cells: F8, count: int) -> F8:
    """Sums of cells by place, added in their order; for many moments the same for each, to the bit."""
    if cells.ndim == 1:
        return np.bincount(places, weights=cells, minlength=count).astype(np.float64)
    found = np.zeros((count, cells.shape[1]))
    for place, cell in zip(places.tolist(), cells, strict=True):
        found[place] += cell
    return found


def _unpriced(day: Day) -> dict[str, float]:
    """Quantities that crossed the border today without a price."""
    found: dict[str, float] = {}
    for flow in day.flows:
        if flow.value is None:
            found[flow.asset] = found.get(flow.asset, 0.0) + float(flow.quantity)
    return found


def _percent(part: F8, whole: F8) -> F8:
    """NaN where the whole is nothing, or less."""
    found: F8 = np.where(whole > 0.0, 100.0 * part / np.where(whole > 0.0, whole, 1.0), np.nan)
    return found


def _key(name: str) -> str:
    return " ".join(name.casefold().split())
