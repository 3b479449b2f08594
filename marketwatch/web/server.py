"""Builds the aiohttp application: keys, middleware, routes, hub, background tasks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from ..accounts.owner import Owner, open_owner
from ..alerts.rule_desk import RuleDesk
from ..clock import Clock
from ..config import Settings
from ..portfolio.book_desk import BookDesk
from ..ports import MarketStore
from ..replay.cursor import Cursor
from ..telemetry import Telemetry
from ..watch import WatchSlot
from .api.alert_stream import ALERT_STREAM, AlertStream
from .api.desk import DESK, Desk
from .api.preview import LAB
from .api.replay_stream import REPLAY_STREAMS, ReplayStreams
from .api.stream import STREAM, TICKER, PriceStream
from .api.ticker import PriceTicker
from .assets import ASSETS, Assets
from .callers import ACCOUNTS
from .guard import OWNER, Guard
from .headers import add_headers
from .held_screens import HeldScreens
from .holders import HOLDERS, Holders
from .keys import CLOCK, HUB, RENDERER, SETTINGS, STORE, TELEMETRY, WATCH
from .live import LIVE, Live
from .middleware import MAX_BODY_BYTES, Gate, ProtocolNoise, middleware
from .openapi import DOCUMENT, new_document
from .pages.scene import CURSOR
from .probes import MarketCollector, sample_loop_lag
from .readiness import READINESS, HasDead, Readiness
from .render import Renderer
from .routes import add_routes
from .sse import Hub
from .ws import SOCKETS, PriceSockets
from .ws_book import BOOK_SOCKETS, BookSockets

if TYPE_CHECKING:
    from ..accounts.accounts import Accounts

_RESERVED_DESCRIPTORS = 200


class Tasks(HasDead, Protocol):
    """Owner of background tasks, as `build_app` needs it."""

    def start(self, name: str, work: Coroutine[Any, Any, Any], *, critical: bool = True) -> asyncio.Task[Any]: ...

    async def stop(self, *names: str) -> None: ...


def build_app(
    *,
    settings: Settings,
    clock: Clock,
    store: MarketStore,
    slot: WatchSlot,
    telemetry: Telemetry,
    tasks: Tasks | None = None,
    hub: Hub | None = None,
    keepalive_s: float = 15.0,
    owner: Owner | None = None,
    accounts: Accounts | None = None,
    desk: RuleDesk | None = None,
    books: BookDesk | None = None,
) -> web.Application:
    """The application, ready for a runner. Whoever runs it owns the store, the slot and `tasks`.

    `owner`: who may do everything; without one it is made from the settings. `accounts`: None where the owner is the only one
    who signs in. `desk`: where rules are written; without one there is nobody to write them. `books`: portfolios and
    watchlists. Without `tasks` the background work runs in tasks of the application's own. `keepalive_s`: how long a connection
    may be idle, or take to send its request.
    """
    limits = {
        "keepalive_timeout": keepalive_s,
        "lingering_time": 2.0,
        "max_line_size": 8190,
        "max_field_size": 8190,
        "max_headers": 64,
    }
    owner = owner or open_owner(settings, clock)
    guard = Guard(settings=settings, owner=owner, accounts=accounts)
    gate = Gate(settings=settings, clock=clock, telemetry=telemetry, guard=guard)
    app = web.Application(
        middlewares=[middleware(gate)],
        client_max_size=MAX_BODY_BYTES,
        handler_args={**limits, "access_log": None, "logger": _protocol_logger(telemetry)},
    )
    hub = hub or Hub(clock=clock, max_clients=_places(settings), on_cut=lambda why: telemetry.streams_cut.labels(why).inc())
    _fill(app, settings=settings, clock=clock, store=store, slot=slot, telemetry=telemetry, hub=hub)
    app[OWNER], app[ACCOUNTS] = owner, accounts
    app[HOLDERS] = hub.holders = Holders(accounts)
    app[DESK].rules = desk
    app[DESK].bookkeeping = books
    app[READINESS] = Readiness(slot=slot, store=store, settings=settings, clock=clock, telemetry=telemetry, tasks=tasks)
    prices, owned = app[SOCKETS], app[BOOK_SOCKETS]
    telemetry.registry.register(MarketCollector(slot=slot, hub=hub, sockets=(prices, owned), clock=clock))
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_close_streams)
    app.cleanup_ctx.append(_background(tasks))
    add_routes(app)
    return app


def _fill(
    app: web.Application,
    *,
    settings: Settings,
    clock: Clock,
    store: MarketStore,
    slot: WatchSlot,
    telemetry: Telemetry,
    hub: Hub,
) -> None:
    """Put what handlers reach into the application."""
    app[SETTINGS], app[CLOCK], app[STORE] = settings, clock, store
    app[WATCH], app[TELEMETRY], app[HUB] = slot, telemetry, hub
    app[DESK] = desk = Desk(settings=settings, clock=clock, store=store, slot=slot, hub=hub, telemetry=telemetry)
    app[LAB] = desk.lab
    app[CURSOR] = Cursor(store=store, slot=slot, settings=settings)
    app[TICKER] = ticker = PriceTicker(desk)
    app[STREAM] = prices = PriceStream(desk)
    app[ALERT_STREAM] = alerts = AlertStream(desk)
    app[REPLAY_STREAMS] = ReplayStreams()
    app[SOCKETS] = sockets = PriceSockets(desk=desk, clock=clock, max_clients=hub.max_clients)
    app[BOOK_SOCKETS] = owned = BookSockets(desk=desk, clock=clock, max_clients=hub.max_clients)
    ticker.listen(prices.on_tick)
    ticker.listen(sockets.on_tick)
    ticker.listen(owned.on_tick)
    ticker.listen(alerts.on_tick)
    app[DOCUMENT] = new_document()
    app[ASSETS] = assets = Assets()
    app[RENDERER] = renderer = Renderer(settings, clock, assets)
    app[LIVE] = live = Live(hub=hub, slot=slot, renderer=renderer, clock=clock, store=store)
    live.desk = desk


def _background(tasks: Tasks | None) -> Any:
    """What runs beside the requests, as a cleanup context."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        work: dict[str, Coroutine[Any, Any, None]] = {
            "web:hub": app[HUB].run(app[CLOCK]),
            "web:live": app[LIVE].run(),
            "web:prices": app[TICKER].run(app[CLOCK], app[SETTINGS].sample_ms / 1000),
            "web:sockets": app[SOCKETS].run(),
            "web:portfolio sockets": app[BOOK_SOCKETS].run(),
            "web:lag": sample_loop_lag(app[CLOCK], app[TELEMETRY]),
            "web:holders": app[HOLDERS].run(app[CLOCK]),
            "web:held screens": HeldScreens(app[DESK]).run(app[CLOCK]),
        }
        if tasks is not None:
            for name, coroutine in work.items():
                tasks.start(name, coroutine)
            yield
            await tasks.stop(*work)
            return
        own = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]
        yield
        for task in own:
            task.cancel()
        for task in own:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return context


async def _close_streams(app: web.Application) -> None:
    """Before the connections are waited for: a stream would never end by itself."""
    await app[HUB].aclose()
    await app[CURSOR].aclose()
    await app[SOCKETS].aclose()
    await app[BOOK_SOCKETS].aclose()


def _protocol_logger(telemetry: Telemetry) -> logging.Logger:
    """What aiohttp's protocol logs to: hostile bytes are counted there, not written down one by one."""
    logger = logging.Logger("marketwatch.http")
    logger.parent = logging.getLogger()
    logger.setLevel(logging.DEBUG)
    logger.addFilter(ProtocolNoise(telemetry))
    return logger


def _places(settings: Settings) -> int:
    """Streams at most: the setting, or what the descriptors allow once their limit is raised as far as it may be."""
    try:
        import resource
    except ImportError:
        return settings.max_clients
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_clients + _RESERVED_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return settings.max_clients
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, raised), hard))
        soft = max(soft, raised)
    return max(1, min(settings.max_clients, soft - _RESERVED_DESCRIPTORS))
