"""`/search`: a page of results; for the top bar's quick search the same list as a fragment."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from ...model.accounts import GUEST
from ..callers import caller_of
from ..contexts.cursor import iso_at, stay
from ..contexts.search import Hit, search
from ..keys import RENDERER, WATCH
from .scene import read_moment

routes = web.RouteTableDef()


@routes.get("/search")
async def results(request: web.Request) -> web.Response:
    """Results for `q`. Sent as a form with one clear match, it leads there at once. `at`: the moment at which they stay."""
    found = search(request.app[WATCH].current, request.query.get("q", ""))
    at = _moment(request.query.get("at", ""))
    hits = tuple(replace(hit, href=stay(hit.href, at)) for hit in found.hits)
    found = replace(found, hits=hits, keeps=caller_of(request) is not GUEST and not at)
    renderer = request.app[RENDERER]
    if request.headers.get("HX-Request") == "true":
        text = renderer.fragment("fragments/_found.html", found) if found.text else ""
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store", "Vary": "HX-Request"})
    if len(found.hits) == 1 or (found.hits and found.text.casefold() in _names(found.hits[0])):
        return web.Response(status=303, headers={"Location": found.hits[0].href})
    return renderer.page(request, "search.html", found)


def _moment(text: str) -> str:
    try:
        return iso_at(read_moment(text)) if text else ""
    except ValueError:
        return ""


def _names(hit: Hit) -> set[str]:
    return {hit.label.casefold(), hit.note.casefold(), hit.kind.casefold()}
