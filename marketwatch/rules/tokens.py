"""From the text of a rule to its words."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from .errors import RuleError, shown

MOST_CHARACTERS = 2000
MOST_NUMBER = 1e15
UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MOST_DURATION_MS = 366 * 86_400_000
_SYMBOL_LENGTH = 40
_WORD = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<unit>%|[A-Za-z_][A-Za-z0-9_]*)?
      |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
      |(?P<text>'[^'\n]*'|"[^"\n]*")
      |(?P<sign><=|>=|==|!=|[-+*/(),.<>])""",
    re.VERBOSE,
)
_INSTEAD = {
    "&": "Write and.", "|": "Write or.", "!": "Write not.", "=": "Write == to compare.", "'": "Close it with a quote.",
    '"': "Close it with a quote.", "^": "Multiply instead.", "≤": "Write <=.", "≥": "Write >=.", "≠": "Write !=",
}  # fmt: skip


class Sort(StrEnum):
    """What a word is."""

    NUMBER = "number"
    DURATION = "duration"
    PERCENT = "percent"
    NAME = "name"
    TEXT = "text"
    SIGN = "sign"
    END = "end"


class Token(NamedTuple):
    """A word. `value`: the number, the duration in seconds, or 0. `text`: names in lower case, symbols without quotes."""

    sort: Sort
    text: str
    value: float
    column: int


def tokens(source: str) -> list[Token]:
    """All words, the last one END. Raises RuleError."""
    if len(source) > MOST_CHARACTERS:
        raise RuleError(MOST_CHARACTERS, f"The rule has {len(source)} characters; {MOST_CHARACTERS} are the most.", "Split it.")
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = _WORD.match(source, at)
        if match is None:
            character = source[at]
            raise RuleError(at + 1, f"'{shown(character)}' cannot stand here.", _INSTEAD.get(character, ""))
        if match["space"] is None:
            found.append(_token(match, at + 1))
        at = match.end()
    return [*found, Token(Sort.END, "", 0.0, len(source) + 1)]


def _token(match: re.Match[str], column: int) -> Token:
    if match["number"] is not None:
        return _number(match["number"], match["unit"], column)
    if match["text"] is not None:
        symbol = match["text"][1:-1]
        if not 0 < len(symbol) <= _SYMBOL_LENGTH:
            raise RuleError(column, f"A symbol has 1 to {_SYMBOL_LENGTH} characters.", "Write it like 'BTCUSDT'.")
        return Token(Sort.TEXT, symbol, 0.0, column)
    if match["name"] is not None:
        return Token(Sort.NAME, match["name"].lower(), 0.0, column)
    return Token(Sort.SIGN, match["sign"], 0.0, column)


def _number(digits: str, unit: str | None, column: int) -> Token:
    value = float(digits)
    if not value <= MOST_NUMBER:
        raise RuleError(column, f"The number {shown(digits)} is too large; {MOST_NUMBER:g} is the largest.")
    if unit is None:
        return Token(Sort.NUMBER, digits, value, column)
    if unit == "%":
        return Token(Sort.PERCENT, digits + "%", value, column)
    if unit not in UNIT_MS:
        raise RuleError(column, f"{shown(digits + unit)} is not a number.", "Units are ms, s, m, h, d, w and %.")
    if value * UNIT_MS[unit] > _MOST_DURATION_MS:
        raise RuleError(column, f"The duration {shown(digits + unit)} is too long; 366d is the longest.")
    return Token(Sort.DURATION, digits + unit, value * UNIT_MS[unit] / 1000.0, column)
