"""What somebody likes to see: kept as JSON, with a time zone that there is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from zoneinfo import available_timezones

import pytest

from marketwatch.accounts import preferences
from marketwatch.accounts.preferences import Preferences, read_preferences, time_zones, write_preferences
from marketwatch.errors import InvalidRequest


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The threads in which the list of time zones was read."""
    found: list[int] = []

    def read() -> set[str]:
        found.append(threading.get_ident())
        return available_timezones()

    monkeypatch.setattr(preferences, "available_timezones", read)
    time_zones.cache_clear()
    yield found
    time_zones.cache_clear()


async def test_time_zones_are_read_once_and_beside_the_loop(readers: list[int]) -> None:
    for zone in ("Europe/Berlin", "Asia/Tokyo", "UTC"):
        wanted = Preferences(time_zone=zone)
        assert read_preferences(await write_preferences(wanted)) == wanted
    assert len(readers) == 1
    assert readers[0] != threading.get_ident()


async def test_utc_needs_no_list(readers: list[int]) -> None:
    await write_preferences(Preferences())
    assert readers == []


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "utc\n"])
async def test_time_zone_that_there_is_not_is_refused(zone: str) -> None:
    with pytest.raises(InvalidRequest, match="such as Europe/Berlin"):
        await write_preferences(Preferences(time_zone=zone))
