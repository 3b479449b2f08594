"""The whole program in a tenth of a processor and 512 MB, as a free container gives them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from tests.integration.test_program_live import covered_ids, lost_ids
from tests.kit.container import small_container
from tests.kit.program import program
from tests.kit.venue_env import env_for, venue_of

_MB = 1_000_000


@pytest.mark.slow
async def test_program_in_a_tenth_of_a_processor_answers_at_once_and_loses_nothing(tmp_path: Path, recorded: Path) -> None:
    assert recorded.is_dir()
    venue = venue_of(30.0, speed=2.0)
    with small_container(cpus=0.1, memory_bytes=512 * _MB) as prefix:
        async with venue, program("--feed", "binance", env=env_for(venue), data_dir=tmp_path, prefix=prefix) as running:
            health = await running.until("/healthz", timeout_s=10)
            assert orjson.loads(health)["status"] == "starting"
            await venue.wait_subscribed("btcusdt@trade", "ethusdt@trade", within_s=60)
            venue.play()
            await venue.wait_played()
            await asyncio.sleep(3.0)
            assert _resident(running.process.pid) < 350 * _MB
            ended = await running.stop()
    assert (ended.code, "Traceback" in ended.stderr) == (0, False)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        sent = [trade.trade_id for trade in venue.market.tape.trades(symbol)]
        assert sorted(covered_ids(tmp_path, symbol)) == sorted(sent)
        assert lost_ids(tmp_path, symbol) == set()


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("The process shows no resident memory.")
