"""The watch: which symbol the others are compared with."""

from __future__ import annotations

import pytest

from marketwatch.config import Settings
from marketwatch.model.market import Instrument, Source
from marketwatch.watch import Watch


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ETH/USDT", "BTC/USDT"], "BTCUSDT"),
        (["ETH-/USD", "BTC-/USD"], "BTC-USD"),
        (["ETH/USDT", "SOL/USDT"], "ETHUSDT"),
    ],
)
def test_watch_reference_is_the_setting_the_same_base_or_the_first(names: list[str], expected: str) -> None:
    parts = [name.split("/") for name in names]
    instruments = [Instrument(base + quote, base.rstrip("-"), quote) for base, quote in parts]
    failures: list[str] = []
    watch = Watch(
        settings=Settings.of(reference="BTCUSDT"),
        source=Source.DEMO,
        venue="test",
        instruments=instruments,
        on_error=lambda name, error: failures.append(name),
    )
    assert watch.reference == expected
    assert failures == []
