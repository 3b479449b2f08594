"""Notices leave the outbox: each at least once under one id, retried, given up, summed up; through a restart as well."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.model.alerts import Alert, Alerts, Notification, Rules
from marketwatch.model.market import Source
from marketwatch.model.system import DeliveryStatus, Notice
from marketwatch.notify.endpoints import long_name, routes
from marketwatch.notify.outbox import Outbox
from marketwatch.notify.signature import HEADER, verify
from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store import open_store
from marketwatch.store.alert_intake import AlertIntake
from marketwatch.store.backlog import Raised
from tests.kit.alerts import alert, rule
from tests.kit.facts import T0
from tests.kit.receivers import Hooks, hooks, post, until


class Desk:
    """A store with an outbox and its worker, on a clock of its own."""

    def __init__(self, store: DurableStore, folder: Path, **given: Any) -> None:
        self.store = store
        self.clock = ManualClock(T0)
        self.said: list[Any] = []
        settings = Settings.of(data_dir=folder, **{"webhook_private": True, "feed": "binance", **given})
        self.intake: list[Raised] = []
        self._intake = AlertIntake(lambda _kind, item: self.intake.append(item), routes(settings))
        self.outbox = Outbox(
            store=store,
            settings=settings,
            clock=self.clock,
            publish=self.said.append,
            source=given.get("source", Source.LIVE),
            rng=random.Random(1),
        )

    async def raise_alerts(self, *alerts: Alert, channel: str = "webhook") -> list[Notification]:
        self._intake.on_rules(Rules([rule(channels=("app", channel))]))
        self.intake.clear()
        self._intake.on_alerts(Alerts(T0, list(alerts), [one.alert_id for one in alerts]))
        (raised,) = self.intake
        notices = raised.notifications
        await self.store.write(WriteBatch(alerts=raised.alerts, notifications=notices))
        return [notice for notice in notices if notice.channel == channel]

    async def look(self, seconds: float = 0.0) -> None:
        await self.clock.advance(seconds)
        await self.outbox.look()
        await self.outbox.settled()

    async def rows(self, channel: str = "webhook") -> list[Notification]:
        return [row for row in await self.store.outbox() if row.channel == channel]

    @property
    def notices(self) -> list[Notice]:
        return [said for said in self.said if isinstance(said, Notice)]


@asynccontextmanager
async def desk(folder: Path, **given: Any) -> AsyncIterator[Desk]:
    settings = Settings.of(data_dir=folder, database_url=f"sqlite:///{folder / 'm.db'}")
    store = open_store(settings, clock=ManualClock(T0))
    await store.open()
    try:
        yield Desk(store, folder, **given)
    finally:
        await store.close()


@pytest.fixture
async def hook() -> AsyncIterator[Hooks]:
    async with hooks() as receiver:
        yield receiver


async def test_notice_is_posted_once_signed_with_its_id(tmp_path: Path, hook: Hooks) -> None:
    async with desk(tmp_path, webhook_url=(hook.url,), webhook_secret="key") as at:
        (notice,) = await at.raise_alerts(alert(context={"a": 1.5}))
        await at.look()
        await at.look(60)
        (row,) = await at.rows()
    (body,), (headers,) = hook.bodies, hook.headers
    sent = orjson.loads(body)
    assert (sent["alert_id"], sent["notification_id"], sent["kind"], sent["source"]) == (
        "a1", notice.notification_id, "fired", "live",
    )  # fmt: skip
    assert (sent["trigger_value"], sent["context"]) == (-3.25, {"a": 1.5})
    assert headers["Idempotency-Key"] == notice.notification_id
    assert verify("key", body, headers[HEADER], now_s=T0 // 1000)
    assert not verify("other", body, headers[HEADER], now_s=T0 // 1000)
    assert (row.state, row.attempts, row.last_error) == ("sent", 1, None)


async def test_failing_receiver_is_tried_again_after_growing_pauses_until_it_accepts(tmp_path: Path, hook: Hooks) -> None:
    hook.status = 500
    async with desk(tmp_path, webhook_url=(hook.url,), notify_per_minute=1000) as at:
        await at.raise_alerts(alert())
        for _ in range(20):
            await at.look(1)
        first = len(hook.bodies)
        (row,) = await at.rows()
        assert 3 <= first <= 6
        assert (row.state, row.attempts) == ("waiting", first)
        assert row.last_error == f"The webhook at http://127.0.0.1:{hook.port} answered 500."
        assert [(notice.key, notice.over) for notice in at.notices] == [("notify-webhook", False)]
        hook.status = 200
        await at.look(900)
        (row,) = await at.rows()
        assert (row.state, row.attempts) == ("sent", first + 1)
        assert [notice.over for notice in at.notices] == [False, True]
    assert len({orjson.loads(body)["notification_id"] for body in hook.bodies}) == 1


async def test_notice_that_nobody_takes_becomes_a_dead_letter(tmp_path: Path, hook: Hooks) -> None:
    hook.status = 503
    async with desk(tmp_path, webhook_url=(hook.url,), notify_attempts=3) as at:
        await at.raise_alerts(alert())
        for _ in range(5):
            await at.look(900)
        (row,) = await at.rows()
        status = [said for said in at.said if isinstance(said, DeliveryStatus)][-1]
    assert (row.state, row.attempts, len(hook.bodies)) == ("dead", 3, 3)
    assert (status.sent, status.failed, status.dead, list(status.failing)) == (0, 3, 1, ["webhook"])


async def test_pause_that_the_receiver_asks_for_is_kept(tmp_path: Path, hook: Hooks) -> None:
    hook.status, hook.answer_headers = 429, {"Retry-After": "100"}
    async with desk(tmp_path, webhook_url=(hook.url,)) as at:
        await at.raise_alerts(alert())
        await at.look()
        await at.look(99)
        assert len(hook.bodies) == 1
        await at.look(2)
        assert len(hook.bodies) == 2


async def test_redirect_is_not_followed(tmp_path: Path, hook: Hooks) -> None:
    hook.status, hook.answer_headers = 307, {"Location": f"{hook.url}/elsewhere"}
    async with desk(tmp_path, webhook_url=(hook.url,)) as at:
        await at.raise_alerts(alert())
        await at.look()
        (row,) = await at.rows()
    assert (len(hook.bodies), row.state) == (1, "waiting")
    assert row.last_error is not None
    assert "redirects are not followed" in row.last_error


async def test_worker_killed_in_the_middle_of_an_attempt_tries_again_under_the_same_id(tmp_path: Path, hook: Hooks) -> None:
    hook.hold = asyncio.Event()
    async with desk(tmp_path, webhook_url=(hook.url,)) as at:
        await at.raise_alerts(alert())
        task = asyncio.create_task(at.outbox.run())
        await hook.reached.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (row,) = await at.rows()
        assert (row.state, row.attempts) == ("waiting", 1)
    hook.hold.set()
    async with desk(tmp_path, webhook_url=(hook.url,)) as at:
        await at.look()
        (row,) = await at.rows()
    assert (row.state, row.attempts) == ("sent", 2)
    assert len({orjson.loads(body)["notification_id"] for body in hook.bodies}) == 1
    assert len(hook.bodies) == 2


async def test_each_of_two_receivers_has_deliveries_of_its_own(tmp_path: Path, hook: Hooks) -> None:
    async with hooks() as bad, desk(tmp_path, webhook_url=(hook.url, bad.url), notify_attempts=2) as at:
        bad.status = 500
        await at.raise_alerts(alert())
        for _ in range(3):
            await at.look(60)
        rows = {row.channel: row for row in await at.store.outbox() if row.channel != "app"}
        good_row, bad_row = (rows[long_name("webhook", one.url)] for one in (hook, bad))
        assert (len(hook.bodies), len(bad.bodies)) == (1, 2)
        assert (good_row.state, good_row.attempts) == ("sent", 1)
        assert (bad_row.state, bad_row.attempts) == ("dead", 2)
        assert good_row.notification_id != bad_row.notification_id
        assert list([said for said in at.said if isinstance(said, DeliveryStatus)][-1].failing) == [bad_row.channel]


async def test_waiting_notices_stay_with_their_receiver_when_the_list_changes(tmp_path: Path, hook: Hooks) -> None:
    async with hooks() as other:
        hook.status = other.status = 500
        async with desk(tmp_path, webhook_url=(hook.url, other.url)) as at:
            await at.raise_alerts(alert())
            await at.look()
        hook.status = other.status = 200
        async with desk(tmp_path, webhook_url=(other.url,)) as at:
            await at.look()
            rows = {row.channel: row for row in await at.store.outbox() if row.channel != "app"}
            assert rows[long_name("webhook", other.url)].state == "sent"
            gone = rows[long_name("webhook", hook.url)]
            assert (gone.state, len(hook.bodies), len(other.bodies)) == ("dead", 1, 2)
            assert gone.last_error == f"No address of the settings belongs to {gone.channel!r} any more."


async def test_dead_letter_is_tried_again_when_somebody_asks_for_it(tmp_path: Path, hook: Hooks) -> None:
    hook.status = 410
    async with desk(tmp_path, webhook_url=(hook.url,)) as at:
        (notice,) = await at.raise_alerts(alert())
        await at.look()
        assert [row.state for row in await at.rows()] == ["dead"]
        hook.status = 200
        await at.look(3600)
        assert len(hook.bodies) == 1
        assert await at.store.revive(notice.notification_id) == 1
        await at.look()
        (row,) = await at.rows()
        assert (row.state, row.attempts, row.last_error, row.sent_ms) == ("sent", 1, None, T0 + 3_600_000)


async def test_waiting_notice_says_when_it_is_tried_again(tmp_path: Path, hook: Hooks) -> None:
    hook.status, hook.answer_headers = 429, {"Retry-After": "100"}
    async with desk(tmp_path, webhook_url=(hook.url,)) as at:
        await at.raise_alerts(alert())
        await at.look()
        assert [row.due_ms for row in await at.rows()] == [T0 + 100_000]


async def test_test_notice_says_that_it_is_one_and_tells_how_it_went(tmp_path: Path, hook: Hooks) -> None:
    async with desk(tmp_path, webhook_url=(hook.url,)) as at:
        assert await at.outbox.try_out("webhook") is None
        hook.status = 500
        assert await at.outbox.try_out("webhook") == f"The webhook at http://127.0.0.1:{hook.port} answered 500."
        missing = await at.outbox.try_out("email")
        assert missing == "No channel is called 'email': set MARKETWATCH_SMTP_URL and MARKETWATCH_MAIL_TO."
        assert await at.store.outbox() == []
    sent = orjson.loads(hook.bodies[0])
    assert (sent["kind"], sent["rule_name"]) == ("test", "This is a test notice")


async def test_burst_and_late_alerts_go_into_one_digest(tmp_path: Path, hook: Hooks) -> None:
    async with desk(tmp_path, webhook_url=(hook.url,), notify_per_minute=3) as at:
        await at.raise_alerts(*(alert(f"a{i}") for i in range(10)), alert("late", late=True))
        await at.look()
        kinds = [orjson.loads(body)["kind"] for body in hook.bodies]
        digest = orjson.loads(hook.bodies[-1])
        await at.raise_alerts(alert("late-2", late=True))
        await at.look(59)
        assert len(hook.bodies) == 4
        await at.look(2)
        assert {row.state for row in await at.rows()} == {"sent"}
    assert kinds == ["fired", "fired", "fired", "digest"]
    assert digest["count"] == len(digest["alerts"]) == 8
    told = [one["alert_id"] for body in hook.bodies for one in orjson.loads(body).get("alerts", [orjson.loads(body)])]
    assert sorted(told) == sorted([*(f"a{i}" for i in range(10)), "late", "late-2"])


async def test_private_address_without_leave_is_a_dead_letter_at_once(tmp_path: Path, hook: Hooks) -> None:
    async with desk(tmp_path, webhook_url=(hook.url,), webhook_private=False) as at:
        await at.raise_alerts(alert())
        await at.look()
        (row,) = await at.rows()
    assert (row.state, row.attempts, hook.bodies) == ("dead", 1, [])


async def test_channel_without_settings_says_what_to_set(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.raise_alerts(alert())
        await at.look()
        (row,) = await at.rows()
        assert (row.state, row.attempts) == ("dead", 0)
        assert [notice.message for notice in at.notices] == ["No channel is called 'webhook': set MARKETWATCH_WEBHOOK_URL."]


async def test_demo_market_that_stands_in_for_a_live_one_wakes_nobody(tmp_path: Path, hook: Hooks) -> None:
    async with desk(tmp_path, webhook_url=(hook.url,), feed="auto") as at:
        at.outbox = Outbox(
            store=at.store,
            settings=Settings.of(feed="auto", webhook_url=(hook.url,), webhook_private=True),
            clock=at.clock,
            publish=at.said.append,
            source=Source.DEMO,
        )
        await at.raise_alerts(alert())
        await at.look()
        assert [row.state for row in await at.rows()] == ["dead"]
    assert hook.bodies == []


async def test_mail_reaches_every_receiver_with_a_stable_id_and_without_injected_headers(tmp_path: Path) -> None:
    async with post() as server:
        url = f"smtp://name:word@127.0.0.1:{server.port}"
        given: dict[str, Any] = {"smtp_url": url, "mail_to": ("a@example.org", "b@example.org"), "mail_from": "me@example.org"}
        async with desk(tmp_path, **given) as at:
            (notice,) = await at.raise_alerts(alert(rule_name="Fall\r\nBcc: evil@example.org"), channel="email")
            await at.look()
            await until(lambda: len(server.mails) == 1)
            (row,) = await at.rows("email")
        (mail,) = server.mails
    assert row.state == "sent"
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Warning: BTCUSDT: Fall Bcc: evil@example.org, change(5m) was -3.25 (threshold -3)"
    assert mail["Message-ID"] == f"<{notice.notification_id}@marketwatch.invalid>"
    assert "change(5m) was -3.25" in mail.get_content()
    assert len(server.receivers) == 2
    assert len(server.logins) == 1


async def test_mail_server_that_refuses_is_tried_again_and_its_words_are_not_repeated(tmp_path: Path) -> None:
    async with post() as server:
        server.refuse = "MAIL"
        async with desk(tmp_path, smtp_url=f"smtp://127.0.0.1:{server.port}", mail_to=("a@example.org",)) as at:
            await at.raise_alerts(alert(), channel="email")
            await at.look()
            (row,) = await at.rows("email")
            assert (row.state, row.attempts) == ("waiting", 1)
            assert row.last_error == f"The mail server 127.0.0.1:{server.port} did not take the message: it answered 550."
            server.refuse = ""
            await at.look(10)
            (row,) = await at.rows("email")
            assert row.state == "sent"
