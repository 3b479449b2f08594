"""Pinned spans in both databases: retention by age and by size leaves their samples and trades alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketwatch.model.alerts import Pin
from marketwatch.model.market import Trade
from marketwatch.ports import DurableStore, WriteBatch
from marketwatch.store.spool import decode, encode
from tests.kit.databases import MakeStore
from tests.kit.facts import T0, step, traded

_DAY_MS = 86_400_000
_LATER = T0 + 400 * _DAY_MS


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


def market(*pins: Pin, days: int = 1) -> WriteBatch:
    """Ten steps a day of two symbols with a trade in each."""
    times = [T0 + day * _DAY_MS + 500 * number for day in range(days) for number in range(10)]
    return WriteBatch(
        samples=[step(time, {"A": traded(1.0 + at), "B": traded(2.0 + at)}) for at, time in enumerate(times)],
        trades=[Trade(symbol, at, 1.0, 1.0, time, False) for at, time in enumerate(times) for symbol in ("A", "B")],
        pins=list(pins),
    )


async def times(store: DurableStore, symbol: str) -> tuple[list[int], list[int]]:
    """Times of the samples and of the trades that are left, from T0."""
    samples = await store.samples(symbol, 0, _LATER)
    trades = await store.trades(symbol, limit=1000)
    return [time - T0 for time in samples.time_ms.tolist()], [one.trade.time_ms - T0 for one in reversed(trades)]


@pytest.mark.parametrize("days", [7.0, 5000.0])
async def test_retention_by_age_or_size_leaves_what_is_pinned(store: DurableStore, days: float) -> None:
    await store.write(market(Pin("a1", "A", T0 + 1000, T0 + 2000), Pin("a2", "A", T0 + 1500, T0 + 3000), days=3))
    await store.retain(now_ms=_LATER, days=days, max_bytes=1)
    kept = [1000, 1500, 2000, 2500]
    samples, trades = await times(store, "A")
    assert samples[:4] == kept
    assert set(kept) <= set(trades)
    others, _ = await times(store, "B")
    if days == 7.0:
        assert (samples, trades, others) == (kept, kept, [])
    else:
        assert all(time >= 2 * _DAY_MS for time in [*samples[4:], *others])


async def test_retention_ends_when_only_pinned_rows_are_left(store: DurableStore) -> None:
    await store.write(market(Pin("a1", "A", T0, _LATER), Pin("a1", "B", T0, _LATER)))
    assert await store.retain(now_ms=_LATER, days=7.0, max_bytes=1) == 0
    assert len((await times(store, "B"))[0]) == 10


async def test_pin_written_again_changes_nothing_and_newer_one_replaces_it(store: DurableStore) -> None:
    await store.write(market(Pin("a1", "A", T0, T0 + 5000)))
    for _ in range(2):
        await store.write(WriteBatch(pins=[Pin("a1", "A", T0, T0 + 500), Pin("a1", "no such\x00symbol", T0, T0 + 500)]))
    await store.retain(now_ms=_LATER, days=7.0, max_bytes=10**12)
    assert await times(store, "A") == ([0], [0])
    assert (await store.stats()).rows["pins"] == 2


async def test_backup_carries_pins(store: DurableStore, tmp_path: Path) -> None:
    await store.write(market(Pin("a1", "A", T0, T0 + 1000)))
    await store.backup(tmp_path / "b.zst")
    await store.restore(tmp_path / "b.zst", force=True)
    await store.retain(now_ms=_LATER, days=7.0, max_bytes=10**12)
    assert await times(store, "A") == ([0, 500], [0, 500])


def test_pins_survive_the_spool() -> None:
    pins = [Pin("a1", "币安", 1, 2)]
    assert decode(encode(WriteBatch(pins=pins))).pins == pins
