"""The whole program as a subprocess against the fake venue: going live, the last price of the file, kill -9 and resume."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from tests.kit.program import Program, program
from tests.kit.venue_env import SYMBOLS, env_for, venue_of


async def _price(running: Program, symbol: str) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(await running.until(f"/api/market/price/{symbol}"))
    return answer


async def _until_source(running: Program, source: str, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while (await _price(running, "BTCUSDT"))["meta"]["source"] != source:
            await asyncio.sleep(0.1)


def _rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(next(data.glob("*.db")))) as connection:
        return connection.execute(query).fetchall()


async def test_program_auto_plays_demo_until_the_venue_answers_and_keeps_nothing_of_it(tmp_path: Path, recorded: Path) -> None:
    assert recorded.is_dir()
    async with venue_of(30.0) as venue:
        await venue.refuse()
        env = env_for(venue, MARKETWATCH_PROBE_S="0.5")
        async with program("run", "--feed", "auto", env=env, data_dir=tmp_path) as running:
            await running.until("/readyz")
            await _until_source(running, "demo")
            await venue.listen()
            venue.play()
            await _until_source(running, "live")
            page = await running.until("/")
            assert 'data-source="live"' in page
            assert "the demo market has ended" in page
            ended = await running.stop(signal.SIGTERM)
    assert (ended.code, "Traceback" in ended.stderr) == (0, False)
    assert {name for (name,) in _rows(tmp_path, "SELECT symbol FROM symbols")} == {"BTCUSDT", "ETHUSDT"}


async def test_program_recording_through_the_venue_page_and_api_show_the_last_price(tmp_path: Path, recorded: Path) -> None:
    assert recorded.is_dir()
    async with venue_of(12.0) as venue, program("run", "--feed", "binance", env=env_for(venue), data_dir=tmp_path) as running:
        await venue.wait_subscribed("btcusdt@trade", "ethusdt@trade")
        venue.play()
        await venue.wait_played()
        await asyncio.sleep(0.5)
        for symbol in SYMBOLS.split(","):
            last = venue.market.tape.trades(symbol)[-1]
            answer = await _price(running, symbol)
            assert answer["data"]["price"] == float(last.price)
            assert f"{float(last.price):,.2f}" in await running.until(f"/symbols/{symbol}")
        ended = await running.stop()
    assert (ended.code, "Traceback" in ended.stderr) == (0, False)


async def test_program_killed_in_the_middle_and_restarted_has_every_trade_id_once(tmp_path: Path, recorded: Path) -> None:
    assert recorded.is_dir()
    async with venue_of(14.0) as venue:
        async with program("run", "--feed", "binance", env=env_for(venue), data_dir=tmp_path) as running:
            await venue.wait_subscribed("btcusdt@trade", "ethusdt@trade")
            venue.play()
            await asyncio.sleep(5.0)
            running.process.kill()
            await running.process.wait()
        async with program("run", "--feed", "binance", env=env_for(venue), data_dir=tmp_path) as running:
            await venue.wait_played()
            await running.until("/readyz")
            await asyncio.sleep(3.0)
            ended = await running.stop()
    assert (ended.code, "Traceback" in ended.stderr) == (0, False)
    for symbol in SYMBOLS.split(","):
        sent = {trade.trade_id for trade in venue.market.tape.trades(symbol)}
        stored = covered_ids(tmp_path, symbol)
        lost = lost_ids(tmp_path, symbol)
        assert len(stored) == len(set(stored)), f"{symbol}: doubled ids"
        assert sent - set(stored) <= lost, f"{symbol}: {len(sent - set(stored))} ids are neither stored nor in a gap"
        assert len(lost) < len(sent) / 4


def covered_ids(data: Path, symbol: str) -> list[int]:
    """Trade ids that the stored prints stand for, each as often as it is stored."""
    rows = _rows(data, f"SELECT trade_id, trades FROM trades WHERE symbol = '{symbol}'")
    return [number for last, count in rows for number in range(last - count + 1, last + 1)]


def lost_ids(data: Path, symbol: str) -> set[int]:
    """Trade ids inside stored gaps that were not closed."""
    rows = _rows(data, f"SELECT from_id, to_id FROM gaps WHERE symbol = '{symbol}' AND state != 'closed'")
    return {number for first, last in rows if first is not None for number in range(first, last + 1)}
