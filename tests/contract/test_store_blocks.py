"""Packed hours in both databases: the same numbers as the rows, in step with amendments, retention, pins and restores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from marketwatch.model.alerts import Pin
from marketwatch.model.market import Samples
from marketwatch.ports import DurableStore, SampleColumns, WriteBatch
from marketwatch.store.blocks import FIELDS, HOUR_MS, SETTLED_MS
from tests.kit.databases import MakeStore
from tests.kit.facts import NAN, T0, step, traded

STEP_MS = 10_000
LATER = T0 + 400 * 24 * HOUR_MS
WANTED = ("price", "volume", "high", "trades", "bid")


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


def market(hours: int, *, from_ms: int = T0) -> list[Samples]:
    """A wandering pair, of which B is often quiet and has a hole of two hours; A has gaps and a bid now and then."""
    random = np.random.default_rng(3)
    made = []
    for number in range(hours * HOUR_MS // STEP_MS):
        at = from_ms + number * STEP_MS
        price = round(100 + float(random.normal()), 2)
        a = traded(price, volume=float(random.exponential()), trades=int(random.integers(1, 9)), high=price + 0.01)
        rows = {"A": {**a, "bid": price - 1 if number % 7 else NAN, "gap": number % 50 == 3}, "B": {"price": 7.0}}
        if number % 4 == 0 and not 2 * HOUR_MS <= at - from_ms < 4 * HOUR_MS:
            rows["B"] = traded(price / 3, volume=1e-9)
        made.append(step(at, rows, sample_ms=STEP_MS))
    return made


def same(found: SampleColumns, rows: SampleColumns, columns: tuple[str, ...] = WANTED) -> None:
    assert found.sample_ms == rows.sample_ms
    for name in ("time_ms", "gap", *columns):
        np.testing.assert_array_equal(getattr(found, name), getattr(rows, name), err_msg=name)


async def both(store: DurableStore, symbol: str, from_ms: int, to_ms: int) -> None:
    """What is read by column is what the rows say."""
    same(await store.samples(symbol, from_ms, to_ms, columns=WANTED), await store.samples(symbol, from_ms, to_ms))


async def pack_all(store: DurableStore, newest_ms: int) -> int:
    done = 0
    while packed := await store.pack(newest_ms=newest_ms, most=3):
        done += packed
    return done


async def test_columns_of_packed_hours_are_those_of_the_rows(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=market(6)))
    end = T0 + 6 * HOUR_MS
    assert await pack_all(store, end) == 5 + 3
    for symbol in ("A", "B"):
        for span in ((T0, end), (T0 + 1, end - 1), (T0 + HOUR_MS, T0 + 2 * HOUR_MS), (T0 + 5, T0 + 6), (0, LATER)):
            await both(store, symbol, *span)
    every = tuple(name for name in FIELDS if name not in ("time_ms", "sample_ms", "gap"))
    same(await store.samples("A", T0, end, columns=every), await store.samples("A", T0, end), every)


async def test_columns_that_were_not_asked_for_are_unknown(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=market(2)))
    await pack_all(store, LATER)
    found = await store.samples("A", T0, T0 + HOUR_MS, columns=("price",))
    assert np.isnan(found.volume).all()
    assert len(found.volume) == len(found.price) == 360
    await both(store, "A", T0, LATER)  # the newest hour is long over
    nobody = await store.samples("NOPE", T0, T0 + HOUR_MS, columns=("price",))
    assert len(nobody.price) == 0


async def test_hour_that_is_amended_while_it_is_read_comes_from_its_rows(
    store: DurableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.write(WriteBatch(samples=market(2)))
    await pack_all(store, LATER)
    rows, asked = store._rows, []  # type: ignore[attr-defined]

    async def amended_after_the_first(query: str, *values: object) -> object:
        asked.append(query)
        return [] if query == "blocks" and asked.count(query) == 2 else await rows(query, *values)

    monkeypatch.setattr(store, "_rows", amended_after_the_first)
    await both(store, "A", T0, LATER)
    assert asked.count("blocks") == 2


async def test_hour_that_may_still_be_amended_is_not_packed(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=market(2)))
    assert await store.pack(newest_ms=T0 + HOUR_MS + SETTLED_MS - 1, most=10) == 0
    assert await store.pack(newest_ms=T0 + HOUR_MS + SETTLED_MS, most=10) == 2
    assert await store.pack(newest_ms=T0 + HOUR_MS + SETTLED_MS, most=10) == 0


async def test_pack_does_no_more_at_once_than_it_may(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=market(4)))
    assert [await store.pack(newest_ms=LATER, most=2) for _ in range(4)] == [2, 2, 2, 0]


@pytest.mark.parametrize("reopened", [False, True])
async def test_amended_hour_is_read_as_amended_and_packed_anew(make_store: MakeStore, reopened: bool) -> None:
    store = make_store()
    await store.open()
    await store.write(WriteBatch(samples=market(3)))
    await pack_all(store, LATER)
    if reopened:
        await store.close()
        store = make_store()
        await store.open()
    late = step(T0 + HOUR_MS + STEP_MS, {"A": traded(555.0, trades=3), "B": {"price": 7.0}}, sample_ms=STEP_MS, revised=[0])
    await store.write(WriteBatch(samples=[late]))
    found = await store.samples("A", T0, T0 + 3 * HOUR_MS, columns=WANTED)
    assert found.price[361] == 555.0
    assert await pack_all(store, LATER) == 1
    await both(store, "A", T0, T0 + 3 * HOUR_MS)
    await both(store, "B", T0, T0 + 3 * HOUR_MS)
    await store.close()


async def test_refill_of_an_hour_that_was_empty_is_packed_too(store: DurableStore) -> None:
    steps = market(3)
    hole = [one for one in steps if T0 + HOUR_MS <= one.time_ms < T0 + 2 * HOUR_MS]
    await store.write(WriteBatch(samples=[one for one in steps if one not in hole]))
    await pack_all(store, LATER)
    await store.write(WriteBatch(samples=hole))
    assert await pack_all(store, LATER) == 2
    await both(store, "A", T0, T0 + 3 * HOUR_MS)


async def test_retention_takes_packed_hours_along_and_leaves_pinned_rows(store: DurableStore) -> None:
    pin = Pin("a1", "A", T0 + HOUR_MS, T0 + HOUR_MS + 60_000)
    await store.write(WriteBatch(samples=market(4), pins=[pin]))
    await pack_all(store, LATER)
    cutoff = T0 + 3 * HOUR_MS + 1_800_000
    await store.retain(now_ms=cutoff + 24 * HOUR_MS, days=1.0, max_bytes=10**12)
    await both(store, "A", 0, LATER)
    await both(store, "B", 0, LATER)
    left = await store.samples("A", 0, LATER, columns=WANTED)
    assert left.time_ms[:6].tolist() == [T0 + HOUR_MS + STEP_MS * number for number in range(6)]
    assert left.time_ms[6] == cutoff


async def test_restore_forgets_the_packed_hours_of_before(store: DurableStore, tmp_path: Path) -> None:
    await store.write(WriteBatch(samples=market(2)))
    await store.backup(tmp_path / "b.zst")
    await store.write(WriteBatch(samples=[step(T0 + STEP_MS, {"A": traded(999.0), "B": {"price": 7.0}}, sample_ms=STEP_MS)]))
    await pack_all(store, LATER)
    await store.restore(tmp_path / "b.zst", force=True)
    await both(store, "A", 0, LATER)
    assert await pack_all(store, LATER) == 4
    await both(store, "A", 0, LATER)
