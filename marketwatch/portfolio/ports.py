"""What the books need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..model.portfolio import Portfolio, Transaction, Watchlist
from ..model.screens import Screen


class BookStore(Protocol):
    """Portfolios, their transactions, watchlists and screens. Every call names the owner; what is another's is not found.

    Names are unique for an owner, capitals or not. Whoever changes something says which `version` it saw: Conflict when it was
    changed since; the answer carries the new version. An answered change is committed, all of it or nothing. Raises NotFound,
    Conflict, StoreUnavailable, StoreError.
    """

    async def portfolios(self, owner_id: str, *, deleted: bool = False) -> list[Portfolio]:
        """Oldest first; those in the bin as well when `deleted`."""

    async def every_portfolio(self) -> list[Portfolio]:
        """Those of all owners that are not deleted: for the program itself, never for a person."""

    async def portfolio(self, owner_id: str, portfolio_id: str) -> Portfolio:
        """Also one in the bin."""

    async def add_portfolio(self, portfolio: Portfolio) -> None:
        """Conflict when the owner has one of this name."""

    async def change_portfolio(self, portfolio: Portfolio) -> Portfolio:
        """Name, `updated_ms` and `deleted_ms` (to the bin, and back with None); base currency and method never change."""

    async def transactions(self, owner_id: str, portfolio_id: str) -> list[Transaction]:
        """Oldest first; empty for what is not there. Raises EntryUnreadable."""

    async def write_transactions(
        self, portfolio: Portfolio, *, put: Sequence[Transaction] = (), drop: Sequence[str] = ()
    ) -> Portfolio:
        """Remove entries by id, then add or replace others. `portfolio.version` and `updated_ms` count."""

    async def watchlists(self, owner_id: str) -> list[Watchlist]:
        """In the owner's order."""

    async def add_watchlist(self, watchlist: Watchlist) -> None:
        """Conflict when the owner has one of this name."""

    async def change_watchlist(self, watchlist: Watchlist) -> Watchlist:
        """Name, position and all items. A symbol counts once."""

    async def drop_watchlist(self, owner_id: str, watchlist_id: str) -> None:
        """For good."""

    async def screens(self, owner_id: str) -> list[Screen]:
        """Those that are not deleted, in the owner's order."""

    async def gone_screens(self, owner_id: str) -> list[Screen]:
        """The deleted ones, latest deleted first."""

    async def recent_screens(self, most: int) -> list[Screen]:
        """Everybody's that are not deleted, those that were looked at last first: for the program itself."""

    async def touch_screen(self, owner_id: str, screen_id: str, time_ms: int) -> None:
        """It is looked at; harmless for one that is not there."""

    async def add_screen(self, screen: Screen) -> None:
        """Conflict when the owner has one of this name."""

    async def change_screen(self, screen: Screen) -> Screen:
        """Everything but id and owner."""

    async def drop_screen(self, owner_id: str, screen_id: str) -> None:
        """For good."""
