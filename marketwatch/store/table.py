"""What the backup knows of a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


class Table(NamedTuple):
    """A table of the backup. Columns that are in none of the sets hold whole numbers (times among them).

    `decimals`: exact numbers, written as text. `later`: what the last columns hold in a backup that was made before they were
    there.
    """

    name: str
    columns: tuple[str, ...]
    switches: frozenset[str] = frozenset()
    floats: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    later: tuple[Any, ...] = ()
    decimals: frozenset[str] = frozenset()

    def types(self) -> tuple[tuple[type, ...], ...]:
        """What a row of a backup may hold, per column."""
        nothing = type(None)
        kinds: list[tuple[type, ...]] = []
        for name in self.columns:
            if name in self.switches:
                kinds.append((bool,))
            elif name in self.floats:
                kinds.append((float, int, nothing))
            else:
                kinds.append((str if name in self.texts | self.decimals else int, nothing))
        return tuple(kinds)

    def sound(self, row: Sequence[Any]) -> bool:
        """Whether every exact number of a row is one."""
        return not self.decimals or all(
            value is None or _DECIMAL.fullmatch(value)
            for name, value in zip(self.columns, row, strict=False)
            if name in self.decimals
        )
