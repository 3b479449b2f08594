"""SQLite's own faults: damage, a full disk, sudden death, two starters."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.errors import ConfigError, StoreError, StoreUnavailable
from marketwatch.model.system import Level
from marketwatch.ports import WriteBatch
from marketwatch.store import open_store, sqlite_path
from marketwatch.store.sqlite import SqliteStore
from tests.kit.facts import T0, candle, step, trade, traded


def store_at(path: Path) -> SqliteStore:
    return SqliteStore(path, clock=SystemClock())


async def fill(path: Path, rows: int = 2000) -> None:
    store = store_at(path)
    await store.open()
    await store.write(WriteBatch(samples=[step(T0 + 500 * i, {"A": traded(1.0 + i, bid=2.0 + i)}) for i in range(rows)]))
    await store.close()


async def test_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    await fill(tmp_path / "new" / "market.db", 1)
    assert [p.name for p in (tmp_path / "new").iterdir() if p.stat().st_mode & 0o077] == []
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


async def test_views_show_symbols_as_text(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    store = store_at(path)
    await store.open()
    await store.write(
        WriteBatch(samples=[step(T0, {"A": traded(5.0, volume=2.0)})], trades=[trade("A")], candles=[candle("A")])
    )
    await store.close()
    with sqlite3.connect(path) as connection:
        event = connection.execute("SELECT time, symbol, price, volume, open, notional, gap FROM market_events").fetchone()
        print_ = connection.execute(
            "SELECT symbol, trade_id, trade_value, is_buyer_maker, is_whale_trade FROM trades"
        ).fetchone()
        bar = connection.execute("SELECT symbol, interval, close FROM candles").fetchone()
    connection.close()
    assert event == (T0, "A", 5.0, 2.0, 5.0, 10.0, 0)
    assert print_ == ("A", 1, None, 1, 0)
    assert bar == ("A", "1m", 100.0)


def flip_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 8192):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def replace_by_text(path: Path) -> None:
    path.write_text("This is not a database at all, but some notes that were saved under its name.\n" * 50)


def zero_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\x00" * 100)


@pytest.mark.parametrize("damage", [flip_bytes, truncate, replace_by_text, zero_head])
async def test_damaged_file_is_moved_aside_loudly_and_a_fresh_one_begun(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "market.db"
    await fill(path)
    assert callable(damage)
    damage(path)
    content = path.read_bytes()
    store = store_at(path)
    await store.open()
    try:
        (notice,) = store.take_notices()
        aside = [p for p in tmp_path.iterdir() if ".damaged-" in p.name and not p.name.endswith(("-wal", "-shm"))]
        assert [p.read_bytes() for p in aside] == [content]
        assert (notice.key, notice.level, notice.over) == ("store-damaged", Level.CRITICAL, False)
        assert aside[0].name in notice.message
        await store.write(WriteBatch(samples=[step(T0, {"A": traded(3.0)})]))
        assert (await store.samples("A", 0, T0 * 2)).price.tolist() == [3.0]
    finally:
        await store.close()


async def test_sound_file_is_opened_without_a_notice(tmp_path: Path) -> None:
    await fill(tmp_path / "market.db")
    store = store_at(tmp_path / "market.db")
    await store.open()
    assert store.take_notices() == []
    assert (await store.samples("A", 0, T0 * 2)).time_ms.size == 2000
    await store.close()


async def test_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        await store_at(tmp_path / "file" / "market.db").open()


async def test_throw_away_store_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = Settings.of(database_url=f"sqlite:///{tmp_path / 'demo' / 'demo.db'}")
    store = open_store(settings, throw_away=True)
    await store.open()
    await store.write(WriteBatch(trades=[trade()]))
    await store.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/data/marketwatch.db"),
        ("sqlite:////var/lib/m.db", "/var/lib/m.db"),
        ("sqlite:///m.db", "m.db"),
        ("sqlite:///a%20b.db", "a b.db"),
    ],
)
def test_sqlite_url_names_the_file(url: str, path: str) -> None:
    assert sqlite_path(url, Path("/data")) == Path(path)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "sqlite://host/x.db", "market.db"])
def test_sqlite_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        sqlite_path(url, Path("/data"))


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file of this process grows beyond a megabyte: what a full disk looks like to SQLite."""
    most = 1_000_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    yield most
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


async def fill_pings(store: SqliteStore) -> None:
    for _ in range(500):
        await store.ping()


async def test_full_disk_is_unavailable_and_passes_without_restart(tmp_path: Path, small_files: int) -> None:
    store = store_at(tmp_path / "market.db")
    await store.open()
    try:
        committed, refused = 0, None
        while refused is None:
            names = [f"S{i}" for i in range(100)]
            start = T0 + 5000 * committed
            steps = [step(start + 500 * i, {n: traded(1.0 + i, bid=1.5 * i) for n in names}) for i in range(10)]
            try:
                await store.write(WriteBatch(samples=steps))
                committed += 1
            except StoreUnavailable as error:
                refused = error
        with pytest.raises(StoreUnavailable):
            await fill_pings(store)
        assert committed > 0
        assert (await store.samples("S7", 0, T0 * 2)).time_ms.size == 10 * committed
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.write(WriteBatch(samples=steps))
        assert (await store.samples("S7", 0, T0 * 2)).time_ms.size == 10 * (committed + 1)
        await store.ping()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from marketwatch.clock import SystemClock
from marketwatch.ports import WriteBatch
from marketwatch.store.sqlite import SqliteStore
from tests.kit.facts import T0, step, traded, trade

async def main(path, first):
    store = SqliteStore(Path(path), clock=SystemClock())
    await store.open()
    number = first
    while True:
        steps = [step(T0 + 500 * (number * 20 + i), {"A": traded(1.0, last_id=number * 20 + i + 1)}) for i in range(20)]
        await store.write(WriteBatch(samples=steps, trades=[trade("A", number)]))
        print(number, flush=True)
        number += 1

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_killed_at_random_moments_every_answered_write_is_there_once(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "market.db"
    rng = random.Random(20261121)
    rounds = int(os.environ.get("KILL_ROUNDS", "12"))
    answered = 0
    for _ in range(rounds):
        worker = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(answered)], cwd=root, stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        for _ in range(rng.randrange(1, 40)):
            answered = int(worker.stdout.readline()) + 1
        time.sleep(rng.random() * 0.004)
        worker.send_signal(signal.SIGKILL)
        rest = worker.stdout.read().split()
        answered = int(rest[-1]) + 1 if rest else answered
        worker.stdout.close()
        worker.wait()
        store = store_at(path)
        started = time.monotonic()
        await store.open()
        took = time.monotonic() - started
        found = await store.samples("A", 0, T0 * 2)
        assert store.take_notices() == []
        assert found.last_id.tolist() == list(range(1, found.last_id.size + 1))
        assert found.last_id.size in (answered * 20, answered * 20 + 20)
        assert len(await store.trades("A", limit=100_000)) == found.last_id.size // 20
        assert took < 3.0
        await store.close()


async def test_two_starters_at_once_one_writes_and_one_reads(tmp_path: Path) -> None:
    stores = [store_at(tmp_path / "market.db") for _ in range(4)]
    results = await asyncio.gather(*(store.open() for store in stores), return_exceptions=True)
    assert all(result is None or isinstance(result, StoreError) for result in results)
    opened = [store for store, result in zip(stores, results, strict=True) if result is None]
    assert sum(store.profile.read_only is None for store in opened) == 1
    for store in opened:
        await store.close()


async def test_retention_gives_the_disk_its_space_back(tmp_path: Path) -> None:
    path, empty = tmp_path / "market.db", tmp_path / "empty.db"
    await fill(empty, 0)
    bare = empty.stat().st_size
    await fill(path, 30_000)
    before = path.stat().st_size
    store = store_at(path)
    await store.open()
    assert await store.retain(now_ms=T0 + 500 * 27_000, days=0.0, max_bytes=10**12) == 27_000
    await store.close()
    assert path.stat().st_size - bare < (before - bare) / 5
