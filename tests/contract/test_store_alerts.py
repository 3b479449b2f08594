"""Rules, alerts and notices in both databases: kept for good, each once, alert and notice in one commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marketwatch.errors import StoreError
from marketwatch.model.alerts import FOREVER_MS, Alert, AlertState, Rule
from marketwatch.model.system import Level
from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store.alert_rows import notices_of
from tests.kit.alerts import alert, rule
from tests.kit.databases import MakeStore
from tests.kit.facts import T0, step, traded

HOSTILE = "<b>\x00\ud800'; DROP TABLE alerts; --"


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


async def test_alert_comes_back_as_it_was_written(store: DurableStore) -> None:
    fact = alert(context={"terms": {"change(5m)": -3.25}, "quality": ["gap"], "币安": None}, late=True, acknowledged_ms=T0 + 5)
    await store.write(WriteBatch(alerts=[fact]))
    assert await store.alert(fact.alert_id) == fact
    assert await store.alerts() == [fact]
    assert await store.alert("no such alert") is None


async def test_alert_with_odd_values_is_stored_all_the_same(store: DurableStore) -> None:
    context: dict[str, Any] = {
        HOSTILE: HOSTILE,
        "nan": np.float64("nan"),
        "column": np.arange(3),
        "n": np.int64(2),
        "big": 2**70,
    }
    fact = alert(rule_name=HOSTILE, symbol="币安USDT", threshold=float("nan"), trigger_value=float("inf"), context=context)
    await store.write(WriteBatch(alerts=[fact]))
    found = await store.alert(fact.alert_id)
    assert found is not None
    assert (found.threshold, found.trigger_value, found.symbol) == (None, None, "币安USDT")
    assert found.rule_name == "<b>��'; DROP TABLE alerts; --"
    assert found.context == {found.rule_name: found.rule_name, "nan": None, "column": [0, 1, 2], "n": 2, "big": float(2**70)}


async def test_newer_fact_of_an_alert_replaces_the_older_one(store: DurableStore) -> None:
    firing = alert()
    resolved = alert(state=AlertState.RESOLVED, resolved_ms=T0 + 60_000)
    await store.write(WriteBatch(alerts=[alert(state=AlertState.PENDING), firing]))
    assert await store.alerts() == [firing]
    await store.write(WriteBatch(alerts=[firing, resolved]))
    assert await store.alerts() == [resolved]


async def test_resolved_alert_stays_resolved_when_its_past_is_written_again(store: DurableStore) -> None:
    resolved = alert(state=AlertState.RESOLVED, resolved_ms=T0 + 60_000)
    await store.write(WriteBatch(alerts=[resolved]))
    await store.write(WriteBatch(alerts=[alert(state=AlertState.PENDING), alert(), alert(state=AlertState.RECOVERING)]))
    assert await store.alerts() == [resolved]


@pytest.mark.parametrize("together", [True, False])
async def test_pending_alert_that_never_fires_leaves_nothing(store: DurableStore, together: bool) -> None:
    facts = [alert(state=AlertState.PENDING), alert(state=AlertState.RESOLVED, resolved_ms=T0 + 500)]
    for batch in [facts] if together else [[fact] for fact in facts]:
        await store.write(WriteBatch(alerts=batch))
    assert await store.alerts() == []


async def test_alerts_are_filtered_and_newest_first(store: DurableStore) -> None:
    facts = [
        alert("a", symbol="BTCUSDT", fired_ms=T0),
        alert("b", symbol="ETHUSDT", fired_ms=T0 + 1000, state=AlertState.RESOLVED, resolved_ms=T0 + 2000),
        alert("c", symbol="BTCUSDT", fired_ms=T0 + 2000, rule_id="other", state=AlertState.PENDING),
        alert("d", symbol="BTCUSDT", fired_ms=T0 + 2000),
    ]
    await store.write(WriteBatch(alerts=facts))

    async def ids(**given: Any) -> str:
        return "".join(fact.alert_id for fact in await store.alerts(**given))

    assert await ids() == "dcba"
    assert await ids(limit=2) == "dc"
    assert await ids(limit=0) == ""
    assert await ids(symbol="BTCUSDT") == "dca"
    assert await ids(state=AlertState.FIRING) == "da"
    assert await ids(rule_id="other") == "c"
    assert await ids(from_ms=T0 + 1000, to_ms=T0 + 2000) == "b"
    assert await ids(from_ms=-1, to_ms=2**62, state=AlertState.RESOLVED, symbol="ETHUSDT", rule_id="r1") == "b"
    assert await ids(symbol=HOSTILE) == ""


async def test_acknowledged_alert_keeps_its_first_moment(store: DurableStore) -> None:
    await store.write(WriteBatch(alerts=[alert()]))
    assert await store.acknowledge("a1", T0 + 10)
    assert await store.acknowledge("a1", T0 + 20)
    await store.write(WriteBatch(alerts=[alert(state=AlertState.RESOLVED, resolved_ms=T0 + 30)]))
    found = await store.alert("a1")
    assert found is not None
    assert (found.acknowledged_ms, found.state) == (T0 + 10, AlertState.RESOLVED)
    assert not await store.acknowledge("nobody", T0)


async def test_rules_keep_every_version(store: DurableStore) -> None:
    full = Rule(
        "r2", 1, HOSTILE[:3], "price > 1", ("BTCUSDT", "币安USDT"), 30_000, "price < 1", 1, 2, 3, Level.CRITICAL,
        ("app", "webhook"), False, T0, "file", "Mon-Fri 08:00-18:00 Europe/Berlin", True, HOSTILE[:3], FOREVER_MS,
    )  # fmt: skip
    versions = [rule(version=n, name=f"name {n}") for n in (1, 2, 10)]
    for _ in range(2):
        await store.write(WriteBatch(rules=[*versions, full]))
    assert await store.rules() == [versions[2], full]
    assert await store.rules("r1", every_version=True) == versions[::-1]
    assert await store.rules("r2") == [full]
    assert await store.rules("nobody") == []


async def test_notice_is_stored_once_and_keeps_its_fate(store: DurableStore) -> None:
    fact = alert()
    notices = notices_of(fact, ("app", "webhook"), T0)
    for _ in range(2):
        await store.write(WriteBatch(alerts=[fact], notifications=notices))
    assert sorted(await store.outbox()) == sorted(notices)
    waiting = await store.outbox(state="waiting")
    assert [(notice.channel, notice.kind, notice.attempts) for notice in waiting] == [("webhook", "fired", 0)]
    assert await store.outbox(limit=0) == []


async def test_alert_and_its_notices_are_committed_together(store: DurableStore) -> None:
    fact = alert()
    broken = notices_of(fact, ("app",), T0)[0]._replace(attempts=None)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        await store.write(WriteBatch(alerts=[fact], notifications=[broken]))
    assert await store.alerts() == []


async def test_retention_never_deletes_alerts(store: DurableStore) -> None:
    old: Alert = alert(fired_ms=T0, state=AlertState.RESOLVED, resolved_ms=T0 + 1)
    notices = notices_of(old, ("app",), T0)
    samples = [step(T0 + 500 * i, {"A": traded(1.0 + i)}) for i in range(10)]
    await store.write(WriteBatch(alerts=[old], notifications=notices, rules=[rule()], samples=samples))
    assert await store.retain(now_ms=T0 + 400 * 86_400_000, days=7.0, max_bytes=1) >= 10
    assert (await store.alerts(), await store.outbox(), await store.rules()) == ([old], notices, [rule()])
    rows = (await store.stats()).rows
    assert (rows["alerts"], rows["outbox"], rows["alert_rules"]) == (1, 1, 1)


async def test_backup_carries_alerts(store: DurableStore, tmp_path: Path) -> None:
    fact, notices = alert(context={"a": [1.5, None]}), notices_of(alert(), ("app", "mail"), T0)
    await store.write(WriteBatch(alerts=[fact], notifications=notices, rules=[rule()]))
    await store.backup(tmp_path / "b.zst")
    await store.write(WriteBatch(alerts=[alert("later")]))
    await store.restore(tmp_path / "b.zst", force=True)
    assert (await store.alerts(), await store.rules()) == ([fact], [rule()])
    assert sorted(await store.outbox()) == sorted(notices)


async def test_standing_alerts_are_those_that_had_begun_and_were_not_over(store: DurableStore) -> None:
    over = alert("over", state=AlertState.RESOLVED, fired_ms=T0, resolved_ms=T0 + 1_000)
    firing = alert("firing", fired_ms=T0 + 500)
    later = alert("later", fired_ms=T0 + 2_000)
    await store.write(WriteBatch(alerts=[over, firing, later]))
    assert [one.alert_id for one in await store.standing_alerts(T0 + 999)] == ["firing", "over"]
    assert [one.alert_id for one in await store.standing_alerts(T0 + 1_000)] == ["firing"]
    assert [one.alert_id for one in await store.standing_alerts(T0 + 2_000, 1)] == ["later"]
    assert await store.standing_alerts(T0 - 1) == []
