"""The feed on broken lines: cuts, silence, shutdowns. Nothing may be lost, nothing doubled."""

from __future__ import annotations

from typing import Any

import pytest

from marketwatch.model.market import GapReason
from marketwatch.model.system import FeedState
from tests.kit.fake_binance import until
from tests.kit.market_rig import Rig
from tests.kit.venue_tape import synthetic_tape

TAPE = synthetic_tape(["BTCUSDT", "ETHUSDT", "SOLUSDT"], seconds=10, rate=12, seed=5)
LONG = synthetic_tape(["BTCUSDT", "ETHUSDT"], seconds=50, rate=12, seed=6)

CUTS: dict[str, dict[str, Any]] = {
    "mid_frame": {"mid_frame": True},
    "mid_frame_rst": {"mid_frame": True, "rst": True},
    "rst": {"rst": True},
    "code_1000": {"code": 1000},
    "code_1001": {"code": 1001},
    "code_1006": {"code": 1006},
    "code_1011": {"code": 1011},
}


@pytest.mark.parametrize("how", CUTS)
async def test_cut_line_is_back_within_five_seconds_with_every_print_once(how: str) -> None:
    async with Rig(TAPE, speed=20) as rig:
        rig.venue.play()
        await rig.until_played(5)
        rig.venue.cut(**CUTS[how])
        cut_at = rig.clock.now_ms()
        await until(lambda: len(rig.venue.journal.lines_of("opened")) == 2, 10, "a second connection")
        back_at = rig.venue.journal.lines_of("opened")[1].at_ms
        await rig.settle()
        assert back_at - cut_at < 5000
        rig.checker.assert_complete(rig.tap)
        assert {gap.reason for gap in rig.tap.gaps} <= {GapReason.DISCONNECT}
        assert rig.tap.status.state is FeedState.LIVE
        assert rig.tap.status.reconnects == 1


@pytest.mark.parametrize("mode", ["half_open", "pings_only"])
async def test_silent_open_line_is_noticed_and_replaced_within_thirty_seconds(mode: Any) -> None:
    async with Rig(LONG, speed=40) as rig:
        rig.venue.play()
        await rig.until_played(12)
        rig.venue.connections[0].mode = mode
        silent_at = rig.clock.now_ms()
        await until(lambda: rig.tap.status.state is FeedState.STALE, 10, "the stale state")
        assert rig.tap.status.since_ms - silent_at < 30_000
        await until(lambda: len(rig.venue.journal.lines_of("opened")) == 2, 10, "a second connection")
        assert rig.venue.journal.lines_of("opened")[1].at_ms - silent_at < 30_000
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.status.state is FeedState.LIVE
        assert {fact.symbol for fact in rig.tap.staleness if fact.stale} == set(rig.symbols)
        assert not rig.feed.watchdog.stale


async def test_mute_symbol_is_shown_stale_while_the_other_goes_on() -> None:
    async with Rig(LONG, speed=40) as rig:
        rig.venue.play()
        await rig.until_played(12)
        rig.venue.faults.mute("ETHUSDT")
        await rig.until_played(30)
        rig.venue.faults.unmute("ETHUSDT")
        assert rig.watch.state.symbols["ETHUSDT"].stale
        assert rig.tap.status.state is FeedState.LIVE
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert [(fact.symbol, fact.stale) for fact in rig.tap.staleness] == [("ETHUSDT", True), ("ETHUSDT", False)]
        assert {(gap.symbol, gap.reason) for gap in rig.tap.gaps} == {("ETHUSDT", GapReason.SILENCE)}
        assert all("ethusdt" in line.detail for line in rig.venue.journal.lines_of("SUBSCRIBE"))
        assert rig.venue.journal.lines_of("SUBSCRIBE")
        assert len(rig.venue.journal.lines_of("opened")) == 1


async def test_announced_shutdown_is_bridged_without_a_gap() -> None:
    async with Rig(TAPE, speed=20) as rig:
        rig.venue.play()
        await rig.until_played(4)
        old = rig.venue.connections[0]
        rig.venue.announce_shutdown()
        await until(lambda: old not in rig.venue.connections, 10, "the end of the old connection")
        lines = [(line.connection, line.what) for line in rig.venue.journal.lines]
        assert lines.index((2, "opened")) < lines.index((1, "closed"))
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.gaps == []
        assert rig.tap.status.reconnects == 0
        assert {status.state for status in rig.tap.statuses} <= {FeedState.CONNECTING, FeedState.LIVE}


async def test_daily_rotation_makes_the_new_line_before_it_breaks_the_old() -> None:
    async with Rig(TAPE, speed=20, feed={"rotate_after_s": 5.0}) as rig:
        rig.venue.play()
        await rig.settle()
        opened = rig.venue.journal.lines_of("opened")
        assert len(opened) >= 2
        lines = [(line.connection, line.what) for line in rig.venue.journal.lines]
        assert lines.index((2, "opened")) < lines.index((1, "closed"))
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.gaps == []


async def test_pings_of_the_venue_are_answered_in_time() -> None:
    async with Rig(TAPE, speed=20, venue={"ping_every_s": 1.0, "pong_within_s": 3.0}) as rig:
        rig.venue.play()
        await rig.settle()
        assert len(rig.venue.journal.lines_of("pong")) >= 5
        assert not rig.venue.journal.lines_of("no pong")
        assert len(rig.venue.journal.lines_of("opened")) == 1


async def test_all_addresses_down_for_a_while_is_survived_and_refilled() -> None:
    async with Rig(LONG, speed=40) as rig:
        rig.venue.play()
        await rig.until_played(8)
        await rig.venue.refuse()
        rig.venue.cut(rst=True)
        await rig.until_played(16)
        assert not rig.task.done()
        await rig.venue.listen()
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert FeedState.RECONNECTING in rig.tap.states()
        assert rig.tap.states()[-1] is FeedState.LIVE


async def test_server_that_resets_every_request_is_asked_within_the_attempt_limit() -> None:
    async with Rig(LONG, speed=40) as rig:
        rig.venue.play()
        await rig.until_played(5)
        rig.venue.down = True
        rig.venue.cut()
        await rig.until_played(15)
        attempts = rig.feed._attempts._at[rig.venue.ws_url]
        rig.venue.down = False
        await rig.settle()
        assert 3 <= len(attempts) < 300
        rig.checker.assert_complete(rig.tap)


async def test_bytes_in_small_slices_arrive_whole() -> None:
    async with Rig(TAPE, speed=20, proxied=True) as rig:
        rig.proxy.slice_bytes = 61
        rig.venue.play()
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.gaps == []


async def test_line_cut_at_any_byte_loses_nothing() -> None:
    async with Rig(TAPE, speed=20, proxied=True) as rig:
        rig.venue.play()
        for number in range(4):
            await rig.until_played(2 + 1.5 * number)
            rig.proxy.cut_after = 301 + 97 * number
        await rig.settle()
        assert rig.proxy.connections >= 4
        rig.checker.assert_complete(rig.tap)


async def test_black_hole_on_the_way_is_left_behind() -> None:
    async with Rig(LONG, speed=40, proxied=True) as rig:
        rig.venue.play()
        await rig.until_played(12)
        rig.proxy.black_hole = True
        await until(lambda: rig.tap.status.state is FeedState.RECONNECTING, 10, "the end of patience")
        rig.proxy.black_hole = False
        rig.proxy.cut()
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
