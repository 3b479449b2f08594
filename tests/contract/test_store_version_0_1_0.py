"""What version 0.1.0 has left on disks: its backup, its spool and its database file, read whole by the program of today.

The three files in `version_0_1_0` were written by the code that knew the first four migrations: the backup and the database
hold one batch, the spool another one that came a minute later.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zstandard

from marketwatch.clock import ManualClock
from marketwatch.model.alerts import Alert, AlertState, Rule
from marketwatch.model.market import Gap, GapReason, GapState
from marketwatch.model.system import Level
from marketwatch.ports import DurableStore
from marketwatch.store.spool import Spool
from marketwatch.store.sqlite import SqliteStore
from tests.kit.databases import MakeStore
from tests.kit.facts import T0

FILES = Path(__file__).parent / "version_0_1_0"
FALL = Rule(
    "fall", 2, "Fast fall", "change(5m) <= -3", ("BTCUSDT", "ETHUSDT"), 2000, "-2", 4000, 60_000, 3_600_000, Level.CRITICAL,
    ("app", "webhook"), True, T0 + 10**9, "file",
)  # fmt: skip


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


def spooled(folder: Path) -> Spool:
    shutil.copy(FILES / "spool.bin", folder / "spool.bin")
    return Spool(folder / "spool.bin", most_bytes=10**7)


async def check(store: DurableStore, at_ms: int, tag: str) -> None:
    """Everything of a batch of the old version is there."""
    until_ms = at_ms + 10_000
    samples = await store.samples("BTCUSDT", at_ms, until_ms)
    assert samples.time_ms.tolist() == [at_ms + 500 * number for number in range(6)]
    assert samples.price.tolist() == samples.high.tolist() == [50_000.25 + number for number in range(6)]
    assert samples.bid.tolist() == [50_000.0] * 6
    assert samples.last_id.tolist() == list(range(100, 106))
    other = await store.samples("ETHUSDT", at_ms, until_ms)
    assert [at_ms + 1_000] == other.time_ms[other.gap].tolist()
    trades = await store.trades("BTCUSDT", from_ms=at_ms, to_ms=until_ms)
    assert sorted(one.trade.trade_id for one in trades) == list(range(100, 106))
    assert [one.value_usd for one in await store.whales("BTCUSDT", from_ms=at_ms, to_ms=until_ms)] == [200_017.0]
    minute = await store.candles("BTCUSDT", "1m", from_ms=at_ms, to_ms=at_ms + 1)
    assert [(one.open, one.high, one.low, one.close, one.trades) for one in minute] == [(1.0, 2.0, 0.5, 1.5, 6)]
    lost = Gap(f"gap-{tag}", "binance", "ETHUSDT", GapReason.ID_JUMP, GapState.LOST, at_ms + 1000, at_ms + 1400, 7, 9, 1)
    assert await store.gaps(from_ms=at_ms, to_ms=until_ms) == [lost]
    await check_alerts(store, at_ms, tag)


async def check_alerts(store: DurableStore, at_ms: int, tag: str) -> None:
    assert await store.rules() == [FALL]
    alert: Alert | None = await store.alert(f"alert-{tag}")
    assert alert is not None
    assert (alert.fired_ms, alert.trigger_value, alert.state) == (at_ms + 1000, -3.25, AlertState.FIRING)
    assert alert.context["terms"] == {"change(5m)": -3.25}
    assert alert.context["rule"]["expression"] == FALL.expression
    notice = next(one for one in await store.outbox() if one.alert_id == alert.alert_id)
    assert (notice.notification_id, notice.channel, notice.state, notice.due_ms) == (
        f"notice-{tag}",
        "webhook",
        "waiting",
        None,
    )
    await store.retain(now_ms=at_ms, days=7, max_bytes=10**12)
    assert (await store.stats()).rows["pins"] >= 1


async def test_backup_of_version_0_1_0_is_restored_with_nothing_lost(store: DurableStore) -> None:
    rows = await store.restore(FILES / "market.backup")
    await check(store, T0, "stored")
    assert [one.symbol for one in await store.instruments()] == ["BTCUSDT", "ETHUSDT"]
    assert [one.trade_count for one in await store.aggregates()] == [6]
    counted = (await store.stats()).rows
    assert rows == sum(counted.values())


async def test_spool_of_version_0_1_0_is_written_into_the_database_of_today(store: DurableStore, tmp_path: Path) -> None:
    spool = spooled(tmp_path)
    await store.restore(FILES / "market.backup")
    batch = spool.first()
    assert batch is not None
    assert spool.damaged == 0
    await store.write(batch)
    spool.drop_first()
    assert spool.first() is None
    spool.close()
    await check(store, T0, "stored")
    await check(store, T0 + 60_000, "spooled")


async def test_database_of_version_0_1_0_is_brought_up_to_date_with_nothing_lost(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    file.write_bytes(zstandard.ZstdDecompressor().decompress((FILES / "market.db.zst").read_bytes()))
    store = SqliteStore(file, clock=ManualClock(T0))
    await store.open()
    assert (await store.stats()).schema_version >= 14
    await check(store, T0, "stored")
    assert await store.quiet("BTCUSDT", from_ms=0, to_ms=T0 + 10**9) == []
    await store.close()
