"""kill -9 of the whole program at random moments while rules fire: nothing committed is lost, doubled or kept from anybody.

`KILL_ROUNDS=200 pytest tests/integration/test_alerts_killed.py` plays it for long; the suite plays a few rounds.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from marketwatch.alerts.episodes import alert_id
from tests.kit.program import Program, program
from tests.kit.receivers import Hooks, hooks
from tests.kit.venue_env import env_for, venue_of

ROUNDS = int(os.environ.get("KILL_ROUNDS", "5"))
RULES = """\
alert_thresholds: off
rules:
  - {name: Always, expression: price > 0, for: 1s, channels: [app, webhook]}
  - {name: Rush, expression: trade_rate(4) > 12, channels: [app, webhook]}
  - {name: Move, expression: volatility(4) > 0.0004, keep_firing_for: 1s, channels: [webhook], repeat: 5s}
  - {name: Fall, expression: change(2s) < -0.0005, cooldown: 10s, channels: [app, webhook]}
"""


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{next(data.glob('*.db'))}?mode=ro", uri=True, timeout=20)) as connection:
        return connection.execute(query).fetchall()


def told(hook: Hooks) -> set[str]:
    """Ids of all notices that were received, also of those inside digests."""
    bodies = [orjson.loads(body) for body in hook.bodies]
    return {one["notification_id"] for body in bodies for one in body.get("alerts", [body])}


def committed(data: Path) -> set[str]:
    """Ids of the episodes that are stored now; none in a database whose tables were not made before the program was killed."""
    if not rows(data, "SELECT 1 FROM sqlite_schema WHERE name = 'alerts'"):
        return set()
    return {key for (key,) in rows(data, "SELECT alert_id FROM alerts WHERE state <> 'pending'")}


def check_episodes(data: Path) -> int:
    """Each episode stands under the id of its rule, symbol and moment, once, and none begins before the last one is over."""
    found = rows(data, "SELECT alert_id, rule_id, rule_version, symbol, timestamp, resolved_at, state FROM alerts")
    episodes = defaultdict(list)
    for key, rule, version, symbol, fired_ms, resolved_ms, state in found:
        if state != "pending":
            assert key == alert_id(rule, version, symbol, fired_ms)
            assert (state == "resolved") == (resolved_ms is not None)
            episodes[rule, version, symbol].append((fired_ms, resolved_ms))
    for place, spans in episodes.items():
        spans.sort()
        for (fired, over), (following, _) in pairwise(spans):
            assert over is not None, (place, fired)
            assert fired < following, place
            assert over <= following, (place, fired, over, following)
    return sum(len(spans) for spans in episodes.values())


def check_notices(data: Path, hook: Hooks) -> int:
    """Whatever was committed to be told was told under its id, and nothing else was."""
    outbox = rows(data, "SELECT notification_id, alert_id, channel, state, attempts FROM outbox")
    known = {key for (key,) in rows(data, "SELECT alert_id FROM alerts")}
    outside = {row[0]: row for row in outbox if row[2] != "app"}
    assert len({row[0] for row in outbox}) == len(outbox)
    assert {row[1] for row in outbox} <= known
    assert {(row[3], row[4] >= 1) for row in outside.values()} == {("sent", True)}
    assert told(hook) == set(outside)
    return len(outside)


async def until_delivered(data: Path) -> None:
    """Wait until no notice waits any more, twice in a row."""
    quiet = 0
    async with asyncio.timeout(90):
        while quiet < 2:
            (waiting,) = rows(data, "SELECT count(*) FROM outbox WHERE state = 'waiting'")[0]
            quiet = 0 if waiting else quiet + 1
            await asyncio.sleep(0.5)


async def ended_well(running: Program) -> None:
    """Stop the program. What fires in its last moments is committed and waits for the next start."""
    ended = await running.stop()
    assert (ended.code, "Traceback" in ended.stderr) == (0, False), ended.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * ROUNDS)
async def test_program_killed_while_rules_fire_keeps_each_episode_once_and_tells_each_notice(
    tmp_path: Path, recorded: Path
) -> None:
    assert recorded.is_dir()
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    dice, seen = random.Random(11), set[str]()
    async with hooks() as hook, venue_of(None, skip_s=60.0, loop=True) as venue:
        env = env_for(
            venue,
            MARKETWATCH_BACKFILL="off",
            MARKETWATCH_STORE_TRADES="off",
            MARKETWATCH_WEBHOOK_URL=hook.url,
            MARKETWATCH_WEBHOOK_PRIVATE="on",
            MARKETWATCH_NOTIFY_PER_MINUTE="1000",
        )
        venue.play()
        for _ in range(ROUNDS):
            async with program("run", "--feed", "binance", env=env, data_dir=tmp_path) as running:
                await running.until("/healthz", timeout_s=30)
                await asyncio.sleep(dice.uniform(0.1, 4.0))
                running.process.kill()
                await running.process.wait()
            if list(tmp_path.glob("*.db")):
                seen |= committed(tmp_path)
        async with program("run", "--feed", "binance", env=env, data_dir=tmp_path) as running:
            await running.until("/readyz", timeout_s=40)
            await asyncio.sleep(4.0)
            await venue.refuse()
            venue.cut()
            await until_delivered(tmp_path)
            await ended_well(running)
        async with program("run", "--feed", "binance", env=env, data_dir=tmp_path) as running:
            await running.until("/healthz", timeout_s=30)
            await until_delivered(tmp_path)
            await ended_well(running)
    assert seen <= committed(tmp_path)
    assert check_episodes(tmp_path) > 3
    assert check_notices(tmp_path, hook) > 3
