"""`/replay`: the moment of an alert once more, or the alerts to choose from. Answers JSON to who asks for it."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ...errors import InvalidRequest, NotFound, StoreError
from ...model.alerts import Notification
from ...replay.incident import read_incident
from ..api.desk import DESK
from ..api.endpoint import Parameters
from ..api.own_money import books_of
from ..api.replay import REPLAY, ReplayQuery, told_incident
from ..contexts.frame import market_now_ms
from ..contexts.replay import replay_frame, replay_list, replay_page
from ..incident_file import file_name, incident_file
from ..keys import CLOCK, RENDERER, WATCH
from ..live import LIVE
from ..owning import portfolio_owner
from ..render import error_page
from .overview import connecting

routes = web.RouteTableDef()
_parameters = Parameters(ReplayQuery)
_json = REPLAY.handler()


def wants_json(request: web.Request) -> bool:
    """Whether the client asks for JSON and not for a page."""
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/html" not in accept


@routes.get("/replay")
async def replay(request: web.Request) -> web.StreamResponse:
    """The replay of the alert `alert_id`, or the list of alerts."""
    if wants_json(request):
        return await _json(request)
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    if "alert_id" not in request.query:
        return await _choose(request)
    desk = request.app[DESK]
    try:
        query = _parameters.parse(request)
        incident = await read_incident(desk.store, watch, query.alert_id, query.minutes * 60_000)
    except (NotFound, InvalidRequest) as error:
        return _refused(request, error)
    asker, incident = portfolio_owner(request), told_incident(incident, portfolio_owner(request))
    notices = await _notices(request, query.alert_id)
    now_ms = market_now_ms(watch, request.app[CLOCK])
    return _page(request, "replay.html", replay_page(watch, incident, query.minutes, notices, now_ms, asker))


async def _notices(request: web.Request, alert_id: str) -> list[Notification]:
    try:
        return await request.app[DESK].store.deliveries(alert_id=alert_id)
    except StoreError:
        return []


@routes.get("/replay/export")
async def export(request: web.Request) -> web.StreamResponse:
    """The replay of the alert `alert_id` as one HTML file that needs no server."""
    desk = request.app[DESK]
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    try:
        query = _parameters.parse(request)
        incident = await read_incident(desk.store, watch, query.alert_id, query.minutes * 60_000)
        asker = portfolio_owner(request)
        incident = told_incident(incident, asker)
        lanes = await desk.lanes.read(incident, watch, await books_of(desk, asker))
        now_ms = desk.clock.now_ms()
        made = await asyncio.to_thread(
            incident_file, request.app[RENDERER], watch, incident, lanes, minutes=query.minutes, now_ms=now_ms, asker=asker
        )
    except (NotFound, InvalidRequest) as error:
        return _refused(request, error)
    disposition = f'attachment; filename="{file_name(incident)}"'
    answer = web.Response(
        body=made,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Disposition": disposition, "Cache-Control": "no-store"},
    )
    answer.enable_compression()
    return answer


def _refused(request: web.Request, error: NotFound | InvalidRequest) -> web.Response:
    if isinstance(error, NotFound):
        return error_page(request, 404, "There is no such alert", str(error))
    return error_page(request, 400, "This replay cannot be shown", str(error))


async def _choose(request: web.Request) -> web.Response:
    watch, live = request.app[DESK].watch, request.app[LIVE]
    await live.history.load()
    now_ms = market_now_ms(watch, request.app[CLOCK])
    context = replay_list(watch, live.history.past(watch), now_ms, live.history.problem)
    return request.app[RENDERER].page(request, "replays.html", context)


def _page(request: web.Request, template: str, context: object) -> web.Response:
    renderer = request.app[RENDERER]
    frame = replay_frame(renderer.frame(request), request.path_qs)
    answer = web.Response(
        text=renderer.html(template, frame, context),
        content_type="text/html",
        headers={"Cache-Control": "no-store", "Vary": "Cookie, Accept"},
    )
    answer.enable_compression()
    return answer
