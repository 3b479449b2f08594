"""Prices in a base currency: routes over watched pairs, and marks along them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.model.market import Instrument, Quote, Quotes, Trade, Trades
from marketwatch.model.valuation import MarkSource
from marketwatch.portfolio.routes import FRESH_MS, Board, Leg, Legs, Routes, board_of, mark
from marketwatch.state import LiveState
from tests.kit.facts import NAN, T0

PAIRS = ("BTC/USDT", "ETH/BTC", "EUR/USDT", "BTC/USD", "SOL/EUR", "USDC/USDT", "XYZ/ABC", "BTC/EUR", "BNB/USDC")


def instruments(*pairs: str) -> list[Instrument]:
    return [Instrument(pair.replace("/", ""), pair.split("/")[0], pair.split("/")[1]) for pair in pairs or PAIRS]


@pytest.mark.parametrize(
    ("asset", "base", "legs"),
    [
        ("USD", "USD", ()),
        ("USDC", "USD", ()),
        ("BTC", "USD", (Leg("BTCUSD"),)),
        ("BTC", "USDT", (Leg("BTCUSDT"),)),
        ("BNB", "USD", (Leg("BNBUSDC"),)),
        ("ETH", "USD", (Leg("ETHBTC"), Leg("BTCUSD"))),
        ("EUR", "USD", (Leg("EURUSDT"),)),
        ("BTC", "EUR", (Leg("BTCEUR"),)),
        ("USDT", "EUR", (Leg("EURUSDT", inverted=True),)),
        ("USDC", "EUR", (Leg("USDCUSDT"), Leg("EURUSDT", inverted=True))),
        ("FDUSD", "EUR", (Leg("EURUSDT", inverted=True),)),
        ("BNB", "EUR", (Leg("BNBUSDC"), Leg("EURUSDT", inverted=True))),
        ("EUR", "BTC", (Leg("BTCEUR", inverted=True),)),
        ("XYZ", "USD", None),
        ("NEVER", "USD", None),
    ],
)
def test_route_takes_the_base_currency_first_and_dollars_at_par(asset: str, base: str, legs: object) -> None:
    assert Routes(instruments(), base).route(asset) == legs


def market(*, quote_age_ms: int = 0, bid: float = 99.0, ask: float = 101.0, traded: bool = True) -> Board:
    state = LiveState(instruments("BTC/USDT", "EUR/USDT", "ETH/BTC"))
    if traded:
        prices = {"BTCUSDT": 100.0, "EURUSDT": 1.25, "ETHBTC": 0.05}
        trades = [Trade(symbol, 1, price, 1.0, T0 - 60_000, False) for symbol, price in prices.items()]
        state.on_trades(Trades("v", T0, trades))
    if bid:
        state.on_quotes(Quotes("v", T0, [Quote("BTCUSDT", bid, 1.0, ask, 1.0, T0 - quote_age_ms)]))
    return board_of(state, T0)


def test_long_is_marked_at_the_fresh_bid() -> None:
    found = mark(Routes(instruments("BTC/USDT"), "USD"), market(quote_age_ms=FRESH_MS), "BTC")
    assert found == ("BTCUSDT", 99.0, MarkSource.BID, T0 - FRESH_MS)


@pytest.mark.parametrize("board", [market(quote_age_ms=FRESH_MS + 1), market(bid=0.0)])
def test_without_a_fresh_bid_the_last_trade_counts_with_its_age(board: Board) -> None:
    found = mark(Routes(instruments("BTC/USDT"), "USD"), board, "BTC")
    assert found == ("BTCUSDT", 100.0, MarkSource.TRADE, T0 - 60_000)


def test_two_pairs_are_as_old_as_the_older_one() -> None:
    found = mark(Routes(instruments("BTC/USDT", "ETH/BTC"), "USD"), market(), "ETH")
    assert found is not None
    assert found._replace(price=4.95) == ("ETHBTC", 4.95, MarkSource.TRADE, T0 - 60_000)
    assert found.price == pytest.approx(4.95)


def test_what_has_to_be_bought_back_is_divided_by_the_ask() -> None:
    """1 USDT in BTC: it buys 1 / 101."""
    found = mark(Routes(instruments("BTC/USDT"), "BTC"), market(), "USDT")
    assert found is not None
    assert (found.price, found.source) == (1 / 101, MarkSource.BID)


def test_no_trade_or_no_route_is_no_mark() -> None:
    routes = Routes(instruments("BTC/USDT"), "USD")
    assert mark(routes, market(traded=False, bid=0.0), "BTC") is None
    assert mark(routes, market(), "DOGE") is None
    assert mark(routes, market(), "USDT") == ("USDT", 1.0, MarkSource.PAR, T0)


PRICE = st.one_of(st.just(NAN), st.floats(1e-6, 1e6))


@given(rows=st.lists(st.tuples(PRICE, PRICE, PRICE, st.integers(0, 2 * FRESH_MS)), min_size=len(PAIRS), max_size=len(PAIRS)))
def test_all_at_once_equals_one_by_one(rows: list[tuple[float, float, float, int]]) -> None:
    trade, bid, ask, age = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    places = {item.symbol: at for at, item in enumerate(instruments())}
    board = Board(T0, places, trade, np.full(len(rows), float(T0)), bid, ask, T0 - age)
    wanted = [(Routes(instruments(), base), asset) for base in ("USD", "EUR", "BTC") for asset in ("BTC", "ETH", "EUR", "USDC",
              "BNB", "SOL", "XYZ", "USD")]  # fmt: skip
    together = Legs(wanted, places).prices(board)
    for price, (routes, asset) in zip(together.tolist(), wanted, strict=True):
        alone = mark(routes, board, asset)
        assert (alone is None) == np.isnan(price)
        assert alone is None or alone.price == price
