"""Schedules: what they say, when they are open, and every mistake with its column."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.alerts.schedule import MOST_TEXT, ScheduleError, read_schedule

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia")
NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "open_at", "closed_at"),
    [
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-01-05T07:00:00Z", "2026-01-05T06:59:59.999Z"),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-07-06T06:00:00Z", "2026-07-06T16:00:00Z"),
        ("mon-fri 08:00-18:00 Europe/Berlin", "2026-01-09T16:59:59.999Z", "2026-01-10T12:00:00Z"),
        ("Fri 22:00-06:00", "2026-01-10T05:59:00Z", "2026-01-10T22:30:00Z"),
        ("Sat,Sun", "2026-01-10T00:00:00Z", "2026-01-12T00:00:00Z"),
        ("Fri-Mon UTC", "2026-01-12T23:59:59Z", "2026-01-13T00:00:00Z"),
        ("08:00-09:00,17:00-24:00", "2026-01-13T23:59:59Z", "2026-01-13T09:00:00Z"),
        ("Mon 08:00-09:00 Asia/Tokyo; Tue 08:00-09:00", "2026-01-05T23:30:00Z", "2026-01-06T08:30:00Z"),
    ],
)  # fmt: skip
def test_schedule_is_open_while_the_wall_clock_is_inside(text: str, open_at: str, closed_at: str) -> None:
    found = read_schedule(text)
    assert found.is_open(ms(open_at))
    assert not found.is_open(ms(closed_at))


def brute(text: str, zone: str, days: set[int], first: int, end: int, time_ms: int) -> bool:
    local = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if first < end:
        return day in days and first <= minute < end
    return (day in days and minute >= first) or ((day - 1) % 7 in days and minute < end)


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    days=st.sets(st.integers(0, 6), min_size=1),
    first=st.integers(0, 1439),
    end=st.integers(1, 1440),
    start_day=st.sampled_from(
        ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2011-12-29", "2026-06-01"]
    ),
)
def test_course_of_a_schedule_is_that_of_the_wall_clock_minute_by_minute(
    zone: str, days: set[int], first: int, end: int, start_day: str
) -> None:
    if first == end % 1440:
        first = (first + 7) % 1440
    names = ",".join(NAMES[day] for day in sorted(days))
    text = f"{names} {first // 60:02}:{first % 60:02}-{end // 60:02}:{end % 60:02} {zone}"
    schedule, start = read_schedule(text), ms(f"{start_day}T00:00:00Z") - 12 * HOUR
    times = np.arange(start, start + 3 * DAY, 5 * MINUTE)
    wanted = [not brute(text, zone, days, first, end, int(at)) for at in times]
    assert schedule.closed(times).tolist() == wanted
    edge = schedule.stays_until(start)
    assert edge > start
    assert all(schedule.is_open(at) == schedule.is_open(start) for at in (start, (start + edge) // 2, edge - 1))


def test_next_opening_is_told_on_the_clock_of_the_schedule() -> None:
    found = read_schedule("Mon-Fri 08:00-18:00 Europe/Berlin")
    opens = found.opens_at(ms("2026-03-27T20:00:00Z"))
    assert opens == ms("2026-03-30T06:00:00Z")
    assert found.shown(opens) == "Mon 2026-03-30 08:00 Europe/Berlin"
    assert read_schedule("Mon-Sun").opens_at(0) is None


@pytest.mark.parametrize(
    ("text", "column", "word"),
    [
        ("", 1, "empty"),
        (" ; ;", 1, "empty"),
        ("Mon-Fry 08:00-18:00", 5, "'Fry'"),
        ("Mon-Fri 08:00-1800", 9, "span"),
        ("Mon-Fri 08:00-24:01", 9, "outside"),
        ("Mon-Fri 08:00-09:00,09:60-10:00", 21, "outside"),
        ("Mon-Fri 08:00-08:00", 9, "empty"),
        ("Mon; Tue 08:00-18:00 Europe/Berlim", 22, "'Europe/Berlim'"),
        ("Mon 08:00-18:00 Europe/Berlin please", 31, "too many"),
        ("Mon 08:00-18:00 ../../etc/passwd", 17, "zone"),
        ("Mon 08:00-18:00 localtime", 17, "zone"),
        ("Mon " * 200, 1, str(MOST_TEXT)),
        ("Mon;" * 60, 1, "parts"),
    ],
)  # fmt: skip
def test_mistake_in_a_schedule_is_told_with_its_column(text: str, column: int, word: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        read_schedule(text)
    assert caught.value.column == column
    assert word in caught.value.message


def test_ten_thousand_hostile_schedules_raise_their_own_error_only() -> None:
    chance = random.Random(5)
    pieces = ["Mon", "-", "Fri", " ", ";", ",", "08:00", "18:00", "24:00", ":", "Europe/Berlin", "UTC", "/", "..", "\x00",
              "\ud800", "²³:00-09:00", "٠٨:٠٠-٠٩:٠٠", "99:99-00:00", "\n", "🐋", "1e9", "Etc/GMT+5", "a" * 80]  # fmt: skip
    began, read = time.monotonic(), 0
    columns: list[tuple[int, int, bytes]] = []
    for _ in range(10_000):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 9)))
        try:
            schedule = read_schedule(text)
        except ScheduleError as error:
            columns.append((error.column, len(text) + 1, str(error).encode()))
            continue
        read += 1
        assert schedule.stays_until(chance.choice([-(2**62), 0, ms("2026-01-01T00:00:00Z"), 2**62])) is not None
    assert read > 20
    assert all(1 <= column <= most for column, most, _ in columns)
    assert time.monotonic() - began < 60
