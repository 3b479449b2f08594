"""The outcome of an attempt in both databases: committed while the notice waits, and never undone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store.alert_rows import notices_of
from tests.kit.alerts import alert
from tests.kit.databases import MakeStore
from tests.kit.facts import T0


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


async def test_attempts_of_a_waiting_notice_are_kept_and_the_end_is_final(store: DurableStore) -> None:
    fact = alert()
    (notice,) = notices_of(fact, ("webhook",), T0)
    batch = WriteBatch(alerts=[fact], notifications=[notice])
    await store.write(batch)
    tried = notice._replace(attempts=1, last_error="It answered 500.\0")
    assert await store.mark_notice(tried)
    await store.write(batch)
    assert await store.outbox(state="waiting") == [tried._replace(last_error=(await store.outbox())[0].last_error)]
    sent = notice._replace(attempts=2, state="sent")
    assert await store.mark_notice(sent)
    assert not await store.mark_notice(tried)
    assert await store.outbox() == [sent]
    assert not await store.mark_notice(sent._replace(notification_id="nobody"))
