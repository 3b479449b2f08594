"""An alert on one's own money, from the trade to the episode."""

from __future__ import annotations

from marketwatch.model.alerts import Rule
from marketwatch.portfolio.ledger import Ledger
from marketwatch.portfolio.marks import Kept
from tests.kit.books import entry, portfolio
from tests.kit.scene import Scene

LOSS = Rule("loss", 1, "Loss", "portfolio('main').upnl < -10 and position('BTC').quantity > 1")


def test_rule_on_a_portfolio_fires_when_the_market_takes_its_money_and_ends_when_it_comes_back() -> None:
    """2 BTC bought at 100: at 96 they have lost 8, at 94 they have lost 12."""
    scene = Scene(LOSS)
    scene.watch.marker.use([Kept(portfolio(), Ledger.replay(portfolio(), [entry("buy", "BTC", 2, 100)]))])
    scene.tell(96.0, 94.0, 101.0)
    assert scene.states == [("*", "firing"), ("*", "resolved")]
    fired = scene.alerts[0]
    assert (fired.metric, fired.threshold, fired.trigger_value) == ("portfolio('main').upnl", -10.0, -12.0)
    assert fired.context["terms"] == {"portfolio('main').upnl": -12.0, "position('BTC').quantity": 2.0}


def test_without_portfolios_the_rule_stays_silent() -> None:
    scene = Scene(LOSS)
    scene.tell(96.0, 1.0)
    assert scene.states == []


def test_portfolio_that_is_gone_is_forgotten_at_once() -> None:
    scene = Scene(LOSS)
    scene.watch.marker.use([Kept(portfolio(), Ledger.replay(portfolio(), [entry("buy", "BTC", 2, 100)]))])
    scene.tell(96.0)
    before = scene.watch.state.valuations
    scene.watch.marker.use([])
    scene.tell(50.0)
    after = scene.watch.state.valuations
    assert (before is None, after is None, scene.states) == (False, True, [])
