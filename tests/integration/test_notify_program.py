"""The whole program: a rule of the rules file wakes a webhook."""

from __future__ import annotations

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
            ended = await running.stop()
    body = orjson.loads(hook.bodies[0])
    sent = body.get("alerts", [body])[0]
    stamp = int(hook.headers[0][HEADER].split(",")[0][2:])
    assert (sent["rule_name"], sent["symbol"], sent["source"], sent["kind"]) == ("Always", "BTCUSDT", "demo", "fired")
    assert verify("key", hook.bodies[0], hook.headers[0][HEADER], now_s=stamp)
    assert ended.code == 0
