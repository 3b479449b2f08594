"""Every route of the program, collected from the modules that answer them."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from . import assets, openapi, probes, ws
from .api import ACTIONS, ENDPOINTS, alert_stream, book_files, explain, preview, replay_stream
from .api import stream as price_stream
from .pages import (
    alert_acts,
    alerts,
    deliveries,
    lab,
    lab_stream,
    overview,
    owner,
    portfolio,
    portfolio_import,
    replay,
    rule_check,
    rules,
    search,
    status,
    symbol,
    theme,
    watchlist,
)

PAGES: tuple[Iterable[web.AbstractRouteDef], ...] = (
    overview.routes,
    symbol.routes,
    alerts.routes,
    alert_acts.routes,
    deliveries.routes,
    lab.routes,
    rule_check.routes,
    rules.routes,
    lab_stream.routes,
    portfolio.routes,
    portfolio_import.routes,
    watchlist.routes,
    replay.routes,
    status.routes,
    search.routes,
    theme.routes,
    owner.routes,
    assets.routes,
)


def add_routes(app: web.Application) -> None:
    """Put all routes into `app`."""
    app.add_routes(probes.routes)
    for endpoint in ENDPOINTS:
        app.router.add_get(_pattern(endpoint.path), endpoint.handler())
    app.router.add_get(book_files.EXPORT_PATH, book_files.export)
    app.router.add_post(preview.PATH, preview.preview)
    for action in ACTIONS:
        app.router.add_route(action.method, _pattern(action.path), action.handler())
    app.add_routes(openapi.routes)
    app.router.add_get(price_stream.PATH, price_stream.stream)
    app.router.add_get(alert_stream.PATH, alert_stream.stream)
    app.router.add_get(replay_stream.PATH, replay_stream.stream)
    app.router.add_get("/ws/prices", ws.prices, allow_head=False)
    for routes in PAGES:
        app.add_routes(routes)


def _pattern(path: str) -> str:
    """The route of `path`: where its last part is a parameter, that leaves out the fixed names that stand there too."""
    folder, _, last = path.rpartition("/")
    fixed = (one.rpartition("/") for one in (preview.PATH, explain.PATH))
    names = [name for beside, _, name in fixed if beside == folder]
    return f"{folder}/{{{last[1:-1]}:(?!(?:{'|'.join(names)})$)[^/]+}}" if names and last.startswith("{") else path
