"""Silence is judged by each symbol's own habit."""

from __future__ import annotations

from random import Random

from marketwatch.feed.watchdog import Rhythm, Watchdog


def played(dog: Watchdog, symbol: str, *, every_s: float, until_s: float, start_s: float = 0.0) -> None:
    now = start_s
    while now <= until_s:
        dog.saw([symbol], [], now)
        now += every_s


def test_busy_symbol_is_stale_after_the_setting() -> None:
    dog = Watchdog(["A"], stale_s=10, now=0.0)
    played(dog, "A", every_s=0.1, until_s=60)
    assert dog.check(69.0) == []
    ((symbol, silent_s),) = dog.check(71.0)
    assert symbol == "A"
    assert 10 < silent_s < 12
    assert dog.check(72.0) == []
    assert dog.stale == {"A"}


def test_stale_symbol_is_back_with_its_first_trade() -> None:
    dog = Watchdog(["A"], stale_s=10, now=0.0)
    played(dog, "A", every_s=0.1, until_s=60)
    dog.check(80.0)
    assert dog.saw(["A"], [], 81.0) == ["A"]
    assert dog.saw(["A"], [], 81.1) == []
    assert not dog.stale


def test_quiet_symbol_has_its_own_patience() -> None:
    dog = Watchdog(["A", "B"], stale_s=10, now=0.0)
    played(dog, "A", every_s=0.5, until_s=600)
    played(dog, "B", every_s=20.0, until_s=600)
    assert [symbol for symbol, _ in dog.check(650.0)] == ["A"]
    assert [symbol for symbol, _ in dog.check(1_100.0)] == ["B"]


def test_trades_that_stop_are_noticed_although_quotes_go_on() -> None:
    dog = Watchdog(["A"], stale_s=10, now=0.0)
    for step in range(600):
        dog.saw(["A"], ["A"], step * 0.1)
    for step in range(600, 900):
        assert dog.saw([], ["A"], step * 0.1) == []
    assert [symbol for symbol, _ in dog.check(90.0)] == ["A"]
    assert dog.saw([], ["A"], 90.1) == []


def test_irregular_symbol_is_rarely_called_stale() -> None:
    dog, random, now, alarms = Watchdog(["A"], stale_s=10, now=0.0), Random(3), 0.0, 0
    for _ in range(5_000):
        now += random.expovariate(1 / 4.0)
        alarms += len(dog.check(now))
        dog.saw(["A"], [], now)
    assert alarms == 0


def test_time_without_a_line_counts_for_nobody() -> None:
    dog = Watchdog(["A"], stale_s=10, now=0.0)
    played(dog, "A", every_s=0.1, until_s=60)
    dog.resumed(["A"], 200.0)
    assert dog.check(205.0) == []


def test_symbol_that_never_had_data_is_told_after_five_minutes() -> None:
    dog = Watchdog(["A"], stale_s=10, now=0.0)
    assert dog.check(299.0) == []
    assert [symbol for symbol, _ in dog.check(301.0)] == ["A"]


def test_unknown_symbols_are_ignored() -> None:
    assert Watchdog([], stale_s=1, now=0.0).saw(["A"], ["B"], 1.0) == []


def test_threshold_is_bounded() -> None:
    rhythm = Rhythm(0.0)
    for step in range(20):
        rhythm.beat(step * 86_400.0)
    assert rhythm.threshold_s(10) == 3_600
