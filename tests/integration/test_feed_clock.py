"""Clocks that disagree: the venue's an hour off, the machine's stepped while running. Candles follow the venue's time."""

from __future__ import annotations

import pytest

from tests.kit.market_rig import Rig
from tests.kit.plain import close_to, plain_candles, sample_faults
from tests.kit.venue_tape import synthetic_tape

HOUR_MS = 3_600_000
TAPE = synthetic_tape(["BTCUSDT", "ETHUSDT"], seconds=70, rate=8, seed=21)


async def _played(rig: Rig, *, steps: tuple[tuple[float, int], ...] = ()) -> None:
    rig.venue.play()
    for second, skew_ms in steps:
        await rig.until_played(second)
        rig.feed_clock.skew_ms = skew_ms
    await rig.settle()
    await rig.pause(5)


def _check(rig: Rig) -> None:
    rig.checker.assert_complete(rig.tap)
    assert rig.tap.gaps == []
    assert [fact for fact in rig.tap.staleness if fact.stale and fact.since_ms < rig.venue.market.end_ms - 5000] == []
    for symbol in rig.symbols:
        trades = rig.venue.market.ledgers[symbol].trades
        assert sample_faults(rig.final_samples(), symbol, trades) == []
        for start, plain in plain_candles(symbol, trades, "1m", 60_000).items():
            ours = rig.closed.get((symbol, "1m", start)) or rig.watch.candles.current(symbol, "1m")
            assert ours is not None
            assert close_to(ours, plain), (ours, plain)


@pytest.mark.parametrize("offset_ms", [HOUR_MS, -HOUR_MS])
async def test_venue_clock_an_hour_off_leaves_candles_alone_and_is_shown(offset_ms: int) -> None:
    async with Rig(TAPE, speed=50, venue={"clock_offset_ms": offset_ms}) as rig:
        await _played(rig)
        _check(rig)
        shown = rig.tap.status.clock_offset_ms
        assert shown == pytest.approx(-offset_ms, abs=2500)
        latency = rig.tap.status.latency_ms
        assert latency is None or latency < 2500


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
async def test_machine_clock_stepped_by_an_hour_leaves_candles_alone_and_is_shown(step_ms: int) -> None:
    async with Rig(TAPE, speed=50) as rig:
        await _played(rig, steps=((30, step_ms),))
        _check(rig)
        assert rig.tap.status.clock_offset_ms == pytest.approx(step_ms, abs=2500)
