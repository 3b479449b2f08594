"""Three-valued logic on int8 columns, and when a window's value counts as known."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import WindowState

F8 = NDArray[np.float64]
I1 = NDArray[np.int8]
Flags = NDArray[np.bool_]

TRUE, UNKNOWN, FALSE = 1, 0, -1
"""With these `and` is the minimum, `or` the maximum and `not` the negation (Kleene)."""

COMPARISONS = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
SAID = {TRUE: "true", UNKNOWN: "unknown", FALSE: "false"}


class Knowledge(NamedTuple):
    """What counts as known. `warming`: windows that are not full yet. `stale`: prices of a symbol that went quiet.

    `least_filled`: a window whose buckets have a price in a smaller share than this is unknown (gaps).
    """

    warming: bool = False
    stale: bool = False
    least_filled: float = 0.5

    def of(self, state: NDArray[np.uint8], filled: NDArray[np.int64], length: int) -> Flags:
        """Where a window of `length` buckets is known."""
        refused = (0 if self.warming else WindowState.WARMUP) | (0 if self.stale else WindowState.STALE)
        known: Flags = (state & np.uint8(refused)) == 0
        known &= filled >= (2 if self.warming else self.least_filled * length)
        return known


def known_flags(values: F8) -> I1:
    """1 where a value is known, 0 where it is NaN."""
    flags: I1 = (values == values).view(np.int8)
    return flags


def compare(operator: str, left: F8, right: F8, known: I1, out: I1) -> None:
    """Write TRUE, UNKNOWN, FALSE to `out`; `known` is 1 where both sides are."""
    said: Flags = out.view(np.bool_)
    if operator == "!=":
        np.equal(left, right, out=said)
        np.add(out, out, out=out)
        np.subtract(known, out, out=out)
        return
    COMPARISONS[operator](left, right, out=said)
    np.add(out, out, out=out)
    np.subtract(out, known, out=out)


def below(values: F8, limits: F8, known: I1, out: I1, turn: int) -> None:
    """Compare a column with many limits: rows of `out` before `turn` say that it is below theirs, the others that it is not."""
    np.less(values, limits, out=out.view(np.bool_))
    np.add(out, out, out=out)
    np.subtract(out[:turn], known, out=out[:turn])
    np.subtract(known, out[turn:], out=out[turn:])


def arithmetic(operator: str, values: list[F8]) -> F8:
    """`+ - * / neg abs min max`, column by column; anything infinite (a division by zero, an overflow) is unknown."""
    with np.errstate(all="ignore"):
        out = _ARITHMETIC[operator](*values[:2])
        for value in values[2:]:
            out = _ARITHMETIC[operator](out, value)
        out[~np.isfinite(out)] = np.nan
    return out


_ARITHMETIC: dict[str, Callable[..., F8]] = {
    "+": lambda a, b: np.asarray(a + b), "-": lambda a, b: np.asarray(a - b), "*": lambda a, b: np.asarray(a * b),
    "/": lambda a, b: np.asarray(np.true_divide(a, b)), "neg": lambda a: np.asarray(-a), "abs": lambda a: np.asarray(np.abs(a)),
    "min": lambda a, b: np.asarray(np.minimum(a, b)), "max": lambda a, b: np.asarray(np.maximum(a, b)),
}  # fmt: skip


def crossing(sign: F8, before: F8, *, above: bool) -> I1:
    """Whether the sign of a difference got above (below) 0, against the last known one."""
    over: Flags = (sign > 0) & (before <= 0) if above else (sign < 0) & (before >= 0)
    known: Flags = ~(np.isnan(sign) | np.isnan(before))
    return (2 * over.astype(np.int8) - 1) * known.astype(np.int8)
