"""Silences, acknowledgements and the course of notices in both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketwatch.model.silences import Silence
from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store.alert_rows import notices_of
from tests.kit.alerts import alert
from tests.kit.databases import MakeStore
from tests.kit.facts import T0

FULL = Silence("s1", T0, T0 + 9000, "file-*", "BTC?SDT", "warning", "Maintenance <b>", "owner", T0 - 5, None, True)


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


async def test_silence_comes_back_as_it_was_written(store: DurableStore) -> None:
    other = Silence("s2", T0, T0 + 500)
    for one in (FULL, other, FULL):
        await store.put_silence(one)
    assert await store.silences() == [FULL, other]
    assert await store.silences(limit=1) == [FULL]


async def test_first_end_of_a_silence_counts_and_nothing_else_changes(store: DurableStore) -> None:
    await store.put_silence(FULL)
    await store.put_silence(FULL._replace(ended_ms=T0 + 10, comment="another"))
    await store.put_silence(FULL._replace(ended_ms=T0 + 20))
    assert await store.silences() == [FULL._replace(ended_ms=T0 + 10)]


async def test_acknowledgement_is_taken_back_and_no_later_fact_brings_it_again(store: DurableStore) -> None:
    await store.write(WriteBatch(alerts=[alert()]))
    assert await store.acknowledge("a1", T0 + 10)
    assert await store.acknowledge("a1", None)
    await store.write(WriteBatch(alerts=[alert(acknowledged_ms=T0 + 10)]))
    found = await store.alert("a1")
    assert found is not None
    assert found.acknowledged_ms is None
    assert not await store.acknowledge("nobody", None)


async def test_dead_letters_wait_again_and_what_is_discarded_does_not(store: DurableStore) -> None:
    facts = [alert("a1"), alert("a2"), alert("a3")]
    notices = [notices_of(fact, ("webhook",), T0 + at)[0] for at, fact in enumerate(facts)]
    await store.write(WriteBatch(alerts=facts, notifications=notices))
    for notice in notices:
        assert await store.mark_notice(notice._replace(state="dead", attempts=12, last_error="No.", due_ms=None))
    first, second, third = (notice.notification_id for notice in notices)
    assert await store.discard(third)
    assert not await store.discard(third)
    assert await store.revive(first) == 1
    assert await store.revive(first) == 0
    assert await store.revive() == 1
    assert await store.revive(third) == 0
    rows = {row.notification_id: row for row in await store.outbox()}
    assert [rows[key].state for key in (first, second, third)] == ["waiting", "waiting", "discarded"]
    assert (rows[first].attempts, rows[first].last_error) == (0, "No.")


async def test_course_of_a_notice_is_kept_with_its_times(store: DurableStore) -> None:
    (notice,) = notices_of(alert(), ("webhook",), T0)
    await store.write(WriteBatch(alerts=[alert()], notifications=[notice]))
    await store.mark_notice(tried := notice._replace(attempts=1, due_ms=T0 + 2000, last_error="No."))
    assert await store.deliveries() == [tried]
    await store.mark_notice(sent := notice._replace(state="sent", attempts=2, sent_ms=T0 + 3000))
    assert await store.deliveries() == [sent]


async def test_deliveries_are_newest_first_by_state_channel_and_alert(store: DurableStore) -> None:
    facts = [alert("a1"), alert("a2")]
    notices = [one for at, fact in enumerate(facts) for one in notices_of(fact, ("app", "webhook"), T0 + at)]
    await store.write(WriteBatch(alerts=facts, notifications=notices))

    def shape(rows: list) -> list[tuple[str, str]]:  # type: ignore[type-arg]
        return [(row.alert_id, row.channel) for row in rows]

    assert {alert_id for alert_id, _ in shape(await store.deliveries())[:2]} == {"a2"}
    assert shape(await store.deliveries(channel="webhook")) == [("a2", "webhook"), ("a1", "webhook")]
    assert shape(await store.deliveries(state="waiting", channel="app")) == []
    assert sorted(shape(await store.deliveries(alert_id="a1"))) == [("a1", "app"), ("a1", "webhook")]
    assert len(await store.deliveries(limit=1)) == 1
    app = [row for row in await store.deliveries(state="sent") if row.alert_id == "a1"]
    assert [row.sent_ms for row in app] == [T0]


async def test_backup_carries_silences_and_the_course_of_notices(store: DurableStore, tmp_path: Path) -> None:
    (notice,) = notices_of(alert(), ("app",), T0)
    await store.write(WriteBatch(alerts=[alert()], notifications=[notice]))
    await store.put_silence(FULL)
    await store.backup(tmp_path / "b.zst")
    await store.put_silence(Silence("later", T0, T0 + 5))
    await store.restore(tmp_path / "b.zst", force=True)
    assert await store.silences() == [FULL]
    assert await store.outbox() == [notice]
