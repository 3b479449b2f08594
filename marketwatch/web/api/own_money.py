"""The books of whoever asks, for rules about their own money."""

from __future__ import annotations

from aiohttp import web

from ...errors import Unavailable
from ...model.accounts import GUEST
from ...portfolio.timeline import Money
from ..callers import caller_of
from .desk import DESK


async def money_of(request: web.Request) -> Money | None:
    """The books of whoever sent it, for rules about their own money; None for guests, and while they cannot be had."""
    caller, desk = caller_of(request), request.app[DESK]
    if caller is GUEST or desk.bookkeeping is None or desk.slot.current is None:
        return None
    try:
        books = await desk.bookkeeping.shelf(caller.user_id)
    except Unavailable:
        return None
    return Money(caller.user_id, tuple(books), tuple(desk.watch.instruments.values()))
