"""The whole program: a rule of the rules file wakes a webhook."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.notify.signature import HEADER, verify
from marketwatch.ports import WriteBatch
from marketwatch.store import open_store
from marketwatch.store.alert_rows import notices_of
from tests.kit.alerts import alert
from tests.kit.facts import T0
from tests.kit.program import program
from tests.kit.receivers import hooks, until

RULES = """\
rules:
  - name: Always
    expression: price > 0
    symbols: [BTCUSDT]
    channels: [app, webhook]
"""


def sent_none(metrics: str) -> bool:
    """No notice was counted as sent."""
    return "marketwatch_notices_sent_total 0.0" in metrics or "marketwatch_notices_sent_total " not in metrics


@pytest.mark.slow
async def test_rule_that_fires_in_the_program_reaches_the_webhook(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    async with hooks() as hook:
        env = {
            "MARKETWATCH_WEBHOOK_URL": hook.url,
            "MARKETWATCH_WEBHOOK_SECRET": "key",
            "MARKETWATCH_WEBHOOK_PRIVATE": "on",
            "MARKETWATCH_SYMBOLS": "BTCUSDT,ETHUSDT",
        }
        async with program("--feed", "demo", env=env, data_dir=tmp_path) as running:
            await until(lambda: bool(hook.bodies), 40)
            async with asyncio.timeout(20):
                while sent_none(await running.until("/metrics")):
                    await asyncio.sleep(0.1)
            ended = await running.stop()
    body = orjson.loads(hook.bodies[0])
    sent = body.get("alerts", [body])[0]
    stamp = int(hook.headers[0][HEADER].split(",")[0][2:])
    assert (sent["rule_name"], sent["symbol"], sent["source"], sent["kind"]) == ("Always", "BTCUSDT", "demo", "fired")
    assert verify("key", hook.bodies[0], hook.headers[0][HEADER], now_s=stamp)
    assert ended.code == 0


@pytest.mark.parametrize("feed", ["binance", "auto"])
async def test_notice_of_an_earlier_run_is_told_although_no_market_answers(tmp_path: Path, feed: str) -> None:
    store = open_store(Settings.of(data_dir=tmp_path), clock=ManualClock(T0))
    await store.open()
    notices = notices_of(alert("a1"), ("webhook",), T0)
    await store.write(WriteBatch(alerts=[alert("a1")], notifications=notices))
    await store.close()
    nowhere = dict.fromkeys(("BINANCE_REST_URL", "COINBASE_REST_URL"), "http://127.0.0.1:9")
    nowhere |= dict.fromkeys(("BINANCE_WS_URL", "COINBASE_WS_URL"), "ws://127.0.0.1:9")
    async with hooks() as hook:
        env = {**nowhere, "MARKETWATCH_WEBHOOK_URL": hook.url, "MARKETWATCH_WEBHOOK_PRIVATE": "on"}
        async with program("run", "--feed", feed, env=env, data_dir=tmp_path) as running:
            await until(lambda: bool(hook.bodies), 60)
            await asyncio.sleep(1.5)
            await running.stop()
    await store.open()
    rows = await store.outbox()
    await store.close()
    assert [(row.notification_id, row.state, row.attempts) for row in rows] == [(notices[0].notification_id, "sent", 1)]
    assert len(hook.bodies) == 1
