"""Frames of the venue in, rows of the database out, with faults in between: the store must say what truly happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from marketwatch.config import Settings
from marketwatch.model.market import Gap, GapReason, GapState
from marketwatch.ports import DurableStore
from marketwatch.store import open_store
from marketwatch.store.writer import StoreWriter
from tests.kit.fake_binance import until
from tests.kit.market_rig import Rig
from tests.kit.plain import close_to, plain_candles, sample_faults
from tests.kit.venue_tape import load_tape, synthetic_tape

EVER = (0, 2**53)
MOST = 1_000_000
COLUMNS = (
    "open", "high", "low", "price", "volume", "notional", "taker_buy_volume", "trades", "bid", "ask", "first_id", "last_id",
    "gap",
)  # fmt: skip


def _settings(folder: Path, **more: Any) -> Settings:
    return Settings.of(**{"data_dir": folder, "store_trades": True, **more})


@asynccontextmanager
async def _stored(rig: Rig, folder: Path, **settings: Any) -> AsyncIterator[DurableStore]:
    """A SQLite store that everything on the rig's bus goes into; leaving writes the rest."""
    chosen = _settings(folder, **settings)
    store = open_store(chosen, clock=rig.feed_clock)
    await store.open()
    writer = StoreWriter(
        store=store, clock=rig.feed_clock, settings=chosen, publish=rig.watch.bus.publish,
        instruments=list(rig.watch.instruments.values()),
    )  # fmt: skip
    writer.subscribe(rig.watch.bus)
    try:
        yield store
    finally:
        rig.freeze_samples()
        await writer.aclose()
        await store.close()


@asynccontextmanager
async def _opened(folder: Path, rig: Rig) -> AsyncIterator[DurableStore]:
    store = open_store(_settings(folder), clock=rig.feed_clock)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _check_trades(rig: Rig, store: DurableStore, symbol: str) -> list[Gap]:
    gaps = await store.gaps(symbol)
    rows = await store.trades(symbol, limit=MOST)
    first = rig.venue.market.ledgers[symbol].trades[0].trade_id
    verdict = rig.checker.check(symbol, [row.trade for row in rows], gaps, from_id=first)
    assert verdict.ok, str(verdict)
    large = {row.trade.trade_id for row in rows if row.trade.price * row.trade.quantity >= rig.settings.whale_usd}
    assert {row.trade.trade_id for row in await store.whales(symbol, limit=MOST)} == large
    assert {row.trade.trade_id for row in rows if row.is_whale} == large
    return gaps


async def _check_samples(rig: Rig, store: DurableStore, symbol: str) -> None:
    """Each stored row is the sample of its step; what lies between two rows is the first of them, held."""
    stored = await store.samples(symbol, *EVER)
    rows = {time_ms: number for number, time_ms in enumerate(stored.time_ms.tolist())}
    column = rig.symbols.index(symbol)
    held = -1
    for sample in rig.final_samples():
        live = {name: getattr(sample, name)[column] for name in COLUMNS}
        held = rows.pop(sample.time_ms, held)
        if stored.time_ms[held] == sample.time_ms:
            kept = {name: getattr(stored, name)[held] for name in COLUMNS}
            np.testing.assert_equal(kept, live, err_msg=f"{symbol} {sample.time_ms}")
        elif held >= 0:
            assert live["trades"] == 0, f"{symbol} {sample.time_ms} traded and is not stored"
            np.testing.assert_equal((stored.bid[held], stored.ask[held], stored.gap[held]),
                                    (live["bid"], live["ask"], live["gap"]), err_msg=f"{symbol} {sample.time_ms}")  # fmt: skip
    assert not rows


async def _check_candles(rig: Rig, store: DurableStore, symbol: str) -> int:
    """Closed minutes equal the prints of the venue, whatever happened on the way."""
    plain = plain_candles(symbol, rig.venue.market.ledgers[symbol].trades, "1m", 60_000)
    stored = {candle.time_ms: candle for candle in await store.candles(symbol, "1m", limit=MOST)}
    for start, candle in stored.items():
        if start in plain and not candle.gap:
            assert close_to(candle, plain[start]), (candle, plain[start])
    return len([start for start in stored if start in plain and not stored[start].gap])


async def test_recorded_market_with_faults_is_stored_as_it_happened(recorded: Path, tmp_path: Path) -> None:
    folder = recorded / "binance"
    tape = load_tape([folder / "spot_btcusdt_20240808.gz", folder / "spot_ethusdt_20240808.gz"], first_s=90)
    async with Rig(tape, speed=50, symbols=("BTCUSDT", "ETHUSDT")) as rig:
        async with _stored(rig, tmp_path):
            rig.venue.play()
            await rig.until_played(10)
            rig.venue.cut(mid_frame=True)
            rig.venue.faults.shuffle("ETHUSDT", 5)
            await rig.until_played(30)
            rig.venue.faults.lose("BTCUSDT", 25)
            rig.venue.faults.duplicate("BTCUSDT", 5)
            await rig.until_played(60)
            rig.venue.end_shuffle("ETHUSDT")
            rig.venue.cut(rst=True)
            await rig.settle()
            await rig.pause(40)
        async with _opened(tmp_path, rig) as store:
            for symbol in rig.symbols:
                gaps = await _check_trades(rig, store, symbol)
                assert {gap.gap_id: gap for gap in gaps} == {gap.gap_id: gap for gap in rig.tap.final_gaps(symbol)}
                assert {gap.state for gap in gaps} == {GapState.CLOSED}
                await _check_samples(rig, store, symbol)
                assert sample_faults(rig.final_samples(), symbol, rig.venue.market.ledgers[symbol].trades) == []
                assert await _check_candles(rig, store, symbol) >= 1


async def test_prints_that_never_come_back_are_stored_as_a_lost_gap(tmp_path: Path) -> None:
    tape = synthetic_tape(["BTCUSDT", "ETHUSDT"], seconds=20, rate=12, seed=31)
    async with Rig(tape, speed=30) as rig:
        async with _stored(rig, tmp_path):
            rig.venue.play()
            await rig.until_played(5)
            rig.venue.faults.lose("BTCUSDT", 8)
            after = rig.venue.market.ledgers["BTCUSDT"].trades[-1].trade_id
            rig.venue.withheld.update(range(after + 1, after + 9))
            await rig.settle()
            await rig.pause(3)
        async with _opened(tmp_path, rig) as store:
            gaps = await _check_trades(rig, store, "BTCUSDT")
            assert [gap.state for gap in gaps] == [GapState.LOST]
            missing = {trade.trade_id for trade in rig.venue.market.ledgers["BTCUSDT"].trades}
            for row in await store.trades("BTCUSDT", limit=MOST):
                missing -= set(range(row.trade.trade_id - row.trade.trades + 1, row.trade.trade_id + 1))
            assert missing >= set(range(after + 1, after + 9))
            assert all(gaps[0].from_id <= lost <= gaps[0].to_id for lost in missing if gaps[0].from_id and gaps[0].to_id)
            assert await _check_trades(rig, store, "ETHUSDT") == []


async def test_new_start_refills_what_happened_while_the_program_was_down(tmp_path: Path) -> None:
    tape = synthetic_tape(["BTCUSDT", "ETHUSDT"], seconds=40, rate=10, seed=32)
    async with Rig(tape, speed=40) as rig:
        async with _stored(rig, tmp_path):
            rig.venue.play()
            await rig.until_played(10)
            await rig.stop()
        await rig.until_played(22)
        async with _opened(tmp_path, rig) as store:
            known = await store.last_trades(now_ms=rig.clock.now_ms())
        await rig.rebuild(resume=known)
        async with _stored(rig, tmp_path):
            await rig.start()
            await rig.settle()
            await rig.pause(3)
        async with _opened(tmp_path, rig) as store:
            for symbol in rig.symbols:
                gaps = await _check_trades(rig, store, symbol)
                assert [(gap.reason, gap.state) for gap in gaps] == [(GapReason.RESTART, GapState.CLOSED)]


async def test_new_start_counts_no_whale_twice(tmp_path: Path) -> None:
    tape = synthetic_tape(["BTCUSDT"], seconds=30, rate=20, seed=34)
    async with Rig(tape, speed=40, whale_usd=1.0) as rig:
        async with _stored(rig, tmp_path, store_trades=False):
            rig.venue.play()
            await rig.until_played(10)
            await rig.stop()
        await rig.until_played(15)
        async with _opened(tmp_path, rig) as store:
            known = await store.last_trades(now_ms=rig.clock.now_ms())
        await rig.rebuild(resume=known)
        async with _stored(rig, tmp_path, store_trades=False):
            await rig.start()
            await rig.settle()
            await rig.pause(3)
        async with _opened(tmp_path, rig) as store:
            whales = [row.trade for row in await store.whales("BTCUSDT", limit=MOST)]
        assert len(whales) > 50
        assert rig.checker.check("BTCUSDT", whales).doubled == []


async def test_samples_of_a_span_without_a_line_are_marked_and_not_made_up(tmp_path: Path) -> None:
    tape = synthetic_tape(["BTCUSDT"], seconds=30, rate=10, seed=33)
    async with Rig(tape, speed=30) as rig:
        async with _stored(rig, tmp_path):
            rig.venue.script("/api/v3/aggTrades", status=400, body=b"{}", times=-1)
            rig.venue.play()
            await rig.until_played(8)
            await rig.venue.refuse()
            rig.venue.cut()
            await rig.until_played(14)
            await rig.venue.listen()
            await rig.venue.wait_played()
            await until(lambda: rig.tap.gaps, 10, "the gap")
            await rig.pause(3)
        async with _opened(tmp_path, rig) as store:
            stored = await store.samples("BTCUSDT", *EVER)
            assert stored.gap.any()
            assert np.isnan(stored.price[stored.gap & (stored.trades == 0)]).all()
            await _check_samples(rig, store, "BTCUSDT")
            dark = [sample for sample in rig.final_samples() if sample.gap[0]]
            assert len(dark) >= 8
            await _check_trades(rig, store, "BTCUSDT")
