"""The venue's clock, estimated: deaf to single wrong frames and to steps of the wall clock."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.feed.clock_offset import ClockOffset

VENUE_AT_ZERO_MS = 1_700_000_000_000


def fed(offset: ClockOffset, *, seconds: float, start: float = 0.0, seed: int = 1, step: float = 0.02) -> float:
    """Frames of a venue whose clock shows `VENUE_AT_ZERO_MS` at monotonic 0, each 20 to 80 ms on the way."""
    random, now = Random(seed), start
    while now < start + seconds:
        offset.saw(VENUE_AT_ZERO_MS + int(now * 1000) - random.randrange(20, 80), now)
        now += step
    offset.refresh(now)
    return now


def test_nothing_is_known_before_the_first_frame() -> None:
    offset = ClockOffset()
    assert (offset.venue_ms(5.0), offset.offset_ms(1, 5.0), offset.latency_ms(5.0)) == (None, None, None)


def test_estimate_lies_near_the_fastest_frames() -> None:
    offset = ClockOffset()
    now = fed(offset, seconds=30)
    reached = offset.venue_ms(now)
    assert reached is not None
    assert VENUE_AT_ZERO_MS + now * 1000 - 30 <= reached <= VENUE_AT_ZERO_MS + now * 1000 - 20
    assert offset.latency_ms(now) == pytest.approx(27, abs=8)


def test_offset_is_local_time_minus_venue_time() -> None:
    offset = ClockOffset()
    now = fed(offset, seconds=10)
    local_ms = VENUE_AT_ZERO_MS + int(now * 1000) - 1_270
    assert offset.offset_ms(local_ms, now) == pytest.approx(-1_250, abs=10)


def test_step_of_the_wall_clock_moves_only_the_shown_offset() -> None:
    offset = ClockOffset()
    now = fed(offset, seconds=10)
    before = offset.venue_ms(now)
    shown = offset.offset_ms(VENUE_AT_ZERO_MS, now)
    stepped = offset.offset_ms(VENUE_AT_ZERO_MS + 3_600_000, now)
    assert shown is not None
    assert stepped == pytest.approx(shown + 3_600_000)
    assert offset.venue_ms(now) == before


def test_one_frame_from_the_future_changes_nothing() -> None:
    offset = ClockOffset()
    now = fed(offset, seconds=10)
    before = offset.venue_ms(now)
    offset.saw(VENUE_AT_ZERO_MS * 2, now)
    offset.refresh(now)
    assert before is not None
    assert offset.venue_ms(now) == pytest.approx(before, abs=5)


def test_venue_that_is_played_faster_is_followed() -> None:
    offset = ClockOffset()
    for step in range(500):
        offset.saw(VENUE_AT_ZERO_MS + step * 400, step * 0.02)
    reached = offset.venue_ms(500 * 0.02)
    assert reached is not None
    assert reached >= VENUE_AT_ZERO_MS + 490 * 400


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.floats(0.0, 1.0)), min_size=1, max_size=80))
def test_venue_time_never_goes_back(frames: list[tuple[int, float]]) -> None:
    offset, now, reached = ClockOffset(), 0.0, 0
    for shift_ms, pause_s in frames:
        now += pause_s
        offset.saw(VENUE_AT_ZERO_MS + shift_ms, now)
        if shift_ms % 3 == 0:
            offset.refresh(now)
        venue_ms = offset.venue_ms(now)
        assert venue_ms is not None
        assert venue_ms >= reached
        reached = venue_ms
