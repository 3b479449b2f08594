"""Saved screens: facts only."""

from __future__ import annotations

from typing import NamedTuple


class Screen(NamedTuple):
    """A saved screen of one owner. `filter` and `columns` are texts of the rule language as they were written, `watchlist_id`
    is empty for all symbols, `sort` is a column's text, `symbol` or empty, `direction` `asc`, `desc` or empty. `position`: its
    place among the owner's screens. `deleted_ms`: when it was deleted."""

    screen_id: str
    owner_id: str
    name: str
    filter: str = ""
    columns: str = ""
    watchlist_id: str = ""
    sort: str = ""
    direction: str = ""
    position: int = 0
    version: int = 1
    deleted_ms: int | None = None
