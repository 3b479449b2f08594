"""Terms of one's own money."""

from __future__ import annotations

import numpy as np
import pytest

from marketwatch.model.valuation import Valuations
from marketwatch.portfolio.marks import POSITION_FIGURES
from marketwatch.rules.errors import RuleError
from marketwatch.rules.holdings import FIGURES
from marketwatch.rules.live import LiveTable
from marketwatch.rules.nodes import Kind
from marketwatch.rules.program import compile_rule
from tests.unit.rules.test_live import SYMBOLS, Market

SAID = Valuations(
    0, ("p1", "p2", "p3"), {("owner", "main"): 0, ("owner", "my savings"): 1, ("ann", "main"): 2},
    {
        "upnl": np.array([-600.0, 5.0, -50.0]), "change_today_pct": np.array([-6.0, np.nan, 0.0]),
        "value": np.array([1000.0, 0.0, 10.0]),
    },
    {("ann", "BTC"): 0, ("owner", "BTC"): 1}, {"quantity": np.array([9.0, 2.0]), "change_today": np.array([0.0, -5.5])},
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("portfolio('main').upnl < -500", 1),
        ("portfolio('MAIN').upnl < -700", -1),
        ("portfolio('My  savings').value == 0", 1),
        ("portfolio('main').change_today < -5%", 1),
        ("portfolio('my savings').change_today < -5", 0),
        ("portfolio('other').upnl < 0", 0),
        ("position('btc').quantity >= 2", 1),
        ("position('BTC').change_today < -5", 1),
        ("position('DOGE').quantity < 5", 0),
        ("position('BTC').quantity * price > 1", 1),
    ],
)
def test_rule_sees_portfolios_and_positions(text: str, truth: int) -> None:
    market = Market()
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    live = table.add(compile_rule(text))
    market.state.valuations = SAID
    result = live.evaluate(market.tick(price=(1.0, 1.0, 1.0)))
    assert result.truth is not None
    assert result.truth.tolist() == [truth] * 3


def test_same_text_of_two_authors_is_about_the_money_of_each() -> None:
    """Side by side in one table, so that what is computed once for all is not one person's for the other."""
    market = Market()
    market.state.valuations = SAID
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    text = "change(portfolio('main').upnl, 10s) > 0 or portfolio('main').upnl * 2 < -100"
    live = [table.add(compile_rule(text, owner_id=one)) for one in ("owner", "ann", "nobody")]
    frame = market.tick(price=(1.0, 1.0, 1.0))
    said = [one.evaluate(frame) for one in live]
    found = [one.terms["portfolio('main').upnl"].tolist()[0] for one in said]
    assert found == pytest.approx([-600.0, -50.0, np.nan], nan_ok=True)
    assert [one.truth.tolist()[0] for one in said if one.truth is not None] == [1, 0, 0]
    for mine, other in ((0, 1), (1, 2)):
        assert {node.identity for node in live[mine].program.terms}.isdisjoint(n.identity for n in live[other].program.terms)
        assert {node.key for node in live[mine].program.terms} == {node.key for node in live[other].program.terms}


def test_without_portfolios_everything_about_them_is_unknown() -> None:
    table = LiveTable(symbols=SYMBOLS, sample_ms=500)
    live = table.add(compile_rule("portfolio('main').upnl < 0"))
    assert live.evaluate(Market().tick()).truth is not None
    assert not live.evaluate(Market().tick()).truth.any()  # type: ignore[union-attr]


def test_history_does_not_know_them_and_the_program_says_so() -> None:
    assert compile_rule("portfolio('main').upnl < 0 and price > 1").live_only == ("portfolio('main').upnl",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("portfolio('main') > 1", "has several figures"),
        ("portfolio.upnl > 1", "not written like this"),
        ("portfolio(5m).upnl > 1", "not written like this"),
        ("portfolio('main').upnll > 1", "has no figure upnll"),
        ("position('BTC').realized > 1", "has no figure realized"),
        ("portfolio('main').upnl > 1%", "per cent values only"),
    ],
)
def test_term_written_wrongly_is_refused_with_a_way_out(text: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        compile_rule(text)


def test_figures_are_those_that_are_marked() -> None:
    assert {column for column, _ in FIGURES["position"].values()} <= set(POSITION_FIGURES)
    assert all(kind in (Kind.NUMBER, Kind.PERCENT) for figures in FIGURES.values() for _, kind in figures.values())
