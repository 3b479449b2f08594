"""Spans in which rules rested, in both databases: kept as far as they are needed, and ended when nobody ends them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketwatch.bus import Bus
from marketwatch.clock import ManualClock
from marketwatch.config import Settings
from marketwatch.model.alerts import Pin
from marketwatch.model.market import QuietCause, QuietSpan, Source, Staleness
from marketwatch.model.system import FeedState, FeedStatus
from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store.spool import decode, encode
from marketwatch.store.switch import SwitchStore
from marketwatch.store.writer import StoreWriter
from tests.kit.databases import MakeStore
from tests.kit.facts import NAN, T0, step, traded

DAY_MS = 86_400_000
STALE, GAP = QuietCause.STALE, QuietCause.GAP


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


def span(
    symbol: str = "A", from_s: float = 0, to_s: float = 1, cause: QuietCause = STALE, *, is_open: bool = False
) -> QuietSpan:
    return QuietSpan(symbol, cause, T0 + round(from_s * 1000), T0 + round(to_s * 1000), is_open, "binance")


async def everything(store: DurableStore, symbol: str = "A") -> list[QuietSpan]:
    return await store.quiet(symbol, from_ms=0, to_ms=T0 + 1000 * DAY_MS)


async def test_spans_that_touch_what_is_asked_come_back_newest_first(store: DurableStore) -> None:
    kept = [span(from_s=0, to_s=10), span(from_s=20, to_s=30, cause=GAP), span(from_s=20, to_s=25), span("B", 0, 100)]
    await store.write(WriteBatch(quiet=kept))
    switch = SwitchStore()
    switch.use(store)
    for asked in (store, switch):
        assert await asked.quiet("A", from_ms=T0, to_ms=T0 + 60_000) == [kept[1], kept[2], kept[0]]
        assert await asked.quiet("A", from_ms=T0 + 10_000, to_ms=T0 + 20_000) == []
        assert await asked.quiet("A", from_ms=T0 + 9_500, to_ms=T0 + 20_500, limit=2) == [kept[1], kept[2]]
        assert await asked.open_quiet() == []


async def test_newest_fact_about_a_span_replaces_the_older_ones(store: DurableStore) -> None:
    await store.write(WriteBatch(quiet=[span(to_s=1, is_open=True), span(to_s=60, is_open=True)]))
    assert await store.open_quiet() == await everything(store) == [span(to_s=60, is_open=True)]
    assert await store.quiet("A", from_ms=T0 + 90_000, to_ms=T0 + 91_000) == [span(to_s=60, is_open=True)]
    await store.write(WriteBatch(quiet=[span(to_s=70)]))
    assert (await store.open_quiet(), await everything(store)) == ([], [span(to_s=70)])
    assert (await store.stats()).rows["quiet_spans"] == 1


async def test_retention_takes_old_spans_but_what_a_pinned_incident_needs(store: DurableStore) -> None:
    old, needed, fresh = span(from_s=0, to_s=10), span(from_s=20, to_s=30), span(from_s=3 * 86_400, to_s=3 * 86_400 + 1)
    await store.write(
        WriteBatch(quiet=[old, needed, fresh, span("B", 20, 30)], pins=[Pin("a1", "A", T0 + 25_000, T0 + 90_000)])
    )
    await store.retain(now_ms=T0 + 4 * DAY_MS, days=2, max_bytes=10**12)
    assert await everything(store) == [fresh, needed]
    assert await everything(store, "B") == []


async def test_spans_go_with_the_samples_that_are_too_many_bytes(store: DurableStore) -> None:
    steps = [step(T0 + day * DAY_MS + 500 * n, {"A": traded(float(n))}) for day in range(3) for n in range(10)]
    await store.write(WriteBatch(samples=steps, quiet=[span(from_s=day * 86_400, to_s=day * 86_400 + 2) for day in range(3)]))
    await store.retain(now_ms=T0 + 3 * DAY_MS, days=5000, max_bytes=1)
    assert span() not in [one._replace(to_ms=T0 + 1_000) for one in await everything(store)]


async def test_flapping_symbol_does_not_grow_the_table_without_limit(
    store: DurableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sqlite_keep", "postgres_keep"):
        monkeypatch.setattr(f"marketwatch.store.{module}.MOST_QUIET", 100)
    flaps = [span(from_s=10 * n, to_s=10 * n + 5) for n in range(500)]
    await store.write(WriteBatch(quiet=flaps, pins=[Pin("a1", "A", T0, T0 + 20_000)]))
    await store.retain(now_ms=T0 + DAY_MS, days=7, max_bytes=10**12)
    left = await everything(store)
    assert left[-2:] == [flaps[1], flaps[0]]
    assert len(left) == 103
    assert left[0] == flaps[-1]


async def test_backup_carries_spans(store: DurableStore, tmp_path: Path) -> None:
    kept = [span(from_s=20, to_s=30, cause=GAP, is_open=True), span("A", 0, 1)]
    await store.write(WriteBatch(quiet=kept))
    await store.backup(tmp_path / "b.zst")
    await store.restore(tmp_path / "b.zst", force=True)
    assert await everything(store) == kept


def test_spans_survive_the_spool() -> None:
    kept = [span("币安", is_open=True), span(cause=GAP)]
    assert decode(encode(WriteBatch(quiet=kept))).quiet == kept


# From the bus into the database


def writing(store: DurableStore, folder: Path) -> tuple[Bus, StoreWriter]:
    def raising(name: str, error: BaseException) -> None:
        raise AssertionError(name) from error

    bus, settings = Bus(on_error=raising), Settings.of(data_dir=folder, sample_ms=500)
    writer = StoreWriter(store=store, clock=ManualClock(T0), settings=settings, publish=bus.publish)
    writer.subscribe(bus)
    return bus, writer


def told(bus: Bus, numbers: range, **missing: Any) -> None:
    """Steps of two symbols; those named in `missing` are a gap."""
    for number in numbers:
        row = {name: {"price": NAN, "gap": True} if name in missing else traded(1.0 + number) for name in ("A", "B")}
        bus.publish(step(T0 + 500 * number, row))


async def test_writer_stores_the_steps_at_which_live_found_a_symbol_quiet(store: DurableStore, tmp_path: Path) -> None:
    bus, writer = writing(store, tmp_path)
    told(bus, range(4))
    bus.publish(Staleness("binance", "A", True, T0))
    bus.publish(Staleness("binance", "B", True, T0))
    bus.publish(Staleness("binance", "B", False, T0))
    told(bus, range(4, 8))
    await writer.flush()
    assert await everything(store) == [span(from_s=2, to_s=2.5, is_open=True)]
    told(bus, range(8, 130))
    bus.publish(Staleness("binance", "A", False, T0))
    await writer.flush()
    assert (await everything(store))[0].to_ms >= T0 + 60_000
    told(bus, range(130, 131))
    bus.publish(Staleness("binance", "A", True, T0))
    told(bus, range(131, 132))
    await writer.aclose()
    assert await everything(store) == [span(from_s=65.5, to_s=66), span(from_s=2, to_s=65)]
    assert await everything(store, "B") == []


async def test_writer_stores_gaps_as_they_were_first_told(store: DurableStore, tmp_path: Path) -> None:
    bus, writer = writing(store, tmp_path)
    bus.publish(FeedStatus("binance", Source.LIVE, FeedState.LIVE, "", T0))
    told(bus, range(4))
    told(bus, range(4, 6), B=True)
    told(bus, range(6, 8))
    bus.publish(step(T0 + 2_000, {"A": traded(5.0), "B": traded(5.0)}, revised=[1]))
    told(bus, range(100, 102), A=True, B=True)  # after many steps that were left out
    told(bus, range(102, 104))
    await writer.aclose()
    assert await everything(store, "B") == [span("B", 4, 51, GAP), span("B", 2, 3, GAP)]
    assert await everything(store) == [span("A", 4, 51, GAP)]


async def test_next_start_ends_what_a_killed_process_left_open(store: DurableStore, tmp_path: Path) -> None:
    bus, killed = writing(store, tmp_path / "killed")
    told(bus, range(4))
    bus.publish(Staleness("binance", "A", True, T0))
    told(bus, range(4, 20))
    await killed.flush()
    assert (await everything(store))[0].is_open
    bus, writer = writing(store, tmp_path / "next")
    await writer.flush()
    assert await everything(store) == [span(from_s=2, to_s=10)]
    bus.publish(Staleness("binance", "B", True, T0))
    told(bus, range(900, 902))
    await writer.flush()
    assert [one.is_open for one in await everything(store, "B")] == [True]
    await writer.aclose()
