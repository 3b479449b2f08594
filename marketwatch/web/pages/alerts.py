"""`/alerts`: what fires, what was, and the rules; and its stream."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from aiohttp import web

from ...errors import NotFound, StoreError
from ...watch import Watch
from ..api.alerts import find
from ..api.desk import DESK
from ..api.reader import reader_of
from ..contexts.alerts import MOST_PAST, Query, alerts_page
from ..contexts.rule_told import ToldView, told_of
from ..contexts.silences import SilenceForm, form_like
from ..keys import HUB, SETTINGS, WATCH
from ..live import LIVE, alerts_channel
from ..render import error_page
from .overview import connecting
from .scene import open_scene

routes = web.RouteTableDef()


def read_query(request: web.Request, watch: Watch | None = None) -> Query:
    """The filters of a request; a coin by any of its names, a rule of `watch`, else of now. Raises NotFound for a coin that is
    not watched."""
    query = Query.of(lambda name: request.query.get(name, ""))
    rules = (watch or request.app[DESK].watch).state.rules
    coin = request.app[DESK].coins.symbol(query.coin) if query.coin else ""
    return query._replace(coin=coin, rule=query.rule if query.rule in rules else "")


@routes.get("/alerts")
async def alerts(request: web.Request) -> web.Response:
    """The page; `state`, `coin` and `rule` choose what it shows, `at` as of when."""
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    scene = await open_scene(request, watch)
    if isinstance(scene, web.Response):
        return scene
    try:
        query = read_query(request, scene.watch)
    except NotFound as error:
        return error_page(request, 404, "This coin is not watched", str(error))
    past, problem = await scene.past()
    sparks = None
    if scene.watch is watch:
        sparks = request.app[LIVE].history.sparks
        await sparks.fill([one for one in past if query.takes(one)][:MOST_PAST], scene.now_ms)
    reader = await reader_of(request)
    name = alerts_channel(query, authors=reader.every)
    given = urlencode({key: value for key, value in query._asdict().items() if value}, quote_via=quote)
    stream = scene.stream(name, "alerts")
    context = alerts_page(
        scene.watch,
        past,
        query,
        now_ms=scene.now_ms,
        stream=stream + "&" + given if stream and given else stream,
        problem=problem,
        file=str(request.app[SETTINGS].rules_file),
        form=await _form(request),
        told=_told(request),
        sparks=sparks,
        authors=reader.names if reader.every else None,
    )
    return scene.page("alerts.html", context)


async def _form(request: web.Request) -> SilenceForm:
    """The form for a silence, filled from the alert that `like` names."""
    key = request.query.get("like", "")[:200]
    try:
        return form_like(await find(request.app[DESK], key) if key else None)
    except (NotFound, StoreError):
        return form_like(None)


def _told(request: web.Request) -> ToldView | None:
    """What was done to a rule, where the address says that something was."""
    rule_id = request.query.get("of", "")[:200]
    desk = request.app[DESK]
    gone = [] if desk.rules is None else desk.rules.versions(rule_id)
    return told_of(request.query.get("done", ""), desk.watch.state.rules.get(rule_id) or next(iter(gone), None))


@routes.get("/stream/alerts")
async def stream(request: web.Request) -> web.StreamResponse:
    """Fragments of the alerts page as they change."""
    query, reader = read_query(request), await reader_of(request)
    name = alerts_channel(query, authors=reader.every)
    first = request.app[LIVE].since(name, request.query.get("since", ""))
    return await request.app[HUB].serve(request, name, first=first)
