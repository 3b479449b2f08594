"""The feed and a REST interface that limits, forbids, fails or lies; and stream addresses that refuse."""

from __future__ import annotations

from typing import Any

import pytest

from marketwatch.errors import FeedError
from marketwatch.model.market import GapState
from marketwatch.model.system import FeedState
from tests.kit.fake_binance import FakeBinance, until
from tests.kit.market_rig import Rig
from tests.kit.venue_tape import synthetic_tape

AGG_TRADES = "/api/v3/aggTrades"
TAPE = synthetic_tape(["BTCUSDT", "ETHUSDT"], seconds=11, rate=12, seed=12)

TROUBLES: dict[str, dict[str, Any]] = {
    "status_500": {"status": 500, "times": 2},
    "status_502_html": {"status": 502, "body": b"<html>Bad Gateway</html>", "times": 2},
    "status_503": {"status": 503, "times": 5},
    "slow": {"delay_s": 0.3},
    "cut_body": {"cut": True, "times": 2},
    "broken_json": {"body": b'[{"a":1,', "times": 1},
    "wrong_shape": {"body": b'{"rows":7}', "times": 1},
    "wrong_types": {"body": b'[{"a":"x","p":null,"q":[],"f":1,"l":"2","T":{},"m":3}]', "times": 1},
    "absurd_numbers": {"body": b'[{"a":1,"p":"1e309","q":"NaN","f":-5,"l":99999999999999999999,"T":0,"m":true}]', "times": 1},
    "empty_rows": {"body": b"[]", "times": 1},
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_refill_gets_over_trouble_of_the_rest_interface(trouble: str) -> None:
    async with Rig(TAPE, speed=25) as rig:
        rig.venue.play()
        await rig.until_played(3)
        script = rig.venue.script(AGG_TRADES, **TROUBLES[trouble])
        rig.venue.faults.lose("BTCUSDT", 6)
        await rig.settle()
        assert script.used >= 1
        rig.checker.assert_complete(rig.tap)


@pytest.mark.parametrize(("status", "pause_s"), [(429, 3), (418, 5)])
async def test_retry_after_is_obeyed_by_all_requests(status: int, pause_s: int) -> None:
    async with Rig(TAPE, speed=20) as rig:
        rig.venue.play()
        await rig.until_played(3)
        rig.venue.script(AGG_TRADES, status=status, headers={"Retry-After": str(pause_s)})
        rig.venue.faults.lose("BTCUSDT", 4)
        await until(lambda: rig.venue.journal.calls_to(AGG_TRADES), 10, "the refused request")
        rig.venue.faults.lose("ETHUSDT", 4)
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        calls = [call for call in rig.venue.journal.calls if call.path == AGG_TRADES]
        refused = [call for call in calls if call.status == status]
        later = [call.at_ms for call in calls if call.at_ms > refused[0].at_ms]
        assert len(refused) == 1
        assert min(later) - refused[0].at_ms >= pause_s * 1000 - 50


@pytest.mark.parametrize("status", [451, 403])
async def test_forbidden_stream_address_is_left_for_good(status: int) -> None:
    tape = synthetic_tape(["BTCUSDT"], seconds=8, rate=12, seed=13)
    async with (
        FakeBinance(tape, clock=Rig(tape).clock, history_days=1) as closed,
        Rig(tape, speed=20, before=(closed,), expect_stream=False) as rig,
    ):
        closed.script("/stream", status=status, times=-1)
        closed.script(AGG_TRADES, status=status, times=-1)
        await rig.start()
        await rig.subscribed()
        rig.venue.play()
        await rig.until_played(4)
        rig.venue.cut(rst=True)
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert len(closed.journal.lines_of("refused")) == 1
        assert rig.tap.status.endpoint == rig.venue.ws_url
        assert f"forbidden:{closed.ws_url}" in rig.tap.open_notices()


async def test_all_stream_addresses_forbidden_is_told_and_not_repeated() -> None:
    async with Rig(TAPE, speed=20, expect_stream=False) as rig:
        rig.venue.script("/stream", status=451, times=-1)
        await rig.start()
        await until(lambda: rig.tap.statuses and rig.tap.status.state is FeedState.FORBIDDEN, 5, "the state FORBIDDEN")
        await rig.pause(10)
        assert len(rig.venue.journal.lines_of("refused")) == 1
        assert not rig.task.done()


async def test_forbidden_rest_address_hands_over_to_the_next() -> None:
    async with (
        FakeBinance(TAPE, clock=Rig(TAPE).clock, history_days=1) as closed,
        Rig(TAPE, speed=20, before=(closed,), expect_stream=False) as rig,
    ):
        closed.script("/stream", status=451, times=-1)
        closed.script(AGG_TRADES, status=451, times=-1)
        await rig.start()
        await rig.subscribed()
        rig.venue.play()
        await rig.until_played(3)
        rig.venue.faults.lose("BTCUSDT", 5)
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert [call.status for call in closed.journal.calls_to(AGG_TRADES)] == [451]


@pytest.mark.parametrize("status", [500, 503, 429, 404])
async def test_failing_handshakes_are_repeated_until_one_succeeds(status: int) -> None:
    async with Rig(TAPE, speed=20, expect_stream=False) as rig:
        rig.venue.script("/stream", status=status, headers={"Retry-After": "2"}, times=3)
        await rig.start()
        await rig.subscribed()
        rig.venue.play()
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert len(rig.venue.journal.lines_of("refused")) == 3


async def test_refill_that_never_succeeds_ends_as_a_lost_gap_and_the_feed_lives() -> None:
    async with Rig(TAPE, speed=200) as rig:
        rig.venue.script(AGG_TRADES, status=400, body=b'{"code":-1000,"msg":"no"}', times=-1)
        rig.venue.play()
        await rig.until_played(3)
        rig.venue.faults.lose("BTCUSDT", 4)
        await rig.settle()
        await until(lambda: any(gap.state is GapState.LOST for gap in rig.tap.gaps), 20, "the end of the tries")
        verdict = rig.checker.check("BTCUSDT", rig.tap.of("BTCUSDT"), rig.tap.final_gaps())
        assert verdict.ok, str(verdict)
        assert verdict.in_gaps == 4


async def test_unreachable_venue_raises_a_feed_error_in_time() -> None:
    rig = Rig(TAPE, binance_rest_url=("http://127.0.0.1:9",), binance_ws_url=("ws://127.0.0.1:9",))
    with pytest.raises(FeedError):
        await rig.__aenter__()


async def test_unknown_symbol_is_left_out_with_a_notice() -> None:
    async with Rig(TAPE, speed=20, symbols=("BTCUSDT", "NOPEUSDT", "ETHUSDT")) as rig:
        assert rig.symbols == ("BTCUSDT", "ETHUSDT")
        await until(lambda: "unknown:NOPEUSDT" in rig.tap.open_notices(), 5, "the notice")


async def test_history_warms_up_with_closed_candles_equal_to_the_venues() -> None:
    async with Rig(TAPE, speed=5, backfill=True, venue={"history_days": 31}) as rig:
        await until(lambda: not rig.feed.backfill.running and rig.feed.backfill.done == 2, 20, "the warm-up")
        ledger = rig.venue.market.ledgers["BTCUSDT"]
        came = {
            (c.interval, c.time_ms): c
            for batch in rig.tap.candles
            if batch.history
            for c in batch.candles
            if c.symbol == "BTCUSDT"
        }
        hours = ledger.candles(3_600_000, rig.venue.now_ms())[-719:-1]
        minutes = ledger.candles(60_000, rig.venue.now_ms())[-1438:-2]
        assert len([key for key in came if key[0] == "1h"]) >= 30 * 24 - 1
        for interval, rows in (("1h", hours), ("1m", minutes)):
            for row in rows:
                candle = came[interval, row.time_ms]
                assert candle.closed
                assert (candle.open, candle.high, candle.low, candle.close) == pytest.approx(row[1:5], rel=1e-9)
                assert candle.volume == pytest.approx(row.volume, abs=1e-7)
        assert all(call.status == 200 for call in rig.venue.journal.calls)
