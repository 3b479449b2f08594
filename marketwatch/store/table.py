"""What the backup knows of a table."""

from __future__ import annotations

from typing import Any, NamedTuple


class Table(NamedTuple):
    """A table of the backup. Columns that are in none of the three sets hold whole numbers (times among them).

    `later`: what the last columns hold in a backup that was made before they were there.
    """

    name: str
    columns: tuple[str, ...]
    switches: frozenset[str] = frozenset()
    floats: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    later: tuple[Any, ...] = ()

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
                kinds.append((str if name in self.texts else int, nothing))
        return tuple(kinds)
