"""`/alerts/deliveries`: the outbox for people, with what can be done about letters that nobody took."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ...errors import InvalidRequest, StoreError
from ...model.alerts import Notification
from ..api.deliveries import discard, retry, test
from ..api.desk import DESK
from ..contexts.deliveries import Query, TrialView, deliveries_page
from ..contexts.frame import market_now_ms
from ..keys import CLOCK, RENDERER, WATCH
from .alert_acts import back, field
from .overview import connecting

routes = web.RouteTableDef()
_MOST = 200
_STORE_WAIT_S = 5.0


async def _read(request: web.Request, query: Query) -> tuple[list[Notification], str]:
    store = request.app[DESK].store
    try:
        async with asyncio.timeout(_STORE_WAIT_S):
            return await store.deliveries(state=query.state or None, channel=query.channel or None, limit=_MOST + 1), ""
    except TimeoutError:
        return [], f"The database has not answered within {_STORE_WAIT_S:.0f} s."
    except StoreError as error:
        return [], str(error)


async def _page(request: web.Request, query: Query, trial: TrialView | None = None) -> web.Response:
    watch = request.app[WATCH].current
    if watch is None:
        return connecting(request)
    notices, problem = await _read(request, query)
    now_ms = market_now_ms(watch, request.app[CLOCK])
    context = deliveries_page(watch, notices, query, now_ms=now_ms, most=_MOST, trial=trial, problem=problem)
    return request.app[RENDERER].page(request, "deliveries.html", context)


@routes.get("/alerts/deliveries")
async def deliveries(request: web.Request) -> web.Response:
    """The page; `state` and `channel` choose what it shows."""
    return await _page(request, Query.of(lambda name: request.query.get(name, "")))


@routes.post("/alerts/deliveries/retry")
async def again(request: web.Request) -> web.Response:
    """Try one dead letter again, or all where none is named."""
    form = await request.post()
    await retry(request.app[DESK], field(form, "notification_id")[:200] or None)
    return back(request)


@routes.post("/alerts/deliveries/discard")
async def throw(request: web.Request) -> web.Response:
    """Give one notice up."""
    form = await request.post()
    await discard(request.app[DESK], field(form, "notification_id")[:200])
    return back(request)


@routes.post("/alerts/deliveries/test")
async def trial(request: web.Request) -> web.Response:
    """Send a test notice through one channel, and show how that went."""
    channel = field(await request.post(), "channel")[:200]
    if not channel:
        raise InvalidRequest('The form must have a field "channel".', [{"parameter": "channel"}])
    error = await test(request.app[DESK], channel)
    return await _page(request, Query(), TrialView(channel, error or ""))
