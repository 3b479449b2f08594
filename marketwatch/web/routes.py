"""Every route of the program, collected from the modules that answer them."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from . import assets, probes
from .api import ENDPOINTS
from .pages import overview, search, status, symbol, theme

PAGES: tuple[Iterable[web.AbstractRouteDef], ...] = (
    overview.routes,
    symbol.routes,
    status.routes,
    search.routes,
    theme.routes,
    assets.routes,
)


def add_routes(app: web.Application) -> None:
    """Put all routes into `app`."""
    app.add_routes(probes.routes)
    for endpoint in ENDPOINTS:
        app.router.add_get(endpoint.path, endpoint.handler())
    for routes in PAGES:
        app.add_routes(routes)
