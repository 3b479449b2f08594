"""Our side of `socket_to_metrics`: the program's own session between a local venue and a throw-away SQLite store."""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.feed.binance import BinanceFeed
from marketwatch.model.market import Trades
from marketwatch.session import Session
from marketwatch.store import open_store
from marketwatch.tasks import Tasks


class Meter:
    """Subscribed last: counts trades and notes how old they are when everybody else has had them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = self._first = 0
        self._cpu = self._wall = 0.0
        self._ages: list[float] = []
        self.done: asyncio.Future[dict[str, float]] = asyncio.get_running_loop().create_future()

    def on_trades(self, batch: Trades) -> None:
        """The first batch starts the clocks, the last trade stops them."""
        now_ms = time.time_ns() / 1e6
        if not self._seen:
            self._first, self._cpu, self._wall = len(batch.trades), time.process_time(), time.perf_counter()
        self._seen += len(batch.trades)
        self._ages.extend(now_ms - trade.time_ms for trade in batch.trades)
        if self._seen >= self._count and not self.done.done():
            self.done.set_result(self._told())

    def _told(self) -> dict[str, float]:
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        ages = statistics.quantiles(self._ages, n=100)
        told = {"cpu": cpu, "wall": wall, "messages": self._seen - self._first}
        return told | {"p50_ms": ages[49], "p99_ms": ages[98]}


async def _measure(port: int, count: int, gulp_ms: int, folder: Path) -> dict[str, float]:
    settings = Settings.of(
        symbols=("BTCUSDT", "ETHUSDT"),
        binance_stream="aggtrade",
        binance_ws_url=(f"ws://127.0.0.1:{port}",),
        binance_rest_url=(f"http://127.0.0.1:{port}",),
        database_url=f"sqlite:///{folder / 'bench.db'}",
        data_dir=folder,
        gulp_ms=gulp_ms,
        backfill=False,
    )
    clock, errors = SystemClock(), []
    feed = BinanceFeed(settings=settings, clock=clock, publish=lambda _event: None)
    instruments = await feed.instruments()
    store = open_store(settings)
    await store.open()
    tasks = Tasks(on_death=lambda name, error: errors.append(f"{name}: {error!r}"))
    session = Session(
        feed=feed, instruments=instruments, store=store, settings=settings, clock=clock, tasks=tasks,
        on_error=lambda name, error: errors.append(f"{name}: {error!r}"),
    )  # fmt: skip
    meter = Meter(count)
    session.watch.bus.subscribe(Trades, meter.on_trades, name="meter")
    gc.collect()
    gc.freeze()
    async with session, asyncio.timeout(120):
        told = await meter.done
    if errors or session.watch.state.table is None:
        raise SystemExit(f"The path was not whole: {errors[:3] or 'no metric table'}.")
    return told


def main(port: str, count: str, gulp_ms: str) -> None:
    """Print one JSON object: processor and wall seconds, messages, ages of trades in ms."""
    with tempfile.TemporaryDirectory(prefix="marketwatch-bench-") as folder:
        work = _measure(int(port), int(count), int(gulp_ms), Path(folder))
        try:
            import uvloop
        except ImportError:
            told = asyncio.run(work)
        else:
            told = uvloop.run(work)
    print(json.dumps(told))
    sys.stdout.flush()
