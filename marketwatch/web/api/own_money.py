"""The books of whoever asks, for rules about their own money."""

from __future__ import annotations

from aiohttp import web

from ...errors import Unavailable
from ...portfolio.timeline import Money
from ..owning import portfolio_owner
from .desk import DESK, Desk


async def books_of(desk: Desk, owner_id: str) -> Money | None:
    """The books of a person, for rules about their own money; None for guests (""), and while they cannot be had."""
    if not owner_id or desk.bookkeeping is None or desk.slot.current is None:
        return None
    try:
        books = await desk.bookkeeping.shelf(owner_id)
    except Unavailable:
        return None
    return Money(owner_id, tuple(books), tuple(desk.watch.instruments.values()))


async def money_of(request: web.Request) -> Money | None:
    """The books of whoever sent it."""
    return await books_of(request.app[DESK], portfolio_owner(request))
