"""The whole program: a rule of the rules file wakes a webhook."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from marketwatch.notify.signature import HEADER, verify
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
