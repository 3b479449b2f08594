"""Running totals per symbol."""

from __future__ import annotations

from marketwatch.model.market import Samples
from marketwatch.model.metrics import MetricTable
from marketwatch.store.totals import Totals
from tests.kit.facts import T0, step, traded


def counted(totals: Totals) -> list[tuple[int, float]]:
    table = MetricTable(time_ms=T0, symbols=("A",), windows=(), points={}, values={}, state={}, filled={})
    return [(row.trade_count, row.total_volume) for row in totals.rows(table, "60")]


def told(facts: list[Samples]) -> list[tuple[int, float]]:
    totals = Totals()
    for fact in facts:
        totals.on_samples(fact)
    return counted(totals)


def test_totals_count_trades_that_were_refilled_two_minutes_late() -> None:
    quiet = [step(T0 + 500 * number, {"A": {"price": 1.0, "volume": 0.0}}) for number in range(239)]
    late = step(T0, {"A": traded(1.0, volume=2.0, trades=3)}, revised=[0])
    assert told([*quiet, late]) == [(3, 2.0)]


def test_totals_count_of_a_revision_is_the_difference() -> None:
    first = step(T0, {"A": traded(1.0, volume=2.0, trades=1)})
    again = step(T0, {"A": traded(1.0, volume=3.5, trades=2)}, revised=[0])
    assert told([first, again]) == [(2, 3.5)]
