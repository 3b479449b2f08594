"""The recorded market through real sockets into a whole watch: ids, candles, metrics and prices against the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from marketwatch.model.market import Samples
from marketwatch.model.metrics import MetricTable, WindowState
from tests.kit.market_rig import Rig
from tests.kit.plain import close_to, plain_candles, plain_metrics, sample_faults
from tests.kit.venue_tape import Tape, load_tape

INTERVALS = {"1m": 60_000, "5m": 300_000}


@pytest.fixture(scope="module")
def tape(recorded: Path) -> Tape:
    folder = recorded / "binance"
    return load_tape([folder / "spot_btcusdt_20240808.gz", folder / "spot_ethusdt_20240808.gz"])


class MetricCheck:
    """Compares every `each`-th metric table with plain numpy over the same samples, as the watch goes on."""

    def __init__(self, rig: Rig, each: int = 20) -> None:
        self.checked = 0
        self.faults: list[str] = []
        self._rig = rig
        self._each = each
        self._count = 0
        rig.watch.bus.subscribe(Samples, self._on_samples, name="check")

    def _on_samples(self, newest: Samples) -> None:
        """Called after the engine: its table is that of the newest step."""
        table = self._rig.watch.engine.table
        self._count += newest.revised is None
        if self._count % self._each or newest.revised is not None or table is None:
            return
        samples = self._rig.final_samples()
        for window in table.windows:
            self._compare(table, samples, window.name, window.length)

    def _compare(self, table: MetricTable, samples: Sequence[Samples], name: str, length: int) -> None:
        if len(samples) < length or length * samples[0].sample_ms > 60_000:
            return
        for column, symbol in enumerate(table.symbols):
            if table.state[name][column] != WindowState.OK or np.isnan([s.price[column] for s in samples[-length:]]).any():
                continue
            plain = plain_metrics(samples, column, table.symbols.index("BTCUSDT"), length)
            for metric, expected in plain.items():
                ours = float(table.values[name][metric][column])
                self.checked += 1
                if not np.isclose(ours, expected, rtol=1e-9, atol=1e-9, equal_nan=True):
                    self.faults.append(f"{table.time_ms} {symbol} {metric}({name}) is {ours!r}, plainly {expected!r}")


async def test_whole_recording_is_accounted_for_to_the_last_digit(tape: Tape) -> None:
    async with Rig(tape, speed=60, windows=("30", "5m"), backfill=False) as rig:
        check = MetricCheck(rig)
        rig.venue.play()
        await rig.settle()
        await rig.pause(70)
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.gaps == []
        assert {symbol: len(rig.tap.of(symbol)) for symbol in rig.symbols} == {"BTCUSDT": 9757, "ETHUSDT": 6106}
        for symbol in rig.symbols:
            trades = rig.venue.market.ledgers[symbol].trades
            assert sample_faults(rig.final_samples(), symbol, trades) == []
            for interval, length in INTERVALS.items():
                for start, plain in plain_candles(symbol, trades, interval, length).items():
                    ours = rig.closed.get((symbol, interval, start)) or rig.watch.candles.current(symbol, interval)
                    assert ours is not None
                    assert close_to(ours, plain), (ours, plain)
            assert rig.watch.state.symbols[symbol].price == float(trades[-1].price)
            assert rig.watch.state.symbols[symbol].trade_id == trades[-1].trade_id
            assert rig.watch.candles.mismatches.get(symbol, 0) == 0
            assert rig.watch.candles.checked[symbol] >= 4
        assert check.faults == []
        assert check.checked > 1000


async def test_recording_as_fast_as_the_socket_carries_it_loses_nothing(tape: Tape) -> None:
    async with Rig(tape, speed=1, venue={"flat_out": True}) as rig:
        rig.venue.play()
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.gaps == []
        for symbol in rig.symbols:
            assert rig.watch.state.symbols[symbol].price == float(rig.venue.market.ledgers[symbol].trades[-1].price)


async def test_recording_with_every_fault_at_once_is_still_complete(tape: Tape) -> None:
    slice_ = Tape([e for e in tape.events if e.at_ms < tape.start_ms + 60_000], tape.start_ms, tape.start_ms + 60_000)
    async with Rig(slice_, speed=40) as rig:
        rig.venue.play()
        faults = rig.venue.faults
        await rig.until_played(8)
        faults.duplicate("BTCUSDT", 4)
        faults.shuffle("ETHUSDT", 5)
        await rig.until_played(15)
        rig.venue.cut(mid_frame=True)
        await rig.until_played(22)
        faults.lose("BTCUSDT", 40)
        rig.venue.script("/api/v3/aggTrades", status=503, times=3)
        await rig.until_played(30)
        rig.venue.end_shuffle("ETHUSDT")
        rig.venue.announce_shutdown()
        await rig.until_played(40)
        rig.venue.cut(rst=True)
        await rig.settle()
        await rig.pause(3)
        rig.checker.assert_complete(rig.tap)
        for symbol in rig.symbols:
            trades = rig.venue.market.ledgers[symbol].trades
            assert sample_faults(rig.final_samples(), symbol, trades) == []
