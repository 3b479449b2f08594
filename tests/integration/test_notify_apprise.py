"""The channel `apprise` through the real library to a real receiver, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import orjson
import pytest

from marketwatch.config import load
from marketwatch.errors import ConfigError
from marketwatch.notify.apprise import Apprise
from marketwatch.notify.channel import DeliveryFailed
from marketwatch.notify.message import trial
from tests.integration.test_notify_delivery import desk
from tests.kit.alerts import alert
from tests.kit.facts import T0
from tests.kit.receivers import hooks

SECRET = "S3CRETword"


async def test_notice_reaches_an_apprise_service(tmp_path: Path) -> None:
    async with hooks() as hook, desk(tmp_path, apprise_urls=(f"json://127.0.0.1:{hook.port}/hook",)) as at:
        hook.status = 200
        await at.raise_alerts(alert(), channel="apprise")
        await at.look()
        (row,) = await at.rows("apprise")
        assert (row.state, row.attempts, row.sent_ms) == ("sent", 1, T0)
        sent = orjson.loads(hook.bodies[0])
        assert sent["title"] == "Warning: BTCUSDT: Fast fall, change(5m) was -3.25 (threshold -3)"
        assert row.notification_id in sent["message"]
        assert sent["type"] == "warning"


async def test_service_that_refuses_is_tried_again_without_its_secrets_being_told(tmp_path: Path) -> None:
    async with hooks() as hook:
        hook.status = 500
        url = f"json://user:{SECRET}@127.0.0.1:{hook.port}/{SECRET}?+X-Key={SECRET}"
        async with desk(tmp_path, apprise_urls=(url,)) as at:
            await at.raise_alerts(alert(), channel="apprise")
            await at.look()
            (row,) = await at.rows("apprise")
            assert (row.state, row.attempts) == ("waiting", 1)
            assert row.last_error == "The Apprise service json:// did not take the message; the library does not say why."
            hook.status = 200
            await at.look(10)
            assert [row.state for row in await at.rows("apprise")] == ["sent"]


async def test_one_of_two_services_fails_and_the_other_is_not_told_twice(tmp_path: Path) -> None:
    async with hooks() as good, hooks() as bad:
        good.status, bad.status = 200, 500
        urls = tuple(f"json://127.0.0.1:{hook.port}/" for hook in (good, bad))
        async with desk(tmp_path, apprise_urls=urls) as at:
            await at.raise_alerts(alert(), channel="apprise")
            await at.look()
            bad.status = 200
            await at.look(10)
            assert sorted((row.state, row.attempts) for row in await at.store.outbox() if row.channel != "app") == [
                ("sent", 1),
                ("sent", 2),
            ]
        assert (len(good.bodies), len(bad.bodies)) == (1, 2)


async def test_service_that_does_not_answer_is_given_up_after_a_while_and_not_asked_by_two_threads() -> None:
    async with hooks() as hook:
        hook.hold = asyncio.Event()
        channel = Apprise(name="apprise", url=f"json://127.0.0.1:{hook.port}/?rto=20", timeout_s=0.3)
        with pytest.raises(DeliveryFailed, match=r"has not answered within 0\.3 s"):
            await channel.send(trial("apprise", "live", T0))
        with pytest.raises(DeliveryFailed, match="still busy"):
            await channel.send(trial("apprise", "live", T0))
        hook.hold.set()


async def test_library_that_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(DeliveryFailed, match=r"pip install 'marketwatch\[notify\]'") as caught:
        await Apprise(name="apprise", url="json://127.0.0.1:1/").send(trial("apprise", "live", T0))
    assert caught.value.for_good


async def test_address_that_the_library_does_not_know_is_a_dead_letter_without_its_secret(tmp_path: Path) -> None:
    async with desk(tmp_path, apprise_urls=(f"nosuch://{SECRET}/{SECRET}",)) as at:
        await at.raise_alerts(alert(), channel="apprise")
        await at.look()
        (row,) = await at.rows("apprise")
        assert (row.state, row.attempts) == ("dead", 1)
        assert row.last_error is not None
        assert row.last_error.startswith("The Apprise service nosuch:// is not known to the library")
        assert SECRET not in row.last_error


def test_setting_takes_several_addresses_and_never_repeats_a_bad_one() -> None:
    given = {"MARKETWATCH_APPRISE_URLS": "tgram://1:2/3, json://host/a , tgram://1:2/3"}
    assert load(environ=given).apprise_urls == ("tgram://1:2/3", "json://host/a")
    with pytest.raises(ConfigError, match=r"\(hidden\); it must be addresses of the library Apprise") as caught:
        load(environ={"MARKETWATCH_APPRISE_URLS": SECRET})
    assert SECRET not in str(caught.value)
