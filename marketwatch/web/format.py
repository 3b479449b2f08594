"""Numbers, ages and times as people read them. Pure functions; what is not known is an em dash, never 0."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

UNKNOWN = "—"
MINUS = "−"
_COMPACT = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_LAST_MS = 253_402_300_799_000


class Signed(NamedTuple):
    """A number with its sign, and the tone in which it is shown: `up`, `down`, `flat` or `none` (unknown)."""

    text: str
    tone: str


NOTHING = Signed(UNKNOWN, "none")


def known(value: float | None) -> float | None:
    """The value, or None where it is None, NaN or infinite."""
    return None if value is None or not math.isfinite(value) else value


def number(value: float | None, decimals: int = 2) -> str:
    """`61,602.02`; a negative number carries a true minus sign."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:,.{decimals}f}"
    if text[0] != "-":
        return text
    return MINUS + text[1:] if text.strip("-0.,") else text[1:]


def price(value: float | None, decimals: int) -> str:
    """A price with the digits of the pair's tick size; a price below that precision keeps three significant digits."""
    if value is not None and value > 0 and value < 10.0**-decimals:
        return f"{value:.3g}"
    return number(value, decimals)


def percent(value: float | None, decimals: int = 2) -> str:
    """`0.041 %`, without a plus sign: for sizes that have no direction."""
    text = number(value, decimals)
    return text if text == UNKNOWN else text + " %"


def signed(value: float | None, decimals: int = 2, unit: str = " %") -> Signed:
    """`+0.42 %` up, `−2.02 %` down, `0.00 %` flat after rounding."""
    text = number(value, decimals)
    if text == UNKNOWN or value is None:
        return NOTHING
    if text[0] == MINUS:
        return Signed(text + unit, "down")
    return Signed("+" + text + unit, "up") if text.strip("0.,") else Signed(text + unit, "flat")


def compact(value: float | None) -> str:
    """Three significant digits with K, M, B or T: `1.84 B`, `921 M`, `96.1 M`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    sign = MINUS if value < 0 else ""
    size = abs(value)
    for factor, letter in _COMPACT:
        if size >= factor * 0.9995:
            return f"{sign}{_three(size / factor)} {letter}"
    return sign + (_three(size) if size >= 0.01 or size == 0 else f"{size:.2g}")


def _three(size: float) -> str:
    if size >= 99.95:
        return f"{size:,.0f}"
    return f"{size:.1f}" if size >= 9.995 else f"{size:.2f}"


def quantity(value: float | None) -> str:
    """An amount of the base asset: five significant digits, no exponent."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = max(0, min(8, 4 - math.floor(math.log10(abs(value)))))
    return number(value, decimals)


def whole(value: float | None) -> str:
    """`412,880`."""
    return number(value, 0)


def basis_points(value: float | None) -> str:
    """`0.2 bp`; a smaller one that is not nothing is `<0.1 bp`."""
    if value is not None and 0 < value < 0.05:
        return "<0.1 bp"
    text = number(value, 1)
    return text if text == UNKNOWN else text + " bp"


def duration(ms: float | None) -> str:
    """`38 ms`, `3 s`, `4 min`, `2 h`, `5 d`; negative where a clock is ahead."""
    if ms is None or not math.isfinite(ms):
        return UNKNOWN
    sign = MINUS if ms < 0 else ""
    size = abs(ms)
    if size < 1000:
        return f"{sign}{size:.0f} ms"
    for limit, unit, name in ((60_000, 1000, "s"), (3_600_000, 60_000, "min"), (172_800_000, 3_600_000, "h")):
        if size < limit:
            return f"{sign}{size // unit:.0f} {name}"
    return f"{sign}{size // 86_400_000:.0f} d"


def long_duration(ms: float | None) -> str:
    """Two units: `3 d 4 h`, `2 h 5 min`, `41 s`."""
    if ms is None or not math.isfinite(ms) or ms < 0:
        return UNKNOWN
    seconds = int(ms // 1000)
    parts = ((seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"


def span(ms: int) -> str:
    """A duration as rules write it, without loss: `30s`, `5m`, `1h`, `90s`, `1500ms`."""
    for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")):
        if ms and ms % unit == 0:
            return f"{ms // unit}{name}"
    return f"{ms}ms" if ms else "0s"


def size(count: float | None) -> str:
    """Bytes: `12.3 MB`."""
    if count is None:
        return UNKNOWN
    for factor, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{_three(count / factor)} {name}"
    return f"{count:.0f} B"


def window_label(span_ms: int) -> str:
    """The length of a window: `30 s`, `5 min`, `1 h`, `24 h`, `7 d`."""
    for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if span_ms % unit == 0 and (span_ms > unit or unit < 86_400_000) and span_ms >= unit:
            return f"{span_ms // unit} {name}"
    return f"{span_ms} ms"


def moment(ms: int) -> datetime:
    """UTC; a time outside of the calendar is drawn to its edge."""
    return datetime.fromtimestamp(min(max(ms, 0), _LAST_MS) / 1000, UTC)


def clock_time(ms: int | None) -> str:
    """`14:02:31`."""
    return UNKNOWN if ms is None else moment(ms).strftime("%H:%M:%S")


def date_time(ms: int | None) -> str:
    """`2026-11-20 14:02:31`."""
    return UNKNOWN if ms is None else moment(ms).strftime("%Y-%m-%d %H:%M:%S")


def iso(ms: int) -> str:
    """`2026-11-20T14:02:31.123Z`."""
    return moment(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
