"""How a portfolio went, as its page shows it: the lines of a span, its gaps, and figures since the first transaction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...model.valuation import Past, Performance
from .. import format as fmt
from ..api.book_past import RANGES, RangeName, Step
from .book import FigureView

_WIDTH, _HEIGHT, _DEPTH = 720.0, 180.0, 56.0
_MOST_POINTS = 800
_LABELS: dict[RangeName, str] = {"24h": "24H", "7d": "7D", "30d": "30D", "1y": "1Y", "all": "All"}
_STEPS: dict[Step, str] = {"1h": "by hour", "1d": "by day"}
F8 = NDArray[np.float64]


class ChoiceView(NamedTuple):
    """A range or a step, and where it is shown."""

    label: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class CourseView:
    """The chart of the past: points of its lines, in boxes of `width` by `height` and by `depth`. Empty where there is none.

    `figures` are those of the span, `whole` those since the first transaction. `gaps`: what is missing, in a sentence."""

    ranges: tuple[ChoiceView, ...]
    steps: tuple[ChoiceView, ...]
    equity: tuple[str, ...]
    invested: tuple[str, ...]
    benchmark: tuple[str, ...]
    drawdown: tuple[str, ...]
    low: str
    high: str
    deepest: str
    first: str
    last: str
    by: str
    figures: tuple[FigureView, ...]
    whole: tuple[FigureView, ...]
    gaps: str
    note: str
    width: int = int(_WIDTH)
    height: int = int(_HEIGHT)
    depth: int = int(_DEPTH)


def course_of(
    past: Past | None, did: Performance | None, base: str, href: str, name: RangeName, step: Step
) -> CourseView | None:
    """The equity of a span beside what was paid in and what Bitcoin would have made of it."""
    if past is None or did is None:
        return None
    curve = past.curve
    time_ms = np.minimum(curve.time_ms, past.as_of_ms)
    money = [_thinned(line) for line in (curve.equity, curve.invested, curve.benchmark)]
    places = _places(_thinned(time_ms.astype(np.float64)))
    known = [number for line in money for number in line if math.isfinite(number)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    equity, invested, benchmark = (_line(line, places, low, high, _HEIGHT) for line in money)
    fall = past.max_drawdown_pct or 0.0
    return CourseView(
        ranges=tuple(ChoiceView(_LABELS[one], f"{href}?range={one}#course", one == name) for one in RANGES),
        steps=tuple(
            ChoiceView(_STEPS[one], f"{href}?range={name}&interval={one}#course", one == step)
            for one in RANGES[name].steps
            if len(RANGES[name].steps) > 1
        ),
        equity=equity,
        invested=invested,
        benchmark=benchmark,
        drawdown=_line(_thinned(curve.drawdown), places, min(fall, -0.01), 0.0, _DEPTH),
        low=f"{fmt.compact(low)} {base}",
        high=f"{fmt.compact(high)} {base}",
        deepest=fmt.percent(past.max_drawdown_pct),
        first=fmt.date_time(int(time_ms[0]))[:16],
        last=fmt.date_time(int(time_ms[-1]))[:16],
        by="hour" if step == "1h" else "day",
        figures=_figures(past),
        whole=_whole(did),
        gaps=_gaps(past),
        note=_note(did),
    )


def _figures(past: Past) -> tuple[FigureView, ...]:
    return (
        FigureView("Time-weighted", *_shown(past.twr_pct)),
        FigureView("Bitcoin meanwhile", *_shown(past.benchmark_pct)),
        FigureView("Worst drawdown", fmt.percent(past.max_drawdown_pct)),
    )


def _whole(did: Performance) -> tuple[FigureView, ...]:
    ratios = did.ratios
    return (
        FigureView("Time-weighted", *_shown(did.twr_pct)),
        FigureView("XIRR, a year", *_shown(did.xirr_pct)),
        FigureView("Bitcoin since then", *_shown(did.benchmark_pct)),
        FigureView("Worst drawdown", fmt.percent(did.max_drawdown_pct)),
        FigureView("Volatility, a year", fmt.percent(ratios.volatility_pct)),
        FigureView("Sharpe", fmt.number(ratios.sharpe)),
        FigureView("Sortino", fmt.number(ratios.sortino)),
        FigureView("Best day", *_shown(ratios.best_pct)),
        FigureView("Worst day", *_shown(ratios.worst_pct)),
    )


def _gaps(past: Past) -> str:
    """What is missing, and where: the first and the last stretch by name, those in between by number."""
    if not past.blanks:
        return ""
    spans = [f"{fmt.date_time(one.from_ms)[:16]} to {fmt.date_time(one.to_ms)[:16]}" for one in past.blanks]
    shown = spans[0] if len(spans) == 1 else f"{len(spans)} times between {spans[0][:16]} and {spans[-1][-16:]}"
    names = ", ".join(past.missing)[:200] or "what was held"
    return f"No prices of {names} are stored for a part of this span, so the line has a gap: {shown}, UTC."


def _note(did: Performance) -> str:
    if not did.ratios.insufficient:
        return ""
    return f"Only {did.ratios.periods} days are known, too few to conclude anything."


def _shown(percent: float | None) -> tuple[str, str, str]:
    found = fmt.signed(percent)
    return found.text, "", found.tone


def _thinned(line: F8) -> list[float]:
    """At most some hundred numbers, the last one of each stretch of equal length; unknown where a part of it is."""
    every = max(1, math.ceil(len(line) / _MOST_POINTS))
    if every == 1:
        return [float(number) for number in line]
    ends = range(len(line) - 1, -1, -every)
    return [float(line[end]) if np.isfinite(line[max(0, end - every + 1) : end + 1]).all() else math.nan for end in ends][::-1]


def _places(time_ms: Sequence[float]) -> list[float]:
    """Where each moment stands in the width of the chart."""
    whole = (time_ms[-1] - time_ms[0]) or 1.0
    return [_WIDTH * (one - time_ms[0]) / whole for one in time_ms]


def _line(line: Sequence[float], places: Sequence[float], low: float, high: float, height: float) -> tuple[str, ...]:
    """Polylines between the gaps of a line; a value alone between two gaps is a point."""
    scale = height / ((high - low) or 1.0)
    parts: list[list[str]] = [[]]
    for place, number in zip(places, line, strict=True):
        if math.isfinite(number):
            parts[-1].append(f"{place:.1f},{height - (number - low) * scale:.1f}")
        elif parts[-1]:
            parts.append([])
    return tuple(" ".join(part if len(part) > 1 else part * 2) for part in parts if part)
