"""`?at=`: the recorded pair through a whole watch into SQLite, and the pages of several moments against what was live then."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from yarl import URL

from marketwatch.alerts.lookout import Lookout
from marketwatch.clock import ManualClock, SystemClock
from marketwatch.config import Settings
from marketwatch.errors import NotFound, StoreUnavailable
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.model.alerts import AlertState, Rule
from marketwatch.model.market import Instrument, Pulse, Source, Trades
from marketwatch.model.metrics import MetricTable
from marketwatch.ports import MarketStore, SampleMarks
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
from tests.kit.watches import World, make_watch, raising, sqlite_store, test_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory, recorded: Path) -> AsyncIterator[Run]:
    folder = tmp_path_factory.mktemp("cursor")
    async with sqlite_store(folder, test_settings()) as store, played(folder, recorded, store) as made:
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


async def test_alert_fires_as_of_a_moment_inside_it_and_does_not_exist_before_it(run: Run) -> None:
    cursor, now_ms = cursor_of(run), max(run.shown)
    one = next(
        alert for alert in run.watch.state.recent_alerts if alert.resolved_ms and alert.fired_ms > min(run.shown) + 5_000
    )
    assert one.resolved_ms is not None
    await run.world.store.acknowledge(one.alert_id, one.resolved_ms + 1_000)
    states = {}
    for name, at_ms in (
        ("before", one.fired_ms - 500),
        ("fired", one.fired_ms),
        ("last", one.resolved_ms - 500),
        ("over", one.resolved_ms),
        ("seen", one.resolved_ms + 1_000),
    ):
        state = (await cursor.at(at_ms, now_ms)).watch.state
        held = state.alerts.get(one.alert_id) or next((a for a in state.recent_alerts if a.alert_id == one.alert_id), None)
        states[name] = None if held is None else (held.state, held.resolved_ms, held.acknowledged_ms is not None)
    ended = AlertState.RESOLVED, one.resolved_ms
    firing = (AlertState.FIRING, None, False)
    assert states == {"before": None, "fired": firing, "last": firing, "over": (*ended, False), "seen": (*ended, True)}


async def test_moment_is_built_once_for_all_who_ask_and_kept(run: Run) -> None:
    cursor, now_ms = cursor_of(run), max(run.shown) + 60_000
    at_ms = sorted(run.shown)[6]
    moments = await asyncio.gather(*(cursor.at(at_ms + part, now_ms) for part in (0, 1, 499, 0)))
    assert len({id(moment) for moment in moments}) == 1
    assert moments[0].at_ms == at_ms
    assert await cursor.at(at_ms, now_ms) is moments[0]
    assert cursor.built == 1


async def test_loop_goes_on_while_a_moment_is_rebuilt(run: Run) -> None:
    cursor, now_ms = cursor_of(run), max(run.shown)
    turns = 0
    building = asyncio.create_task(cursor.at(sorted(run.shown)[-2], now_ms))
    while not building.done():
        turns += 1
        await asyncio.sleep(0)
    assert building.result().watch.source is Source.REPLAY
    assert turns > 20


async def test_pages_as_of_a_moment_are_framed_and_stay_there(run: Run) -> None:
    at_ms = sorted(run.shown)[-3]
    async with run.world.client() as client:
        for path in ("/", "/symbols/BTCUSDT", "/alerts", "/symbols/bitcoin"):
            answer = await client.get(f"{path}?at={at_ms}")
            html = await answer.text()
            assert answer.status == 200, path
            assert 'data-source="replay"' in html
            assert "<strong>Replay</strong>" in html
            assert "hx-sse:connect" not in html
            assert 'id="told"' not in html
            assert 'method="post"' not in html.replace('class="theme" method="post"', "")
            links = re.findall(r'href="((?:/|/alerts|/symbols/[^"?]*)(?:\?[^"]*)?)"', html)
            stays = [link for link in links if "at=" in link]
            assert len(stays) > 5
            # What leads out of the moment is the way back to live and nothing else.
            assert {link for link in links if "at=" not in link} == {str(answer.url.with_query(None).path)}
        shown = f"{run.shown[at_ms].prices[0]:,.2f}"
        assert shown in await (await client.get(f"/symbols/BTCUSDT?at={at_ms}")).text()


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ("yesterday", 400, "is not a time"),
        ("1" * 400, 400, "is not a time"),
        ("<script>alert(1)</script>", 400, "&lt;script&gt;"),
        ("2024-13-45T99:00", 400, "is not a time"),
        ("999999999999999", 400, "is not a time"),
        ("9999-12-31T23:59:59Z", 400, "has not come yet"),
        ("-1", 400, "is not a time"),
        ("0", 404, "before the first sample"),
        ("2024-08-08T10:00:00", 404, "before the first sample"),
        ("2024-08-08T23:57:00", 200, "2024-08-08 23:57:00"),
        ("2024-08-08%2023:57", 200, "2024-08-08 23:57:00"),
        ("2024-08-09T01:57:00%2B02:00", 200, "2024-08-08 23:57:00"),
        ("2024-08-09T01:57:00+02:00", 200, "2024-08-08 23:57:00"),
        ("1723161420499", 200, "2024-08-08 23:57:00"),
    ],
)
async def test_hostile_and_odd_moments_get_a_sentence_and_a_way_out(run: Run, asked: str, status: int, words: str) -> None:
    async with run.world.client() as client:
        for path in ("/", "/symbols/BTCUSDT", "/alerts"):
            answer = await client.get(URL(f"{path}?at={asked}", encoded=True))
            html = await answer.text()
            assert (answer.status, words in html) == (status, True), path
            assert "Back to live" in html
            assert "<script>alert" not in html
            assert answer.headers["Cache-Control"] == "no-store"


async def test_moment_in_a_hole_of_the_store_names_the_nearest_ones(run: Run) -> None:
    far = max(run.shown) + 3_600_000
    world = World(settings=run.world.settings, clock=ManualClock(far + 60_000), store=run.world.store)
    world.slot.put(make_watch(world.settings, tuple(PAIRS)))
    async with world.client() as client:
        answer = await client.get(f"/?at={far}")
        html = await answer.text()
        assert answer.status == 404
        assert "the program was not running" in html
        way = re.search(r'href="([^"]*)">To the last one before', html)
        assert way is not None
        assert (await client.get(way[1])).status == 200


async def test_moment_while_the_database_is_away_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_at_ms: int) -> SampleMarks:
        raise StoreUnavailable("The disk is gone.")

    monkeypatch.setattr(run.world.store, "sample_marks", away)
    async with run.world.client() as client:
        answer = await client.get(f"/?at={max(run.shown)}")
        assert answer.status == 503
        assert "The database does not answer now" in await answer.text()


async def test_whales_of_the_interface_end_where_asked(run: Run) -> None:
    at_ms = sorted(run.shown)[-10]
    async with run.world.client() as client:
        rows = (await (await client.get(f"/api/market/whales?to={at_ms}&from={at_ms - 120_000}")).json())["data"]
    wanted = [whale.trade for whale in run.watch.state.whales if at_ms - 120_000 <= whale.trade.time_ms < at_ms]
    assert len(rows) == len(wanted) > 0


async def test_empty_store_has_no_earlier_moment(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path, test_settings()) as store:
        world = World(settings=test_settings(data_dir=tmp_path), clock=ManualClock(10**12), store=store)
        world.slot.put(world.watch)
        with pytest.raises(NotFound, match="No sample is stored yet"):
            await Cursor(store=store, slot=world.slot, settings=world.settings).at(10**12 - 1, 10**12)
