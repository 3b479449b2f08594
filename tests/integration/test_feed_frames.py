"""The feed and what comes over a standing line: junk, loss, doubles, disorder, halts, symbols of any script."""

from __future__ import annotations

import psutil  # type: ignore[import-untyped]
import pytest

from marketwatch.model.market import GapReason, GapState
from marketwatch.model.system import FeedState
from tests.kit.corpus import broken_frames, malformed_trades
from tests.kit.fake_binance import until
from tests.kit.market_rig import Rig
from tests.kit.plain import sample_faults
from tests.kit.venue_tape import synthetic_tape

TAPE = synthetic_tape(["BTCUSDT", "ETHUSDT"], seconds=10, rate=15, seed=8)
LONG = synthetic_tape(["BTCUSDT", "ETHUSDT"], seconds=45, rate=10, seed=9)


async def test_malformed_frames_are_skipped_and_counted_and_the_line_stays() -> None:
    async with Rig(TAPE, speed=20) as rig:
        rig.venue.play()
        await rig.until_played(3)
        corpus = malformed_trades() | broken_frames()
        for frame in corpus.values():
            rig.venue.send_raw(frame)
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.gaps == []
        assert len(rig.venue.journal.lines_of("opened")) == 1
        assert sum(rig.feed.status().rejected.values()) >= len(corpus) - 2
        assert rig.tap.status.state is FeedState.LIVE


async def test_malformed_trade_is_never_accepted() -> None:
    async with Rig(TAPE) as rig:
        for name, frame in malformed_trades().items():
            before = rig.feed.status()
            rig.venue.send_raw(frame)
            await until(lambda: rig.feed.status().messages > before.messages, 5, f"the frame {name}")  # noqa: B023
            assert rig.tap.trades == [], name
            assert sum(rig.feed.status().rejected.values()) > sum(before.rejected.values()), name


async def test_memory_stays_flat_under_giant_frames() -> None:
    async with Rig(TAPE) as rig:
        giant = broken_frames()["ten_megabytes"]
        process = psutil.Process()
        sizes = []
        for number in range(12):
            rig.venue.send_raw(giant)
            await until(lambda: rig.feed.status().messages > number, 10, "the giant frame")  # noqa: B023
            sizes.append(process.memory_info().rss)
        assert sizes[-1] - sizes[3] < 40_000_000
        assert sum(rig.feed.status().rejected.values()) == 12
        assert len(rig.venue.journal.lines_of("opened")) == 1


async def test_lost_prints_are_refilled_and_their_gap_is_closed() -> None:
    async with Rig(TAPE, speed=20) as rig:
        rig.venue.play()
        await rig.until_played(3)
        rig.venue.faults.lose("BTCUSDT", 9)
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        lost = rig.venue.faults.lost["BTCUSDT"]
        states = [(gap.state, gap.reason) for gap in rig.tap.gaps]
        assert states[0] == (GapState.OPEN, GapReason.ID_JUMP)
        assert states[-1] == (GapState.CLOSED, GapReason.ID_JUMP)
        last = rig.tap.gaps[-1]
        assert (last.from_id, last.to_id, last.refilled) == (lost[0], lost[-1], 9)
        refilled = [trade for batch, trade in rig.tap.trades if batch.refill]
        assert sum(trade.trades for trade in refilled) == 9


async def test_prints_that_the_venue_withholds_stay_a_visible_gap() -> None:
    async with Rig(TAPE, speed=20) as rig:
        rig.venue.play()
        await rig.until_played(3)
        rig.venue.faults.lose("BTCUSDT", 5)
        after = rig.venue.market.ledgers["BTCUSDT"].trades[-1].trade_id
        rig.venue.withheld.update(range(after + 1, after + 6))
        await rig.settle()
        verdict = rig.checker.check("BTCUSDT", rig.tap.of("BTCUSDT"), rig.tap.final_gaps())
        assert verdict.ok, str(verdict)
        assert verdict.in_gaps >= 5
        assert [gap.state for gap in rig.tap.final_gaps()] == [GapState.LOST]
        assert [gap.symbol for gap in rig.watch.state.open_gaps()] == ["BTCUSDT"]
        assert any(notice.key.startswith("gap:") for notice in rig.tap.open_notices().values())


async def test_doubled_late_and_disordered_prints_give_the_samples_of_the_sorted_unique_ones() -> None:
    async with Rig(LONG, speed=40) as rig:
        faults = rig.venue.faults
        rig.venue.play()
        await rig.until_played(5)
        faults.duplicate("BTCUSDT", 3)
        faults.shuffle("ETHUSDT", 6)
        await rig.until_played(20)
        faults.delay("BTCUSDT", 12)
        await rig.until_played(35)
        faults.duplicate("BTCUSDT", 0)
        rig.venue.end_shuffle("ETHUSDT")
        await rig.settle()
        await rig.pause(3)
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.status.rejected["duplicate"] > 20
        for symbol in rig.symbols:
            trades = rig.venue.market.ledgers[symbol].trades
            assert sample_faults(rig.final_samples(), symbol, trades) == []


@pytest.mark.parametrize("symbol", [None, "ETHUSDT"])
async def test_exchange_halt_is_no_loss_and_refills_nothing(symbol: str | None) -> None:
    async with Rig(TAPE, speed=20) as rig:
        rig.venue.play()
        await rig.until_played(4)
        rig.venue.market.halt(5000, symbol)
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert rig.tap.gaps == []
        assert rig.venue.journal.calls_to("/api/v3/aggTrades") == []
        assert len(rig.venue.journal.lines_of("opened")) == 1


async def test_long_halt_of_one_symbol_shows_it_stale_and_refills_nothing() -> None:
    async with Rig(LONG, speed=40) as rig:
        rig.venue.play()
        await rig.until_played(8)
        rig.venue.market.halt(20_000, "ETHUSDT")
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert [(fact.symbol, fact.stale) for fact in rig.tap.staleness] == [("ETHUSDT", True), ("ETHUSDT", False)]
        assert rig.tap.gaps == []
        assert rig.venue.journal.calls_to("/api/v3/aggTrades") == []


async def test_symbols_of_any_script_are_watched() -> None:
    tape = synthetic_tape(["币安人生USDT", "BTCUSDT"], seconds=8, rate=10, seed=4)
    async with Rig(tape, speed=20) as rig:
        rig.venue.play()
        await rig.settle()
        rig.checker.assert_complete(rig.tap)
        assert rig.watch.state.symbols["币安人生USDT"].price == float(rig.venue.market.ledgers["币安人生USDT"].trades[-1].price)


async def test_aggregate_stream_covers_every_print_and_refills_by_aggregate_id() -> None:
    async with Rig(TAPE, speed=20, binance_stream="aggtrade") as rig:
        rig.venue.play()
        await rig.until_played(4)
        rig.venue.cut(rst=True)
        await rig.venue.wait_played()
        orders = rig.venue.market.ledgers["BTCUSDT"].aggregates
        await until(lambda: len(rig.tap.of("BTCUSDT")) >= len(orders), 10, "all aggregates")
        accepted = sorted(
            (t.trade_id, t.price, t.quantity, t.time_ms, t.buyer_is_maker, t.trades) for t in rig.tap.of("BTCUSDT")
        )
        assert accepted == [
            (o.aggregate_id, float(o.price), float(o.quantity), o.time_ms, o.buyer_is_maker, o.last_id - o.first_id + 1)
            for o in orders
        ]
        assert {gap.state for gap in rig.tap.final_gaps()} <= {GapState.CLOSED}


async def test_microsecond_times_are_read_by_configuration() -> None:
    async with Rig(TAPE, speed=20, time_unit="microsecond") as rig:
        rig.venue.play()
        await rig.settle()
        rig.checker.assert_complete(rig.tap)


async def test_more_symbols_than_a_line_holds_share_lines_and_only_the_broken_one_has_gaps() -> None:
    names = [f"C{number:04}USDT" for number in range(1100)]
    tape = synthetic_tape(names, seconds=10, rate=0.5, seed=2)
    async with Rig(tape, speed=8, symbols=("all:USDT",), venue={"history_days": 0}) as rig:
        rig.venue.play()
        await rig.until_played(3)
        lines = rig.venue.connections
        assert [len(line.streams) for line in lines] == [1024, len(rig.symbols) + 1 - 1024]
        small = {stream.partition("@")[0].upper() for stream in lines[1].streams}
        rig.venue.cut(lines[1], rst=True)
        await rig.settle()
        for symbol, ledger in rig.venue.market.ledgers.items():
            told = rig.tap.final_gaps(symbol)
            verdict = rig.checker.check(symbol, rig.tap.of(symbol), told)
            unheard = list(range(verdict.lost[0], ledger.trades[-1].trade_id + 1)) if verdict.lost else []
            assert verdict.lost == unheard, str(verdict)
            assert not unheard or symbol in small
            assert not told or symbol in small
        assert not rig.venue.journal.lines_of("too many messages")
        assert rig.watch.state.symbols["C0007USDT"].ticker_ms is not None
