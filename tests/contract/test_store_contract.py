"""What every store promises, held by SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from decimal import Decimal

import numpy as np
import pytest

from marketwatch.errors import StoreReadOnly, StoreUnavailable
from marketwatch.model.market import GapState, Instrument, Trade
from marketwatch.model.metrics import MetricTable, Window
from marketwatch.ports import DurableStore, SampleColumns, SampleMarks, TradeAggregate, WriteBatch
from tests.kit.databases import MakeStore
from tests.kit.facts import NAN, T0, candle, gap, step, trade, traded, whale


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    store = make_store()
    await store.open()
    yield store
    await store.close()


def equal(found: SampleColumns, wanted: SampleColumns) -> bool:
    return all(
        np.array_equal(getattr(found, f.name), getattr(wanted, f.name), equal_nan=f.name not in ("gap", "symbol"))
        for f in fields(found)
        if f.name not in ("symbol", "sample_ms")
    )


async def test_samples_of_a_step_with_trades_come_back_whole(store: DurableStore) -> None:
    full = {
        "price": 61_234.5, "open": 61_230.0, "high": 61_240.25, "low": 61_229.75, "volume": 1.25, "notional": 76_543.5,
        "taker_buy_volume": 0.75, "trades": 7, "bid": 61_234.0, "ask": 61_234.5, "first_id": 3_700_000_001,
        "last_id": 3_700_000_007, "gap": True,
    }  # fmt: skip
    await store.write(WriteBatch(samples=[step(T0, {"BTCUSDT": full})]))
    found = await store.samples("BTCUSDT", T0, T0 + 1)
    assert (found.symbol, found.sample_ms, found.time_ms.tolist()) == ("BTCUSDT", 500, [T0])
    assert {name: getattr(found, name).tolist() for name in full} == {name: [value] for name, value in full.items()}


async def test_samples_of_a_single_price_are_filled_in_again(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=[step(T0, {"BTCUSDT": traded(100.5, volume=3.0, taker_buy_volume=3.0)})]))
    found = await store.samples("BTCUSDT", T0, T0 + 1)
    assert (found.open[0], found.high[0], found.low[0], found.notional[0], found.taker_buy_volume[0]) == (
        100.5, 100.5, 100.5, 301.5, 3.0,
    )  # fmt: skip
    assert np.isnan(found.bid[0])
    assert np.isnan(found.ask[0])


async def test_samples_without_news_are_not_stored(store: DurableStore) -> None:
    quiet = {"price": 5.0, "bid": 4.9, "ask": 5.1}
    steps = [
        step(T0, {"A": traded(5.0, bid=4.9, ask=5.1)}),
        step(T0 + 500, {"A": quiet}),
        step(T0 + 1000, {"A": {**quiet, "bid": 4.95}}),
        step(T0 + 1500, {"A": {**quiet, "bid": 4.95}}),
        step(T0 + 2000, {"A": {**quiet, "bid": 4.95, "gap": True}}),
        step(T0 + 2500, {"A": {**quiet, "bid": 4.95, "gap": True}}),
        step(T0 + 3000, {"A": {**quiet, "bid": 4.95}}),
    ]
    for one in steps[:3]:
        await store.write(WriteBatch(samples=[one]))
    await store.write(WriteBatch(samples=steps[3:]))
    found = await store.samples("A", T0, T0 + 10_000)
    assert (found.time_ms - T0).tolist() == [0, 1000, 2000, 3000]
    assert found.gap.tolist() == [False, False, True, False]


async def test_samples_written_twice_are_stored_once(store: DurableStore) -> None:
    steps = [step(T0 + 500 * i, {"A": traded(5.0 + i, last_id=i + 1), "B": traded(7.0, last_id=i + 1)}) for i in range(20)]
    await store.write(WriteBatch(samples=steps))
    once = await store.samples("A", 0, T0 * 2)
    await store.write(WriteBatch(samples=steps))
    await store.write(WriteBatch(samples=[*steps[5:], step(T0 + 10_000, {"A": traded(9.0), "B": {"price": 7.0}})]))
    again = await store.samples("A", 0, T0 + 10_000)
    assert equal(again, once)
    assert (await store.stats()).rows["samples"] == 41


async def test_samples_written_again_by_a_later_process_are_stored_once(make_store: MakeStore) -> None:
    steps = [step(T0 + 500 * i, {"A": traded(5.0 + i)}) for i in range(10)]
    for _ in range(2):
        store = make_store()
        await store.open()
        await store.write(WriteBatch(samples=steps))
        assert (await store.samples("A", 0, T0 * 2)).time_ms.size == 10
        await store.close()


@pytest.mark.parametrize("together", [True, False])
async def test_samples_revision_replaces_its_step_and_no_other_symbol(store: DurableStore, together: bool) -> None:
    first = step(T0, {"A": traded(5.0, trades=1), "B": traded(7.0, trades=1)})
    later = step(T0 + 500, {"A": traded(5.5), "B": traded(7.5)})
    amended = step(T0, {"A": traded(6.0, trades=2), "B": traded(99.0, trades=99)}, revised=[0])
    batches = [[first, later, amended]] if together else [[first], [later], [amended]]
    for samples in batches:
        await store.write(WriteBatch(samples=samples))
    found, other = await store.samples("A", T0, T0 + 500), await store.samples("B", T0, T0 + 500)
    assert (found.price.tolist(), found.trades.tolist()) == ([6.0], [2])
    assert (other.price.tolist(), other.trades.tolist()) == ([7.0], [1])


async def test_samples_span_is_half_open_and_sorted(store: DurableStore) -> None:
    times = [T0 + 500 * i for i in (3, 1, 0, 2)]
    for time_ms in times:
        await store.write(WriteBatch(samples=[step(time_ms, {"A": traded(1.0)})]))
    found = await store.samples("A", T0 + 500, T0 + 1500)
    assert (found.time_ms - T0).tolist() == [500, 1000]


async def test_samples_over_midnight_and_years_are_kept(store: DurableStore) -> None:
    times = [0, 86_400_000 - 500, 86_400_000, T0, T0 + 40 * 86_400_000]
    await store.write(WriteBatch(samples=[step(time_ms, {"A": traded(2.0)}) for time_ms in times]))
    assert (await store.samples("A", 0, T0 * 2)).time_ms.tolist() == times


async def test_samples_of_a_symbol_that_is_not_known_are_empty(store: DurableStore) -> None:
    found = await store.samples("NOPE", 0, T0 * 2)
    assert found.time_ms.size == found.price.size == found.gap.size == 0
    assert found.gap.dtype == np.bool_


async def test_samples_unknown_price_is_nan_again(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=[step(T0, {"A": {"price": NAN, "gap": True}})]))
    found = await store.samples("A", T0, T0 + 1)
    assert np.isnan([found.price[0], found.open[0], found.high[0], found.low[0], found.bid[0]]).all()
    assert (found.volume[0], found.gap[0]) == (0.0, True)


async def test_samples_symbols_may_change_from_step_to_step(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=[step(T0, {"A": traded(1.0)}), step(T0 + 500, {"B": traded(2.0), "A": traded(3.0)})]))
    assert (await store.samples("A", 0, T0 * 2)).price.tolist() == [1.0, 3.0]
    assert (await store.samples("B", 0, T0 * 2)).price.tolist() == [2.0]


HOSTILE = ["币安人生USDT", "'; DROP TABLE samples; --", "A\x00B", "\ud800", "<script>", "", "$1", "🐋" * 300]


@pytest.mark.parametrize("symbol", HOSTILE)
async def test_store_hostile_symbol_is_only_a_name(store: DurableStore, symbol: str) -> None:
    batch = WriteBatch(
        instruments=[Instrument(symbol, symbol, symbol)],
        samples=[step(T0, {symbol: traded(1.5)})],
        trades=[trade(symbol)],
        whales=[whale(symbol, 2)],
        candles=[candle(symbol)],
        gaps=[gap(symbol + "1", symbol)],
        aggregates=[TradeAggregate(symbol, 1.0, 1, 1.0, T0)],
    )
    await store.write(batch)
    assert (await store.samples(symbol, T0, T0 + 1)).price.tolist() == [1.5]
    assert len(await store.candles(symbol, "1m")) == 1
    assert len(await store.trades(symbol)) == 2
    assert len(await store.whales(symbol)) == 1
    assert len(await store.gaps(symbol)) == 1


async def test_trades_are_newest_first_and_limited(store: DurableStore) -> None:
    trades = [trade(trade_id=i, time_ms=T0 + i // 2) for i in range(10)]
    await store.write(WriteBatch(trades=trades))
    found = await store.trades("BTCUSDT", limit=4)
    assert [item.trade.trade_id for item in found] == [9, 8, 7, 6]
    span = await store.trades("BTCUSDT", from_ms=T0 + 1, to_ms=T0 + 3)
    assert [item.trade.trade_id for item in span] == [5, 4, 3, 2]
    assert await store.trades("BTCUSDT", limit=0) == []


async def test_trades_written_twice_are_stored_once_and_whales_stay_whales(store: DurableStore) -> None:
    big = whale(trade_id=5)
    await store.write(WriteBatch(trades=[big.trade, trade(trade_id=6)], whales=[big]))
    await store.write(WriteBatch(trades=[big.trade, trade(trade_id=6)]))
    found = await store.trades("BTCUSDT")
    assert [(item.trade.trade_id, item.is_whale, item.value_usd) for item in found] == [(6, False, None), (5, True, 250_000.0)]
    assert found[1].trade == big.trade


async def test_trades_with_the_largest_id_come_back_exactly(store: DurableStore) -> None:
    big = trade(trade_id=2**63 - 1, price=1e-12, quantity=1e15)
    await store.write(WriteBatch(trades=[big], samples=[step(T0, {"BTCUSDT": traded(1.0, last_id=2**53 + 1)})]))
    assert (await store.trades("BTCUSDT"))[0].trade == big
    assert (await store.samples("BTCUSDT", T0, T0 + 1)).last_id.tolist() == [2**53 + 1]


async def test_trades_value_is_known_only_in_dollars(store: DurableStore) -> None:
    pairs = [Instrument("BTCUSDT", "BTC", "USDT"), Instrument("ETHBTC", "ETH", "BTC")]
    await store.write(WriteBatch(instruments=pairs, trades=[trade("BTCUSDT"), trade("ETHBTC")]))
    assert (await store.trades("BTCUSDT"))[0].value_usd == 200.0
    assert (await store.trades("ETHBTC"))[0].value_usd is None


async def test_trades_of_a_value_that_no_column_holds_are_refused_whole(store: DurableStore) -> None:
    from marketwatch.errors import StoreError

    with pytest.raises(StoreError) as refusal:
        await store.write(WriteBatch(trades=[trade(trade_id=1), trade(trade_id=2**70)]))
    assert not isinstance(refusal.value, StoreUnavailable)
    assert await store.trades("BTCUSDT") == []
    await store.write(WriteBatch(trades=[trade(trade_id=1)]))
    assert len(await store.trades("BTCUSDT")) == 1


async def test_whales_are_filtered_by_size_symbol_and_span(store: DurableStore) -> None:
    sizes = [("BTCUSDT", 1, 150_000.0, 0), ("ETHUSDT", 2, 500_000.0, 1), ("BTCUSDT", 3, 900_000.0, 2)]
    await store.write(WriteBatch(whales=[whale(s, i, value=v, time_ms=T0 + t) for s, i, v, t in sizes]))
    everything = await store.whales()
    assert [item.trade.trade_id for item in everything] == [3, 2, 1]
    assert [item.value_usd for item in everything] == [900_000.0, 500_000.0, 150_000.0]
    assert [item.trade.trade_id for item in await store.whales(min_usd=500_000.0)] == [3, 2]
    assert [item.trade.trade_id for item in await store.whales("BTCUSDT", limit=1)] == [3]
    assert [item.trade.trade_id for item in await store.whales(from_ms=T0 + 1, to_ms=T0 + 2)] == [2]
    assert await store.whales("NOPE") == []


async def test_gaps_newest_fact_of_a_gap_replaces_the_older(store: DurableStore) -> None:
    await store.write(WriteBatch(gaps=[gap(state=GapState.OPEN)]))
    closed = gap(state=GapState.CLOSED)
    await store.write(WriteBatch(gaps=[gap(state=GapState.OPEN), closed]))
    assert await store.gaps() == [closed]


async def test_gaps_that_overlap_the_span_are_found(store: DurableStore) -> None:
    spans = {"a": (0, 1000), "b": (900, 2000), "c": (3000, 4000)}
    facts = [gap(name, from_ms=T0 + start, to_ms=T0 + end) for name, (start, end) in spans.items()]
    await store.write(WriteBatch(gaps=[*facts, gap("d", "ETHUSDT")]))
    found = await store.gaps("BTCUSDT", from_ms=T0 + 950, to_ms=T0 + 3000)
    assert [item.gap_id for item in found] == ["b", "a"]
    assert [item.gap_id for item in await store.gaps("BTCUSDT", limit=1)] == ["c"]
    assert {item.gap_id for item in await store.gaps()} == {"a", "b", "c", "d"}


async def test_gaps_without_ids_come_back_without_ids(store: DurableStore) -> None:
    fact = gap()._replace(from_id=None, to_id=None)
    await store.write(WriteBatch(gaps=[fact]))
    assert await store.gaps() == [fact]


async def test_instruments_come_back_in_order_with_exact_steps(store: DurableStore) -> None:
    listed = [
        Instrument("ETHUSDT", "ETH", "USDT", Decimal("0.01"), Decimal("0.0001")),
        Instrument("BTCUSDT", "BTC", "USDT", Decimal("0.00000001"), None, False),
    ]
    await store.write(WriteBatch(trades=[trade("XRPUSDT")]))
    await store.write(WriteBatch(instruments=listed))
    await store.write(WriteBatch(instruments=listed))
    assert await store.instruments() == listed


async def test_aggregates_and_metrics_are_the_newest_ones(store: DurableStore) -> None:
    rows = [TradeAggregate("A", None, 5, 1.5, T0), TradeAggregate("B", 2.5, 2**40, 7.0, T0)]
    window = Window("60", 500, 60)
    table = MetricTable(
        time_ms=T0,
        symbols=("A", "B"),
        windows=(window,),
        points={"price": np.array([1.0, NAN]), "spread_bps": np.array([NAN, 2.0])},
        values={"60": {"sma": np.array([1.5, NAN])}},
        state={"60": np.array([0, 1], np.uint8)},
        filled={"60": np.array([60, 3])},
    )
    for _ in range(2):
        await store.write(WriteBatch(aggregates=rows, metrics=table))
    assert await store.aggregates() == rows
    assert (await store.stats()).rows["metrics"] == 2


async def test_last_trades_tell_where_to_resume(store: DurableStore) -> None:
    steps = [
        step(T0, {"A": traded(1.0, last_id=41), "B": traded(1.0, last_id=7)}),
        step(T0 + 500, {"A": traded(1.0, last_id=42), "B": {"price": 1.0, "bid": 0.9}}),
    ]
    await store.write(WriteBatch(samples=steps, candles=[candle("C")]))
    assert await store.last_trades(now_ms=T0 + 60_000) == {"A": (42, T0 + 500), "B": (7, T0)}
    assert await store.last_trades(now_ms=T0 + 30 * 86_400_000) == {}


async def test_retention_by_age_keeps_candles_whales_and_gaps(store: DurableStore) -> None:
    day = 86_400_000
    old, young = T0 - 8 * day, T0 - day
    batch = WriteBatch(
        samples=[step(t, {"A": traded(1.0), "B": traded(1.0)}) for t in (old, old + 500, young)],
        trades=[trade("A", 1, time_ms=old), trade("A", 2, time_ms=young)],
        whales=[whale("A", 3, time_ms=old)],
        candles=[candle("A", time_ms=old)],
        gaps=[gap(symbol="A", from_ms=old, to_ms=old)],
    )
    await store.write(batch)
    assert await store.retain(now_ms=T0, days=7.0, max_bytes=10**12) == 5
    assert (await store.samples("A", 0, T0)).time_ms.tolist() == [young]
    assert [item.trade.trade_id for item in await store.trades("A")] == [2, 3]
    assert len(await store.candles("A", "1m")) == len(await store.gaps("A")) == 1
    assert await store.retain(now_ms=T0, days=7.0, max_bytes=10**12) == 0
    stats = await store.stats()
    assert (stats.oldest_sample_ms, stats.newest_sample_ms) == (young, young)


async def test_retention_by_size_deletes_the_oldest_first(store: DurableStore) -> None:
    day = 86_400_000
    for back in (3, 2, 1, 0):
        start = T0 - back * day
        names = [f"S{i}" for i in range(50)]
        steps = [step(start + 500 * i, {n: traded(1.0 + i, bid=2.0, ask=3.5 + i) for n in names}) for i in range(100)]
        await store.write(WriteBatch(samples=steps))
    before = (await store.stats()).bytes
    assert before is not None
    assert await store.retain(now_ms=T0 + day, days=365.0, max_bytes=before * 2 // 3) >= 5000
    left = (await store.samples("S7", 0, T0 * 2)).time_ms
    assert left.min() > T0 - 3 * day
    assert left.max() == T0 + 500 * 99
    assert (await store.stats()).bytes or before * 2 // 3 * 1.1 >= 0


async def test_stats_name_the_database_without_secrets(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=[step(T0, {"A": traded(1.0)})], trades=[trade("A")], candles=[candle("A")]))
    stats = await store.stats()
    assert stats.kind == store.profile.kind
    assert (stats.bytes or 0) > 0
    assert stats.schema_version >= 2
    assert {name: stats.rows[name] for name in ("samples", "trades", "candles", "symbols")} == {
        "samples": 1, "trades": 1, "candles": 1, "symbols": 1,
    }  # fmt: skip
    assert "@" not in stats.location


async def test_batch_with_a_refused_row_leaves_nothing_behind(store: DurableStore) -> None:
    from marketwatch.errors import StoreError

    broken = Trade("NEW", 1, 1.0, None, T0, True)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        await store.write(WriteBatch(samples=[step(T0, {"NEW": traded(1.0)})], trades=[broken], gaps=[gap()]))
    assert (await store.samples("NEW", 0, T0 * 2)).time_ms.size == 0
    assert await store.gaps() == []
    await store.write(WriteBatch(samples=[step(T0, {"NEW": traded(1.0)})]))
    assert (await store.samples("NEW", 0, T0 * 2)).time_ms.size == 1


async def test_empty_batch_and_ping_are_fine(store: DurableStore) -> None:
    await store.write(WriteBatch())
    await store.ping()
    await store.ping()


async def test_store_that_is_closed_is_unavailable(make_store: MakeStore) -> None:
    store = make_store()
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.samples("A", 0, 1)


async def test_second_instance_reads_and_takes_over_when_the_first_has_gone(make_store: MakeStore) -> None:
    first, second = make_store(), make_store()
    await first.open()
    await first.write(WriteBatch(trades=[trade()]))
    await second.open()
    try:
        assert first.profile.read_only is None
        reason = second.profile.read_only
        assert reason is not None
        assert len(await second.trades("BTCUSDT")) == 1
        with pytest.raises(StoreReadOnly):
            await second.write(WriteBatch(trades=[trade(trade_id=2)]))
        with pytest.raises(StoreReadOnly):
            await second.ping()
        await first.write(WriteBatch(trades=[trade(trade_id=3)]))
        await first.close()
        await second.write(WriteBatch(trades=[trade(trade_id=4)]))
        assert [item.trade.trade_id for item in await second.trades("BTCUSDT")] == [4, 3, 1]
        assert second.profile.read_only is None
        assert [notice.key for notice in second.take_notices()] == ["store-read-only"]
    finally:
        await first.close()
        await second.close()


async def test_samples_begin_with_the_row_that_holds_when_the_span_begins(store: DurableStore) -> None:
    await store.write(WriteBatch(samples=[step(T0 + at, {"A": traded(5.0 + at)}) for at in (0, 500, 60_000)]))
    held = await store.samples("A", T0 + 1_000, T0 + 60_500, held_ms=10_000)
    assert (held.time_ms - T0).tolist() == [500, 60_000]
    assert held.price.tolist() == [505.0, 60_005.0]
    assert (await store.samples("A", T0 + 60_000, T0 + 60_500, held_ms=1_000)).time_ms.tolist() == [T0 + 60_000]
    assert len((await store.samples("B", T0, T0 + 1, held_ms=1_000)).time_ms) == 0


async def test_marks_of_samples_name_the_ends_and_the_nearest_ones(store: DurableStore) -> None:
    assert await store.sample_marks(T0) == SampleMarks(None, None, None, None)
    steps = [step(T0 + at, {"A": traded(5.0)}) for at in (0, 5_000)] + [step(T0 + 2_000, {"B": traded(6.0)})]
    await store.write(WriteBatch(samples=steps))
    assert await store.sample_marks(T0 + 2_000) == SampleMarks(T0, T0, T0 + 2_000, T0 + 5_000)
    assert await store.sample_marks(T0 + 2_001) == SampleMarks(T0, T0 + 2_000, T0 + 5_000, T0 + 5_000)
    assert await store.sample_marks(T0) == SampleMarks(T0, None, T0, T0 + 5_000)
    assert await store.sample_marks(T0 + 9_000) == SampleMarks(T0, T0 + 5_000, None, T0 + 5_000)
