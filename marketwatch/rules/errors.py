"""What is wrong with a rule, and where."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ..errors import MarketwatchError

_SHOWN = 40


class RuleError(MarketwatchError):
    """A rule cannot be understood. `column` counts from 1; `message` is one sentence; `hint` says what to write instead."""

    def __init__(self, column: int, message: str, hint: str = "") -> None:
        super().__init__(f"Column {column}: {message}{' ' + hint if hint else ''}")
        self.column = column
        self.message = message
        self.hint = hint

    def detail(self) -> dict[str, int | str]:
        """As the API's `details` show it."""
        return {"column": self.column, "message": self.message, "hint": self.hint}


def shown(text: str) -> str:
    """A piece of a rule as an error message quotes it: bounded and printable."""
    piece = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return repr(piece)[1:-1]


def nearest(name: str, names: Iterable[str]) -> str:
    """`Did you mean x or y?`, or "" where nothing is near."""
    close = get_close_matches(name[:_SHOWN], sorted(names), n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else ""
