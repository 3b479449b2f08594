"""All portfolios at once equal each by itself, and the marker publishes them at every step."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from marketwatch.bus import Bus
from marketwatch.engine.candles import CandleBook
from marketwatch.model.market import Instrument, Samples
from marketwatch.model.metrics import MetricTable
from marketwatch.model.portfolio import CostMethod, Portfolio
from marketwatch.model.valuation import Valuations
from marketwatch.portfolio.entry import checked
from marketwatch.portfolio.errors import LedgerError
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.marker import Marker
from marketwatch.portfolio.marks import Kept, MarkTable
from marketwatch.portfolio.routes import Board, Route, Routes, mark
from marketwatch.portfolio.valuation import value
from marketwatch.state import LiveState
from tests.kit.books import DAY_MS, entry, history, portfolio
from tests.kit.facts import NAN, T0

PAIRS = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "EUR/USDT", "DOGE/USDT")
INSTRUMENTS = [Instrument(pair.replace("/", ""), pair.split("/")[0], pair.split("/")[1]) for pair in PAIRS]
PLACES = {item.symbol: at for at, item in enumerate(INSTRUMENTS)}
MIDNIGHT = T0 - T0 % DAY_MS
NOW = MIDNIGHT + DAY_MS // 2


def generated(count: int) -> Iterator[Kept]:
    """Histories around midnight, so that some of each lies before today."""
    for seed in range(count):
        base = ("USD", "EUR")[seed % 4 == 0]
        book = Portfolio(f"p{seed}", "owner", f"Book  {seed}", base, CostMethod.FIFO if seed % 2 else CostMethod.AVERAGE)
        ledger = Ledger(base, book.cost_method)
        for one in history(seed, base, most=30):
            try:
                ledger.append(checked(one._replace(time_ms=MIDNIGHT + (one.time_ms - T0 - 600_000)), base))
            except LedgerError:
                continue
        yield Kept(book, ledger)


def board(prices: list[float]) -> Board:
    column = np.array(prices, np.float64)
    times = np.full(len(prices), float(NOW))
    return Board(NOW, PLACES, column, times, np.full(len(prices), NAN), np.full(len(prices), NAN), times)


def opening(route: Route | None) -> float | None:
    """100 for every pair at midnight."""
    price = 1.0
    for leg in route or ():
        price = price / 100 if leg.inverted else price * 100
    return None if route is None else price


@pytest.mark.parametrize("missing", [False, True])
def test_all_at_once_equal_each_by_itself(missing: bool) -> None:
    kept = list(generated(150))
    rng = random.Random(1)
    prices = [rng.uniform(50, 150) for _ in PAIRS]
    if missing:
        prices[1] = NAN
    at_once = MarkTable(kept, INSTRUMENTS, PLACES, now_ms=NOW, opening=opening).marked(board(prices))
    unknown = 0
    for row, (book, ledger) in enumerate(kept):
        routes = Routes(INSTRUMENTS, book.base_currency)

        def marks(asset: str, routes: Routes = routes) -> object:
            return mark(routes, board(prices), asset)

        alone = value(book, ledger, marks, lambda asset, routes=routes: opening(routes.route(asset)), NOW)  # type: ignore[arg-type, misc]
        expected = {
            "value": alone.value, "upnl": alone.unrealized, "cost": alone.cost, "gain": alone.gain, "roi": alone.roi_pct,
            "realized": alone.realized, "change_today": alone.change_today, "change_today_pct": alone.change_today_pct,
            "cash": alone.cash, "net_invested": alone.net_invested, "income": alone.income, "expenses": alone.expenses,
        }  # fmt: skip
        unknown += alone.value is None
        for name, figure in expected.items():
            found = float(at_once.columns[name][row])
            if figure is None:
                assert np.isnan(found), (name, row)
            else:
                assert found == pytest.approx(float(figure), rel=1e-9, abs=1e-6), (name, row)
    assert (unknown > 0) is missing


def test_names_and_coins_of_each_owner_are_found() -> None:
    mine = portfolio()
    ledgers = [Ledger.replay(mine, [entry("buy", "BTC", amount, 100)]) for amount in (1, 2)]
    kept = [
        Kept(mine, ledgers[0]),
        Kept(mine._replace(portfolio_id="p2", name="Second  ONE"), ledgers[1]),
        Kept(mine._replace(portfolio_id="p3", owner_id="somebody"), ledgers[1]),
    ]
    found = MarkTable(kept, INSTRUMENTS, PLACES, now_ms=NOW, opening=opening).marked(board([150.0, *[NAN] * 4]))
    assert found.rows == {("owner", "main"): 0, ("owner", "second one"): 1, ("somebody", "main"): 2}
    said = {
        owner: {name: float(column[place]) for name, column in found.positions.items()}
        for (owner, coin), place in found.coins.items()
        if coin == "BTC"
    }
    assert said == {
        "owner": {"quantity": 3, "value": 450, "cost": 300, "upnl": 150, "change_today": 50, "pnl_today": 150},
        "somebody": {"quantity": 2, "value": 300, "cost": 200, "upnl": 100, "change_today": 50, "pnl_today": 100},
    }


def test_coins_of_portfolios_in_unlike_currencies_are_not_added_up() -> None:
    kept = [
        Kept(portfolio(), Ledger.replay(portfolio(), [entry("buy", "BTC", 1, 100)])),
        Kept(portfolio(base="EUR"), Ledger.replay(portfolio(base="EUR"), [entry("buy", "BTC", 1, 100, base="EUR")])),
    ]
    kept.append(Kept(kept[0].portfolio._replace(portfolio_id="p3", owner_id="somebody"), kept[0].ledger))
    found = MarkTable(kept, INSTRUMENTS, PLACES, now_ms=NOW, opening=opening).marked(board([150.0] * 5))
    mixed, plain = found.coins["owner", "BTC"], found.coins["somebody", "BTC"]
    assert (found.positions["quantity"][mixed], found.positions["quantity"][plain]) == (2, 1)
    assert np.isnan(found.positions["value"][mixed])
    assert found.positions["value"][plain] == 150


def test_no_portfolio_and_an_empty_one_are_no_trouble() -> None:
    empty = MarkTable([], INSTRUMENTS, PLACES, now_ms=NOW, opening=opening).marked(board([1.0] * 5))
    assert empty.portfolio_ids == ()
    one = Kept(portfolio(), Ledger("USD", CostMethod.FIFO))
    found = MarkTable([one], INSTRUMENTS, PLACES, now_ms=NOW, opening=opening).marked(board([1.0] * 5))
    assert found.columns["value"].tolist() == [0]


def sampled(time_ms: int, price: float) -> Samples:
    """A step in which every pair stands at one price."""
    size = len(PLACES)
    flat, none = np.full(size, price), np.zeros(size)
    ids = np.zeros(size, np.int64)
    return Samples(
        time_ms,
        500,
        tuple(PLACES),
        flat,
        flat,
        flat,
        flat,
        none,
        none,
        none,
        ids,
        none,
        none,
        ids,
        ids,
        np.zeros(size, np.bool_),
    )


def test_marker_publishes_at_every_step_what_the_market_says_then() -> None:
    said: list[Valuations] = []
    bus = Bus(on_error=lambda name, error: pytest.fail(f"{name}: {error}"))
    bus.subscribe(Valuations, said.append, name="test")
    state = LiveState(INSTRUMENTS)
    marker = Marker(state=state, candles=CandleBook(symbols=tuple(PLACES), publish=bus.publish), publish=bus.publish)

    def step(time_ms: int, price: float) -> None:
        state.on_samples(sampled(time_ms - 500, price))
        marker.on_metrics(MetricTable(time_ms, tuple(PLACES), (), {}, {}, {}, {}))

    step(T0, 100.0)
    assert said == []
    marker.use([Kept(portfolio(), Ledger.replay(portfolio(), [entry("buy", "BTC", 2, 100)]))])
    step(T0 + 500, 110.0)
    step(T0 + 1000, 90.0)
    assert [(one.time_ms - T0, float(one.columns["upnl"][0])) for one in said] == [(500, 20), (1000, -20)]
    marker.use([])
    step(T0 + 1500, 90.0)
    assert len(said) == 2
