"""A backup of one kind of database goes into both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import numpy as np
import orjson
import pytest
import zstandard

from marketwatch.clock import SystemClock
from marketwatch.errors import StoreError
from marketwatch.model.market import Instrument
from marketwatch.model.portfolio import Watchlist, WatchlistItem
from marketwatch.ports import DurableStore, TradeAggregate, WriteBatch
from marketwatch.store.alert_rows import notices_of
from marketwatch.store.books import StoredBooks
from marketwatch.store.portable import TABLES
from marketwatch.store.postgres import PostgresStore
from marketwatch.store.reads import Reads
from marketwatch.store.sqlite import SqliteStore
from tests.kit.alerts import alert, rule
from tests.kit.books import history, portfolio
from tests.kit.databases import MakeStore
from tests.kit.facts import T0, candle, gap, step, trade, traded, whale


@pytest.fixture(params=["sqlite", "postgresql"])
def make_target(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], DurableStore]:
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "target.db", clock=SystemClock())
    url = request.getfixturevalue("other_postgres_url")
    return lambda: PostgresStore(url, clock=SystemClock())


def books_of(store: DurableStore) -> StoredBooks:
    return StoredBooks(cast("Reads", store))


@pytest.fixture
async def source(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    store = make_store()
    await store.open()
    await store.write(
        WriteBatch(
            instruments=[Instrument("币安USDT", "币安", "USDT")],
            samples=[step(T0 + 500 * i, {"A": traded(0.1 + i, bid=0.1), "币安USDT": {"price": 3.0}}) for i in range(300)],
            trades=[trade("A", 2**63 - 1)],
            whales=[whale("B")],
            candles=[candle("A"), candle("B", gap=True)],
            gaps=[gap(), gap("g2")._replace(from_id=None)],
            aggregates=[TradeAggregate("A", None, 3, 4.0, T0)],
            rules=[rule(), rule(version=2, repeat_ms=5, recover="change(5m) > 0", enabled=False)],
            alerts=[alert(context={"terms": {"币安": 1.5}}), alert("a2", threshold=None, acknowledged_ms=T0)],
            notifications=notices_of(alert(), ("app", "mail"), T0),
        )
    )
    books = books_of(store)
    await books.add_portfolio(portfolio("fifo", created_ms=T0))
    await books.write_transactions(portfolio("fifo"), put=history(5))
    await books.add_watchlist(Watchlist("w", "owner", "币安", (WatchlistItem("A", "note"), WatchlistItem("B"))))
    yield store
    await store.close()


async def test_backup_restored_into_an_empty_database_is_equal(
    source: DurableStore, make_target: MakeStore, tmp_path: Path
) -> None:
    out = tmp_path / "backup.zst"
    target = make_target()
    await target.open()
    try:
        rows = await source.backup(out)
        assert await target.restore(out) == rows
        assert out.stat().st_mode & 0o077 == 0
        for name in ("A", "币安USDT"):
            kept, restored = await source.samples(name, 0, T0 * 2), await target.samples(name, 0, T0 * 2)
            assert np.array_equal(kept.price, restored.price)
            assert np.array_equal(kept.bid, restored.bid, equal_nan=True)
            assert np.array_equal(kept.time_ms, restored.time_ms)
        assert await target.trades("A") == await source.trades("A")
        assert await target.whales() == await source.whales()
        assert await target.candles("B", "1m") == await source.candles("B", "1m")
        assert await target.gaps() == await source.gaps()
        assert await target.instruments() == await source.instruments()
        assert await target.aggregates() == await source.aggregates()
        assert await target.alerts() == await source.alerts()
        assert await target.rules(every_version=True) == await source.rules(every_version=True)
        ours, theirs = books_of(source), books_of(target)
        assert await theirs.transactions("owner", "p1") == await ours.transactions("owner", "p1")
        assert await theirs.watchlists("owner") == await ours.watchlists("owner")
        again = tmp_path / "again.zst"
        await target.backup(again)
        assert lines(again) == lines(out)
    finally:
        await target.close()


def lines(file: Path) -> list[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(file.read_bytes()) as stream:
        return sorted(stream.read().splitlines()[1:])


async def test_restored_database_goes_on_taking_new_symbols(
    source: DurableStore, make_target: MakeStore, tmp_path: Path
) -> None:
    await source.backup(tmp_path / "b.zst")
    target = make_target()
    await target.open()
    try:
        await target.restore(tmp_path / "b.zst")
        await target.write(WriteBatch(samples=[step(T0 + 900_000, {"NEW": traded(9.0), "A": traded(8.0)})]))
        assert (await target.samples("NEW", 0, T0 * 2)).price.tolist() == [9.0]
        assert (await target.samples("A", T0 + 900_000, T0 * 2)).price.tolist() == [8.0]
    finally:
        await target.close()


async def test_restore_over_data_needs_force_and_replaces_it(source: DurableStore, tmp_path: Path) -> None:
    out = tmp_path / "b.zst"
    await source.backup(out)
    await source.write(WriteBatch(samples=[step(T0 - 500, {"A": traded(7.0)})]))
    with pytest.raises(StoreError, match="force"):
        await source.restore(out)
    assert (await source.samples("A", 0, T0)).time_ms.size == 1
    await source.restore(out, force=True)
    assert (await source.samples("A", 0, T0)).time_ms.size == 0
    assert (await source.samples("A", 0, T0 * 2)).time_ms.size == 300


def compressed(*parts: object) -> bytes:
    return zstandard.compress(b"".join(orjson.dumps(part) + b"\n" for part in parts))


HEAD = {"format": "marketwatch-backup", "version": 1, "schema": 2, "made_ms": 0}
GAPS = {
    "table": "gaps",
    "columns": ["gap_id", "venue", "symbol", "reason", "state", "from_time", "to_time", "from_id", "to_id", "refilled"],
}
ENTRIES = next({"table": table.name, "columns": table.columns} for table in TABLES if table.name == "portfolio_transactions")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not compressed",
        compressed({"format": "other"}),
        compressed([1, 2]),
        compressed({**HEAD, "version": 2}),
        compressed({**HEAD, "schema": 9999}),
        compressed(HEAD),
        compressed(HEAD, GAPS, ["g", "v", "s", "id_jump"], {"end": {"gaps": 1}}),
        compressed(HEAD, {"table": "sqlite_schema", "columns": ["x"]}, {"end": {}}),
        compressed(HEAD, {"table": ["gaps"], "columns": []}, {"end": {}}),
        compressed(HEAD, GAPS, {"end": {"gaps": 5}}),
        compressed(HEAD, GAPS, ["g", "v", "s", "id_jump", "open", "soon", 2, None, None, 0], {"end": {"gaps": 1}}),
        compressed(HEAD, GAPS, ["g", "v", "s", None, "open", 1, 2, None, None, 0], {"end": {"gaps": 1}}),
        compressed(HEAD, GAPS, {"end": {"gaps": 0}})[:-6],
        compressed(HEAD, ENTRIES, [*(["x"] * 4), "much", 1, *([None] * 9), 1, 1], {"end": {"portfolio_transactions": 1}}),
    ],
)
async def test_restore_of_a_file_that_is_no_whole_backup_changes_nothing(
    source: DurableStore, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "bad.zst"
    file.write_bytes(content)
    with pytest.raises(StoreError):
        await source.restore(file, force=True)
    assert (await source.samples("A", 0, T0 * 2)).time_ms.size == 300
    assert len(await source.gaps()) == 2


async def test_backup_into_a_folder_that_is_missing_says_so(source: DurableStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        await source.backup(tmp_path / "nowhere" / "b.zst")
