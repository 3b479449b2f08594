"""Whose portfolios and watchlists a request is about."""

from __future__ import annotations

from aiohttp import web

from ..errors import Unauthorized
from .callers import ACCOUNTS, caller_of


def portfolio_owner(request: web.Request) -> str:
    """The id of whoever sent it; the owner of the program has one of their own. The guard lets no guest come here.

    Raises Unauthorized where their account was deleted while the request was under way: nothing is made for nobody.
    """
    user_id, accounts = caller_of(request).user_id, request.app[ACCOUNTS]
    if accounts is not None and accounts.identities.has_left(user_id):
        raise Unauthorized("This account was deleted.")
    return user_id
