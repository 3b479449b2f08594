"""`/api/portfolio/{portfolio_id}/history`: equity by hour or by day, drawdown, and the same money in Bitcoin."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta
from numpy.typing import NDArray

from ...engine.candles import INTERVALS
from ...errors import InvalidRequest
from ...model.valuation import Past, Valuation
from ...portfolio.book import Book
from ...portfolio.day import DAY_MS
from ..envelope import iso
from .book_rows import Id
from .desk import Desk
from .endpoint import Endpoint

MOST_STEPS = 10_000
RangeName = Literal["24h", "7d", "30d", "1y", "all"]
Step = Literal["1h", "1d"]


class Range(NamedTuple):
    """`length_ms` 0: since the first transaction. `steps`: what it is shown by, the usual one first."""

    length_ms: int
    steps: tuple[Step, ...]


RANGES: dict[RangeName, Range] = {
    "24h": Range(DAY_MS, ("1h",)),
    "7d": Range(7 * DAY_MS, ("1h", "1d")),
    "30d": Range(30 * DAY_MS, ("1h", "1d")),
    "1y": Range(365 * DAY_MS, ("1d", "1h")),
    "all": Range(0, ("1d", "1h")),
}


class PastQuery(msgspec.Struct, frozen=True):
    """Which portfolio, how far back, and by what."""

    portfolio_id: Id
    range: Annotated[RangeName, Meta(description="How far back", extra={"expects": "one of 24h, 7d, 30d, 1y, all"})] = "all"
    interval: Annotated[Step | None, Meta(description="By hour or by day", extra={"expects": "one of 1h, 1d"})] = None


class PastPoint(msgspec.Struct, frozen=True):
    """At the end of a step, and now. Numbers, in the base currency but for the drawdown; null: unknown."""

    time: str
    value: float | None
    invested: float | None
    benchmark: float | None
    drawdown_pct: float | None


class PastBlank(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """No value is known between these two."""

    from_: str
    to: str


class PastRow(msgspec.Struct, frozen=True):
    """The past of a portfolio. `benchmark`: the first known value, and all that was paid in since, held in Bitcoin.

    `gaps`: where stored prices of `missing_history` are missing."""

    portfolio_id: str
    base_currency: str
    range: RangeName
    interval: Step
    twr_pct: float | None
    benchmark_pct: float | None
    max_drawdown_pct: float | None
    points: list[PastPoint]
    gaps: list[PastBlank]
    missing_history: list[str]
    as_of: str


async def past_of(desk: Desk, book: Book, name: RangeName, step: Step, now: Valuation | None = None) -> Past | None:
    """None without a transaction; `now`: what it is worth, where that is known already.

    Raises Unavailable while no market is open, Conflict, InvalidRequest, StoreError."""
    now_ms, length = desk.market_now_ms(), RANGES[name].length_ms
    kept = book.kept
    first_ms = kept.ledger.moves[0].time_ms if kept.ledger.moves else now_ms
    from_ms = max(first_ms, now_ms - length if length else 0)
    if (now_ms - from_ms) // INTERVALS[step] > MOST_STEPS:
        days = MOST_STEPS * INTERVALS[step] // DAY_MS
        raise InvalidRequest(
            f"By {step} a history of {days} days at most can be told; take a shorter range or interval=1d.",
            [{"parameter": "interval"}],
        )
    return await desk.appraiser.past(kept, now_ms, from_ms, step, now)


async def history(desk: Desk, query: PastQuery, owner: str) -> PastRow:
    """Raises NotFound, Unavailable while no market is open, Conflict, InvalidRequest."""
    book = await desk.books.book(owner, query.portfolio_id)
    step = query.interval or RANGES[query.range].steps[0]
    found = await past_of(desk, book, query.range, step)
    return PastRow(
        portfolio_id=book.portfolio.portfolio_id,
        base_currency=book.portfolio.base_currency,
        range=query.range,
        interval=step,
        twr_pct=None if found is None else found.twr_pct,
        benchmark_pct=None if found is None else found.benchmark_pct,
        max_drawdown_pct=None if found is None else found.max_drawdown_pct,
        points=[] if found is None else _points(found),
        gaps=[] if found is None else [PastBlank(iso(one.from_ms), iso(one.to_ms)) for one in found.blanks],
        missing_history=[] if found is None else list(found.missing),
        as_of=iso(desk.market_now_ms()),
    )


def _points(found: Past) -> list[PastPoint]:
    """The step of now ends now."""
    curve = found.curve
    times = [iso(min(time_ms, found.as_of_ms)) for time_ms in curve.time_ms.tolist()]
    columns = [_numbers(column) for column in (curve.equity, curve.invested, curve.benchmark, curve.drawdown)]
    return [PastPoint(*row) for row in zip(times, *columns, strict=True)]


def _numbers(column: NDArray[Any]) -> list[float | None]:
    return [number if math.isfinite(number) else None for number in column.tolist()]


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/portfolio/{portfolio_id}/history", "The past of a portfolio", PastQuery, PastRow, history, "portfolios",
        operation="portfolio_history", owned=True,
        description="From stored candles. Where one is missing for something that was held, the value is null and the span is "
        "listed in `gaps`. `24h` to `30d` are told by hour unless `interval` says otherwise, `1y` and `all` by day.",
    ),
)  # fmt: skip
