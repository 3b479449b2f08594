"""A person's rules in the whole program: through kill -9, from demo to live, and beside a database that is away."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.kit.program import Program, program
from tests.kit.venue_env import env_for, venue_of
from tests.kit.watches import OWNER

RULE = {"name": "Mine", "expression": "price > 1", "symbols": "*"}


async def send(running: Program, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """As the owner; status and the whole answer."""
    async with aiohttp.ClientSession(headers=OWNER) as client, client.request(method, running.url + path, json=body) as answer:
        return answer.status, orjson.loads(await answer.read())


async def until_in_force(running: Program, rule_id: str, *, source: str = "demo", within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            told = orjson.loads(await running.until("/api/rules", timeout_s=60.0))
            if told["meta"]["source"] == source and rule_id in {one["rule_id"] for one in told["data"]}:
                return
            await asyncio.sleep(0.1)


def tables(file: Path) -> dict[str, int]:
    """Rows by table of a SQLite database."""
    with closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


async def test_rule_answered_and_program_killed_at_once_is_in_force_at_the_next_start(tmp_path: Path) -> None:
    env = {"MARKETWATCH_STORE_DEMO": "on"}
    for number in range(3):
        async with program("run", "--feed", "demo", env=env, data_dir=tmp_path) as running:
            await running.until("/readyz", timeout_s=60.0)
            status, told = await send(running, "POST", "/api/rules", {**RULE, "name": f"Mine {number}"})
            running.process.kill()
            assert (status, told["data"]["rule_id"]) == (201, f"mine-{number}")
            await running.process.wait()
    async with program("run", "--feed", "demo", env=env, data_dir=tmp_path) as running:
        for number in range(3):
            await until_in_force(running, f"mine-{number}")


async def test_rule_written_in_the_demo_market_is_the_person_s_at_the_next_start_and_the_market_is_not(tmp_path: Path) -> None:
    async with program("demo", data_dir=tmp_path) as running:
        await running.until("/readyz", timeout_s=60.0)
        assert not list(tmp_path.glob("*.db"))
        status, _ = await send(running, "POST", "/api/rules", RULE)
        running.process.kill()
        assert status == 201
        await running.process.wait()
    rows = tables(tmp_path / "marketwatch.db")
    assert rows.pop("alert_rules") == 1
    assert {name for name, count in rows.items() if count} <= {"schema_migrations"}
    async with program("demo", data_dir=tmp_path) as running:
        await until_in_force(running, "mine")
        assert (await send(running, "DELETE", "/api/rules/mine"))[0] == 200
        ended = await running.stop(signal.SIGTERM)
    assert (ended.code, "Traceback" in ended.stderr) == (0, False)


async def test_rule_written_in_the_demo_market_is_in_force_once_the_live_one_has_taken_over(
    tmp_path: Path, recorded: Path
) -> None:
    assert recorded.is_dir()
    async with venue_of(40.0) as venue:
        await venue.refuse()
        env = env_for(venue, MARKETWATCH_PROBE_S="0.5")
        async with program("run", "--feed", "auto", env=env, data_dir=tmp_path) as running:
            await running.until("/readyz", timeout_s=60.0)
            assert (await send(running, "POST", "/api/rules", RULE))[0] == 201
            await until_in_force(running, "mine")
            await venue.listen()
            venue.play()
            await until_in_force(running, "mine", source="live", within_s=60.0)
            status, told = await send(running, "PUT", "/api/rules/mine", {**RULE, "for": "5s"})
            assert (status, told["data"]["version"], told["meta"]["source"]) == (200, 2, "live")
            ended = await running.stop(signal.SIGTERM)
        assert (ended.code, "Traceback" in ended.stderr) == (0, False)
    with closing(sqlite3.connect(tmp_path / "marketwatch.db")) as connection:
        mine = connection.execute("SELECT version FROM alert_rules WHERE rule_id = 'mine' ORDER BY version").fetchall()
    assert mine == [(1,), (2,)]


async def test_rule_written_in_the_demo_market_beside_a_database_that_is_away_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_text("a file, so that nothing can be made below it")
    env = {"DATABASE_URL": f"sqlite:///{tmp_path / 'no-folder' / 'm.db'}"}
    async with program("demo", env=env, data_dir=tmp_path) as running:
        await running.until("/readyz", timeout_s=60.0)
        status, told = await send(running, "POST", "/api/rules", RULE)
        assert (status, told["error"]["code"]) == (503, "UNAVAILABLE")
        assert "nothing has changed" in told["error"]["message"]
        assert "m.db" in told["error"]["message"]
        page = await running.until("/")
        assert 'data-source="demo"' in page
        ended = await running.stop(signal.SIGTERM)
    assert (ended.code, "Traceback" in ended.stderr) == (0, False)


async def test_rule_of_a_program_that_only_reads_is_refused_with_the_one_that_writes(tmp_path: Path) -> None:
    env = {"MARKETWATCH_STORE_DEMO": "on"}
    async with program("run", "--feed", "demo", env=env, data_dir=tmp_path) as writer:
        await writer.until("/readyz", timeout_s=60.0)
        async with program("demo", data_dir=tmp_path) as reader:
            await reader.until("/readyz", timeout_s=60.0)
            status, told = await send(reader, "POST", "/api/rules", RULE)
            assert status == 503
            assert f"process {writer.process.pid}" in told["error"]["message"]
        assert (await send(writer, "POST", "/api/rules", RULE))[0] == 201
