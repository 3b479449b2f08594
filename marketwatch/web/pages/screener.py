"""`/screener`: which symbols meet a condition now. A plain GET form; what is kept is sent by plain posts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from ...errors import InvalidRequest, NotFound, RequestError, TooMany, Unauthorized
from ...model.accounts import GUEST
from ...model.portfolio import Watchlist
from ...model.screens import Screen
from ...screener.desk import question_of
from ...screener.question import DEFAULT_COLUMNS, MOST_TEXT, Mistake, Question, ScreenRefused, read
from ..api.desk import DESK
from ..callers import caller_of
from ..contexts.screen_rows import Found, SaidView, Scope, look, matches_view, said_view, trouble
from ..contexts.screener import (
    PATH,
    ScreenerPage,
    address,
    alert_href,
    catalogue_terms,
    chips_of,
    field_errors,
    heads_of,
    list_choices,
    notes_of,
    ready_views,
    saved_views,
)
from ..keys import HUB, RENDERER, WATCH
from ..live import LIVE
from ..live_screen import screen_channel
from .overview import connecting
from .portfolio import fields, goto

routes = web.RouteTableDef()
_SAVED = PATH + "/screens"
_ONE = _SAVED + "/{screen_id}"
_FIELDS = ("filter", "columns", "in", "sort", "dir")


class Kept(NamedTuple):
    """What a person keeps; nothing for a guest."""

    owner_id: str
    screens: list[Screen]
    lists: list[Watchlist]
    saved: Screen | None
    gone: tuple[Screen, ...] = ()


def question_from(given: Mapping[str, str]) -> Question:
    """What an address or a form says; nothing in it is trusted, and everything is bounded."""
    return Question(
        filter=given.get("filter", "").strip()[: MOST_TEXT + 1],
        columns=given.get("columns", "").strip(" ,")[: MOST_TEXT + 1] or DEFAULT_COLUMNS,
        watchlist_id=given.get("in", "")[:64],
        sort=given.get("sort", "")[: MOST_TEXT + 1],
        direction=given.get("dir", "") if given.get("dir", "") in ("asc", "desc") else "",
    )


async def _kept(request: web.Request, screen_id: str) -> Kept:
    """Raises NotFound for a screen that is not the person's, Unauthorized for a guest who asks for one."""
    caller = caller_of(request)
    desk = request.app[DESK]
    if caller is GUEST or desk.bookkeeping is None:
        if screen_id:
            raise Unauthorized("Saved screens are somebody's own: sign in to see yours.")
        return Kept("", [], [], None)
    saved = await desk.screens.one(caller.user_id, screen_id) if screen_id else None
    screens = await desk.screens.all(caller.user_id)
    if saved is not None:
        await desk.screens.used(saved)
    gone = tuple(await desk.screens.gone(caller.user_id))
    return Kept(caller.user_id, screens, await desk.books.lists.all(caller.user_id), saved, gone)


@routes.get(PATH)
async def show(request: web.Request) -> web.Response:
    """The screen that the address says: `filter`, `columns`, `in`, `sort`, `dir`; `screen`: a saved one, changed by these."""
    if request.app[WATCH].current is None:
        return connecting(request)
    kept = await _kept(request, request.query.get("screen", "")[:64])
    changed = any(name in request.query for name in _FIELDS)
    question = question_from(request.query) if changed or kept.saved is None else question_of(kept.saved)
    return _page(request, kept, question, name=request.query.get("name", "")[:60])


def _page(
    request: web.Request, kept: Kept, question: Question, *, name: str = "", problem: str = "", status: int = 200
) -> web.Response:
    desk, notes = request.app[DESK], list[str]()
    listed = next((one for one in kept.lists if one.watchlist_id == question.watchlist_id), None)
    if question.watchlist_id and listed is None:
        if kept.saved is None or kept.saved.watchlist_id != question.watchlist_id:
            raise NotFound(f"There is no watchlist {question.watchlist_id!r}.")
        question = question._replace(watchlist_id="")
        notes.append("The watchlist of this screen is gone, so all watched symbols are shown.")
    scope = Scope(kept.owner_id if listed is not None else "", question.watchlist_id)
    found, mistakes, said, status = _looked(request, question, scope, status)
    sieve = found.sieve if found is not None else None
    channel = screen_channel(question, scope.owner_id)
    live = request.app[LIVE]
    streamed = found is not None and live.has_room(channel)
    screen_id = kept.saved.screen_id if kept.saved is not None else ""
    if found is not None and not streamed:
        notes.append("So many screens are looked at now that this one does not move by itself; load it again to see it anew.")
    page = ScreenerPage(
        question=question,
        person=bool(kept.owner_id),
        saved=kept.saved,
        screens=saved_views(kept.screens, screen_id),
        ready=ready_views(),
        lists=list_choices(kept.lists, question.watchlist_id),
        chips=chips_of(question, sieve, screen_id),
        name=name or ("" if kept.saved is None else kept.saved.name),
        gone=kept.gone,
        undo=next((one for one in kept.gone if one.screen_id == request.query.get("deleted")), None),
        errors=field_errors(question, mistakes),
        problem=problem,
        notes=(*notes, *notes_of(desk.watch, sieve)),
        said=said_view(found) if found is not None else said,
        heads=() if sieve is None else heads_of(question, sieve, screen_id),
        matches=None if found is None else matches_view(desk.watch, found),
        alert="" if sieve is None else alert_href(desk.watch, question, "" if kept.saved is None else kept.saved.name, listed),
        api=address(question, path="/api/screener").replace("&in=", "&watchlist=").replace("?in=", "?watchlist="),
        stream=live.stream_address(channel, address(question).removeprefix("/")) if streamed else "",
        terms=catalogue_terms(),
    )
    return request.app[RENDERER].page(request, "screener.html", page, status=status)


def _looked(
    request: web.Request, question: Question, scope: Scope, status: int
) -> tuple[Found | None, tuple[Mistake, ...], SaidView | None, int]:
    """What the screen says, or what is wrong with it."""
    try:
        return look(request.app[DESK], question, scope), (), None, status
    except ScreenRefused as error:
        return None, error.mistakes, None, status
    except RequestError as error:
        return None, (), trouble(str(error)), error.status


@routes.get("/stream/screener")
async def stream(request: web.Request) -> web.StreamResponse:
    """Fragments of one screen as they change."""
    question = question_from(request.query)
    owner_id = ""
    if question.watchlist_id:
        owner_id = caller_of(request).user_id
        if not owner_id:
            raise Unauthorized("Watchlists are somebody's own: sign in to see yours.")
        await request.app[DESK].books.lists.one(owner_id, question.watchlist_id)
    try:
        read(question)
    except ScreenRefused as error:
        raise InvalidRequest(str(error)) from None
    name, live = screen_channel(question, owner_id), request.app[LIVE]
    if not live.has_room(name):
        raise TooMany("So many screens are streamed now that there is no room for another; try again in a minute.", 60)
    return await request.app[HUB].serve(request, name, first=live.since(name, request.query.get("since", "")))


# What is kept


@routes.post(_SAVED)
async def create(request: web.Request) -> web.Response:
    """Keeps the screen of the form under a name."""
    return await _save(request, "")


@routes.post(_ONE)
async def change(request: web.Request) -> web.Response:
    """Keeps the screen of the form in place of what was saved."""
    return await _save(request, request.match_info["screen_id"])


async def _save(request: web.Request, screen_id: str) -> web.Response:
    desk, owner_id = request.app[DESK], caller_of(request).user_id
    entry = await fields(request, *_FIELDS, "name", "version")
    question = question_from(entry)
    try:
        if screen_id:
            version = int(entry["version"]) if entry["version"].isascii() and entry["version"].isdigit() else None
            made = await desk.screens.change(owner_id, screen_id, name=entry["name"], question=question, version=version)
        else:
            made = await desk.screens.create(owner_id, entry["name"], question)
    except NotFound:
        raise
    except RequestError as error:
        if request.app[WATCH].current is None:
            raise
        kept = await _kept(request, screen_id)
        problem = "The screen was not saved: look at the fields that are marked." if _marked(error) else str(error)
        return _page(request, kept, question, name=entry["name"][:200], problem=problem, status=error.status)
    return goto(f"{PATH}?screen={made.screen_id}")


def _marked(error: RequestError) -> bool:
    return any("column" in one for one in error.details)


@routes.post(_ONE + "/delete")
async def delete(request: web.Request) -> web.Response:
    """Deletes it; the page says how to take that back."""
    gone = await request.app[DESK].screens.drop(caller_of(request).user_id, request.match_info["screen_id"])
    return goto(f"{PATH}?deleted={gone.screen_id}")


@routes.post(_ONE + "/restore")
async def restore(request: web.Request) -> web.Response:
    """Takes a deletion back."""
    made = await request.app[DESK].screens.restore(caller_of(request).user_id, request.match_info["screen_id"])
    return goto(f"{PATH}?screen={made.screen_id}")


@routes.post(_ONE + "/move")
async def move(request: web.Request) -> web.Response:
    """One place to the left or to the right among the saved screens."""
    screen_id, entry = request.match_info["screen_id"], await fields(request, "act")
    await request.app[DESK].screens.move(caller_of(request).user_id, screen_id, up=entry["act"] == "up")
    return goto(f"{PATH}?screen={screen_id}")
