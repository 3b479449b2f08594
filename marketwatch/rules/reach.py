"""How far the past of a part of a rule reaches back, what it costs along time, and which stretches are worth a look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..model.metrics import Window
from .derived import derived_grid
from .nodes import Crosses, Derived, Fact, Indicator, Metric, Node, Term, WhaleCount
from .truth import Flags

_STRETCH = 4096
_ONCE = 12_000
"""What it costs to begin a stretch, in steps."""
_WORTH = 0.8
_QUICK = {"change": 2, "high": 3, "low": 3, "drawdown": 3}
_SLOW = 8


class Reach(NamedTuple):
    """Steps of the past that a value depends on, and the coarsest grid in ms on which it is cut into buckets."""

    steps: int
    grid_ms: int


def reach(node: Node, windows: Mapping[str, Window], sample_ms: int) -> Reach | None:
    """How far the past of a node reaches back; None where it reaches back for ever."""
    if isinstance(node, Crosses | Indicator) or (isinstance(node, Metric) and node.name == "ema"):
        return None
    if isinstance(node, Fact):
        return Reach(0, sample_ms) if node.name != "data_age" else None
    parts = [reach(part, windows, sample_ms) for part in node.parts]
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None
    steps, grid_ms = max((one.steps for one in known), default=0), max((one.grid_ms for one in known), default=sample_ms)
    if isinstance(node, Metric) and node.window is not None and node.window.text in windows:
        window = windows[node.window.text]
        return Reach(-(-window.span_ms // sample_ms) + 1, window.grid_ms)
    if isinstance(node, Derived):
        own_ms, length = derived_grid(node.window.ms, sample_ms)
        return Reach(steps + own_ms * (length + 1) // sample_ms, max(grid_ms, own_ms))
    return Reach(steps, grid_ms)


def effort(node: Node) -> int:
    """What a node costs along time. Only the order matters."""
    inner = sum(map(effort, node.parts))
    if isinstance(node, Metric):
        return 1 if node.window is None else _QUICK.get(node.name, _SLOW)
    if isinstance(node, WhaleCount | Indicator):
        return _SLOW
    if isinstance(node, Derived):
        return inner + 2 * _SLOW
    return inner + isinstance(node, Crosses | Term)


def stretches(asked: Flags, steps: int = 0) -> list[tuple[int, int]] | None:
    """`[first, end)` of stretches that hold all steps that are asked for; None where it costs about as much to take them all,
    if each stretch needs `steps` before it."""
    size = len(asked)
    touched = np.logical_or.reduceat(asked, np.arange(0, size, _STRETCH)) if size else asked
    edges = np.diff(touched, prepend=False, append=False).nonzero()[0].tolist()
    found = [(first * _STRETCH, min(size, end * _STRETCH)) for first, end in zip(edges[::2], edges[1::2], strict=True)]
    cost = sum(end - first + min(first, steps) + _ONCE for first, end in found)
    return None if cost > _WORTH * size else found


def left_open(asked: Flags) -> float:
    """How much of the work is still to be done for what is asked, from 0 to 1."""
    found = stretches(asked)
    return 1.0 if found is None else sum(end - first for first, end in found) / max(1, len(asked))
