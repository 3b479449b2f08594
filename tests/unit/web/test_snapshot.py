from __future__ import annotations

from marketwatch.clock import ManualClock
from marketwatch.model.market import Trades
from marketwatch.watch import WatchSlot
from marketwatch.web.snapshot import Snapshot
from tests.kit.watches import START_MS, make_watch, test_settings, trade


def made(**bounds: int) -> tuple[Snapshot, WatchSlot, ManualClock]:
    clock, slot = ManualClock(START_MS), WatchSlot()
    slot.put(make_watch(test_settings()))
    return Snapshot(slot=slot, clock=clock, **bounds), slot, clock


def test_snapshot_unchanged_market_answers_the_same_bytes() -> None:
    snapshot, _, _ = made()
    assert snapshot.get("/a") is None
    page = snapshot.put("/a", b"{}", version=snapshot.version)
    assert snapshot.get("/a") is page
    assert snapshot.get("/b") is None
    assert (snapshot.hits, snapshot.misses) == (1, 2)


def test_snapshot_after_a_trade_makes_a_new_answer() -> None:
    snapshot, slot, _ = made()
    snapshot.get("/a")
    first = snapshot.put("/a", b"1", version=snapshot.version)
    assert slot.current is not None
    slot.current.bus.publish(Trades("binance", START_MS, [trade("BTCUSDT", 1, 5.0, 1.0, START_MS)]))
    assert snapshot.get("/a") is None
    assert snapshot.put("/a", b"2", version=snapshot.version).tag != first.tag


def test_snapshot_made_while_the_market_moved_is_not_kept() -> None:
    snapshot, slot, _ = made()
    snapshot.get("/a")
    version = snapshot.version
    assert slot.current is not None
    slot.current.bus.publish(Trades("binance", START_MS, [trade("BTCUSDT", 1, 5.0, 1.0, START_MS)]))
    snapshot.put("/a", b"old", version=version)
    assert snapshot.get("/a") is None


def test_snapshot_on_a_quiet_market_ends_after_half_a_second() -> None:
    snapshot, _, clock = made()
    snapshot.get("/a")
    snapshot.put("/a", b"1", version=snapshot.version)
    clock.move_to(START_MS + 500)
    assert snapshot.get("/a") is not None
    clock.move_to(START_MS + 501)
    assert snapshot.get("/a") is None


def test_snapshot_another_watch_ends_every_answer() -> None:
    snapshot, slot, _ = made()
    snapshot.get("/a")
    snapshot.put("/a", b"1", version=snapshot.version)
    slot.put(make_watch(test_settings()))
    assert snapshot.get("/a") is None


def test_snapshot_many_targets_stay_within_bounds() -> None:
    snapshot, _, _ = made(max_entries=10, max_bytes=100)
    snapshot.get("/0")
    for number in range(100):
        snapshot.put(f"/{number}", b"x" * 30, version=snapshot.version)
    assert len(snapshot) == 3
    assert snapshot.get("/99") is not None
