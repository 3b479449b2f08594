"""Watchlists: committed first, then heard by the rules that watch `watchlist/NAME`."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from ..bus import Publish
from ..errors import Conflict, InvalidRequest, NotFound
from ..model.alerts import Watchlists
from ..model.portfolio import LOCAL_OWNER, Watchlist, WatchlistItem
from .ports import BookStore

MOST_LISTS = 100
MOST_ITEMS = 2000
_MOST_NOTE = 500
_NAME = re.compile(r"[A-Za-z0-9._-]{1,50}")
_SYMBOL = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff'\"<>,/]{1,40}")
_SOURCE = "books"
_MOST_AT_HAND = 1000
Working = Callable[[], AbstractAsyncContextManager[BookStore]]


class WatchlistDesk:
    """The watchlists of all owners. The rules are the local owner's, and so are the lists that they know.

    A list of the rules file goes before one of the same name here. Raises NotFound, Conflict, InvalidRequest, Unavailable.
    """

    def __init__(self, working: Working) -> None:
        self._working = working
        self._publish: Publish | None = None
        self._own: list[Watchlist] = []
        self._at_hand: OrderedDict[str, list[Watchlist]] = OrderedDict()

    def begin(self, publish: Publish) -> None:
        """Another watch: what is known is told at once."""
        self._publish = publish
        self._tell()

    async def read(self, store: BookStore) -> None:
        """Take the local owner's lists from the store, and tell the rules."""
        self._own = await self._looked_up(store, LOCAL_OWNER)
        self._tell()

    @property
    def own(self) -> list[Watchlist]:
        """The local owner's lists, in order, as far as they are known."""
        return list(self._own)

    async def all(self, owner_id: str) -> list[Watchlist]:
        """In the owner's order."""
        async with self._working() as store:
            return await self._looked_up(store, owner_id)

    def at_hand(self, owner_id: str, watchlist_id: str) -> Watchlist | None:
        """A list as it is now, without the database; None where its owner's lists were not asked for lately."""
        return next((one for one in self._at_hand.get(owner_id, ()) if one.watchlist_id == watchlist_id), None)

    async def _looked_up(self, store: BookStore, owner_id: str) -> list[Watchlist]:
        found = await store.watchlists(owner_id)
        self._at_hand[owner_id] = found
        self._at_hand.move_to_end(owner_id)
        if len(self._at_hand) > _MOST_AT_HAND:
            self._at_hand.popitem(last=False)
        return list(found)

    async def one(self, owner_id: str, watchlist_id: str) -> Watchlist:
        """One list by its id."""
        async with self._working() as store:
            found = await _found(store, owner_id, watchlist_id)
            await self._looked_up(store, owner_id)
        return found

    async def create(self, owner_id: str, name: str, items: Sequence[WatchlistItem] = ()) -> Watchlist:
        """A new list, the last one."""
        made = Watchlist(secrets.token_hex(8), owner_id, _named(name), _checked(items))
        async with self._working() as store:
            others = await store.watchlists(owner_id)
            if len(others) >= MOST_LISTS:
                raise Conflict(f"There are {MOST_LISTS} watchlists, which are the most; delete one that is not needed.")
            made = made._replace(position=1 + max((one.position for one in others), default=-1))
            await store.add_watchlist(made)
            await self._follow(store, owner_id)
        return made

    async def change(
        self,
        owner_id: str,
        watchlist_id: str,
        *,
        name: str | None = None,
        items: Sequence[WatchlistItem] | None = None,
        position: int | None = None,
        version: int | None = None,
    ) -> Watchlist:
        """What is given changes. `version`: the one that the change was made from; Conflict where that is past."""
        async with self._working() as store:
            present = await _found(store, owner_id, watchlist_id)
            if version is not None and version != present.version:
                raise Conflict(
                    f"The watchlist {present.name!r} has version {present.version} by now, and the change was made from "
                    f"version {version}; look at the newest version and change that."
                )
            made = present._replace(
                name=present.name if name is None else _named(name),
                items=present.items if items is None else _checked(items),
                position=present.position if position is None else position,
            )
            made = await store.change_watchlist(made)
            await self._follow(store, owner_id)
        return made

    async def drop(self, owner_id: str, watchlist_id: str) -> Watchlist:
        """For good; answers what it was."""
        async with self._working() as store:
            present = await _found(store, owner_id, watchlist_id)
            await store.drop_watchlist(owner_id, watchlist_id)
            await self._follow(store, owner_id)
        return present

    def forget(self, owner_id: str) -> None:
        """The owner is not there any more."""
        self._at_hand.pop(owner_id, None)

    async def _follow(self, store: BookStore, owner_id: str) -> None:
        if owner_id == LOCAL_OWNER:
            await self.read(store)
        else:
            await self._looked_up(store, owner_id)

    def _tell(self) -> None:
        if self._publish is not None:
            lists = {one.name: tuple(item.symbol for item in one.items) for one in self._own}
            self._publish(Watchlists(_SOURCE, lists))


async def _found(store: BookStore, owner_id: str, watchlist_id: str) -> Watchlist:
    for one in await store.watchlists(owner_id):
        if one.watchlist_id == watchlist_id:
            return one
    shown = watchlist_id if len(watchlist_id) <= 64 else watchlist_id[:61] + "..."
    raise NotFound(f"There is no watchlist {shown!r}.")


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        shown = name if len(name) <= 50 else name[:47] + "..."
        raise InvalidRequest(
            f"{shown!r} cannot be the name of a watchlist, for rules call it watchlist/NAME; write 1 to 50 letters, digits, "
            "dots, dashes and underscores.",
            [{"field": "name"}],
        )
    return name


def _checked(items: Sequence[WatchlistItem]) -> tuple[WatchlistItem, ...]:
    """Symbols in capitals, each once, with its note."""
    found: dict[str, WatchlistItem] = {}
    for item in items:
        symbol = item.symbol.strip().upper()
        shown = item.symbol if len(item.symbol) <= 40 else item.symbol[:37] + "..."
        if not _SYMBOL.fullmatch(symbol):
            raise InvalidRequest(f"{shown!r} cannot be a symbol; write one such as BTCUSDT.", [{"field": "items"}])
        if len(item.note) > _MOST_NOTE:
            raise InvalidRequest(f"The note of {shown} has more than {_MOST_NOTE} characters.", [{"field": "items"}])
        found.setdefault(symbol, WatchlistItem(symbol, item.note.strip()))
    if len(found) > MOST_ITEMS:
        raise InvalidRequest(f"A watchlist has {MOST_ITEMS} symbols at most; there were {len(found)}.", [{"field": "items"}])
    return tuple(found.values())
