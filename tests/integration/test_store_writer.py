"""The writer between the bus and a real SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marketwatch.bus import Bus
from marketwatch.clock import ManualClock, SystemClock
from marketwatch.config import Settings
from marketwatch.errors import StoreUnavailable
from marketwatch.model.alerts import Alerts, Rules
from marketwatch.model.market import (
    ClosedCandles,
    GapReason,
    GapState,
    Instrument,
    Source,
    Trades,
    VenueCandles,
    Whales,
)
from marketwatch.model.metrics import MetricTable, Window
from marketwatch.model.system import FeedState, FeedStatus, Notice
from marketwatch.ports import WriteBatch
from marketwatch.store.sqlite import SqliteStore
from marketwatch.store.writer import StoreWriter
from tests.kit.alerts import alert, rule
from tests.kit.facts import T0, candle, gap, step, trade, traded, whale


class LeavingStore(SqliteStore):
    """A real store whose disk can be taken away."""

    away = False
    writes = 0

    async def write(self, batch: WriteBatch) -> None:
        self.writes += 1
        if self.away:
            raise StoreUnavailable("The disk is gone.")
        await super().write(batch)


class Rig:
    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.errors: list[str] = []
        self.notices: list[Notice] = []
        self.clock = ManualClock(T0)
        self.bus = Bus(on_error=lambda name, error: self.errors.append(repr(error)))
        self.bus.subscribe(Notice, self.notices.append, name="test")
        self.store = LeavingStore(folder / "market.db", clock=SystemClock())
        settings = Settings.of(data_dir=folder, store_trades=options.pop("store_trades", False), window=60)
        self.writer = StoreWriter(store=self.store, clock=self.clock, settings=settings, publish=self.bus.publish, **options)
        self.writer.subscribe(self.bus)
        self.steps = 0

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.bus.publish(step(T0 + 500 * self.steps, {"A": traded(1.0, last_id=self.steps + 1), "B": {"price": 1.0}}))
            self.steps += 1

    async def ids(self) -> list[int]:
        return [int(item) for item in (await self.store.samples("A", 0, T0 * 2)).last_id]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rigs.append(Rig(tmp_path, **options))
        return rigs[-1]

    yield make
    for one in rigs:
        await one.writer.aclose()
        await one.store.close()
        assert one.errors == []


async def test_writer_everything_on_the_bus_that_is_stored_reaches_the_store(rig: Callable[..., Rig]) -> None:
    one = rig(instruments=[Instrument("A", "A", "USDT")], store_trades=True)
    await one.store.open()
    one.publish(3)
    one.bus.publish(Trades("v", T0, [trade("A", 1)]))
    one.bus.publish(Whales([whale("A", 2)]))
    one.bus.publish(ClosedCandles([candle("A"), candle("A", "1s")]))
    one.bus.publish(VenueCandles("v", [candle("A", "1h"), candle("A", "1m", T0 + 60_000)._replace(closed=False)], history=True))
    one.bus.publish(gap(symbol="A"))
    await one.writer.flush()
    rows = (await one.store.stats()).rows
    assert {name: rows[name] for name in ("samples", "trades", "candles", "gaps")} == {
        "samples": 4, "trades": 2, "candles": 2, "gaps": 1,
    }  # fmt: skip
    assert await one.store.instruments() == [Instrument("A", "A", "USDT")]
    assert (one.writer.depth, one.writer.dropped, one.writer.last_write_ms) == (0, 0, T0)


async def test_writer_alerts_are_stored_with_a_notice_for_each_channel_of_their_rule(rig: Callable[..., Rig]) -> None:
    one = rig()
    await one.store.open()
    one.bus.publish(Rules([rule(channels=("app", "mail"))]))
    told, quiet = alert("told", context={"column": np.arange(2)}), alert("quiet", rule_id="r2", symbol="ETHUSDT")
    one.bus.publish(Alerts(T0, [told, quiet], ["told"]))
    one.bus.publish(Alerts(T0, [told], ["told"]))
    await one.writer.flush()
    assert await one.store.rules() == [rule(channels=("app", "mail"))]
    assert {fact.alert_id: fact.context for fact in await one.store.alerts()} == {"told": {"column": [0, 1]}, "quiet": {}}
    outbox = await one.store.outbox()
    assert sorted((n.alert_id, n.channel, n.state) for n in outbox) == [("told", "app", "sent"), ("told", "mail", "waiting")]


async def test_writer_alerts_outlive_a_database_that_is_away(rig: Callable[..., Rig]) -> None:
    one = rig(memory_bytes=20_000, spool_bytes=1)
    await one.store.open()
    one.store.away = True
    one.bus.publish(Alerts(T0, [alert()], ["a1"]))
    one.publish(400)
    await one.writer._room.relieve()
    assert one.writer.dropped > 0
    one.store.away = False
    await one.writer.flush()
    assert [fact.alert_id for fact in await one.store.alerts()] == ["a1"]
    assert [notice.alert_id for notice in await one.store.outbox()] == ["a1"]


async def test_writer_trades_are_stored_only_when_asked_for(rig: Callable[..., Rig]) -> None:
    one = rig()
    await one.store.open()
    one.bus.publish(Trades("v", T0, [trade("A", 1)]))
    await one.writer.flush()
    assert await one.store.trades("A") == []


async def test_writer_runs_by_its_clock_and_writes_in_batches(rig: Callable[..., Rig]) -> None:
    one = rig()
    await one.store.open()
    task = asyncio.create_task(one.writer.run())
    await asyncio.sleep(0)
    one.publish(100)
    assert one.store.writes == 0
    async with asyncio.timeout(10):
        while len(await one.ids()) < 100:
            await one.clock.advance(1.0)
    assert one.store.writes == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_writer_store_that_is_away_loses_nothing_and_is_told_once(rig: Callable[..., Rig]) -> None:
    one = rig()
    await one.store.open()
    one.store.away = True
    for _ in range(3):
        one.publish(5)
        with pytest.raises(StoreUnavailable):
            await one.writer.flush()
    assert one.writer.away_since_ms == T0
    one.store.away = False
    await one.writer.flush()
    assert await one.ids() == list(range(1, 16))
    assert [(n.key, n.over) for n in one.notices] == [("store-away", False), ("store-away", True)]


async def test_writer_memory_that_is_full_goes_to_disk_in_order(rig: Callable[..., Rig]) -> None:
    one = rig(memory_bytes=5_000)
    await one.store.open()
    one.store.away = True
    for number in range(10):
        one.publish(10)
        one.bus.publish(gap("g", "A", to_ms=T0 + number))
        with pytest.raises(StoreUnavailable):
            await one.writer.flush()
        await one.writer._room.relieve()
    assert one.writer.spilled > 3
    assert one.writer.spool_bytes > 0
    one.store.away = False
    await one.writer.flush()
    assert await one.ids() == list(range(1, 101))
    assert [item.to_ms for item in await one.store.gaps()] == [T0 + 9]
    assert (one.writer.spool_bytes, one.writer.dropped) == (0, 0)


async def test_writer_no_room_anywhere_sheds_samples_and_stores_the_gap(rig: Callable[..., Rig]) -> None:
    one = rig(memory_bytes=5_000, spool_bytes=1)
    await one.store.open()
    one.bus.publish(FeedStatus("binance", Source.LIVE, FeedState.LIVE, "", T0))
    one.store.away = True
    for _ in range(20):
        one.publish(10)
        with pytest.raises(StoreUnavailable):
            await one.writer.flush()
        await one.writer._room.relieve()
    one.bus.publish(ClosedCandles([candle("A")]))
    lost = one.writer.dropped
    assert lost > 0
    one.store.away = False
    await one.writer.flush()
    stored = await one.ids()
    assert len(stored) == 200 - lost
    (hole,) = await one.store.gaps("A")
    assert (hole.reason, hole.state, hole.venue) == (GapReason.OVERFLOW, GapState.LOST, "binance")
    missing = sorted(set(range(1, 201)) - set(stored))
    assert (hole.from_ms, hole.to_ms) == (T0 + 500 * (missing[0] - 1), T0 + 500 * missing[-1])
    assert len(await one.store.candles("A", "1m")) == 1
    assert [(n.key, n.over) for n in one.notices if n.key == "store-overflow"] == [
        ("store-overflow", False), ("store-overflow", True),
    ]  # fmt: skip


async def test_writer_closed_while_the_store_is_away_leaves_a_spool_for_the_next_start(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rig()
    await one.store.open()
    one.store.away = True
    one.publish(30)
    await one.writer.aclose()
    await one.store.close()
    two = rig()
    await two.store.open()
    await two.writer.flush()
    assert await two.ids() == list(range(1, 31))
    await two.writer.aclose()
    assert [p.name for p in two.folder.iterdir() if p.suffix == ".bin"] == []


async def test_writer_value_that_the_database_refuses_costs_only_itself(rig: Callable[..., Rig]) -> None:
    one = rig(store_trades=True)
    await one.store.open()
    one.publish(5)
    one.bus.publish(Trades("v", T0, [trade("A", i) for i in (1, 2, 2**80, 4, 5)]))
    one.bus.publish(gap())
    await one.writer.flush()
    assert [item.trade.trade_id for item in await one.store.trades("A")] == [5, 4, 2, 1]
    assert len(await one.store.gaps()) == 1
    assert await one.ids() == [1, 2, 3, 4, 5]
    assert one.writer.rejected == 1
    assert [n.key for n in one.notices] == ["store-rejected"]


async def test_writer_beside_another_writing_process_lets_go_and_takes_over_later(rig: Callable[..., Rig]) -> None:
    first, second = rig(), rig()
    await first.store.open()
    await second.store.open()
    for _ in range(3):
        second.publish(5)
        await second.writer.flush()
    assert second.writer.ignored > 0
    assert (second.writer.depth, second.writer.spilled, second.writer.away_since_ms) == (0, 0, None)
    await first.store.close()
    second.publish(5)
    await second.writer.flush()
    second.writer._say_notices()
    assert await second.ids() == [16, 17, 18, 19, 20]
    assert [(n.key, n.over) for n in second.notices] == [("store-read-only", False), ("store-read-only", True)]


async def test_writer_database_damaged_in_use_is_moved_aside_and_writing_goes_on(rig: Callable[..., Rig]) -> None:
    one = rig()
    await one.store.open()
    one.publish(3000)
    await one.writer.flush()
    assert one.store._connection is not None
    one.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    one.store._connection.execute("PRAGMA cache_size = 0")
    path = one.store.path
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    for _ in range(20):
        one.publish(50)
        await one.writer.flush()
    assert "store-damaged" in [n.key for n in one.notices]
    assert (await one.ids())[-1] == one.steps
    assert [p for p in one.folder.iterdir() if ".damaged-" in p.name] != []


async def test_writer_totals_go_on_after_a_restart(rig: Callable[..., Rig]) -> None:
    window = Window("60", 500, 60)
    for expected in (10, 20):
        one = rig()
        await one.store.open()
        one.publish(10)
        one.bus.publish(
            MetricTable(
                time_ms=T0 + 5000,
                symbols=("A", "B"),
                windows=(window,),
                points={"price": np.array([1.0, 2.0])},
                values={"60": {"sma": np.array([1.5, np.nan])}},
                state={"60": np.zeros(2, np.uint8)},
                filled={"60": np.array([10, 10])},
            )
        )
        await one.writer.flush()
        (a, b) = await one.store.aggregates()
        assert (a.symbol, a.moving_average, a.trade_count, a.total_volume) == ("A", 1.5, expected, float(expected))
        assert (b.moving_average, b.trade_count) == (None, 0)
        await one.writer.aclose()
        await one.store.close()


async def test_writer_retention_follows_the_settings(rig: Callable[..., Rig]) -> None:
    one = rig()
    await one.store.open()
    one.publish(3)
    one.bus.publish(step(T0 - 8 * 86_400_000, {"A": traded(9.0, last_id=99), "B": {"price": 1.0}}))
    await one.writer.flush()
    await one.writer._upkeep._retain()
    assert await one.ids() == [1, 2, 3]
