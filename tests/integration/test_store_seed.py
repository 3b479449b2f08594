"""A recording loaded into the database: every trade of the file is in the samples, in both databases."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from marketwatch.config import Settings
from marketwatch.operations import seed
from marketwatch.store import open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'seed.db'}" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def book(file: Path) -> dict[int, float]:
    """Quantity by trade id, straight from the file."""
    quantities: dict[int, float] = {}
    with gzip.open(file) as lines:
        for line in lines:
            frame = orjson.loads(line.split(b" ", 1)[1])
            event = frame.get("data", frame)
            if event.get("e") == "trade":
                quantities[event["t"]] = float(event["q"])
    return quantities


async def test_seeded_recording_is_complete_in_samples_and_candles(recorded: Path, tmp_path: Path, url: str) -> None:
    file = recorded / "binance" / "spot_btcusdt_20240808.gz"
    settings = Settings.of(database_url=url, data_dir=tmp_path, store_trades=True)
    assert await seed(settings, file) == 0
    assert await seed(settings, file) == 0
    wanted = book(file)
    store = open_store(settings)
    await store.open()
    try:
        samples = await store.samples("BTCUSDT", 0, 2_000_000_000_000)
        trades = await store.trades("BTCUSDT", limit=100_000)
        minutes = await store.candles("BTCUSDT", "1m")
    finally:
        await store.close()
    assert int(samples.trades.sum()) == len(wanted)
    assert float(samples.volume.sum()) == pytest.approx(sum(wanted.values()), rel=1e-9)
    assert {item.trade.trade_id: item.trade.quantity for item in trades} == wanted
    spans = [(samples.time_ms >= c.time_ms) & (samples.time_ms < c.time_ms + 60_000) for c in minutes]
    assert [int(samples.trades[span].sum()) for span in spans] == [c.trades for c in minutes]
