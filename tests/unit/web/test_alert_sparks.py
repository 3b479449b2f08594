"""The line of the price in a row of the history, and what a rule has done lately."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import ManualClock
from marketwatch.errors import StoreUnavailable
from marketwatch.model.alerts import Alert, Alerts, AlertState
from marketwatch.ports import WriteBatch
from marketwatch.web.alert_sparks import AFTER_S, BEFORE_S, AlertSparks, spark_of
from marketwatch.web.contexts.rule_statistics import statistics_of
from tests.kit.alerts import alert
from tests.kit.facts import step, traded
from tests.kit.pages import HOSTILE
from tests.kit.watches import START_MS, World, publish_trades, trade, world

DAY_MS = 86_400_000
FIRED_MS = START_MS + 60_000
SIZE = BEFORE_S + AFTER_S


def heights(points: str) -> list[tuple[int, float]]:
    return [(int(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]


@given(st.lists(st.floats(1.0, 1e6) | st.just(math.nan), min_size=SIZE, max_size=SIZE), st.none() | st.floats(1.0, 1e6))
def test_line_of_any_prices_stays_in_its_box_and_rises_with_them(prices: list[float], threshold: float | None) -> None:
    found = spark_of(alert(metric="price", threshold=threshold), prices)
    known = [(at, price) for at, price in enumerate(prices) if not math.isnan(price)]
    if len(known) < 2:
        assert found is None
        return
    assert found is not None
    points = heights(found.points)
    assert [x for x, _ in points] == [at for at, _ in known]
    assert all(0 <= y <= 24 for _, y in points)
    by_price = sorted(zip((price for _, price in known), (y for _, y in points), strict=True))
    assert [y for _, y in by_price] == sorted((y for _, y in points), reverse=True)
    assert (found.threshold == "") == (threshold is None)


def test_threshold_of_another_metric_is_not_drawn_over_prices() -> None:
    found = spark_of(alert(metric="change(5m)", threshold=-3.0), [1.0, 2.0] * 40)
    assert found is not None
    assert found.threshold == ""


async def keep(made: World, *alerts: Alert, seconds: int = 120) -> None:
    rows = [step(START_MS + 500 * n, {"BTCUSDT": traded(100.0 + n)}) for n in range(2 * seconds) if n % 6 < 4]
    await made.store.write(WriteBatch(samples=rows, alerts=list(alerts)))


async def test_line_is_read_from_the_store_once(tmp_path: Path) -> None:
    one = alert(fired_ms=FIRED_MS, state=AlertState.RESOLVED, resolved_ms=FIRED_MS + 1_000)
    async with world(tmp_path) as made:
        await keep(made, one)
        sparks = AlertSparks(made.store)
        await sparks.fill([one, alert("*", symbol="*")], FIRED_MS + DAY_MS)
        found = sparks.of("a1")
        assert found is not None
        points = heights(found.points)
        assert [x for x, _ in points] == list(range(SIZE))
        assert found.moment == 59
        # 100 at the first second's start, a step of 1 each half second, held for a second of three: the line never falls.
        assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
        await made.store.close()
        await sparks.fill([one], FIRED_MS + DAY_MS)
        assert sparks.of("a1") is found
        assert sparks.of("*") is None


async def test_line_of_what_nobody_stored_is_nothing_and_is_asked_again_while_fresh(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        sparks, one = AlertSparks(made.store), alert(fired_ms=FIRED_MS)
        await sparks.fill([one], FIRED_MS + 35_000)
        assert sparks.of("a1") is None
        await keep(made)
        await sparks.fill([one], FIRED_MS + 40_000)
        assert sparks.of("a1") is not None


async def test_line_without_a_store_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as made:

        async def away(*_: Any) -> Any:
            raise StoreUnavailable("The database is away.")

        monkeypatch.setattr(made.store, "samples", away)
        sparks = AlertSparks(made.store)
        await sparks.fill([alert(fired_ms=FIRED_MS)], FIRED_MS + DAY_MS)
        assert sparks.of("a1") is None


async def test_line_of_what_has_just_ended_comes_from_memory(tmp_path: Path) -> None:
    async with world(tmp_path, played=False) as made:
        for second in range(100):
            publish_trades(made.watch, trade("BTCUSDT", second, 100.0 + second, 1.0, START_MS + 1_000 * second))
        sparks = AlertSparks(made.store)
        alerts = [alert(str(n), fired_ms=FIRED_MS) for n in range(6)]
        sparks.catch(made.watch, alerts, FIRED_MS + 19_000)
        assert sparks.of("0") is None
        sparks.catch(made.watch, alerts, FIRED_MS + 30_000)
        assert [sparks.of(one.alert_id) is not None for one in alerts] == [True] * 4 + [False] * 2
        found = sparks.of("0")
        assert found is not None
        assert [x for x, _ in heights(found.points)] == list(range(SIZE))


async def test_history_shows_line_and_figures_without_javascript(tmp_path: Path) -> None:
    one = alert(fired_ms=FIRED_MS, state=AlertState.RESOLVED, resolved_ms=FIRED_MS + 1_000, rule_name=HOSTILE)
    async with world(tmp_path, clock=ManualClock(FIRED_MS + 60_000)) as made, made.client() as client:
        await keep(made)
        made.watch.bus.publish(Alerts(FIRED_MS, [one._replace(state=AlertState.FIRING, resolved_ms=None)], []))
        made.watch.bus.publish(Alerts(FIRED_MS, [one], []))
        text = await (await client.get("/alerts")).text()
    assert text.count('<svg class="spark"') == 1
    assert 'style="' not in text


def episode(name: str, ago_ms: int, lasted_ms: int | None, *, seen: bool = False, rule_id: str = "r1") -> Alert:
    fired_ms = START_MS - ago_ms
    over = None if lasted_ms is None else fired_ms + lasted_ms
    state = AlertState.FIRING if lasted_ms is None else AlertState.RESOLVED
    return alert(name, fired_ms=fired_ms, resolved_ms=over, state=state, rule_id=rule_id, acknowledged_ms=1 if seen else None)


def test_figures_of_a_rule_count_days_median_and_acknowledged() -> None:
    every = [
        episode("a", 60_000, None), episode("b", 3_600_000, 10_000, seen=True), episode("c", 2 * DAY_MS, 30_000),
        episode("d", 6 * DAY_MS, 50_000), episode("e", 8 * DAY_MS, 70_000), episode("f", 9 * DAY_MS, 1, rule_id="r2"),
    ]  # fmt: skip
    found = statistics_of(every, START_MS, cut=False)
    assert found == {"r1": "2 in 24 h · 4 in 7 days · median 30 s · 25 % acknowledged"}


def test_figures_of_a_history_that_is_cut_say_at_least() -> None:
    every = [episode("a", 3_600_000, None), episode("b", 2 * DAY_MS, 4_000)]
    assert statistics_of(every, START_MS, cut=True)["r1"].startswith("1 in 24 h · at least 2 in 7 days")
    assert statistics_of(every[:1], START_MS, cut=True)["r1"].startswith("at least 1 in 24 h · at least 1 in 7 days")
    assert statistics_of([], START_MS, cut=True) == {}
