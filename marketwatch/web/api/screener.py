"""`/api/screener`: which watched symbols meet a condition now. `/api/screens`: the conditions that somebody keeps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...errors import InvalidRequest, NotFound
from ...model.screens import Screen
from ...rules.nodes import Kind
from ...screener.desk import question_of
from ...screener.question import DEFAULT_COLUMNS, MOST_TEXT, Question, ScreenRefused, read
from ...screener.sight import arrange
from ..envelope import iso
from .action import Action
from .book_rows import Id, Version
from .desk import Desk
from .endpoint import Endpoint
from .market import NoQuery
from .parameters import Limit

_TAG = "screener"
_CONDITION = "A condition in the language of the rules; empty for all symbols"
_COLUMNS = "Terms and expressions of the language, separated by commas; at most 12"
_SORT = "A column, or `symbol`; empty for the order of the watch"
_TEXT = f"a text of at most {MOST_TEXT} characters"
Filter = Annotated[str, Meta(max_length=MOST_TEXT, description=_CONDITION, extra={"expects": _TEXT})]
Columns = Annotated[str, Meta(max_length=MOST_TEXT, description=_COLUMNS, extra={"expects": _TEXT})]
Sort = Annotated[str, Meta(max_length=MOST_TEXT, description=_SORT, extra={"expects": _TEXT})]
Direction = Annotated[
    Literal["asc", "desc", ""], Meta(description="Empty: names upwards, all else downwards", extra={"expects": "asc or desc"})
]
ListId = Annotated[str, Meta(max_length=64, description="The id of one of your watchlists", extra={"expects": "an id"})]
Name = Annotated[str, Meta(max_length=200, description="1 to 60 characters")]


class ScreenQuery(msgspec.Struct, frozen=True):
    """What to look for."""

    filter: Filter = ""
    columns: Columns = DEFAULT_COLUMNS
    watchlist: ListId = ""
    sort: Sort = ""
    dir: Direction = ""
    limit: Limit = 100


class ColumnRow(msgspec.Struct, frozen=True):
    """A column. `kind`: number, percent (in per cent), duration (in seconds) or bool (1 true, 0 false)."""

    name: str
    kind: str


class MatchRow(msgspec.Struct, frozen=True):
    """A symbol that passes; `values` by the names of the columns, null unknown."""

    symbol: str
    values: dict[str, float | None]


class UnknownRow(msgspec.Struct, frozen=True):
    """A symbol of which the filter cannot be told now. `reason`: `no data yet`, `quiet` or `warming up`."""

    symbol: str
    reason: str


class ScreenResult(msgspec.Struct, frozen=True):
    """`matches` are the first `limit` of `passing`; `total` symbols were looked at. `time`: the end of the sample step."""

    time: str
    columns: list[ColumnRow]
    matches: list[MatchRow]
    passing: int
    total: int
    unknown: list[UnknownRow]


class ScreenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A screen to keep."""

    name: Name
    filter: Filter = ""
    columns: Columns = DEFAULT_COLUMNS
    watchlist_id: ListId = ""
    sort: Sort = ""
    direction: Direction = ""


class ScreenChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. `version`: the one that the change was made from; 409 where that is past."""

    name: Name | None = None
    filter: Filter | None = None
    columns: Columns | None = None
    watchlist_id: ListId | None = None
    sort: Sort | None = None
    direction: Direction | None = None
    position: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    version: Version | None = None


class OneScreen(msgspec.Struct, frozen=True):
    """Which screen."""

    screen_id: Id


class ScreenRow(msgspec.Struct, frozen=True):
    """A saved screen."""

    screen_id: str
    name: str
    filter: str
    columns: str
    watchlist_id: str
    sort: str
    direction: str
    position: int
    version: int


async def screen(desk: Desk, query: ScreenQuery, owner: str) -> ScreenResult:
    """Raises InvalidRequest with the place of every mistake, NotFound for a watchlist that is not the caller's."""
    inside = None
    if query.watchlist:
        if not owner:
            raise NotFound(f"There is no watchlist {query.watchlist!r}; watchlists are for who is signed in.")
        inside = frozenset(item.symbol for item in (await desk.books.lists.one(owner, query.watchlist)).items)
    try:
        sieve = read(Question(query.filter, query.columns))
        sight = desk.screener.look(sieve)
    except ScreenRefused as error:
        raise refused(error) from None
    found = arrange(sight, inside, query.sort, query.dir, query.limit)
    kinds = [one.kind for one in sieve.columns]
    return ScreenResult(
        time=iso(found.time_ms),
        columns=[ColumnRow(name, kind.value) for name, kind in zip(sieve.names, kinds, strict=True)],
        matches=[
            MatchRow(one.symbol, dict(zip(sieve.names, map(_value, one.values, kinds), strict=True))) for one in found.rows
        ],
        passing=found.passing,
        total=found.total,
        unknown=[UnknownRow(*one) for one in found.unknown],
    )


def _value(value: float | None, kind: Kind) -> float | None:
    if kind is not Kind.BOOL or value is None:
        return value
    return None if value == 0 else float(value > 0)


def refused(error: ScreenRefused) -> InvalidRequest:
    """With the place of every mistake."""
    places = [{"field": one.field, "column": one.column, "message": one.message, "hint": one.hint} for one in error.mistakes]
    return InvalidRequest(str(error), places)


def _row(one: Screen) -> ScreenRow:
    return ScreenRow(
        one.screen_id, one.name, one.filter, one.columns, one.watchlist_id, one.sort, one.direction, one.position, one.version
    )


async def listed(desk: Desk, _query: NoQuery, owner: str) -> list[ScreenRow]:
    """In their order."""
    return [_row(one) for one in await desk.screens.all(owner)]


async def one_screen(desk: Desk, query: OneScreen, owner: str) -> ScreenRow:
    """Raises NotFound."""
    return _row(await desk.screens.one(owner, query.screen_id))


async def create(desk: Desk, _query: NoQuery, body: ScreenBody, owner: str) -> ScreenRow:
    """The new screen, the last one."""
    asked = Question(body.filter, body.columns, body.watchlist_id, body.sort, body.direction)
    return _row(await desk.screens.create(owner, body.name, asked))


async def change(desk: Desk, query: OneScreen, body: ScreenChange, owner: str) -> ScreenRow:
    """The screen as it is now."""
    given = {name: getattr(body, name) for name in Question._fields if getattr(body, name) is not None}
    asked = None
    if given:
        asked = question_of(await desk.screens.one(owner, query.screen_id))._replace(**given)
    made = await desk.screens.change(
        owner, query.screen_id, name=body.name, question=asked, position=body.position, version=body.version
    )
    return _row(made)


async def drop(desk: Desk, query: OneScreen, _body: None, owner: str) -> ScreenRow:
    """The screen as it was."""
    return _row(await desk.screens.drop(owner, query.screen_id))


async def restore(desk: Desk, query: OneScreen, _body: None, owner: str) -> ScreenRow:
    """The screen as it is again, the owner's last one."""
    return _row(await desk.screens.restore(owner, query.screen_id))


_ONE = "/api/screens/{screen_id}"

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        "/api/screener", "Symbols that meet a condition now", ScreenQuery, ScreenResult, screen, _TAG, operation="screener",
        description="Evaluated at every sample step as long as somebody asks; at most 32 different screens at a time.",
        asked=True,
    ),
    Endpoint("/api/screens", "All saved screens", NoQuery, list[ScreenRow], listed, _TAG, operation="screens", owned=True),
    Endpoint(_ONE, "One saved screen", OneScreen, ScreenRow, one_screen, _TAG, operation="one_screen", owned=True),
)  # fmt: skip

ACTIONS: tuple[Action[Any], ...] = (
    Action(
        "POST", "/api/screens", "Save a screen", NoQuery, ScreenBody, ScreenRow, create, _TAG, "create_screen", status=201,
        description="A mistake answers 400 with field, column and hint.", conflicts=True, owned=True,
    ),
    Action(
        "PUT", _ONE, "Change a saved screen", OneScreen, ScreenChange, ScreenRow, change, _TAG, "change_screen",
        conflicts=True, owned=True,
    ),
    Action("DELETE", _ONE, "Delete a saved screen", OneScreen, None, ScreenRow, drop, _TAG, "delete_screen", owned=True),
    Action(
        "POST", _ONE + "/restore", "Bring a deleted screen back", OneScreen, None, ScreenRow, restore, _TAG, "restore_screen",
        description="One of the ten that were deleted last.", conflicts=True, owned=True,
    ),
)  # fmt: skip
