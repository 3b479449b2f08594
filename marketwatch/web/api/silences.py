"""`/api/silences`: what nobody is to be told of, and until when; and the snooze, a silence of one rule on one symbol."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...config import duration_ms
from ...errors import Conflict, InvalidRequest, NotFound
from ...model.silences import EVERYTHING, Silence, Silences
from ..envelope import iso
from .action import Action
from .alerts import AlertQuery, Name, find
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .parameters import read_time

LONGEST_MS = 366 * 86_400_000
MOST = 500
TOMORROW = "tomorrow"
_MORNING_HOUR = 8

Pattern = Annotated[str, Meta(min_length=1, max_length=200, description="Exact, or with * for any characters and ? for one")]


class SilenceQuery(msgspec.Struct, frozen=True):
    """Which silence."""

    silence_id: Name


class SilenceAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new silence: all three patterns must match. It needs an end: `ends_at`, or `for`, a duration from its start. `remind`:
    what still fires when it ends by itself is told then, once."""

    rule_id: Pattern = EVERYTHING
    symbol: Pattern = EVERYTHING
    severity: Pattern = EVERYTHING
    starts_at: str | None = None
    ends_at: str | None = None
    lasts: str | None = msgspec.field(default=None, name="for")
    comment: Annotated[str, Meta(max_length=500)] = ""
    who: Annotated[str, Meta(max_length=100)] = ""
    remind: bool = False


class SnoozeAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long: a duration such as `15m`, `1h`, `4h`, or `tomorrow`, which is 08:00 UTC of the next day."""

    lasts: Annotated[str, Meta(min_length=1, max_length=20)] = msgspec.field(name="for")


class SilenceRow(msgspec.Struct, frozen=True):
    """`state`: `active`, `coming` or `expired`. `ended_at`: somebody ended it before its time."""

    silence_id: str
    rule_id: str
    symbol: str
    severity: str
    starts_at: str
    ends_at: str
    ended_at: str | None
    comment: str
    who: str
    created_at: str
    remind: bool
    state: str


def silence_state(silence: Silence, now_ms: int) -> str:
    """In one word."""
    if now_ms >= silence.until_ms:
        return "expired"
    return "active" if silence.holds(now_ms) else "coming"


def silence_row(silence: Silence, now_ms: int) -> SilenceRow:
    """A silence as the API shows it."""
    return SilenceRow(
        silence_id=silence.silence_id,
        rule_id=silence.rule_id,
        symbol=silence.symbol,
        severity=silence.severity,
        starts_at=iso(silence.starts_ms),
        ends_at=iso(silence.ends_ms),
        ended_at=None if silence.ended_ms is None else iso(silence.ended_ms),
        comment=silence.comment,
        who=silence.who,
        created_at=iso(silence.created_ms),
        remind=silence.remind,
        state=silence_state(silence, now_ms),
    )


def next_step_ms(desk: Desk) -> int:
    """The first moment that no step has been evaluated for: silences begin and end from here on, so that a rerun agrees."""
    table = desk.watch.state.table
    return max(desk.market_now_ms(), 0 if table is None else table.time_ms + 1)


def _moment(name: str, text: str) -> int:
    try:
        return read_time(text.strip())
    except ValueError:
        raise InvalidRequest(
            f'"{name}" was "{text[:40]}"; it must be an ISO 8601 time such as 2026-11-20T08:31:00Z.',
            [{"parameter": name, "value": text[:40]}],
        ) from None


def lasts_ms(text: str, from_ms: int) -> int:
    """The end of what lasts so long from a moment. Raises InvalidRequest."""
    if text.strip() == TOMORROW:
        day = datetime.fromtimestamp(from_ms / 1000, UTC).date() + timedelta(days=1)
        return round(datetime(day.year, day.month, day.day, _MORNING_HOUR, tzinfo=UTC).timestamp() * 1000)
    try:
        length = duration_ms(text)
    except (ValueError, OverflowError):
        length = 0
    if not 0 < length <= LONGEST_MS:
        raise InvalidRequest(
            f'"for" was "{text[:20]}"; it must be a duration up to 366d, such as 15m, 1h or 7d.',
            [{"parameter": "for", "value": text[:20]}],
        )
    return from_ms + length


def made(desk: Desk, ask: SilenceAsk) -> Silence:
    """The silence that is asked for. Raises InvalidRequest."""
    now_ms = next_step_ms(desk)
    starts_ms = now_ms if not ask.starts_at else max(now_ms, _moment("starts_at", ask.starts_at))
    if (ask.ends_at is None) == (ask.lasts is None):
        raise InvalidRequest('A silence needs an end: give either "ends_at" or "for".', [{"parameter": "ends_at"}])
    ends_ms = lasts_ms(ask.lasts, starts_ms) if ask.lasts is not None else _moment("ends_at", ask.ends_at or "")
    if not starts_ms < ends_ms <= starts_ms + LONGEST_MS:
        raise InvalidRequest(
            "A silence ends after its start and within 366 days of it; "
            f"this one would go from {iso(starts_ms)} to {iso(ends_ms)}.",
            [{"parameter": "ends_at", "value": iso(ends_ms)}],
        )
    texts = (ask.rule_id, ask.symbol, ask.severity)
    return Silence(
        secrets.token_hex(8), starts_ms, ends_ms, *texts, ask.comment.strip(), ask.who.strip() or "owner", desk.clock.now_ms(),
        remind=ask.remind,
    )  # fmt: skip


async def put(desk: Desk, silence: Silence) -> Silence:
    """Commit a new silence and tell everybody. Raises Conflict when there are too many."""
    watch, now_ms = desk.watch, next_step_ms(desk)
    if sum(now_ms < one.until_ms for one in watch.state.silences.values()) >= MOST:
        raise Conflict(f"{MOST} silences are active or coming, and there is no room for more; end one of them first.")
    await desk.store.put_silence(silence)
    watch.bus.publish(Silences([silence]))
    return silence


async def snooze(desk: Desk, alert_id: str, lasts: str) -> Silence:
    """Silence the rule of an alert on its symbol for a while. Raises NotFound, InvalidRequest."""
    alert = await find(desk, alert_id)
    now_ms = next_step_ms(desk)
    ends_ms = lasts_ms(lasts, now_ms)
    patterns = (alert.rule_id, alert.symbol, EVERYTHING)
    return await put(
        desk,
        Silence(
            secrets.token_hex(8), now_ms, ends_ms, *patterns, f"Snoozed: {alert.rule_name}"[:500], "owner", desk.clock.now_ms(),
            remind=True,
        ),
    )  # fmt: skip


async def end(desk: Desk, silence_id: str) -> Silence:
    """End a silence now; what is over stays as it was. Raises NotFound."""
    watch = desk.watch
    silence = watch.state.silences.get(silence_id)
    if silence is None:
        raise NotFound(f'There is no silence "{silence_id[:64]}".', [{"parameter": "silence_id", "value": silence_id[:64]}])
    now_ms = next_step_ms(desk)
    if now_ms >= silence.until_ms:
        return silence
    ended = silence._replace(ended_ms=now_ms)
    await desk.store.put_silence(ended)
    watch.bus.publish(Silences([ended]))
    return ended


def silences(desk: Desk, _query: NoQuery) -> list[SilenceRow]:
    """Those that end last first."""
    now_ms = desk.market_now_ms()
    found = sorted(desk.watch.state.silences.values(), key=lambda one: (one.until_ms, one.silence_id), reverse=True)
    return [silence_row(one, now_ms) for one in found]


async def _post(desk: Desk, _query: NoQuery, body: SilenceAsk) -> SilenceRow:
    return silence_row(await put(desk, made(desk, body)), desk.market_now_ms())


async def _delete(desk: Desk, query: SilenceQuery, _body: None) -> SilenceRow:
    return silence_row(await end(desk, query.silence_id), next_step_ms(desk))


async def _snooze(desk: Desk, query: AlertQuery, body: SnoozeAsk) -> SilenceRow:
    return silence_row(await snooze(desk, query.alert_id, body.lasts), desk.market_now_ms())


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/silences", "Silences", NoQuery, list[SilenceRow], silences, "alerts",
        description="Active, coming and expired ones, those that end last first; at most 1,000.",
    ),
)  # fmt: skip
ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", "/api/silences", "Silence alerts", NoQuery, SilenceAsk, SilenceRow, _post, "alerts", "silence_add", status=201,
        description="Alerts that match are recorded and shown, and nobody is told of them.", conflicts=True,
    ),
    Action(
        "DELETE", "/api/silences/{silence_id}", "End a silence now", SilenceQuery, None, SilenceRow, _delete, "alerts",
        "silence_end", description="It stays in the history.",
    ),
    Action(
        "POST", "/api/alerts/{alert_id}/snooze", "Snooze an alert", AlertQuery, SnoozeAsk, SilenceRow, _snooze, "alerts",
        "alert_snooze", status=201,
        description="Nobody is told of its rule on its symbol for a while; if it still fires then, once.", conflicts=True,
    ),
)  # fmt: skip
