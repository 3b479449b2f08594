"""`/status`: what the program knows about itself."""

from __future__ import annotations

from aiohttp import web

from ..contexts.frame import market_now_ms
from ..contexts.status import FeedsView, StatusPage, all_gaps, feeds_of, settings_rows
from ..keys import CLOCK, HUB, RENDERER, SETTINGS, WATCH
from ..live import LIVE
from ..readiness import READINESS

routes = web.RouteTableDef()


@routes.get("/status")
async def status(request: web.Request) -> web.Response:
    """Feeds, gaps, store, program, settings; while no market is open, what is waited for, and the page asks again by itself."""
    watch = request.app[WATCH].current
    live = request.app[LIVE]
    live.vitals.readiness = request.app[READINESS]
    await live.vitals.refresh()
    context = StatusPage(
        health=live.vitals.health,
        feeds=feeds_of(watch, market_now_ms(watch, request.app[CLOCK])) if watch is not None else FeedsView(()),
        boxes=live.vitals.boxes(watch),
        gaps=all_gaps(live.vitals.gaps(watch)),
        settings=settings_rows(request.app[SETTINGS]),
        stream=live.stream_address("status"),
    )
    answer = request.app[RENDERER].page(request, "status.html", context)
    if watch is None:
        answer.headers["Refresh"] = "5"
    return answer


@routes.get("/stream/status")
async def stream(request: web.Request) -> web.StreamResponse:
    """Fragments of the status page as they change."""
    first = request.app[LIVE].since("status", request.query.get("since", ""))
    return await request.app[HUB].serve(request, "status", first=first)
