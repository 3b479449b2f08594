"""Which spans of a symbol's rows retention may delete: all before the cut-off but what is pinned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .rows import FIRST_MS


def free_spans(pinned: Iterable[tuple[int, int]], cutoff_ms: int) -> list[tuple[int, int]]:
    """Spans `[from, to)` before `cutoff_ms` that no pinned one touches, oldest first. `pinned`: the same, by their start."""
    free: list[tuple[int, int]] = []
    start = FIRST_MS
    for from_ms, to_ms in pinned:
        if from_ms >= cutoff_ms:
            break
        if from_ms > start:
            free.append((start, from_ms))
        start = max(start, to_ms)
    if start < cutoff_ms:
        free.append((start, cutoff_ms))
    return free


def by_symbol(rows: Sequence[Sequence[Any]]) -> dict[int, list[tuple[int, int]]]:
    """Pinned spans by symbol id, from the rows of `pinned_spans`."""
    found: dict[int, list[tuple[int, int]]] = {}
    for symbol_id, from_ms, to_ms in rows:
        found.setdefault(symbol_id, []).append((from_ms, to_ms))
    return found
