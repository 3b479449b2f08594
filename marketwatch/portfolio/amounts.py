"""Decimals in and out: bounded on the way in, exact in between, plain on the way out."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

EXACT = Context(prec=150, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Sums and products of amounts stay exact in it: an amount has up to 36 digits, a value is a product of at most three."""

PLACES = 18
_DIGITS = 18
LARGEST = Decimal(10) ** _DIGITS
UNIT = Decimal(1).scaleb(-PLACES)
"""The smallest part that a cost is divided into."""

_PLAIN = re.compile(r"[+-]?(\d{1,40}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_COMMA = re.compile(r"[+-]?[\d.']*,\d+")


def amount(text: str) -> Decimal:
    """The number that `text` writes: `1234.5`, `1,234.5`, `1e-8`. Raises ValueError with a sentence, for a decimal comma too.

    At most 18 digits before and 18 after the point (zeros at the end do not count).
    """
    written = text.strip()
    shown = written if len(written) <= 40 else written[:37] + "..."
    if _AMBIGUOUS.fullmatch(written):
        raise ValueError(f"{shown!r} may mean a thousand or a decimal comma; write it without the comma, or with a point.")
    if _GROUPED.fullmatch(written):
        written = written.replace(",", "")
    elif _COMMA.fullmatch(written):
        raise ValueError(f"{shown!r} has a decimal comma; write a decimal point.")
    if not _PLAIN.fullmatch(written) or not written.isascii():
        raise ValueError(f"{shown!r} is not a number." if written else "The number is missing.")
    return bounded(Decimal(written))


def bounded(value: Decimal) -> Decimal:
    """`value` without needless zeros. Raises ValueError for what no book holds."""
    if not value.is_finite():
        raise ValueError("The amount is not a finite number.")
    if not value:
        return Decimal(0)
    if value.adjusted() >= _DIGITS:
        raise ValueError(f"{value} is too large; 18 digits before the point are the most.")
    written = plain(value)
    if len(written.partition(".")[2]) > PLACES:
        raise ValueError(f"{value} has more than {PLACES} digits after the point.")
    return Decimal(written)


def plain(value: Decimal) -> str:
    """Digits without exponent and without zeros at the end: `0.00000001`, `1500`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def from_float(value: float) -> Decimal:
    """A market's price as the shortest decimal that means the same float."""
    return Decimal(repr(float(value)))


def part(cost: Decimal, taken: Decimal, held: Decimal) -> Decimal:
    """The share of `cost` that goes with `taken` of `held`, rounded down to 18 places; all of it with the last unit."""
    if taken == held:
        return cost
    return EXACT.divide(EXACT.multiply(cost, taken), held).quantize(UNIT, ROUND_DOWN, EXACT)
