"""RecordedFeed and its lines: formats, determinism, honesty about what could not be read."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from marketwatch.clock import ManualClock, SystemClock
from marketwatch.config import Settings
from marketwatch.errors import FeedError
from marketwatch.feed.recorded import RecordedFeed
from marketwatch.feed.recorded_lines import MAX_LINE_BYTES, Recording, stamp_ns
from marketwatch.model.market import Gap, GapState, Pulse, Quotes, Source, Staleness, Trade, Trades
from marketwatch.model.system import FeedState, FeedStatus

START_MS = 1_723_161_254_000


def trade_frame(number: int, time_ms: int, *, symbol: str = "BTCUSDT", price: str = "61837.63000000") -> str:
    return (
        f'{{"stream":"{symbol.lower()}@trade","data":{{"e":"trade","E":{time_ms + 1},"s":"{symbol}","t":{number},'
        f'"p":"{price}","q":"0.02000000","T":{time_ms},"m":true,"M":true}}}}'
    )


def line(number: int, at_ms: int, *, lag_ms: int = -1270, **more: str) -> str:
    return f"{(at_ms + lag_ms) * 1_000_000} {trade_frame(number, at_ms, **more)}"


def write(path: Path, lines: Sequence[str]) -> Path:
    data = ("\n".join(lines) + "\n").encode()
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)
    return path


async def play(path: Path, *, speed: float | None = None, **settings: Any) -> list[Any]:
    events: list[Any] = []
    feed = RecordedFeed(path=path, speed=speed, settings=Settings.of(**settings), clock=SystemClock(), publish=events.append)
    await feed.instruments()
    await feed.run()
    return events


def trades_of(events: list[Any]) -> list[Trade]:
    return [trade for event in events if isinstance(event, Trades) for trade in event.trades]


@pytest.mark.parametrize("name", ["frames.txt", "frames.gz", "frames.zst"])
async def test_recording_plain_or_compressed_gives_its_trades(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [line(n, START_MS + 40 * n) for n in range(50)])
    events = await play(path)
    assert [trade.trade_id for trade in trades_of(events)] == list(range(50))
    assert trades_of(events)[0] == Trade("BTCUSDT", 0, 61837.63, 0.02, START_MS, True)
    assert events[-1].state is FeedState.ENDED


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (b"1723161253937085768", 1_723_161_253_937_085_768),
        (b"1680652700423575", 1_680_652_700_423_575_000),
        (b"1723161253937", 1_723_161_253_937_000_000),
        (b"1633998512", 1_633_998_512_000_000_000),
    ],
)
def test_stamp_unit_shows_in_its_length(stamp: bytes, expected: int) -> None:
    assert stamp_ns(stamp) == expected


def test_stamp_in_seconds_keeps_its_fraction() -> None:
    assert stamp_ns(b"1633998512", b"0633569") == 1_633_998_512_063_356_900


def test_lines_of_other_tools_are_read(tmp_path: Path) -> None:
    rows = [
        "wss://stream.binance.com:9443/stream?streams=btcusdt@trade <-> 1633998511.159679",
        f"1633998512.0633569: {trade_frame(1, START_MS)}",
        '{"t":"header","format":2}',
        '{"t":"send","ts":1786309548.17,"data":"{}"}',
        '{"t":"recv","ts":1786309548.5,"data":"{\\"channel\\":\\"x\\"}"}',
        '{"class":"A","raw":"{\\"result\\":null,\\"id\\":2}"}',
        trade_frame(2, START_MS),
        "neither time nor frame",
        "{broken",
    ]
    recording = Recording(write(tmp_path / "mixed", rows))
    read = list(recording.read())
    assert [row.received_ns for row in read] == [1_633_998_512_063_356_900, 1_786_309_548_500_000_000, None, None]
    assert [row.frame for row in read[1:3]] == [b'{"channel":"x"}', b'{"result":null,"id":2}']
    assert (recording.headers, recording.malformed) == (3, {"line": 1, "json": 1})


async def test_any_speed_gives_the_same_events(tmp_path: Path) -> None:
    rows = [line(n, START_MS + 7 * n + 900 * (n // 40)) for n in range(160)]
    path = write(tmp_path / "a", rows)
    fast = await play(path)
    assert await play(path, speed=20.0) == fast
    assert len([event for event in fast if isinstance(event, Pulse)]) > 50


async def test_speed_paces_by_the_recordings_own_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [line(n, START_MS + 1000 * n) for n in range(4)])
    clock, events = ManualClock(0), list[Any]()
    feed = RecordedFeed(path=path, speed=2.0, settings=Settings.of(), clock=clock, publish=events.append)
    await feed.instruments()
    playing = asyncio.create_task(feed.run())
    await asyncio.sleep(0)
    seen = []
    for _ in range(20):
        await clock.advance(0.1)
        seen.append(len(trades_of(events)))
    assert seen[0] == 1
    assert seen[3] == 1
    assert seen[6] == 2
    assert seen[-1] == 4
    await playing


async def test_pulse_is_in_event_time_and_never_ahead_of_a_trade_to_come(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [line(n, START_MS + 313 * n) for n in range(100)])
    reached = 0
    for event in await play(path):
        if isinstance(event, Pulse):
            assert event.time_ms > reached
            reached = event.time_ms
        if isinstance(event, Trades):
            assert min(trade.time_ms for trade in event.trades) >= reached - 1
    last_ms = START_MS + 313 * 99
    assert last_ms + 750 <= reached <= last_ms + 760


async def test_pulse_goes_on_while_nothing_trades(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [line(1, START_MS), line(2, START_MS + 10_000)])
    pulses = [event.time_ms for event in await play(path) if isinstance(event, Pulse)]
    inside = [moment for moment in pulses if START_MS + 1000 <= moment < START_MS + 9_900]
    assert len(inside) >= 16


async def test_duplicates_are_dropped_and_a_jump_is_a_lost_gap(tmp_path: Path) -> None:
    rows = [line(n, START_MS + 40 * n) for n in (1, 2, 2, 3, 7, 8, 3)]
    events = await play(write(tmp_path / "a", rows))
    assert [trade.trade_id for trade in trades_of(events)] == [1, 2, 3, 7, 8]
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [(gap.from_id, gap.to_id) for gap in gaps] == [(4, 6)]
    assert gaps[-1].state is GapState.LOST


async def test_malformed_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    rows = [line(1, START_MS), f"{START_MS}000000 {{broken", "junk", line(2, START_MS + 9, price="-1"), line(3, START_MS + 50)]
    events = await play(write(tmp_path / "a", rows))
    assert [trade.trade_id for trade in trades_of(events)] == [1, 3]
    assert events[-1].rejected == {"json": 1, "line": 1, "price": 1}


async def test_damaged_archive_plays_up_to_the_damage_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gz", [line(n, START_MS + 40 * n) for n in range(20_000)])
    path.write_bytes(path.read_bytes()[:-4000])
    events = await play(path)
    assert 1_000 < len(trades_of(events)) < 20_000
    assert "damaged" in events[-1].detail
    assert events[-1].state is FeedState.ENDED


async def test_missing_file_is_named(tmp_path: Path) -> None:
    feed = RecordedFeed(
        path=tmp_path / "nowhere.gz", speed=1.0, settings=Settings.of(), clock=SystemClock(), publish=lambda _e: None
    )
    with pytest.raises(FeedError, match=r"nowhere\.gz.*cannot be read"):
        await feed.instruments()


async def test_file_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="holds no trade"):
        await play(write(tmp_path / "empty", ["nothing here"]))


async def test_symbols_that_the_settings_name_are_chosen(tmp_path: Path) -> None:
    rows = [line(1, START_MS), line(1, START_MS, symbol="ETHUSDT", price="2683.8"), line(1, START_MS, symbol="XUSDT")]
    path = write(tmp_path / "a", rows)

    async def named(*symbols: str) -> list[str]:
        feed = RecordedFeed(
            path=path, speed=None, settings=Settings.of(symbols=symbols), clock=SystemClock(), publish=lambda _e: None
        )
        return [item.symbol for item in await feed.instruments()]

    assert await named("ETHUSDT") == ["ETHUSDT"]
    assert await named("NOPEUSDT") == ["BTCUSDT", "ETHUSDT", "XUSDT"]
    assert await named(*Settings.of().symbols) == ["BTCUSDT", "ETHUSDT", "XUSDT"]
    assert [str(trade.symbol) for trade in trades_of(await play(path, symbols=("ETHUSDT",)))] == ["ETHUSDT"]


async def test_tick_size_follows_from_the_prices(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [line(1, START_MS, price="0.00012300"), line(2, START_MS, price="0.00012000")])
    feed = RecordedFeed(path=path, speed=None, settings=Settings.of(), clock=SystemClock(), publish=lambda _e: None)
    (instrument,) = await feed.instruments()
    assert (instrument.base, instrument.quote, instrument.price_decimals) == ("BTC", "USDT", 6)


async def test_quotes_without_time_are_dated_on_the_venues_clock(tmp_path: Path) -> None:
    book = '{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"1.1","A":"1"}}'
    rows = [line(n, START_MS + 40 * n) for n in range(20)]
    rows.append(f"{(START_MS + 800 - 1270) * 1_000_000} {book}")
    quotes = [event for event in await play(write(tmp_path / "a", rows)) if isinstance(event, Quotes)]
    assert abs(quotes[0].quotes[0].time_ms - (START_MS + 800)) <= 30


async def test_aggregates_are_left_out_where_single_trades_occur(tmp_path: Path) -> None:
    aggregate = (
        f'{START_MS}000000 {{"stream":"btcusdt@aggTrade","data":{{"e":"aggTrade","E":{START_MS},"s":"BTCUSDT","a":77,"p":"1.0",'
        f'"q":"1.0","f":1,"l":1,"T":{START_MS},"m":false,"M":true}}}}'
    )
    path = write(tmp_path / "a", [line(1, START_MS), aggregate, line(2, START_MS + 30)])
    assert [trade.trade_id for trade in trades_of(await play(path))] == [1, 2]
    assert [trade.trade_id for trade in trades_of(await play(path, binance_stream="aggtrade"))] == [77]


async def test_status_is_of_a_recording(tmp_path: Path) -> None:
    events = await play(write(tmp_path / "a", [line(n, START_MS + 500 * n) for n in range(10)]))
    states = [event for event in events if isinstance(event, FeedStatus)]
    assert {status.source for status in states} == {Source.RECORDED}
    assert states[0].state is FeedState.LIVE
    assert states[-1].clock_offset_ms == pytest.approx(-1271, abs=1)


@given(content=st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([line(1, START_MS).encode()])), max_size=8))
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_of_any_bytes_never_raise(tmp_path: Path, content: list[bytes]) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"\n".join(content))
    recording = Recording(path)
    assert len(list(recording.read())) <= recording.lines


async def test_recording_can_be_played_again(tmp_path: Path) -> None:
    events: list[Any] = []
    path = write(tmp_path / "a", [line(n, START_MS + 40 * n) for n in range(30)])
    feed = RecordedFeed(path=path, speed=None, settings=Settings.of(), clock=SystemClock(), publish=events.append)
    await feed.run()
    first = list(events)
    events.clear()
    await feed.run()
    assert events == first


FRAMES = st.one_of(
    st.sampled_from([trade_frame(1, START_MS), trade_frame(2, START_MS, symbol="ETHUSDT"), '{"type":"heartbeat"}', "[]", "7"]),
    st.dictionaries(
        st.sampled_from(["e", "s", "p", "t", "T", "E", "k", "u", "b", "B", "type", "channel", "events", "stream", "data"]),
        st.recursive(
            st.none() | st.integers(-5, 2**62) | st.sampled_from(["trade", "kline", "match", "BTCUSDT", "1.5"]),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["c", "p", "trades"]), inner, max_size=2)
            ),
            max_leaves=4,
        ),
        max_size=8,
    ).map(lambda fields: orjson.dumps(fields).decode()),
)


@given(frames=st.lists(FRAMES, min_size=1, max_size=6))
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_recording_of_any_frames_plays_to_the_end(tmp_path: Path, frames: list[str]) -> None:
    rows = [line(9, START_MS), *(f"{START_MS + 10 * n}000000 {frame}" for n, frame in enumerate(frames))]
    events = asyncio.run(play(write(tmp_path / "any", rows)))
    assert events[-1].state is FeedState.ENDED
    assert events[-1].messages == len(rows)


def test_line_without_end_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "long"
    good = line(1, START_MS).encode()
    path.write_bytes(good + b"\n" + b"9" * (2 * MAX_LINE_BYTES + 5) + b"\n" + good + b"\n" + b"x" * (MAX_LINE_BYTES + 9))
    recording = Recording(path)
    assert len(list(recording.read())) == 2
    assert recording.malformed == {"size": 2}


async def test_symbol_that_trades_no_more_goes_stale_and_comes_back(tmp_path: Path) -> None:
    lines = [line(number, START_MS + 200 * number) for number in range(600)]
    other = [line(number, START_MS + 1 + 200 * number, symbol="ETHUSDT") for number in (*range(200), *range(500, 600))]
    path = write(tmp_path / "two.txt", sorted(lines + other, key=lambda text: int(text.split(" ", 1)[0])))
    facts = [event for event in await play(path) if isinstance(event, Staleness)]
    assert [(fact.symbol, fact.stale) for fact in facts] == [("ETHUSDT", True), ("ETHUSDT", False)]
    assert abs(facts[0].since_ms - (START_MS + 199 * 200)) < 1_000


async def test_silence_between_two_recordings_makes_no_symbol_stale(tmp_path: Path) -> None:
    lines = [line(number, START_MS + 200 * number + (7_200_000 if number >= 100 else 0)) for number in range(200)]
    assert not [event for event in await play(write(tmp_path / "pause.txt", lines)) if isinstance(event, Staleness)]
