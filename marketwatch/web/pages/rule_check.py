"""`/alerts/rules/check`: what the rule that somebody is writing says now, and how often it would have fired in a day."""

from __future__ import annotations

from aiohttp import web

from ...alerts.compiled import listed, of_money_alone
from ...errors import RequestError, StoreError
from ...lab.question import DAY_MS, MOST_SYMBOLS
from ...rules.errors import RuleError
from ..api.desk import DESK, Desk
from ..api.explain import ExplainAsk, explain_expression
from ..api.market import NoQuery
from ..api.own_money import money_of
from ..api.preview import LAB, MOST_TEXT, PreviewAsk, answer
from ..contexts.rule_form import Entry
from ..contexts.rule_trial import MONEY, CheckPage, Now, TermView, TrialView, broken, history_of, trial_of
from ..format import UNKNOWN
from ..keys import RENDERER, WATCH
from ..owning import portfolio_owner
from .overview import connecting

routes = web.RouteTableDef()


@routes.get("/alerts/rules/check")
async def check(request: web.Request) -> web.Response:
    """A fragment for a request of htmx, a page otherwise."""
    if request.app[WATCH].current is None:
        return connecting(request)
    entry = Entry.of_form(lambda name: request.query.getall(name, []))
    trial = await _trial(request, entry, request.query.get("look", "")[:100])
    renderer = request.app[RENDERER]
    if request.headers.get("HX-Request") == "true":
        html = renderer.fragment("fragments/_trial.html", trial)
        return web.Response(text=html, content_type="text/html", headers={"Cache-Control": "no-store", "Vary": "HX-Request"})
    return renderer.page(request, "rule_check.html", CheckPage(entry, trial))


async def _trial(request: web.Request, entry: Entry, look: str) -> TrialView:
    desk = request.app[DESK]
    symbol = look if look in desk.watch.instruments else desk.watch.symbols[0]
    if not entry.expression.strip():
        return trial_of(entry, symbol, None)
    try:
        said = await _said(desk, entry, symbol, portfolio_owner(request))
    except RequestError as error:
        return broken(entry, symbol, str(error), error.details)
    money = of_money_alone(entry.expression)
    history, note = await _history(request, desk, entry, symbol, money=money)
    return trial_of(entry, MONEY if money else symbol, said, history=history, note=note)


async def _said(desk: Desk, entry: Entry, symbol: str, asker: str) -> Now:
    """What the expression says at the moment. Raises InvalidRequest with the column of a mistake."""
    row = await explain_expression(desk, NoQuery(), ExplainAsk(entry.expression[:MOST_TEXT], symbol), asker)
    return Now(
        row.truth, row.sentence, tuple(TermView(one.term, UNKNOWN if one.value is None else one.shown) for one in row.terms)
    )


async def _history(request: web.Request, desk: Desk, entry: Entry, symbol: str, *, money: bool) -> tuple[str, str]:
    """A sentence about the last 24 hours; or why there is none."""
    wanted = _symbols(desk, entry) or [symbol]
    to_ms = desk.market_now_ms() + desk.settings.sample_ms
    try:
        asked = PreviewAsk(
            expression=entry.expression,
            symbols=wanted[:MOST_SYMBOLS],
            from_=max(0, to_ms - DAY_MS),
            wait=entry.wait or None,
            recover=entry.recover or None,
            keep_firing_for=entry.keep or None,
            cooldown=entry.cooldown or None,
        )
        found = await answer(desk, request.app[LAB], asked, money=await money_of(request))
        return history_of(found, len(wanted), money=money), ""
    except (RuleError, RequestError) as error:
        return "", str(error)
    except StoreError:
        desk.telemetry.errors.labels("store_read").inc()
        return "", "The database does not answer now, so the last 24 hours cannot be looked at."


def _symbols(desk: Desk, entry: Entry) -> list[str]:
    """The watched symbols that the rule is about."""
    watch = desk.watch
    if entry.symbols == ("*",):
        return list(watch.symbols)
    return [name for name in listed(entry.symbols, watch.state.watchlists) if name in watch.instruments]
