"""What of an alert about somebody's money others may know."""

from __future__ import annotations

from typing import Any

import pytest

from marketwatch.model.alerts import Alert
from marketwatch.model.private import author_of, open_context, told_to
from tests.kit.alerts import alert

TERMS = {"portfolio('main').upnl": -600.0, "zscore(position('BTC').value, 1h)": 2.0, "price": 100.0}


def money(**context: Any) -> Alert:
    return alert(metric="portfolio('main').upnl", trigger_value=-600.0, context={"terms": TERMS, "price": 1.0, **context})


def test_author_sees_the_figures_and_nobody_else_does() -> None:
    mine = money(owner_id="ann")
    assert told_to(mine, "ann") == mine
    for asker in ("", "bob", "owner"):
        found = told_to(mine, asker)
        assert (found.trigger_value, found.context["private"], found.context["price"]) == (None, True, 1.0)
        assert found.context["terms"] == dict.fromkeys(TERMS) | {"price": 100.0}
        assert author_of(found) == "ann"
        assert "owner_id" not in open_context(found)


def test_value_of_the_market_in_a_rule_about_money_is_no_secret() -> None:
    found = told_to(money(owner_id="ann")._replace(metric="price", trigger_value=100.0))
    assert (found.trigger_value, found.context["terms"]["portfolio('main').upnl"]) == (100.0, None)


@pytest.mark.parametrize(
    ("rule", "author"),
    [
        ({"expression": "portfolio('main').upnl < -5", "recover": None}, "owner"),
        ({"expression": "price > 1", "recover": "position ('BTC').value > 2"}, "owner"),
        ({"expression": "price('POSITIONUSDT') > 1", "recover": None}, None),
        ("nonsense", None),
    ],
)
def test_alert_that_names_no_author_is_the_owners_where_its_rule_is_about_money(rule: object, author: str | None) -> None:
    found = alert(context={"rule": rule})
    assert author_of(found) == author
    assert (told_to(found) is found) is (author is None)
