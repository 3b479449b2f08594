"""`?at=`: the recorded pair through a whole watch into SQLite, and the pages of several moments against what was live then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import ManualClock, SystemClock
from marketwatch.config import Settings
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.model.alerts import Rule
from marketwatch.model.market import Instrument, Pulse, Source, Trades
from marketwatch.model.metrics import MetricTable
from marketwatch.ports import MarketStore
from marketwatch.replay.cursor import Cursor
from marketwatch.replay.pins import IncidentPins
from marketwatch.store.writer import StoreWriter
from marketwatch.watch import Watch
from marketwatch.web.contexts.alerts import Query as AlertQuery
from marketwatch.web.contexts.alerts import active_of, past_of, rules_of
from marketwatch.web.contexts.metrics import metrics_of
from marketwatch.web.contexts.overview import all_facts, row_of
from marketwatch.web.contexts.summary import whales_of
from marketwatch.web.contexts.symbol import candles_of
from tests.kit.watches import World, raising, sqlite_store, test_settings

FILES = ("spot_btcusdt_20240808.gz", "spot_ethusdt_20240808.gz")
PAIRS = [Instrument("BTCUSDT", "BTC", "USDT"), Instrument("ETHUSDT", "ETH", "USDT")]
LATENESS_MS = 5000
"""Late enough that no trade of the pair comes after its step was closed: what was live is what is stored."""
RULES = [
    Rule("volatile", 1, "Volatile", "volatility(60) > 0.02", recover="volatility(60) < 0.012"),
    Rule("fall", 1, "Fall", "change(30s) < -0.02 for 1s", symbols=("BTCUSDT",)),
    Rule("whale", 1, "Whale", "whales(10s) >= 1"),
]
EVERY_MS = 10_000


class Seen(NamedTuple):
    """What the pages showed at one step, in words."""

    prices: list[float]
    rows: list[Any]
    metrics: dict[str, Any]
    candles: dict[tuple[str, str], Any]
    whales: Any
    firing: list[tuple[str, str, str]]
    past: list[tuple[str, str, str]]
    rules: Any


def seen(watch: Watch, at_ms: int) -> Seen:
    """The contexts of the three pages, without what only knows the state of the feed."""
    query = AlertQuery()
    ended = sorted(watch.state.recent_alerts, key=lambda one: (one.fired_ms, one.alert_id), reverse=True)
    facts = all_facts(watch, at_ms)
    table = watch.state.table
    assert table is not None
    return Seen(
        prices=[float(price) for price in table.points["price"]],
        rows=[row_of(one._replace(price=price, quiet_ms=0)) for one, price in zip(facts, table.points["price"], strict=True)],
        metrics={symbol: metrics_of(watch, symbol) for symbol in watch.symbols},
        candles={(symbol, name): candles_of(watch, symbol, name) for symbol in watch.symbols for name in ("1m", "5m", "1h")},
        whales=whales_of(watch).whales,
        firing=[(one.key, one.sentence, one.age) for one in active_of(watch, query, at_ms).firing],
        past=[(one.key, one.reason, one.lasted) for one in past_of(watch, ended, query, at_ms).alerts],
        rules=[(one.name, one.firing, one.last) for one in rules_of(watch, ended, query, at_ms).rules],
    )


class Run(NamedTuple):
    """A played recording in its store, and what was shown at every tenth second."""

    world: World
    shown: dict[int, Seen]
    watch: Watch


async def _events(recorded: Path) -> list[Trades | Pulse]:
    merged: list[tuple[int, int, Trades | Pulse]] = []
    for name in FILES:
        mine: list[object] = []
        path = recorded / "binance" / name
        feed = RecordedFeed(path=path, speed=None, settings=Settings.of(), clock=SystemClock(), publish=mine.append)
        await feed.instruments()
        await feed.run()
        received = 0
        for event in mine:
            received = event.received_ms if isinstance(event, Trades) else received
            if isinstance(event, Trades | Pulse):
                merged.append((received, len(merged), event))
    return [event for _, _, event in sorted(merged, key=lambda row: row[:2])]


@asynccontextmanager
async def played(folder: Path, recorded: Path, store: MarketStore) -> AsyncIterator[Run]:
    """The pair through a watch with rules into `store`; contexts are taken inside the very step."""
    settings = test_settings(data_dir=folder, windows=("2m", "1h"), whale_usd=50_000.0, lateness_ms=LATENESS_MS, tape_mb=4)
    watch = Watch(settings=settings, source=Source.RECORDED, venue="binance", instruments=PAIRS, on_error=raising)
    writer = StoreWriter(store=store, clock=SystemClock(), settings=settings, publish=watch.bus.publish, instruments=PAIRS)
    writer.subscribe(watch.bus)
    lookout = Lookout(watch=watch, sample_ms=settings.sample_ms)
    IncidentPins(watch=watch, sample_ms=settings.sample_ms)
    shown: dict[int, Seen] = {}

    def look(table: MetricTable) -> None:
        if table.time_ms % EVERY_MS == 0:
            shown[table.time_ms] = seen(watch, table.time_ms)

    watch.bus.subscribe(MetricTable, look, name="test")
    lookout.use(RULES)
    for number, event in enumerate(await _events(recorded)):
        watch.bus.publish(event)
        if number % 500 == 0:
            await writer.flush()
    await writer.flush()
    world = World(settings=settings, clock=ManualClock(max(shown) + 60_000), store=store)
    world.watch = watch
    world.slot.put(watch, lookout)
    yield Run(world, shown, watch)
    await writer.aclose()


@pytest.fixture
async def run(tmp_path: Path, recorded: Path) -> AsyncIterator[Run]:
    async with sqlite_store(tmp_path, test_settings()) as store, played(tmp_path, recorded, store) as made:
        yield made


def cursor_of(run: Run) -> Cursor:
    return Cursor(store=run.world.store, slot=run.world.slot, settings=run.world.settings)


async def test_pages_of_earlier_moments_show_the_very_numbers_of_then(run: Run) -> None:
    cursor = cursor_of(run)
    moments = sorted(run.shown)[2::4]
    assert len(moments) > 5
    fired = 0
    for at_ms in moments:
        moment = await cursor.at(at_ms, max(run.shown))
        again, then = seen(moment.watch, at_ms), run.shown[at_ms]
        for name in Seen._fields:
            assert getattr(again, name) == getattr(then, name), (name, at_ms)
        fired += len(again.firing)
    assert cursor.errors == 0
    assert fired > 3
