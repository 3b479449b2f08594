"""Numbers, ages and times in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.web import format as fmt


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (61602.02, 2, "61,602.02"),
        (0.10472, 5, "0.10472"),
        (-0.184, 2, "−0.18"),
        (-0.001, 2, "0.00"),
        (0.0, 2, "0.00"),
        (None, 2, "—"),
        (math.nan, 2, "—"),
        (math.inf, 2, "—"),
    ],
)
def test_number_is_written_with_its_decimals(value: float | None, decimals: int, text: str) -> None:
    assert fmt.number(value, decimals) == text


def test_price_below_its_tick_size_keeps_three_digits() -> None:
    assert fmt.price(0.00001234, 2) == "1.23e-05"
    assert fmt.price(0.05, 2) == "0.05"


@pytest.mark.parametrize(
    ("value", "text", "tone"),
    [
        (0.424, "+0.42 %", "up"),
        (-2.02, "−2.02 %", "down"),
        (0.0, "0.00 %", "flat"),
        (-0.004, "0.00 %", "flat"),
        (0.004, "0.00 %", "flat"),
        (None, "—", "none"),
    ],
)
def test_signed_shows_sign_and_tone_after_rounding(value: float | None, text: str, tone: str) -> None:
    assert fmt.signed(value) == (text, tone)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.84e9, "1.84 B"),
        (921_000_000, "921 M"),
        (96_100_000, "96.1 M"),
        (999_999, "1.00 M"),
        (1_234, "1.23 K"),
        (12.34, "12.3"),
        (0.0042, "0.0042"),
        (0, "0.00"),
        (3e12, "3.00 T"),
        (-5_000, "−5.00 K"),
        (None, "—"),
    ],
)
def test_compact_keeps_three_digits(value: float | None, text: str) -> None:
    assert fmt.compact(value) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (38, "38 ms"),
        (999, "999 ms"),
        (3_400, "3 s"),
        (240_000, "4 min"),
        (7_200_000, "2 h"),
        (86_400_000, "24 h"),
        (432_000_000, "5 d"),
        (-1_270, "−1 s"),
        (None, "—"),
    ],
)
def test_duration_has_one_unit(ms: float | None, text: str) -> None:
    assert fmt.duration(ms) == text


def test_long_duration_has_two_units() -> None:
    assert fmt.long_duration(273_600_000) == "3 d 4 h"
    assert fmt.long_duration(41_000) == "41 s"
    assert fmt.long_duration(0) == "0 s"
    assert fmt.long_duration(-5) == "—"


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [(30_000, "30 s"), (300_000, "5 min"), (3_600_000, "1 h"), (86_400_000, "24 h"), (604_800_000, "7 d"), (500, "500 ms")],
)
def test_window_label_names_the_span(span_ms: int, text: str) -> None:
    assert fmt.window_label(span_ms) == text


def test_sizes_quantities_and_points_have_their_units() -> None:
    assert fmt.size(77_800_000) == "77.8 MB"
    assert fmt.size(None) == "—"
    assert fmt.size(12) == "12 B"
    assert fmt.quantity(0.00267) == "0.0026700"
    assert fmt.quantity(1234.5) == "1,234.5"
    assert fmt.quantity(0) == "0"
    assert fmt.basis_points(0.24) == "0.2 bp"
    assert fmt.basis_points(0.0016) == "<0.1 bp"
    assert fmt.percent(None) == "—"


def test_times_are_utc() -> None:
    assert fmt.clock_time(1_763_683_351_123) == "00:02:31"
    assert fmt.date_time(1_763_683_351_123) == "2025-11-21 00:02:31"
    assert fmt.iso(1_763_683_351_123) == "2025-11-21T00:02:31.123Z"
    assert fmt.clock_time(None) == fmt.date_time(None) == "—"


@given(st.integers(min_value=-(2**62), max_value=2**62))
def test_times_of_any_venue_are_written(ms: int) -> None:
    assert len(fmt.date_time(ms)) == 19


@given(st.floats())
def test_no_number_breaks_a_format(value: float) -> None:
    formats = (fmt.number, fmt.percent, fmt.compact, fmt.quantity, fmt.whole, fmt.basis_points, fmt.duration, fmt.long_duration)
    for form in formats:
        text = form(value)
        assert text
        assert "-" not in text.replace("e-", "")
    assert (fmt.signed(value).text == "—") == (not math.isfinite(value))
