"""PostgreSQL's own faults: a wrong database, a server that is killed or hangs, two starters."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from marketwatch.bus import Bus
from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.errors import MigrationError, StoreError, StoreUnavailable
from marketwatch.model.market import Gap, GapState
from marketwatch.model.system import Notice
from marketwatch.ports import WriteBatch
from marketwatch.store import open_store
from marketwatch.store.postgres import PostgresStore
from marketwatch.store.writer import StoreWriter
from tests.kit.databases import Server
from tests.kit.facts import T0, candle, gap, step, traded


async def test_open_store_takes_the_url(postgres_url: str) -> None:
    store = open_store(Settings.of(database_url=postgres_url.replace("postgresql://", "postgresql+asyncpg://")))
    await store.open()
    assert (await store.stats()).detail.startswith(("native partitions", "TimescaleDB"))
    await store.close()


async def test_starters_at_once_make_one_schema(postgres_url: str) -> None:
    stores = [PostgresStore(postgres_url, clock=SystemClock(), first_s=5.0) for _ in range(4)]
    results = await asyncio.gather(*(store.open() for store in stores), return_exceptions=True)
    opened = [store for store, result in zip(stores, results, strict=True) if result is None]
    assert all(result is None or isinstance(result, StoreError) for result in results)
    assert sum(store.profile.read_only is None for store in opened) == 1
    for store in opened:
        await store.close()


async def test_partitions_are_made_by_day_and_ahead(postgres_url: str) -> None:
    store = PostgresStore(postgres_url, clock=SystemClock())
    await store.open()
    await store.write(WriteBatch(samples=[step(T0, {"A": traded(1.0)})]))
    connection = await asyncpg.connect(postgres_url)
    names = [
        row[0] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relname ~ '^samples_[0-9]+$' ORDER BY 1")
    ]
    event = (await connection.fetch("SELECT time, symbol, price, open FROM market_events"))[0]
    await connection.close()
    await store.close()
    assert names == ["samples_20240808", "samples_20240809", "samples_20240810"]
    assert (event["time"].isoformat(), event["symbol"], event["open"]) == ("2024-08-08T08:00:00+00:00", "A", 1.0)


async def test_behind_a_pooler_nothing_needs_a_prepared_statement(postgres_url: str) -> None:
    url = postgres_url + ("&" if "?" in postgres_url else "?") + "statement_cache_size=0"
    stores = [PostgresStore(url, clock=SystemClock()) for _ in range(2)]
    for number, store in enumerate(stores):
        await store.open()
        await store.write(WriteBatch(samples=[step(T0, {"A": traded(1.0 + number)})], candles=[candle("A")]))
    assert (await stores[0].samples("A", 0, T0 * 2)).price.tolist() == [2.0]
    for store in stores:
        await store.close()


async def test_failing_migration_leaves_nothing_behind(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (x integer);")
    (tmp_path / "0002_b.sql").write_text("CREATE TABLE b (x integer); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(MigrationError, match="Migration 2"):
        await PostgresStore(postgres_url, clock=SystemClock(), migrations=tmp_path).open()
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()


async def test_changed_or_newer_schema_is_refused(postgres_url: str, tmp_path: Path) -> None:
    store = PostgresStore(postgres_url, clock=SystemClock())
    await store.open()
    await store.close()
    (tmp_path / "0001_market.sql").write_text("CREATE TABLE other (x integer);")
    with pytest.raises(MigrationError, match="changed"):
        await PostgresStore(postgres_url, clock=SystemClock(), migrations=tmp_path).open()
    (tmp_path / "0001_market.sql").unlink()
    with pytest.raises(MigrationError, match="newer"):
        await PostgresStore(postgres_url, clock=SystemClock(), migrations=tmp_path).open()


async def test_database_that_does_not_exist_is_unavailable_after_a_while(postgres_server: str) -> None:
    url = urlunsplit(urlsplit(postgres_server)._replace(path="/nowhere"))
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await PostgresStore(url, clock=SystemClock(), first_s=0.3).open()


async def test_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await PostgresStore("postgresql://u:secret@127.0.0.1:1/db", clock=SystemClock(), first_s=0.3).open()


class Rig:
    """A writer between a bus and a database that will fail."""

    def __init__(self, url: str, folder: Path) -> None:
        self.bus = Bus(on_error=lambda name, error: self.failures.append(f"{name}: {error!r}"))
        self.failures: list[str] = []
        self.notices: list[Notice] = []
        self.bus.subscribe(Notice, self.notices.append, name="test")
        self.store = PostgresStore(url, clock=SystemClock(), first_s=0.5)
        settings = Settings.of(data_dir=folder)
        self.writer = StoreWriter(
            store=self.store, clock=SystemClock(), settings=settings, publish=self.bus.publish, memory_bytes=20_000
        )
        self.writer.subscribe(self.bus)
        self.steps = 0

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.steps += 1
            self.bus.publish(step(T0 + 500 * self.steps, {"A": traded(1.0, last_id=self.steps)}))

    async def until(self, done: object, seconds: float = 30.0) -> None:
        assert callable(done)
        async with asyncio.timeout(seconds):
            while not done():
                await asyncio.sleep(0.05)

    async def stored(self) -> list[int]:
        return [int(item) for item in (await self.store.samples("A", 0, T0 * 2)).last_id]


@pytest.mark.parametrize("fault", ["killed", "hung"])
async def test_server_lost_under_the_writer_spools_and_drains_without_loss(
    own_postgres: Server, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketwatch.store.postgres._WRITE_S", 1.0)
    rig = Rig(own_postgres.url, tmp_path)
    await rig.store.open()
    task = asyncio.create_task(rig.writer.run())
    try:
        rig.publish(50)
        rig.bus.publish(gap(state=GapState.OPEN))
        await rig.writer.flush()
        await asyncio.to_thread(own_postgres.kill if fault == "killed" else own_postgres.hang)
        rig.publish(200)
        rig.bus.publish(gap(state=GapState.CLOSED))
        await rig.until(lambda: rig.writer.away_since_ms is not None)
        rig.publish(200)
        await rig.until(lambda: rig.writer.spool_bytes > 0)
        rig.publish(20)
        assert [n.key for n in rig.notices if not n.over] == ["store-away"]
        await asyncio.to_thread(own_postgres.start_again if fault == "killed" else own_postgres.go_on)
        await rig.until(lambda: rig.writer.away_since_ms is None and rig.writer.depth == 0 and rig.writer.spool_bytes == 0)
        assert await rig.stored() == list(range(1, rig.steps + 1))
        assert (rig.writer.dropped, rig.failures) == (0, [])
        assert [n.over for n in rig.notices if n.key == "store-away"] == [False, True]
        gaps: list[Gap] = await rig.store.gaps()
        assert [item.state for item in gaps] == [GapState.CLOSED]
    finally:
        await rig.writer.aclose()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rig.store.close()


async def test_connections_that_the_server_ended_are_replaced(postgres_url: str) -> None:
    store = PostgresStore(postgres_url, clock=SystemClock())
    await store.open()
    await store.write(WriteBatch(samples=[step(T0, {"A": traded(1.0)})]))
    await store.samples("A", 0, T0 * 2)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'marketwatch'")
    await connection.close()
    for attempt in range(3):
        try:
            await store.write(WriteBatch(samples=[step(T0 + 500, {"A": traded(2.0)})]))
            break
        except StoreUnavailable:
            assert attempt < 2
    for attempt in range(5):
        try:
            found = await store.samples("A", 0, T0 * 2)
            break
        except StoreUnavailable:
            assert attempt < 4
    assert found.price.tolist() == [1.0, 2.0]
    await store.close()
