"""Which grid a window runs on: from the name of a window to buckets."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import duration_ms
from ..errors import ConfigError
from ..model.metrics import Window

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
_ON_SAMPLES_MS = 10 * MINUTE_MS
_MOST_CELLS = 400_000
_MOST_ROWS = 1500
_MOST_SAMPLES = 100_000


def window_of(name: str, *, sample_ms: int, symbols: int) -> Window:
    """The window that people call `name`: a count of samples (`60`) or a duration (`30s 5m 1h 1d`).

    Counts and durations up to 10 minutes run on the sample grid. Longer ones run on coarser buckets, of which the newest is
    still open and counts as far as it goes, so they too move with every sample: 1 minute up to 24 h, 1 hour above, the next
    coarser (5 minutes; 4 hours, a day) where symbols x buckets would not fit into a few tens of megabytes. They are
    the grids of the candles that venues give out, so history warms them exactly. Raises ConfigError.
    """
    try:
        if name.isdecimal():
            return Window(name, sample_ms, _checked(name, int(name)))
        span = duration_ms(name)
    except ValueError:
        raise ConfigError(
            f"The window {name!r} is neither a count of samples nor a duration; write 60, 30s, 5m, 1h or 7d."
        ) from None
    if span <= _ON_SAMPLES_MS:
        return Window(name, sample_ms, _checked(name, -(-span // sample_ms)))
    grids = (MINUTE_MS, 5 * MINUTE_MS) if span <= DAY_MS else (HOUR_MS, 4 * HOUR_MS, DAY_MS)
    for grid in grids:
        rows = -(-span // grid)
        if rows <= _MOST_ROWS and (rows * symbols <= _MOST_CELLS or grid == grids[-1]):
            return Window(name, grid, rows)
    raise ConfigError(f"The window {name!r} is too long; the longest is {_MOST_ROWS}d.")


def windows_of(names: Sequence[str], *, sample_ms: int, symbols: int) -> tuple[Window, ...]:
    """All windows, each name once, in the given order."""
    return tuple(window_of(name, sample_ms=sample_ms, symbols=symbols) for name in dict.fromkeys(names))


def _checked(name: str, length: int) -> int:
    if not 2 <= length <= _MOST_SAMPLES:
        raise ConfigError(f"The window {name!r} is {length} samples long; it must be from 2 to {_MOST_SAMPLES}.")
    return length
