"""`/api/watchlist`: ordered lists of symbols, which rules know as `watchlist/NAME`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...errors import NotFound
from ...model.portfolio import Watchlist, WatchlistItem
from .action import Action
from .book_rows import Id, Note, Version
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery

Name = Annotated[str, Meta(max_length=200, description="1 to 50 letters, digits, dots, dashes and underscores")]
Symbol = Annotated[str, Meta(min_length=1, max_length=64, description="A symbol, a base asset or a coin name")]


class ItemBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A symbol with a note."""

    symbol: Symbol
    note: Note = ""


Items = Annotated[list[ItemBody | Symbol], Meta(max_length=2000)]


class WatchlistBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new list. `items`: in their order, as symbols or with a note."""

    name: Name
    items: Items = []


class WatchlistChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. `version`: the one that the change was made from; 409 where that is past."""

    name: Name | None = None
    items: Items | None = None
    position: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    version: Version | None = None


class OneList(msgspec.Struct, frozen=True):
    """Which list."""

    watchlist_id: Id


class ItemRow(msgspec.Struct, frozen=True):
    """A symbol of a list. `watched`: the market of the moment has it; then `price` is its last one."""

    symbol: str
    note: str
    watched: bool
    price: float | None


class WatchlistRow(msgspec.Struct, frozen=True):
    """A list. `rule_name`: what the `symbols` of a rule call it."""

    watchlist_id: str
    name: str
    rule_name: str
    position: int
    version: int
    items: list[ItemRow]


def row_of(desk: Desk, one: Watchlist) -> WatchlistRow:
    """A list as it is answered."""
    watch = desk.slot.current
    entries = {} if watch is None else watch.state.symbols
    items = []
    for item in one.items:
        entry = entries.get(item.symbol)
        items.append(ItemRow(item.symbol, item.note, entry is not None, None if entry is None else entry.price))
    return WatchlistRow(one.watchlist_id, one.name, f"watchlist/{one.name}", one.position, one.version, items)


def symbol_of(desk: Desk, coin_id: str) -> str:
    """The watched symbol that is meant, else what was written."""
    if desk.slot.current is None:
        return coin_id.strip().upper()
    try:
        return desk.coins.symbol(coin_id)
    except NotFound:
        return coin_id.strip().upper()


def _items(desk: Desk, given: list[ItemBody | str]) -> list[WatchlistItem]:
    pairs = [(one, "") if isinstance(one, str) else (one.symbol, one.note) for one in given]
    return [WatchlistItem(symbol_of(desk, symbol), note) for symbol, note in pairs]


async def listed(desk: Desk, _query: NoQuery, owner: str) -> list[WatchlistRow]:
    """In their order."""
    return [row_of(desk, one) for one in await desk.books.lists.all(owner)]


async def one(desk: Desk, query: OneList, owner: str) -> WatchlistRow:
    """Raises NotFound."""
    return row_of(desk, await desk.books.lists.one(owner, query.watchlist_id))


async def create(desk: Desk, _query: NoQuery, body: WatchlistBody, owner: str) -> WatchlistRow:
    """The new list, the last one."""
    return row_of(desk, await desk.books.lists.create(owner, body.name, _items(desk, body.items)))


async def change(desk: Desk, query: OneList, body: WatchlistChange, owner: str) -> WatchlistRow:
    """The list as it is now."""
    items = None if body.items is None else _items(desk, body.items)
    made = await desk.books.lists.change(
        owner, query.watchlist_id, name=body.name, items=items, position=body.position, version=body.version
    )
    return row_of(desk, made)


async def drop(desk: Desk, query: OneList, _body: None, owner: str) -> WatchlistRow:
    """The list as it was."""
    return row_of(desk, await desk.books.lists.drop(owner, query.watchlist_id))


_TAG = "watchlists"
_ONE = "/api/watchlist/{watchlist_id}"

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint("/api/watchlist", "All watchlists", NoQuery, list[WatchlistRow], listed, _TAG, operation="watchlists", owned=True),
    Endpoint(_ONE, "One watchlist", OneList, WatchlistRow, one, _TAG, operation="one_watchlist", owned=True),
)

ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", "/api/watchlist", "Make a watchlist", NoQuery, WatchlistBody, WatchlistRow, create, _TAG, "create_watchlist",
        status=201, conflicts=True, owned=True,
    ),
    Action(
        "PUT", _ONE, "Change a watchlist", OneList, WatchlistChange, WatchlistRow, change, _TAG, "change_watchlist",
        description="Rules that watch the list follow at once.", conflicts=True, owned=True,
    ),
    Action(
        "DELETE", _ONE, "Delete a watchlist", OneList, None, WatchlistRow, drop, _TAG, "delete_watchlist",
        description="For good. A rule that watches it says that it is missing.", owned=True,
    ),
)  # fmt: skip
