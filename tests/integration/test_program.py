"""The whole program as a person starts it: demo and auto without a network, signals, exit codes."""

from __future__ import annotations

import signal

import orjson
import pytest

from tests.kit.program import program


async def test_program_auto_without_a_network_shows_a_living_demo_page() -> None:
    nowhere = "127.0.0.1:9"
    env = {
        "BINANCE_WS_URL": f"ws://{nowhere}",
        "BINANCE_REST_URL": f"http://{nowhere}",
        "COINBASE_WS_URL": f"ws://{nowhere}",
        "COINBASE_REST_URL": f"http://{nowhere}",
    }
    async with program("run", "--feed", "auto", env=env) as running:
        await running.until("/readyz", timeout_s=10)
        page = await running.until("/")
        assert 'data-source="demo"' in page
        assert "demo market" in page
        assert "BTC" in page
        answer = orjson.loads(await running.until("/api/market/price/bitcoin"))
        assert answer["meta"]["source"] == "demo"
        assert answer["data"]["price"] > 0
        ended = await running.stop(signal.SIGINT, timeout_s=5)
    assert ended.code == 0
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_program_demo_first_signal_ends_it_cleanly(number: int) -> None:
    async with program("demo") as running:
        await running.until("/readyz")
        ended = await running.stop(number, timeout_s=5)
    assert ended.code == 0
    assert "Traceback" not in ended.stderr


async def test_program_signal_during_the_start_ends_it_cleanly() -> None:
    async with program("demo") as running:
        ended = await running.stop(signal.SIGTERM, timeout_s=10)
    assert ended.code == 0
    assert "Traceback" not in ended.stderr


async def test_program_answers_healthz_before_the_market_is_open() -> None:
    async with program("demo") as running:
        body = await running.until("/healthz", timeout_s=5)
        assert orjson.loads(body)["status"] in ("starting", "ok")
