"""How far the past of a part of a rule reaches back, what it costs along time, and which stretches are worth a look."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.metrics import Window
from .derived import derived_grid
from .nodes import Crosses, Derived, Fact, Indicator, Metric, Node, Term, WhaleCount
from .truth import Flags

_STRETCH = 512
_ONCE = 12_000
"""What it costs to ask for stretches at all, in steps."""
_WORTH = 0.8
_QUICK = {"change": 2, "high": 3, "low": 3, "drawdown": 3}
_SLOW = 8


class Reach(NamedTuple):
    """Steps of the past that a value depends on, and the grid in ms on which all buckets begin into which it is cut."""

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
    steps, grid_ms = max((one.steps for one in known), default=0), lcm(sample_ms, *(one.grid_ms for one in known))
    if isinstance(node, Metric) and node.window is not None and node.window.text in windows:
        window = windows[node.window.text]
        return Reach(-(-window.span_ms // sample_ms) + 1, window.grid_ms)
    if isinstance(node, Derived):
        own_ms, length = derived_grid(node.window.ms, sample_ms)
        return Reach(steps + own_ms * (length + 1) // sample_ms, lcm(grid_ms, own_ms))
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


class Stretch(NamedTuple):
    """The steps `[start, end)` are asked for, and depend on what is from `seen` on. Both edges lie on the grid of the reach."""

    seen: int
    start: int
    end: int


def stretches(asked: Flags, past: Reach, from_ms: int, sample_ms: int) -> list[Stretch] | None:
    """Stretches that hold all steps that are asked for, in order and apart; None where it costs about as much to take them all.

    `from_ms`: the start of the first step.
    """
    size, bucket, lead = len(asked), past.grid_ms // sample_ms, from_ms % past.grid_ms // sample_ms
    touched = np.logical_or.reduceat(asked, np.arange(0, size, _STRETCH)) if size else asked
    edges = np.flatnonzero(np.diff(touched, prepend=False, append=False)) * _STRETCH
    starts = np.maximum(0, _floor(edges[::2], bucket, lead))
    ends = np.minimum(size, -_floor(-edges[1::2], bucket, -lead))
    seen = np.maximum(0, _floor(starts - past.steps, bucket, lead))
    apart = np.ones(len(starts) + 1, np.bool_)
    apart[1:-1] = seen[1:] > ends[:-1]
    first, last = apart[:-1], apart[1:]
    if int((ends[last] - seen[first]).sum()) + _ONCE > _WORTH * size:
        return None
    return [Stretch(*one) for one in zip(seen[first].tolist(), starts[first].tolist(), ends[last].tolist(), strict=True)]


def _floor(steps: NDArray[np.int64], bucket: int, lead: int) -> NDArray[np.int64]:
    """The last steps up to these at which a bucket begins; the first bucket began `lead` steps before the first step."""
    return (steps + lead) // bucket * bucket - lead


def left_open(asked: Flags) -> float:
    """How much of the work is still to be done for what is asked, from 0 to 1."""
    return float(np.logical_or.reduceat(asked, np.arange(0, len(asked), _STRETCH)).mean()) if len(asked) else 0.0
