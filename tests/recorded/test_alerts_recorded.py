"""Rules over the recorded BTC/ETH pair: they fire at the very samples at which a plain reading of the file says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import SystemClock
from marketwatch.config import Settings
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.model.alerts import Alerts, AlertState
from marketwatch.model.market import Instrument, Pulse, Source, Trades
from marketwatch.watch import Watch
from tests.kit.plain_reading import RULES, STEP_MS, WHALE_USD, expected, logged
from tests.kit.watches import raising

LATENESS_MS = 5000
"""Late enough that no trade of the pair comes after its step was closed: a plain reading knows no revisions."""
FILES = ("spot_btcusdt_20240808.gz", "spot_ethusdt_20240808.gz")


async def _events(recorded: Path) -> list[Trades | Pulse]:
    """The trades and pulses of both recordings, merged by time of receipt (a pulse by its own time)."""
    merged: list[tuple[int, int, Trades | Pulse]] = []
    for name in FILES:
        mine: list[object] = []
        path = recorded / "binance" / name
        feed = RecordedFeed(path=path, speed=None, settings=Settings.of(), clock=SystemClock(), publish=mine.append)
        await feed.instruments()
        await feed.run()
        received = 0
        for event in mine:
            if isinstance(event, Trades):
                received = event.received_ms
            if isinstance(event, Trades | Pulse):
                merged.append((received, len(merged), event))
    return [event for _, _, event in sorted(merged, key=lambda row: row[:2])]


@pytest.fixture(scope="module")
def events(recorded: Path) -> list[Trades | Pulse]:
    return asyncio.run(_events(recorded))


def _played(events: list[Trades | Pulse]) -> list[Alerts]:
    """What the rules raise in a watch of both pairs."""
    pairs = [Instrument("BTCUSDT", "BTC", "USDT"), Instrument("ETHUSDT", "ETH", "USDT")]
    settings = Settings.of(windows=("2m",), whale_usd=WHALE_USD, lateness_ms=LATENESS_MS)
    watch = Watch(settings=settings, source=Source.RECORDED, venue="binance", instruments=pairs, on_error=raising)
    found: list[Alerts] = []
    lookout = Lookout(watch=watch, sample_ms=STEP_MS)
    watch.bus.subscribe(Alerts, found.append, name="test")
    lookout.use(RULES)
    for event in events:
        watch.bus.publish(event)
    return found


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_rules_fire_at_the_samples_that_a_plain_reading_says(events: list[Trades | Pulse], symbol: str) -> None:
    found = _played(events)
    trades = [one for event in events if isinstance(event, Trades) for one in event.trades]
    newest = max([event.time_ms for event in events if isinstance(event, Pulse)] + [one.time_ms for one in trades])
    logs = logged(found, symbol)
    assert logs == expected(trades, symbol, (newest - LATENESS_MS) // STEP_MS)
    assert sum(len(log) for log in logs.values()) > 20
    assert len([key for key, log in logs.items() if log]) >= 5


def test_same_samples_give_the_same_bytes(events: list[Trades | Pulse]) -> None:
    first, second = (orjson.dumps([[list(alert) for alert in batch.alerts] for batch in _played(events)]) for _ in range(2))
    assert first == second
    assert len(first) > 10_000


def test_no_episode_begins_twice_and_no_notice_goes_out_twice(events: list[Trades | Pulse]) -> None:
    found = _played(events)
    ends = [alert.alert_id for batch in found for alert in batch.alerts if alert.state is AlertState.RESOLVED]
    assert len(ends) == len(set(ends))
    newest = {alert.alert_id: alert for batch in found for alert in batch.alerts}
    told = [(key, number) for batch in found for key in batch.notify for number in [_number(batch, key)]]
    assert len(told) == len(set(told))
    assert {key for key, _ in told} <= newest.keys()


def _number(batch: Alerts, key: str) -> int:
    return next(int(alert.context["notices"]) for alert in batch.alerts if alert.alert_id == key)
