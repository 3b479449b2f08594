"""Saved screens: each owner's own, in an order, the deleted ones at hand to be taken back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from ..clock import Clock
from ..errors import Conflict, InvalidRequest, NotFound, Unavailable
from ..model.screens import Screen
from ..portfolio.ports import BookStore
from .question import SORT_BY_SYMBOL, Question, ScreenRefused, read
from .sight import ASCENDING, DESCENDING

MOST_SAVED = 100
_MOST_NAME = 60
MOST_GONE = 10
_NOTED_MS = 3_600_000
Working = Callable[[], AbstractAsyncContextManager[BookStore]]


class ScreenDesk:
    """The saved screens of all owners; each can be evaluated. Raises NotFound, Conflict, InvalidRequest, Unavailable."""

    def __init__(self, working: Working, clock: Clock) -> None:
        self._working = working
        self._clock = clock
        self._used_ms: dict[str, int] = {}
        self.changes = 0
        """Grows with everything that changes what `recent` answers."""

    async def all(self, owner_id: str) -> list[Screen]:
        """In the owner's order."""
        async with self._working() as store:
            return await store.screens(owner_id)

    async def one(self, owner_id: str, screen_id: str) -> Screen:
        """One screen by its id."""
        async with self._working() as store:
            return await _found(store, owner_id, screen_id)

    async def create(self, owner_id: str, name: str, question: Question) -> Screen:
        """A new screen, the last one."""
        made = _of(Screen(secrets.token_hex(8), owner_id, _named(name)), question)
        async with self._working() as store:
            await _own_list(store, made)
            made = await _last(store, made)
            await store.add_screen(made)
        self.changes += 1
        return made

    async def change(
        self,
        owner_id: str,
        screen_id: str,
        *,
        name: str | None = None,
        question: Question | None = None,
        position: int | None = None,
        version: int | None = None,
    ) -> Screen:
        """What is given changes. `version`: the one that the change was made from; Conflict where that is past."""
        async with self._working() as store:
            present = await _found(store, owner_id, screen_id)
            if version is not None and version != present.version:
                raise Conflict(
                    f"The screen {present.name!r} has version {present.version} by now, and the change was made from version "
                    f"{version}; look at the newest version and change that."
                )
            made = present
            if question is not None:
                made = _of(present, question)
                await _own_list(store, made)
            made = made._replace(
                name=present.name if name is None else _named(name),
                position=present.position if position is None else position,
            )
            made = await store.change_screen(made)
        self.changes += 1
        return made

    async def move(self, owner_id: str, screen_id: str, *, up: bool) -> None:
        """One place up or down among the owner's screens."""
        async with self._working() as store:
            screens = await store.screens(owner_id)
            at = next((place for place, one in enumerate(screens) if one.screen_id == screen_id), None)
            if at is None:
                raise _missing(screen_id)
            other = at - 1 if up else at + 1
            if 0 <= other < len(screens):
                screens[at], screens[other] = screens[other], screens[at]
            for place, one in enumerate(screens):
                if one.position != place:
                    await store.change_screen(one._replace(position=place))

    async def used(self, screen: Screen) -> None:
        """Its owner looks at it: noted once an hour."""
        now_ms = self._clock.now_ms()
        if now_ms - self._used_ms.get(screen.screen_id, -_NOTED_MS) >= _NOTED_MS:
            self._used_ms[screen.screen_id] = now_ms
            with suppress(Unavailable):
                async with self._working() as store:
                    await store.touch_screen(screen.owner_id, screen.screen_id, now_ms)
            self.changes += 1

    async def recent(self, most: int) -> list[Screen]:
        """Everybody's screens, those that were looked at last first: for the program itself, never for a person."""
        async with self._working() as store:
            return await store.recent_screens(most)

    async def drop(self, owner_id: str, screen_id: str) -> Screen:
        """Delete it; answers what it was. `restore` takes that back, while the owner has not deleted ten others."""
        async with self._working() as store:
            present = await _found(store, owner_id, screen_id)
            await store.change_screen(present._replace(deleted_ms=self._clock.now_ms()))
            for old in (await store.gone_screens(owner_id))[MOST_GONE:]:
                await store.drop_screen(owner_id, old.screen_id)
        self._used_ms.pop(screen_id, None)
        self.changes += 1
        return present

    async def gone(self, owner_id: str) -> list[Screen]:
        """The screens that the owner deleted, latest first."""
        async with self._working() as store:
            return await store.gone_screens(owner_id)

    def forget(self) -> None:
        """An owner is not there any more, nor are their screens."""
        self.changes += 1

    async def restore(self, owner_id: str, screen_id: str) -> Screen:
        """Take a deletion back: it is the owner's last screen then."""
        async with self._working() as store:
            present = next((one for one in await store.gone_screens(owner_id) if one.screen_id == screen_id), None)
            if present is None:
                raise NotFound(f"There is no deleted screen {_shown(screen_id)} that could be restored.")
            made = await store.change_screen((await _last(store, present))._replace(deleted_ms=None))
        self.changes += 1
        return made


def question_of(screen: Screen) -> Question:
    """What a saved screen asks."""
    return Question(screen.filter, screen.columns, screen.watchlist_id, screen.sort, screen.direction)


def _of(screen: Screen, question: Question) -> Screen:
    """The screen with this question. Raises InvalidRequest with the place of every mistake."""
    try:
        sieve = read(question)
    except ScreenRefused as error:
        details: list[dict[str, Any]] = [
            {"field": one.field, "column": one.column, "message": one.message, "hint": one.hint} for one in error.mistakes
        ]
        raise InvalidRequest(str(error), details) from None
    sort = question.sort if question.sort == SORT_BY_SYMBOL or sieve.place(question.sort) is not None else ""
    direction = question.direction if sort and question.direction in (ASCENDING, DESCENDING) else ""
    return screen._replace(
        filter=question.filter.strip(),
        columns=question.columns.strip(" ,") or ", ".join(sieve.names),
        watchlist_id=question.watchlist_id[:64],
        sort=sort,
        direction=direction,
    )


async def _last(store: BookStore, made: Screen) -> Screen:
    """The screen, behind the owner's others. Raises Conflict where there is no room."""
    others = await store.screens(made.owner_id)
    if len(others) >= MOST_SAVED:
        raise Conflict(f"There are {MOST_SAVED} saved screens, which are the most; delete one that is not needed.")
    return made._replace(position=1 + max((one.position for one in others), default=-1))


async def _own_list(store: BookStore, made: Screen) -> None:
    """Raises NotFound where the screen is about a watchlist that its owner does not have."""
    wanted = made.watchlist_id
    if wanted and all(one.watchlist_id != wanted for one in await store.watchlists(made.owner_id)):
        raise NotFound(f"There is no watchlist {_shown(wanted)}.")


async def _found(store: BookStore, owner_id: str, screen_id: str) -> Screen:
    for one in await store.screens(owner_id):
        if one.screen_id == screen_id:
            return one
    raise _missing(screen_id)


def _missing(screen_id: str) -> NotFound:
    return NotFound(f"There is no screen {_shown(screen_id)}.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 64 else text[:61] + "...")


def _named(name: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > _MOST_NAME or not plain.isprintable():
        shown = _shown(name) if name.strip() else "Nothing"
        raise InvalidRequest(
            f"{shown} cannot be the name of a screen; write 1 to {_MOST_NAME} characters.", [{"field": "name"}]
        )
    return plain
