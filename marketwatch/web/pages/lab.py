"""`/alerts/lab`: try a rule on the past. A plain GET form; with JavaScript the answer comes from `/stream/lab` as one types."""

from __future__ import annotations

from aiohttp import web

from ...errors import Conflict, RequestError, StoreError
from ...lab.lab import Report
from ...lab.preview import Preview
from ...rules.errors import RuleError
from ..api.desk import DESK
from ..api.own_money import money_of
from ..api.preview import ANSWER_S, LAB, PreviewAsk, answer
from ..contexts.lab import SPANS, Fields, Mistake, lab_page, outcome_of
from ..keys import RENDERER, WATCH
from .overview import connecting

routes = web.RouteTableDef()
Answer = tuple[Preview | None, Mistake | None]


def read_fields(request: web.Request) -> Fields:
    """What the form says; nothing in it is trusted, and everything is bounded."""
    query = request.query

    def text(name: str, most: int = 40) -> str:
        return query.get(name, "").strip()[:most]

    given = [part.strip()[:64] for value in query.getall("symbols", []) for part in value.split(",")]
    return Fields(
        expression=query.get("expression", "")[:2001],
        symbols=tuple(dict.fromkeys(part for part in given if part))[:50],
        span=text("span") if text("span") in SPANS else "24h",
        wait=text("for"),
        recover=text("recover", 2001),
        keep=text("keep_firing_for"),
        cooldown=text("cooldown"),
        per_day=text("per_day"),
        schedule=text("schedule", 301),
        intrabar=text("intrabar").lower() in ("on", "yes", "true", "1"),
    )


async def ask(
    request: web.Request, fields: Fields, *, asker: str | None = None, report: Report | None = None, answer_s: float = ANSWER_S
) -> Answer:
    """The preview of a filled form, or what is wrong with it. Raises Conflict where a newer question of `asker` came."""
    if not fields.expression.strip():
        return None, None
    desk = request.app[DESK]
    to_ms = desk.market_now_ms() + desk.settings.sample_ms
    try:
        asked = PreviewAsk(
            expression=fields.expression,
            symbols="*" if "*" in fields.symbols else list(fields.symbols) or [desk.watch.symbols[0]],
            from_=max(0, to_ms - SPANS[fields.span]),
            wait=fields.wait or None,
            recover=fields.recover or None,
            keep_firing_for=fields.keep or None,
            cooldown=fields.cooldown or None,
            per_day=fields.wished(),
            schedule=fields.schedule or None,
            intrabar=fields.intrabar,
        )
        money = await money_of(request)
        found = await answer(desk, request.app[LAB], asked, asker=asker, report=report, answer_s=answer_s, money=money)
        return found, None
    except Conflict:
        raise
    except RuleError as error:
        elsewhere = error.message.startswith(("In the recovery", "In the schedule"))
        return None, Mistake(error.message, error.hint, 0 if elsewhere else error.column)
    except RequestError as error:
        return None, Mistake(str(error))
    except StoreError:
        desk.telemetry.errors.labels("store_read").inc()
        return None, Mistake("The database does not answer now, and the lab lives on it.", "Try again in a moment.")


@routes.get("/alerts/lab")
async def lab(request: web.Request) -> web.Response:
    """The page with the answer to what the form says."""
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    fields = read_fields(request)
    page = lab_page(watch, fields, outcome_of(watch, fields, *await ask(request, fields)))
    return request.app[RENDERER].page(request, "lab.html", page)
