"""Rules as pages: writing a new one, looking at one, changing, switching, muting, deleting and bringing back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from ...alerts.rule_sheet import Mistake, RuleRefused, read_sheet
from ...errors import Conflict, Forbidden, NotFound, RequestError, StoreError, Unavailable
from ...model.alerts import FOREVER_MS, Alert, Rule
from ..api.alerts import newest, stored_versions
from ..api.desk import DESK, Desk
from ..api.reader import reader_of
from ..contexts.frame import market_now_ms
from ..contexts.rule_form import Entry, FormView, form_view
from ..contexts.rule_page import DeletePage, NewRulePage, rule_page
from ..contexts.rule_words import rule_href
from ..keys import CLOCK, RENDERER, SETTINGS, WATCH
from ..owning import portfolio_owner
from .overview import connecting
from .rule_author import may_hand

routes = web.RouteTableDef()
_MOST_EPISODES = 200
NEW = "/alerts/rules/new"
PATH = "/alerts/rules/{rule_id}"
_QUICK = {
    "above": ("above {}", "crosses_above(price, {})"),
    "below": ("below {}", "crosses_below(price, {})"),
    "moves": ("moves {} % in 5 min", "abs(change(5m)) >= {}"),
    "falls": ("falls {} % in 5 min", "change(5m) <= -{}"),
}
"""What the small form of a symbol's page may mean: the end of the name, the expression."""


def done(act: str, rule: Rule) -> web.Response:
    """Back to the alerts page, which says what was done."""
    return web.Response(status=303, headers={"Location": "/alerts?" + urlencode({"done": act, "of": rule.rule_id})})


def _form(request: web.Request, entry: Entry, action: str, back: str, **more: Any) -> FormView:
    return form_view(request.app[DESK].watch, request.app[SETTINGS], entry, action=action, back=back, **more)


@routes.get(NEW)
async def new(request: web.Request) -> web.Response:
    """An empty form, or one filled by the address; `copy` begins with another rule."""
    if request.app[WATCH].current is None:
        return connecting(request)
    entry = Entry.of_query(lambda name: request.query.getall(name, []))
    copied = request.app[DESK].watch.state.rules.get(request.query.get("copy", ""))
    if copied is not None:
        entry = Entry.of_rule(copied)._replace(name=f"{copied.name[:90]} (copy)", version="")
    form = _form(request, entry, "/alerts/rules", request.path_qs)
    return request.app[RENDERER].page(request, "rule_new.html", NewRulePage(form))


@routes.get("/alerts/rules/quick")
async def quick(request: web.Request) -> web.Response:
    """From a kind, a number and a symbol to the form with the rule that they mean."""
    query = request.query
    symbol = query.get("symbol", "")[:100]
    number = query.get("number", "").replace(",", "").replace(" ", "").replace("%", "")[:30]
    words, expression = _QUICK.get(query.get("kind", ""), _QUICK["above"])
    given = {"name": f"{symbol} {words.format(number)}", "expression": expression.format(number.lstrip("-")), "symbols": symbol}
    return web.Response(status=303, headers={"Location": f"{NEW}?{urlencode(given, errors='replace')}"})


@routes.post("/alerts/rules")
async def create(request: web.Request) -> web.Response:
    """Takes the form; the same page with what is wrong where it cannot."""
    entry = await _entry(request)
    try:
        rule = read_sheet(entry.sheet())._replace(owner_id=portfolio_owner(request))
        return done("created", await request.app[DESK].rule_desk.create(rule))
    except (RuleRefused, RequestError) as error:
        form = _form(request, entry, "/alerts/rules", NEW, **_wrong(error))
        return request.app[RENDERER].page(request, "rule_new.html", NewRulePage(form), status=_status(error))


async def _entry(request: web.Request) -> Entry:
    form = await request.post()
    return Entry.of_form(lambda name: [value for value in form.getall(name, []) if isinstance(value, str)])


def _wrong(error: Exception) -> dict[str, Any]:
    """What a form says about a refusal: beside the fields, or above all of them."""
    if isinstance(error, RuleRefused):
        return {"mistakes": error.mistakes, "problem": "The rule was not saved: look at the fields that are marked."}
    details = error.details if isinstance(error, RequestError) else []
    mistakes = [Mistake(**one) for one in details if "field" in one]
    return {"mistakes": mistakes, "problem": str(error)}


def _status(error: Exception) -> int:
    return 422 if isinstance(error, RuleRefused) else error.status if isinstance(error, RequestError) else 500


@routes.get(PATH)
async def show(request: web.Request) -> web.Response:
    """One rule, with the form to change it."""
    if request.app[WATCH].current is None:
        return connecting(request)
    return await _rule_page(request, request.match_info["rule_id"])


@routes.post(PATH)
async def change(request: web.Request) -> web.Response:
    """Takes the form of a rule that is there."""
    rule_id = request.match_info["rule_id"]
    entry = await _entry(request)
    version = int(entry.version) if entry.version.isascii() and entry.version.isdigit() else None
    desk = request.app[DESK]
    try:
        rule = read_sheet(entry.sheet())
        present = desk.watch.state.rules.get(rule_id)
        muted_until_ms = None if present is None else present.muted_until_ms
        rule = rule._replace(muted_until_ms=muted_until_ms, owner_id=portfolio_owner(request))
        return done("changed", await desk.rule_desk.change(rule_id, rule, version))
    except (RuleRefused, Conflict, Forbidden, Unavailable) as error:
        return await _rule_page(request, rule_id, entry, **_wrong(error), status=_status(error))


async def _rule_page(
    request: web.Request,
    rule_id: str,
    entry: Entry | None = None,
    *,
    mistakes: list[Mistake] | None = None,
    problem: str = "",
    status: int = 200,
) -> web.Response:
    desk = request.app[DESK]
    watch = desk.watch
    versions = await stored_versions(desk, rule_id)
    rule = watch.state.rules.get(rule_id, versions[0])
    address = rule_href(rule_id)
    form = _form(request, entry or Entry.of_rule(rule), address, address, mistakes=mistakes or [], problem=problem)
    episodes, away = await _episodes(desk, rule_id)
    reader = await reader_of(request)
    page = rule_page(
        watch,
        rule,
        versions,
        episodes,
        form,
        facts=request.app[WATCH].rules,
        now_ms=market_now_ms(watch, request.app[CLOCK]),
        file=str(request.app[SETTINGS].rules_file),
        removed=desk.rules is not None and desk.rules.is_removed(rule_id),
        problem=away,
        reader=reader,
        may_hand=may_hand(request, rule),
    )
    return request.app[RENDERER].page(request, "rule.html", page, status=status)


async def _episodes(desk: Desk, rule_id: str) -> tuple[list[Alert], str]:
    """Those of a rule, newest first, and why those of the database are missing."""
    state, away = desk.watch.state, ""
    stored: list[Alert] = []
    try:
        stored = await desk.store.alerts(rule_id=rule_id, limit=_MOST_EPISODES)
    except StoreError:
        desk.telemetry.errors.labels("store_read").inc()
        away = "The database does not answer now, so older alerts are missing here."
    memory = [alert for alert in (*state.recent_alerts, *state.alerts.values()) if alert.rule_id == rule_id]
    found = newest(stored, memory).values()
    return sorted(found, key=lambda alert: (alert.fired_ms, alert.alert_id), reverse=True), away


@routes.get(PATH + "/delete")
async def ask_delete(request: web.Request) -> web.Response:
    """Asks whether it is really meant."""
    if request.app[WATCH].current is None:
        return connecting(request)
    state = request.app[DESK].watch.state
    rule = state.rules.get(request.match_info["rule_id"])
    if rule is None:
        raise NotFound(f'There is no rule "{request.match_info["rule_id"][:100]}" in force.')
    firing = sum(alert.rule_id == rule.rule_id for alert in state.alerts.values())
    return request.app[RENDERER].page(request, "rule_delete.html", DeletePage(rule, rule_href(rule.rule_id), firing))


@routes.post(PATH + "/delete")
async def delete(request: web.Request) -> web.Response:
    """Deletes a rule."""
    return done("deleted", await request.app[DESK].rule_desk.remove(request.match_info["rule_id"]))


@routes.post(PATH + "/restore")
async def restore(request: web.Request) -> web.Response:
    """Takes a deletion back, or an earlier version up again."""
    given = str((await request.post()).get("version", ""))
    version = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
    return done("restored", await request.app[DESK].rule_desk.restore(request.match_info["rule_id"], version))


@routes.post(PATH + "/switch")
async def switch(request: web.Request) -> web.Response:
    """Switches a rule on or off."""
    on = (await request.post()).get("on") == "yes"
    rule = await request.app[DESK].rule_desk.switch(request.match_info["rule_id"], on=on)
    return done("on" if on else "off", rule)


@routes.post(PATH + "/mute")
async def mute(request: web.Request) -> web.Response:
    """Mutes a rule until that is taken back, or takes it back."""
    on = (await request.post()).get("on") == "yes"
    rule = await request.app[DESK].rule_desk.mute(request.match_info["rule_id"], FOREVER_MS if on else None)
    return done("muted" if on else "unmuted", rule)
