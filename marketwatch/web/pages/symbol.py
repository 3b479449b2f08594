"""`/symbols/{symbol}`: one symbol and its stream."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from ...errors import NotFound
from ..api.desk import DESK
from ..contexts.frame import symbol_href
from ..contexts.symbol import symbol_page
from ..keys import HUB, WATCH
from ..live import LIVE
from ..render import error_page
from .overview import connecting
from .scene import open_scene

routes = web.RouteTableDef()


def channel_name(symbol: str) -> str:
    """The channel of a symbol's page; also the end of its stream's address."""
    return "symbol/" + quote(symbol, safe="")


@routes.get("/symbols")
async def symbols(_request: web.Request) -> web.Response:
    """The list of symbols is the overview."""
    return web.Response(status=302, headers={"Location": "/"})


@routes.get("/symbols/{symbol}")
async def symbol(request: web.Request) -> web.Response:
    """The page of one symbol; a base asset or a coin's name leads to the symbol. `at`: as of when."""
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    asked = request.match_info["symbol"]
    try:
        found = asked if asked in watch.instruments else request.app[DESK].coins.symbol(asked)
    except NotFound as error:
        return error_page(request, 404, "This symbol is not watched", str(error))
    path = symbol_href(found)
    if found != asked:
        return web.Response(status=302, headers={"Location": path + ("?" + request.query_string if request.query else "")})
    scene = await open_scene(request, watch)
    if isinstance(scene, web.Response):
        return scene
    past, _ = await scene.past()
    await scene.tape(found)
    context = symbol_page(
        scene.watch,
        found,
        chosen=request.query.get("range", ""),
        path=path,
        now_ms=scene.now_ms,
        stream=scene.stream(channel_name(found)),
        past=past,
    )
    return scene.page("symbol.html", context)


@routes.get("/stream/symbol/{symbol}")
async def stream(request: web.Request) -> web.StreamResponse:
    """Fragments of one symbol's page as they change."""
    watch = request.app[WATCH].current
    asked = request.match_info["symbol"]
    if watch is None or asked not in watch.instruments:
        raise NotFound(f'Symbol "{asked[:40]}" is not watched.')
    name = channel_name(asked)
    first = request.app[LIVE].since(name, request.query.get("since", ""))
    return await request.app[HUB].serve(request, name, first=first)
