"""Two real recordings through sampler, candles and engine, against plain computation from the same trades."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from marketwatch.engine.candles import INTERVALS, CandleBook
from marketwatch.engine.engine import Engine
from marketwatch.engine.sampler import Sampler
from marketwatch.engine.tape import Tape
from marketwatch.model.market import Candle, ClosedCandles, Samples, Trade, Trades
from marketwatch.model.metrics import MetricTable
from tests.kit.plain_windows import differences, plain_window

SYMBOLS = ("BTCUSDT", "ETHUSDT")
FILES = ("binance/spot_btcusdt_20240808.gz", "binance/spot_ethusdt_20240808.gz")


@pytest.fixture(scope="module")
def trades(recorded: Path) -> list[tuple[int, Trade]]:
    """Receipt time (ms) and trade, in the order of receipt."""
    found = []
    for name in FILES:
        with gzip.open(recorded / name, "rt", encoding="utf-8") as lines:
            for line in lines:
                received, _, frame = line.partition(" ")
                if '"e":"trade"' in frame:
                    row = json.loads(frame)["data"]
                    trade = Trade(row["s"], row["t"], float(row["p"]), float(row["q"]), row["T"], row["m"])
                    found.append((int(received) // 1_000_000, trade))
    return sorted(found, key=lambda pair: pair[0])


class Rig:
    """Sampler, book and engine, wired as the program wires them."""

    def __init__(self) -> None:
        self.samples: dict[int, Samples] = {}
        self.tables: list[MetricTable] = []
        self.closed: dict[tuple[str, str, int], Candle] = {}
        self.book = CandleBook(symbols=SYMBOLS, publish=self._on_closed)
        self.engine = Engine(
            symbols=SYMBOLS, sample_ms=500, windows=("60", "5m", "1h"), reference="BTCUSDT", publish=self.tables.append
        )
        self.sampler = Sampler(symbols=SYMBOLS, sample_ms=500, lateness_ms=250, publish=self._on_samples)

    def _on_samples(self, samples: Samples) -> None:
        self.samples[samples.time_ms] = samples
        self.book.on_samples(samples)
        self.engine.on_samples(samples)

    def _on_closed(self, batch: ClosedCandles) -> None:
        self.closed |= {(one.symbol, one.interval, one.time_ms): one for one in batch.candles}

    def play(self, trades: Sequence[tuple[int, Trade]], batch: int = 20) -> Rig:
        for start in range(0, len(trades), batch):
            part = trades[start : start + batch]
            self.sampler.on_trades(Trades("binance", part[-1][0], [trade for _, trade in part]))
        return self


def test_recording_gives_the_candles_of_its_trades(trades: list[tuple[int, Trade]]) -> None:
    rig = Rig().play(trades)
    assert (rig.sampler.late_dropped, rig.sampler.future, rig.sampler.unknown) == (0, 0, 0)
    whole = {key: candle for key, candle in rig.closed.items() if not candle.gap}
    assert len({key for key in whole if key[1] == "1m"}) == 10
    for (symbol, interval, start), candle in whole.items():
        end = start + INTERVALS[interval]
        inside = sorted((t for _, t in trades if t.symbol == symbol and start <= t.time_ms < end), key=lambda t: t.trade_id)
        prices = [trade.price for trade in inside]
        assert candle[3:7] == (prices[0], max(prices), min(prices), prices[-1])
        assert candle.trades == len(inside)
        assert candle.volume == pytest.approx(sum(trade.quantity for trade in inside), rel=1e-12)
        assert candle.quote_volume == pytest.approx(sum(trade.price * trade.quantity for trade in inside), rel=1e-12)


def test_recording_gives_the_metrics_of_plain_numpy(trades: list[tuple[int, Trade]]) -> None:
    rig = Rig().play(trades)
    samples = list(rig.samples.values())
    checked = Rig()
    for number, one in enumerate(samples):
        checked.engine.on_samples(one)
        if number % 83 == 0 or number == len(samples) - 1:
            table = checked.engine.table
            assert table is not None
            for window in checked.engine.windows:
                plain = plain_window(samples[: number + 1], window, 0)
                if number:
                    assert differences(dict(table.values[window.name]), plain, one.price) == [], (window.name, number)


def test_recording_in_other_batches_gives_the_same_bytes(trades: list[tuple[int, Trade]]) -> None:
    def printed(rig: Rig) -> bytes:
        return b"".join(
            column.tobytes() for table in rig.tables for columns in table.values.values() for column in columns.values()
        )

    part = trades[:6000]
    once = printed(Rig().play(part, 20))
    assert printed(Rig().play(part, 20)) == once
    assert printed(Rig().play(part, 501)) == once


def test_recording_shuffled_within_the_lateness_gives_the_same_samples(trades: list[tuple[int, Trade]]) -> None:
    chance = random.Random(8)
    part = sorted(trades[:6000], key=lambda pair: pair[1].time_ms)
    mixed = sorted(part, key=lambda pair: pair[1].time_ms + chance.randint(0, 250))
    straight, shuffled = Rig().play(part).samples, Rig().play(mixed).samples
    assert straight.keys() == shuffled.keys()
    for at, samples in straight.items():
        assert samples.price.tobytes() == shuffled[at].price.tobytes()
        assert samples.notional.tobytes() == shuffled[at].notional.tobytes()


def test_recording_on_the_tape_comes_back_in_order(trades: list[tuple[int, Trade]]) -> None:
    tape = Tape(symbols=SYMBOLS, max_bytes=10_000_000)
    for start in range(0, len(trades), 20):
        tape.on_trades(Trades("binance", 0, [trade for _, trade in trades[start : start + 20]]))
    own = sorted((t for _, t in trades if t.symbol == "ETHUSDT"), key=lambda t: (t.time_ms, t.trade_id))
    assert tape.recent("ETHUSDT", 500) == own[::-1][:500]
    assert tape.between("ETHUSDT", 0, 2**50) == own
