"""Whose portfolios and watchlists a request is about."""

from __future__ import annotations

from aiohttp import web

from .callers import caller_of


def portfolio_owner(request: web.BaseRequest) -> str:
    """The id of whoever sent it; the owner of the program has one of their own. The guard lets no guest come here."""
    return caller_of(request).user_id
