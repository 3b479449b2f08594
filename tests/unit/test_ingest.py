"""The ingestion window: pure arithmetic on the UTC day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.ingest import IngestWindow

_DAY = 86_400_000
_clock_text = st.builds(lambda m: f"{m // 60:02}:{m % 60:02}", st.integers(0, 1439))


def test_parse_nothing_or_the_whole_day_means_always() -> None:
    assert IngestWindow.parse("") is None
    assert IngestWindow.parse("00:00-24:00") is None


def test_opens_in_before_inside_and_after_the_window() -> None:
    window = IngestWindow.parse("08:00-09:00")
    assert window is not None
    eight = 8 * 3_600_000
    assert window.opens_in_ms(10 * _DAY + eight - 1) == 1
    assert window.opens_in_ms(10 * _DAY + eight) == 0
    assert window.closes_in_ms(10 * _DAY + eight) == 3_600_000
    assert window.opens_in_ms(10 * _DAY + eight + 3_600_000) == 23 * 3_600_000


@given(_clock_text, _clock_text, st.integers(0, 40 * _DAY))
def test_opens_in_any_window_the_moment_it_names_lies_inside(start: str, end: str, now: int) -> None:
    window = IngestWindow.parse(f"{start}-{end}")
    if window is None:
        return
    opening = now + window.opens_in_ms(now)
    assert window.opens_in_ms(opening) == 0
    closing = opening + window.closes_in_ms(opening)
    assert window.opens_in_ms(closing - 1) == 0
    assert window.opens_in_ms(closing) > 0
