"""kill -9 while notices go out: each is delivered at least once, under the id that was committed with its alert."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import orjson
import pytest

from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.ports import WriteBatch
from marketwatch.store import open_store
from marketwatch.store.alert_rows import notices_of
from tests.kit.alerts import alert
from tests.kit.facts import T0
from tests.kit.receivers import Hooks, hooks

ROOT = Path(__file__).resolve().parents[2]


def told(hook: Hooks) -> list[str]:
    """Ids of notices in everything that was received."""
    bodies = [orjson.loads(body) for body in hook.bodies]
    return [one["notification_id"] for body in bodies for one in body.get("alerts", [body])]


async def run_until_killed(file: Path, hook: Hooks, after: int, delay_s: float) -> None:
    """Start the worker and kill it shortly after its next `after` posts, or when nothing comes any more."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.outbox_program", str(file), hook.url, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    before = len(hook.bodies)
    try:
        async with asyncio.timeout(5):
            while len(hook.bodies) < before + after and process.returncode is None:
                await asyncio.sleep(0.002)
        await asyncio.sleep(delay_s)
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
        _, errors = await process.communicate()
    assert errors == b""


@pytest.mark.slow
async def test_worker_killed_at_random_moments_delivers_every_notice_under_its_own_id(tmp_path: Path) -> None:
    file, rng = tmp_path / "m.db", random.Random(3)
    settings = Settings.of(data_dir=tmp_path, database_url=f"sqlite:///{file}")
    store = open_store(settings, clock=ManualClock(T0))
    await store.open()
    alerts = [alert(f"a{number}") for number in range(40)]
    notices = [notice for one in alerts for notice in notices_of(one, ("webhook",), T0)]
    await store.write(WriteBatch(alerts=alerts, notifications=notices))
    await store.close()
    async with hooks() as hook:
        for _ in range(8):
            await run_until_killed(file, hook, rng.randint(1, 4), rng.uniform(0, 0.004))
        await run_until_killed(file, hook, 9, 0.5)
    await store.open()
    rows = await store.outbox()
    await store.close()
    assert {row.state for row in rows} == {"sent"}
    assert all(row.attempts >= 1 for row in rows)
    assert set(told(hook)) == {notice.notification_id for notice in notices}
