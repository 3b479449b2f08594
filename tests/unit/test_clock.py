"""ManualClock: time moves only when told to, and sleepers wake in the order in which they are due."""

from __future__ import annotations

import asyncio

from marketwatch.clock import ManualClock, SystemClock


async def test_manual_clock_advance_wakes_sleepers_in_due_order() -> None:
    clock = ManualClock(1_000)
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now_ms()))

    tasks = [asyncio.create_task(sleeper(name, s)) for name, s in (("late", 3.0), ("early", 1.0), ("never", 9.0))]
    await asyncio.sleep(0)
    await clock.advance(5.0)
    assert woken == [("early", 2_000), ("late", 4_000)]
    assert clock.now_ms() == 6_000
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_manual_clock_sleep_of_nothing_returns_at_once() -> None:
    clock = ManualClock(5)
    await clock.sleep(0)
    assert clock.now_ms() == 5


def test_manual_clock_move_to_the_past_stays() -> None:
    clock = ManualClock(10_000)
    clock.move_to(9_000)
    assert clock.now_ms() == 10_000


def test_system_clock_monotonic_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)
    assert clock.now_ms() > 1_700_000_000_000
