"""Every route of the program, collected from the modules that answer them, and who may read what."""

from __future__ import annotations

import re

from aiohttp import web

from . import assets, openapi, probes, ws, ws_book
from .api import ACTIONS, ENDPOINTS, alert_stream, book_files, preview, replay_stream
from .api import stream as price_stream
from .guard import SAFE, RoleName, declare_on
from .pages import (
    admin,
    alert_acts,
    alerts,
    deliveries,
    lab,
    lab_stream,
    login,
    overview,
    owner,
    person,
    portfolio,
    portfolio_import,
    profile,
    replay,
    reset,
    rule_author,
    rule_check,
    rules,
    screener,
    search,
    status,
    symbol,
    theme,
    watchlist,
)

PAGES: tuple[tuple[RoleName, RoleName, web.RouteTableDef], ...] = (
    ("guest", "admin", overview.routes),
    ("guest", "admin", symbol.routes),
    ("guest", "admin", alerts.routes),
    ("guest", "admin", alert_acts.routes),
    ("viewer", "admin", deliveries.routes),
    ("guest", "admin", lab.routes),
    ("guest", "admin", rule_check.routes),
    ("viewer", "viewer", rule_author.routes),
    ("guest", "admin", rules.routes),
    ("guest", "admin", lab_stream.routes),
    ("viewer", "viewer", portfolio.routes),
    ("viewer", "viewer", portfolio_import.routes),
    ("viewer", "viewer", watchlist.routes),
    ("guest", "viewer", screener.routes),
    ("guest", "admin", replay.routes),
    ("guest", "admin", status.routes),
    ("guest", "admin", search.routes),
    ("anyone", "admin", theme.routes),
    ("anyone", "admin", login.routes),
    ("anyone", "admin", reset.routes),
    ("viewer", "admin", profile.routes),
    ("admin", "admin", admin.routes),
    ("admin", "admin", person.routes),
    ("anyone", "admin", owner.routes),
    ("anyone", "admin", assets.routes),
    ("anyone", "admin", probes.routes),
    ("anyone", "admin", openapi.routes),
)
"""Who may read the pages of a module, and who may change something there. A handler that declares its own role keeps it."""

STREAMS = (
    (price_stream.PATH, price_stream.stream),
    (alert_stream.PATH, alert_stream.stream),
    (replay_stream.PATH, replay_stream.stream),
)


def add_routes(app: web.Application) -> None:
    """Put all routes into `app`."""
    for endpoint in ENDPOINTS:
        app.router.add_get(_pattern(endpoint.path), endpoint.handler())
    app.router.add_get(book_files.EXPORT_PATH, book_files.export)
    app.router.add_post(preview.PATH, preview.preview)
    for action in ACTIONS:
        app.router.add_route(action.method, _pattern(action.path), action.handler())
    for path, stream in STREAMS:
        declare_on(stream, "guest")
        app.router.add_get(path, stream)
    declare_on(ws.prices, "guest")
    app.router.add_get("/ws/prices", ws.prices, allow_head=False)
    declare_on(ws_book.portfolio, "viewer")
    app.router.add_get(ws_book.PATH, ws_book.portfolio, allow_head=False)
    for reads, changes, routes in PAGES:
        for route in routes:
            if isinstance(route, web.RouteDef) and not hasattr(route.handler, "guard"):
                declare_on(route.handler, reads if route.method in SAFE else changes)
        app.add_routes(routes)


_PATHS = [preview.PATH, *(one.path for one in ENDPOINTS), *(one.path for one in ACTIONS)]
_FIXED = frozenset(path for path in _PATHS if not path.endswith("}"))


def _pattern(path: str) -> str:
    """The route of `path`: where its last part is a parameter, that leaves out the fixed names that stand there too."""
    folder, _, last = path.rpartition("/")
    names = sorted(fixed.rpartition("/")[2] for fixed in _FIXED if fixed.rpartition("/")[0] == folder)
    if not last.startswith("{") or not names:
        return path
    return f"{folder}/{{{last[1:-1]}:(?!(?:{'|'.join(map(re.escape, names))})$)[^/]+}}"
