"""Whoever reads about rules, and whose names they may know."""

from __future__ import annotations

from aiohttp import web

from ...errors import StoreError
from ...model.accounts import OWNER_ID, Rank
from ..authors import Reader
from ..callers import ACCOUNTS, caller_of
from .desk import DESK

_OF_THE_PROGRAM = {OWNER_ID: "owner"}


async def reader_of(request: web.Request) -> Reader:
    """Who sent the request. While the accounts cannot be read, an admin knows whom they knew before."""
    accounts, caller = request.app[ACCOUNTS], caller_of(request)
    if accounts is None:
        return Reader(caller.user_id)
    if caller.rank < Rank.ADMIN:
        return Reader(caller.user_id, {caller.user_id: caller.name} if caller.user_id else {})
    desk = request.app[DESK]
    try:
        people = await accounts.users.all()
    except StoreError:
        return Reader(caller.user_id, desk.authors)
    desk.authors = {**_OF_THE_PROGRAM, **{one.user_id: one.username for one in people}}
    return Reader(caller.user_id, desk.authors, every=True)
