"""`/watchlist`: lists of symbols, with notes, in an order of one's own."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from ...errors import Conflict, InvalidRequest, RequestError
from ...model.portfolio import Watchlist, WatchlistItem
from .. import format as fmt
from ..api.desk import DESK
from ..api.watchlists import symbol_of
from ..contexts.book_pages import ItemView, ListView, WatchlistsPage
from ..contexts.frame import symbol_href
from ..keys import RENDERER
from ..owning import portfolio_owner
from .portfolio import fields, goto

routes = web.RouteTableDef()
_ONE = "/watchlist/{watchlist_id}"
Edit = Callable[[list[WatchlistItem]], list[WatchlistItem]]


@routes.get("/watchlist")
async def show(request: web.Request) -> web.Response:
    """All lists; `add`: a symbol that is to be put into one of them."""
    return await _page(request)


async def _page(request: web.Request, mistake: str = "", status: int = 200) -> web.Response:
    desk = request.app[DESK]
    lists = tuple(_view(request, one) for one in await desk.books.lists.all(portfolio_owner(request)))
    watch = desk.slot.current
    symbols = () if watch is None else watch.symbols[:600]
    page = WatchlistsPage(lists, request.query.get("add", "")[:40], symbols, mistake)
    return request.app[RENDERER].page(request, "watchlists.html", page, status=status)


def _view(request: web.Request, one: Watchlist) -> ListView:
    watch = request.app[DESK].slot.current
    entries = {} if watch is None else watch.state.symbols
    items = []
    for item in one.items:
        entry = entries.get(item.symbol)
        items.append(
            ItemView(
                item.symbol,
                symbol_href(item.symbol) if entry is not None else "",
                item.note,
                fmt.UNKNOWN if entry is None else fmt.price(entry.price, entry.instrument.price_decimals),
                fmt.NOTHING if entry is None else fmt.signed(entry.change_24h),
            )
        )
    return ListView(one.watchlist_id, one.name, one.version, tuple(items))


@routes.post("/watchlist")
async def create(request: web.Request) -> web.Response:
    """A new list, with a first symbol where one was given."""
    desk, entry = request.app[DESK], await fields(request, "name", "symbol")
    items = [WatchlistItem(symbol_of(desk, entry["symbol"]))] if entry["symbol"] else []
    try:
        await desk.books.lists.create(portfolio_owner(request), entry["name"], items)
    except RequestError as error:
        return await _page(request, str(error), error.status)
    return goto("/watchlist")


@routes.post(_ONE + "/add")
async def add(request: web.Request) -> web.Response:
    """A symbol at the end of a list."""
    desk, entry = request.app[DESK], await fields(request, "symbol", "note")

    def added(items: list[WatchlistItem]) -> list[WatchlistItem]:
        symbol = symbol_of(desk, entry["symbol"])
        if any(item.symbol == symbol for item in items):
            raise Conflict(f"{symbol} is in this list already.")
        return [*items, WatchlistItem(symbol, entry["note"])]

    return await _change(request, added)


@routes.post(_ONE + "/item")
async def change(request: web.Request) -> web.Response:
    """What the button of a row says: another note, a place up or down, or out of the list."""
    entry = await fields(request, "symbol", "note", "act")

    def changed(items: list[WatchlistItem]) -> list[WatchlistItem]:
        at = next((place for place, item in enumerate(items) if item.symbol == entry["symbol"]), None)
        if at is None:
            raise InvalidRequest(f"{entry['symbol'][:40]!r} is not in this list any more.")
        if entry["act"] == "drop":
            return [*items[:at], *items[at + 1 :]]
        if entry["act"] in ("up", "down"):
            other = at - 1 if entry["act"] == "up" else at + 1
            if 0 <= other < len(items):
                items[at], items[other] = items[other], items[at]
            return items
        items[at] = items[at]._replace(note=entry["note"])
        return items

    return await _change(request, changed)


async def _change(request: web.Request, edit: Edit) -> web.Response:
    lists, owner = request.app[DESK].books.lists, portfolio_owner(request)
    try:
        one = await lists.one(owner, request.match_info["watchlist_id"])
        await lists.change(owner, one.watchlist_id, items=edit(list(one.items)), version=one.version)
    except (Conflict, InvalidRequest) as error:
        return await _page(request, str(error), error.status)
    return goto(f"/watchlist#list-{one.watchlist_id}")


@routes.post(_ONE + "/delete")
async def delete(request: web.Request) -> web.Response:
    """For good."""
    await request.app[DESK].books.lists.drop(portfolio_owner(request), request.match_info["watchlist_id"])
    return goto("/watchlist")
