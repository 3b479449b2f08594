"""`POST /api/rules/preview`: what a rule would have done over stored history."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from ...alerts.compiled import LIST_PREFIX, of_money_alone
from ...config import duration_ms
from ...errors import InvalidRequest, Unavailable
from ...lab.lab import Lab, Report
from ...lab.preview import Preview
from ...lab.question import DAY_MS, MOST_SYMBOLS, Durations, question
from ...lab.trace import Trace
from ...portfolio.timeline import Money
from ...rules.errors import RuleError
from ..envelope import iso, success
from ..guard import allow
from ..snapshot import json_answer
from .desk import DESK, Desk
from .own_money import money_of
from .parameters import read_time

PATH = "/api/rules/preview"
LAB: web.AppKey[Lab] = web.AppKey("lab", Lab)
MOST_TEXT = 2000
ANSWER_S = 30.0
_MOST_A_DAY = 10_000.0
_LONGEST_MS = 30 * DAY_MS

Text = Annotated[str, Meta(max_length=MOST_TEXT)]
Span = Annotated[str, Meta(max_length=20, description="A duration such as 30s, 5m or 0")]
_LATEST_MS = 253_402_300_799_999
Moment = Annotated[str, Meta(max_length=40, description="An ISO 8601 time")] | Annotated[int, Meta(ge=0, le=_LATEST_MS)]
Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
Symbols = Annotated[list[Symbol], Meta(min_length=1, max_length=200)] | Symbol


class PreviewAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`symbols`: a list, `*` for all, or `watchlist/NAME` for those of a list. Without `from` the last 24 hours.
    `per_day`: suggest a threshold for about so many. `schedule`: when the rule is evaluated."""

    expression: Text
    symbols: Symbols = "*"
    from_: Moment | None = msgspec.field(default=None, name="from")
    to: Moment | None = None
    wait: Span | None = msgspec.field(default=None, name="for")
    recover: Text | None = None
    keep_firing_for: Span | None = None
    cooldown: Span | None = None
    per_day: Annotated[float, Meta(gt=0, le=_MOST_A_DAY)] | None = None
    schedule: Annotated[str, Meta(max_length=MOST_TEXT)] | None = None
    intrabar: bool = False


class FiringRow(msgspec.Struct, frozen=True):
    """`resolved_at` null: it still fires at the end of the span. `trigger_value`: of the first comparison."""

    symbol: str
    fired_at: str
    resolved_at: str | None
    trigger_value: float | None
    price: float | None
    notices: int


class SpanRow(msgspec.Struct, frozen=True):
    """What was asked for: start inclusive, end exclusive."""

    from_time: str = msgspec.field(name="from")
    to_time: str = msgspec.field(name="to")


class MoveRow(msgspec.Struct, frozen=True):
    """Per cent that the price had moved `minutes` after the firings, and after moments chosen at random."""

    minutes: int
    count: int
    median_pct: float | None
    share_up_pct: float | None
    random_median_pct: float | None
    random_share_up_pct: float | None


class SuggestionRow(msgspec.Struct, frozen=True):
    """A threshold with `count` firings in the span, nearest to `per_day` a day."""

    per_day: float
    threshold: float
    expression: str
    count: int
    notices: int


class PointRow(msgspec.Struct, frozen=True):
    """A candle of the metric: where it starts, lowest, highest and last known value."""

    time: str
    low: float
    high: float
    last: float


class MetricRow(msgspec.Struct, frozen=True):
    """The metric of a rule that is one comparison with a number, along the span, for the first symbol."""

    symbol: str
    metric: str
    operator: str
    threshold: float
    step_s: int
    points: list[PointRow]


class PreviewRow(msgspec.Struct, frozen=True):
    """`firings` are the newest thousand. `completeness`: per cent of the steps at which the rule was true or false."""

    count: int
    notices: int
    firings: list[FiringRow]
    truncated: bool
    span: SpanRow
    symbols: list[str]
    completeness: float
    per_day: float
    median_s: float | None
    longest_s: float | None
    avoided_by_for: int
    avoided_by_hysteresis: int
    moves: list[MoveRow]
    suggestion: SuggestionRow | None
    notes: list[str]
    metric: MetricRow | None


def read_ask(body: bytes) -> PreviewAsk:
    """The question of a body. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(body, type=PreviewAsk)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not a preview's question: {str(error)[:200]}.") from None


def read_span(name: str, text: str | None) -> int | None:
    """A duration in ms; None where it is not given. Raises InvalidRequest."""
    if text is None or not text.strip():
        return None
    try:
        found = 0 if text.strip() == "0" else duration_ms(text)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found <= _LONGEST_MS:
        raise InvalidRequest(
            f'"{name}" was "{text[:20]}"; it must be a duration up to 30d, such as 30s, 5m or 0.',
            [{"parameter": name, "value": text[:20]}],
        )
    return found


def _moment(name: str, given: str | int | None, otherwise: int) -> int:
    if given is None:
        return otherwise
    try:
        return given if isinstance(given, int) else read_time(given)
    except ValueError:
        raise InvalidRequest(
            f'"{name}" was "{str(given)[:40]}"; it must be an ISO 8601 time such as 2026-11-20T08:31:00Z.',
            [{"parameter": name, "value": str(given)[:40]}],
        ) from None


def _symbols(desk: Desk, given: list[str] | str) -> list[str]:
    if given == "*":
        everything = desk.symbols(None)
        if len(everything) > MOST_SYMBOLS:
            raise InvalidRequest(
                f"{len(everything)} symbols are watched; the lab looks at {MOST_SYMBOLS} at most. Name the ones you mean."
            )
        return everything
    names = [given] if isinstance(given, str) else given
    return list(dict.fromkeys(name if name.startswith(LIST_PREFIX) else desk.coins.symbol(name) for name in names))


async def answer(
    desk: Desk,
    lab: Lab,
    ask: PreviewAsk,
    *,
    asker: str | None = None,
    report: Report | None = None,
    answer_s: float = ANSWER_S,
    money: Money | None = None,
) -> Preview:
    """The preview; `asker` and `report` as in `Lab.preview`. `money`: the books of who asks.

    Raises RuleError, Conflict, InvalidRequest, NotFound, Unavailable, StoreError.
    """
    now_ms = desk.market_now_ms() + desk.settings.sample_ms
    to_ms = min(_moment("to", ask.to, now_ms), now_ms)
    asked = question(
        ask.expression,
        symbols=_symbols(desk, ask.symbols),
        watched=desk.watch.symbols,
        from_ms=_moment("from", ask.from_, to_ms - DAY_MS),
        to_ms=to_ms,
        sample_ms=desk.settings.sample_ms,
        reference=desk.watch.reference,
        recover=(ask.recover or "").strip() or None,
        durations=Durations(
            read_span("for", ask.wait),
            read_span("keep_firing_for", ask.keep_firing_for) or 0,
            read_span("cooldown", ask.cooldown) or 0,
            (ask.schedule or "").strip() or None,
            ask.intrabar,
        ),
        lists=desk.watch.state.watchlists,
        money=money,
    )
    try:
        async with asyncio.timeout(answer_s):
            return await lab.preview(asked, per_day=ask.per_day, asker=asker, report=report)
    except TimeoutError:
        raise Unavailable(
            f"The lab did not get through this span within {answer_s:.0f} s; choose a shorter one or fewer symbols."
        ) from None


def preview_row(found: Preview, *, money: bool = False) -> PreviewRow:
    """A preview as the API shows it. `money`: the rule looks at no symbol, so there is no price that moved afterwards."""
    tip = found.suggestion
    return PreviewRow(
        count=found.fired,
        notices=found.notices,
        firings=[
            FiringRow(
                one.symbol, iso(one.fired_ms), None if one.resolved_ms is None else iso(one.resolved_ms), one.trigger_value,
                one.price, one.notices,
            )
            for one in found.firings
        ],
        truncated=found.truncated,
        span=SpanRow(iso(found.from_ms), iso(found.to_ms)),
        symbols=list(found.symbols),
        completeness=round(found.completeness, 3),
        per_day=found.a_day,
        median_s=found.median_s,
        longest_s=found.longest_s,
        avoided_by_for=found.avoided_by_for,
        avoided_by_hysteresis=found.avoided_by_hysteresis,
        moves=[] if money else [MoveRow(*move) for move in found.moves],
        suggestion=None if tip is None else SuggestionRow(*tip),
        notes=list(found.notes),
        metric=None if found.trace is None else _metric_row(found.trace),
    )  # fmt: skip


def _metric_row(trace: Trace) -> MetricRow:
    points = [PointRow(iso(at), low, high, last) for at, low, high, last in trace.points]
    return MetricRow(trace.symbol, trace.metric, trace.operator, trace.threshold, trace.grid_ms // 1000, points)


@allow("guest")
async def preview(request: web.Request) -> web.Response:
    """Answer a question; 400 with the column for a rule that cannot be understood."""
    desk = request.app[DESK]
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="the body must be application/json")
    ask = read_ask(await request.read())
    try:
        found = await answer(desk, request.app[LAB], ask, money=await money_of(request))
    except RuleError as error:
        raise InvalidRequest(str(error), [error.detail()]) from None
    return json_answer(
        success(preview_row(found, money=of_money_alone(ask.expression)), now_ms=desk.clock.now_ms(), source=desk.source)
    )


def operation() -> dict[str, Any]:
    """What the document says beside schema and answers."""
    return {
        "operationId": "rules_preview",
        "summary": "What a rule would have done",
        "description": "Evaluates the rule on the stored history of the symbols, as the live evaluator would have.",
        "tags": ["alerts"],
    }
