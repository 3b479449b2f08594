"""`/status`: what the program knows about itself."""

from __future__ import annotations

from aiohttp import web

from ..contexts.frame import market_now_ms
from ..contexts.status import StatusPage, all_gaps, feeds_of, settings_rows
from ..keys import CLOCK, HUB, RENDERER, SETTINGS, WATCH
from ..live import LIVE
from ..readiness import READINESS
from .overview import connecting

routes = web.RouteTableDef()


@routes.get("/status")
async def status(request: web.Request) -> web.Response:
    """Feeds, gaps, store, program, settings."""
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    live = request.app[LIVE]
    live.vitals.readiness = request.app[READINESS]
    await live.vitals.refresh()
    now_ms = market_now_ms(watch, request.app[CLOCK])
    context = StatusPage(
        health=live.vitals.health,
        feeds=feeds_of(watch, now_ms),
        boxes=live.vitals.boxes(watch),
        gaps=all_gaps(live.vitals.gaps(watch)),
        settings=settings_rows(request.app[SETTINGS]),
        stream=live.stream_address("status"),
    )
    return request.app[RENDERER].page(request, "status.html", context)


@routes.get("/stream/status")
async def stream(request: web.Request) -> web.StreamResponse:
    """Fragments of the status page as they change."""
    first = request.app[LIVE].since("status", request.query.get("since", ""))
    return await request.app[HUB].serve(request, "status", first=first)
