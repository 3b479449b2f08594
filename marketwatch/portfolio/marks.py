"""Many portfolios marked to market at once: positions as columns, one row per portfolio and coin, Decimals left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.market import Instrument
from ..model.portfolio import LOCAL_OWNER, Portfolio
from ..model.valuation import Valuations
from .day import Day, day_of
from .ledger import Ledger
from .routes import F8, Board, Legs, Route, Routes

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
        self._name(list(assets))
        self.reopen(opening)

    def reopen(self, opening: Opening) -> None:
        """Ask for the prices at midnight again."""
        opened = np.array([np.nan if (price := opening(route)) is None else price for route in self._routes], np.float64)
        held = self._held
        self._then = np.where(held == 0.0, 0.0, held * opened[self._asset]) if len(held) else held
        self._before = self._cash_before + self._sum(self._then)

    def _name(self, assets: Sequence[tuple[str, str]]) -> None:
        """Names by which rules ask: portfolios of the local owner, and coins over all of them."""
        mine = [at for at, one in enumerate(self._kept) if one.portfolio.owner_id == LOCAL_OWNER]
        self._rows = {_key(self._kept[at].portfolio.name): at for at in mine}
        own = np.isin(self._row, mine)
        self._mixed = len({self._kept[at].ledger.par for at in mine}) > 1
        coins = sorted({assets[at][1] for at in self._asset[own].tolist()})
        self._coins = {coin: at for at, coin in enumerate(coins)}
        place = np.array([self._coins.get(coin, -1) for _, coin in assets], np.intp)
        self._own = np.flatnonzero(own)
        self._coin = place[self._asset[self._own]] if len(assets) else np.empty(0, np.intp)

    def _sum(self, cells: F8) -> F8:
        return np.bincount(self._row, weights=cells, minlength=len(self._kept)).astype(np.float64)

    def marked(self, board: Board) -> Valuations:
        """All portfolios at the prices of a board. A portfolio without a price for something it holds is unknown (NaN)."""
        price = self._legs.prices(board)[self._asset] if len(self._asset) else np.empty(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            worth = np.where(self._quantity == 0.0, 0.0, self._quantity * price)
            paid = self._paid + np.where(self._at_market == 0.0, 0.0, self._at_market * price)
            change = worth - self._then - paid
            value = self._totals["cash"] + self._sum(worth)
            flowed = self._flows + self._sum(np.where(self._flowed == 0.0, 0.0, self._flowed * price))
            gain = value - self._totals["net_invested"]
            today = value - self._before - flowed
            columns = {
                "value": value, "upnl": self._sum(worth - self._cost), "cost": self._sum(self._cost), "gain": gain,
                "roi": _percent(gain, self._totals["net_invested"]), "change_today": today,
                "change_today_pct": _percent(today, self._before + np.maximum(flowed, 0.0)), **self._totals,
            }  # fmt: skip
            positions = self._positions(worth, change, paid)
        return Valuations(board.time_ms, self.portfolio_ids, self._rows, columns, self._coins, positions)

    def _positions(self, worth: F8, change: F8, paid: F8) -> dict[str, NDArray[np.float64]]:
        """Figures of the local owner's coins."""

        def sums(cells: F8) -> F8:
            return np.bincount(self._coin, weights=cells[self._own], minlength=len(self._coins)).astype(np.float64)

        quantity = sums(self._quantity)
        if self._mixed:
            return {"quantity": quantity} | dict.fromkeys(POSITION_FIGURES[1:], np.full(len(quantity), np.nan))
        base = sums(self._then) + np.maximum(sums(paid), 0.0)
        return {
            "quantity": quantity, "value": sums(worth), "cost": sums(self._cost), "upnl": sums(worth - self._cost),
            "change_today": _percent(sums(change), base), "pnl_today": sums(change),
        }  # fmt: skip


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
