"""`/`: the market overview and its stream."""

from __future__ import annotations

from aiohttp import web

from ...config import Settings
from ..callers import preferences_of
from ..contexts.errors import ConnectingPage
from ..contexts.overview import Query
from ..contexts.summary import overview_page
from ..keys import HUB, RENDERER, SETTINGS, WATCH
from ..live import LIVE
from .scene import open_scene

routes = web.RouteTableDef()


def connecting(request: web.Request) -> web.Response:
    """The page while no market is open; it asks again by itself."""
    reason = request.app[WATCH].waiting or "The feed is being opened."
    answer = request.app[RENDERER].page(request, "connecting.html", ConnectingPage(reason), status=503)
    answer.headers["Refresh"] = "2"
    answer.headers["Retry-After"] = "2"
    return answer


def everything_label(settings: Settings) -> str:
    """What the list of all symbols is called: the person's own list, or all pairs of a quote."""
    first = settings.symbols[0] if settings.symbols else ""
    return f"All {first[4:]}" if first.startswith("all:") else "Watchlist"


@routes.get("/")
async def overview(request: web.Request) -> web.Response:
    """The table of the moment; `view`, `q`, `sort`, `dir` and `page` choose what it shows, `at` as of when."""
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    scene = await open_scene(request, watch)
    if isinstance(scene, web.Response):
        return scene
    likes = preferences_of(request)
    context = overview_page(
        scene.watch,
        Query.of(lambda name: request.query.get(name, "")),
        now_ms=scene.now_ms,
        everything=everything_label(request.app[SETTINGS]),
        stream=scene.stream("overview"),
        first=likes.symbols if likes is not None else (),
    )
    return scene.page("overview.html", context)


@routes.get("/stream/overview")
async def stream(request: web.Request) -> web.StreamResponse:
    """Fragments of the overview as they change."""
    first = request.app[LIVE].since("overview", request.query.get("since", ""))
    return await request.app[HUB].serve(request, "overview", first=first)
