"""Windows as rules write them: bounded, and each with one way of being written."""

from __future__ import annotations

from collections.abc import Iterable

from ..config import duration_ms
from ..model.metrics import Window
from .errors import RuleError
from .nodes import Span
from .tokens import UNIT_MS, Sort, Token

FEWEST_SAMPLES, MOST_SAMPLES = 2, 100_000
_LEAST_MS = 1000
_ON_SAMPLES_MS = 600_000


def span_of(token: Token, column: int) -> Span:
    """The window a literal stands for. Raises RuleError."""
    if token.sort is Sort.NUMBER:
        if token.value != int(token.value) or not FEWEST_SAMPLES <= token.value <= MOST_SAMPLES:
            raise RuleError(
                column, f"A window has a whole number of samples, from {FEWEST_SAMPLES} to {MOST_SAMPLES}.", "Write 60."
            )
        return Span(str(int(token.value)), count=int(token.value))
    if token.sort is not Sort.DURATION:
        raise RuleError(column, "A window is a count of samples or a duration.", "Write 60 or 5m.")
    ms = round(token.value * 1000.0)
    if ms < _LEAST_MS:
        raise RuleError(column, "A window is at least a second long.", "Write 1s or more.")
    return Span(written(ms), ms=ms)


def written(ms: int) -> str:
    """A duration in its largest unit: 90000 is `90s`, 86400000 is `1d`."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if ms % UNIT_MS[unit] == 0)
    return f"{ms // UNIT_MS[unit]}{unit}"


def place(name: str, sample_ms: int) -> tuple[bool, int]:
    """What makes two names of windows one window: `(True, samples)` on the sample grid, else `(False, milliseconds)`."""
    if name.isdecimal():
        return True, int(name)
    ms = duration_ms(name)
    return (True, -(-ms // sample_ms)) if ms <= _ON_SAMPLES_MS else (False, ms)


def matches(wanted: Iterable[str], windows: Iterable[Window], sample_ms: int) -> dict[str, str]:
    """For each wanted window the name under which one of `windows` has it; those that none has are left out."""
    have: dict[tuple[bool, int], str] = {}
    for window in windows:
        have.setdefault(place(window.name, sample_ms), window.name)
    return {name: have[place(name, sample_ms)] for name in wanted if place(name, sample_ms) in have}
