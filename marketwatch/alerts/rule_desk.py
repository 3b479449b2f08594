"""The rule desk: rules that a person writes, by page or API, kept in the user's own database and put in force at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..bus import Publish
from ..clock import Clock
from ..errors import Conflict, Forbidden, NotFound, StoreError, Unavailable
from ..model.alerts import Rule, RuleRemoval, Rules
from ..model.private import asks_money
from ..ports import MarketStore, UserDatabase, WriteBatch
from ..trouble import Trouble
from .rule_file import MOST_RULES
from .rule_sheet import Mistake
from .rulebook import with_mute

_RETRY_S = 10.0
_RESERVED = frozenset({"check", "explain", "lab", "new", "preview", "quick"})
_MOST_VERSIONS = 10_000


class RuleDesk:
    """Owns the rules of origin `user`, with all their versions, and says which rules are in force.

    What it answers is committed; a database that is away changes nothing. One piece of work after the other. `begin` tells it
    about the watch of the moment, `take_file` about the rules of the file, which it cannot change; with both, every change is
    put in force. Raises Conflict, NotFound and Unavailable, each with the remedy.
    """

    def __init__(self, *, database: UserDatabase, clock: Clock, file: Path) -> None:
        self._database = database
        self._clock = clock
        self._path = file
        self._publish: Publish | None = None
        self._file: list[Rule] | None = None
        self._versions: dict[str, list[Rule]] = {}
        self._removed: dict[str, int] = {}
        self._known = False
        self._trouble = Trouble(clock, key="own-rules", over="Your own rules are read and in force again.")
        self._turn = asyncio.Lock()
        self._asked = asyncio.Event()

    # The watch of the moment

    async def begin(self, publish: Publish) -> None:
        """Another watch begins, whose bus hears of every change from now on. A database that is not open is read by `run`."""
        self._publish, self._file = publish, None
        self._trouble.begin(publish)
        if self._database.at_hand:
            await self.load()
        else:
            self._asked.set()

    def take_file(self, rules: list[Rule]) -> None:
        """The rules of the file as they are now; put everything in force."""
        self._file = list(rules)
        self._put_in_force()

    async def load(self) -> None:
        """Read what is stored. A database that cannot be read is told in a notice; `run` tries again."""
        async with self._turn:
            await self._load()

    async def run(self) -> None:
        """Read what is not known, again and again until that works; until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.load()
            if not self._known:
                await self._clock.sleep(_RETRY_S)
                self._asked.set()

    async def _load(self) -> None:
        self._known = False
        try:
            if self._database.begun:
                async with self._database.reach() as store:
                    self._tell(store)
                    await self._read(store)
            self._known = True
        except StoreError as error:
            self._asked.set()
            self._trouble.tell(f"Your own rules cannot be read, so only what is known of them is in force: {error}")
            return
        self._trouble.end()
        self._put_in_force()

    async def _read(self, store: MarketStore) -> None:
        found = await store.rules(every_version=True)
        stored = [rule for rule in found if rule.origin != "file"]
        for rule in found:
            if rule.origin == "file" and rule.muted_until_ms is not None and self._file is not None:
                self._file = list(with_mute(self._file, rule.rule_id, rule.muted_until_ms))
        self._removed = {removal.rule_id: removal.removed_ms or 0 for removal in await store.removals()}
        self._versions = {}
        for rule in stored:
            self._versions.setdefault(rule.rule_id, []).append(rule)
        self._known = True

    # What there is

    @property
    def own(self) -> list[Rule]:
        """The newest versions of the rules that a person wrote, without the deleted ones."""
        return [versions[0] for rule_id, versions in self._versions.items() if rule_id not in self._removed]

    @property
    def removed(self) -> list[Rule]:
        """The newest versions of deleted rules, latest deleted first."""
        gone = [versions[0] for rule_id, versions in self._versions.items() if rule_id in self._removed]
        return sorted(gone, key=lambda rule: self._removed[rule.rule_id], reverse=True)

    @property
    def in_force(self) -> list[Rule]:
        """All rules: those of the file, then a person's own."""
        return [*(self._file or ()), *self.own]

    def versions(self, rule_id: str) -> list[Rule]:
        """Every version of an own rule, newest first, also of a deleted one; none for a rule that is not here."""
        return list(self._versions.get(rule_id, ()))

    def is_removed(self, rule_id: str) -> bool:
        return rule_id in self._removed

    # Changes

    async def create(self, rule: Rule) -> Rule:
        """A new rule of its `owner_id`, under an id made of its name. Raises Conflict where there is one of that name, or no
        room."""
        async with self._work() as store:
            self._check_room()
            self._check_name(rule)
            made = rule._replace(rule_id=self._free_id(rule.name), version=1, origin="user")
            await self._commit(store, made)
        self._put_in_force()
        return made

    async def change(self, rule_id: str, rule: Rule, version: int | None = None) -> Rule:
        """The next version of a rule; `version`: the one that the change was made from, a Conflict where that is past.

        Its author stays the author, whoever changes it; `rule.owner_id` is who does it. Raises Forbidden where that is another
        one and the rule would ask its author's money something new."""
        async with self._work() as store:
            present = self._present(rule_id)
            if version is not None and version != present.version:
                raise Conflict(
                    f'The rule "{present.name}" has version {present.version} by now, and the change was made from version '
                    f"{version}; look at the newest version and change that."
                )
            made = rule._replace(rule_id=rule_id, version=present.version, origin="user", owner_id=present.owner_id)
            if made == present:
                return present
            if rule.owner_id != present.owner_id:
                _check_author(present, made)
            self._check_name(made)
            made = made if made.content == present.content else self._next(made)
            await self._commit(store, made)
        self._put_in_force()
        return made

    async def switch(self, rule_id: str, *, on: bool) -> Rule:
        """Switch a rule on or off, as a new version of it."""
        async with self._work() as store:
            present = self._present(rule_id)
            if present.enabled == on:
                return present
            made = self._next(present._replace(enabled=on))
            await self._commit(store, made)
        self._put_in_force()
        return made

    async def mute(self, rule_id: str, until_ms: int | None) -> Rule:
        """Tell nobody of a rule, be it of the file, until then (`FOREVER_MS`: until it is taken back); None takes it back.

        Its version and its episodes stay."""
        async with self._work() as store:
            of_file = next((rule for rule in self._file or () if rule.rule_id == rule_id), None)
            made = (of_file or self._present(rule_id))._replace(muted_until_ms=until_ms)
            if of_file is None:
                await self._commit(store, made)
            else:
                await self._store(store, WriteBatch(rules=[made]))
                self._file = list(with_mute(self._file or (), rule_id, until_ms))
        self._put_in_force()
        return made

    async def present(self, rule_id: str) -> Rule:
        """The newest version of a rule that may be changed here. Raises NotFound, Conflict, Unavailable."""
        async with self._work():
            return self._present(rule_id)

    async def hand_over(self, rule_id: str, owner_id: str, *, author: str) -> Rule:
        """Make somebody else its author; version and episodes stay. `author`: who it was when that was decided, a Conflict
        where that is past. Raises Forbidden for a rule that looks at its author's money."""
        async with self._work() as store:
            present = self._present(rule_id)
            if present.owner_id != author:
                raise Conflict(f'The rule "{present.name}" was handed over meanwhile; look at it again.')
            if why := kept_by_author(present):
                raise Forbidden(why)
            made = present._replace(owner_id=owner_id)
            if made != present:
                await self._commit(store, made)
        self._put_in_force()
        return made

    async def remove(self, rule_id: str) -> Rule:
        """Delete a rule: its episodes end, its versions stay. A rule that is deleted already stays so."""
        async with self._work() as store:
            if rule_id in self._removed and rule_id in self._versions:
                return self._versions[rule_id][0]
            present = self._present(rule_id)
            await self._store(store, WriteBatch(removals=[RuleRemoval(rule_id, self._clock.now_ms())]))
            self._removed[rule_id] = self._clock.now_ms()
        self._put_in_force()
        return present

    async def restore(self, rule_id: str, version: int | None = None) -> Rule:
        """Take a deletion back; `version`: with the content of that one, as a new version."""
        async with self._work() as store:
            versions = self._mine(rule_id)
            chosen = next((one for one in versions if version in (None, one.version)), None)
            if chosen is None:
                raise NotFound(f'The rule "{versions[0].name}" has no version {version}.')
            if rule_id in self._removed:
                self._check_room()
            self._check_name(chosen)
            _check_former(chosen, versions[0])
            chosen = chosen._replace(muted_until_ms=versions[0].muted_until_ms, owner_id=versions[0].owner_id)
            made = chosen if chosen.version == versions[0].version else self._next(chosen)
            if made != versions[0] or rule_id in self._removed:
                await self._commit(store, made)
        self._put_in_force()
        return made

    @asynccontextmanager
    async def leaving(self) -> AsyncIterator[None]:
        """Around the deletion of an author's own rules: none is written meanwhile, and what is left is in force afterwards."""
        async with self._turn:
            try:
                yield
            finally:
                await self._load()

    # Their parts

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[MarketStore]:
        """One piece of work on the open database. Raises Unavailable where it cannot be had."""
        async with self._turn:
            try:
                async with self._database.reach() as store:
                    self._tell(store)
                    if not self._known:
                        await self._read(store)
                        self._trouble.end()
                    yield store
            except StoreError as error:
                raise Unavailable(
                    f"The rule was not saved and nothing has changed, for the database is away: {error}"
                ) from None

    async def _commit(self, store: MarketStore, rule: Rule) -> None:
        removals = [RuleRemoval(rule.rule_id, None)] if rule.rule_id in self._removed else []
        await self._store(store, WriteBatch(rules=[rule], removals=removals))
        self._removed.pop(rule.rule_id, None)
        versions = self._versions.setdefault(rule.rule_id, [])
        if versions and versions[0].version == rule.version:
            del versions[0]
        versions.insert(0, rule)

    async def _store(self, store: MarketStore, batch: WriteBatch) -> None:
        """Commit; where it is not known whether that was done, everything is read again."""
        self._known = False
        self._asked.set()
        await store.write(batch)
        self._known = True
        self._asked.clear()

    def _put_in_force(self) -> None:
        if self._publish is not None and self._file is not None:
            self._publish(Rules(self.in_force))

    def _present(self, rule_id: str) -> Rule:
        newest = self._mine(rule_id)[0]
        if rule_id in self._removed:
            raise NotFound(f'The rule "{newest.name}" was deleted; `POST /api/rules/{rule_id}/restore` takes that back.')
        return newest

    def _next(self, rule: Rule) -> Rule:
        versions = self._versions[rule.rule_id]
        if len(versions) >= _MOST_VERSIONS:
            raise Conflict(f'The rule "{rule.name}" has {_MOST_VERSIONS} versions, which are the most; copy it as a new rule.')
        return rule._replace(version=versions[0].version + 1)

    def _mine(self, rule_id: str) -> list[Rule]:
        """The versions of a rule that a person wrote."""
        name = next((rule.name for rule in self._file or () if rule.rule_id == rule_id), None)
        if name is not None:
            raise Conflict(f'The rule "{name}" belongs to {self._path}; change it there, or copy it as a rule of your own.')
        if rule_id not in self._versions:
            raise NotFound(f'There is no rule "{rule_id}".', [{"parameter": "rule_id", "value": rule_id}])
        return self._versions[rule_id]

    def _check_name(self, rule: Rule) -> None:
        for other in self.in_force:
            if other.rule_id != rule.rule_id and other.name.strip().casefold() == rule.name.strip().casefold():
                message = f'There is another rule of the name "{other.name}"; names differ.'
                raise Conflict(message, [Mistake("name", 1, message).detail()])

    def _check_room(self) -> None:
        if len(self.in_force) >= MOST_RULES:
            raise Conflict(
                f"There are {len(self.in_force)} rules, and {MOST_RULES} are the most; delete one that is not needed."
            )

    def _free_id(self, name: str) -> str:
        """The name as a word, with a number where that is taken."""
        word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
        if not word or word in _RESERVED or word.startswith(("file-", "default-")):
            word = f"rule-{word}".strip("-")
        taken = self._versions.keys() | self._removed.keys() | {rule.rule_id for rule in self._file or ()}
        number = 1
        while (found := word if number == 1 else f"{word}-{number}") in taken:
            number += 1
        return found

    def _tell(self, store: MarketStore) -> None:
        """What happened to a database that was opened for this."""
        for notice in store.take_notices():
            if self._publish is not None:
                self._publish(notice)


def kept_by_author(rule: Rule) -> str:
    """Why a rule cannot be handed over, "" where it can be: nobody is to find out about another one's money by giving them a
    question about it."""
    if not asks_money(rule):
        return ""
    return (
        f'The rule "{rule.name}" looks at the portfolios of whoever wrote it, so it cannot be handed over: it would look at '
        "somebody else's from then on. Whoever wants one like it copies it as a rule of their own."
    )


def _check_former(chosen: Rule, present: Rule) -> None:
    """An earlier version may be of an author before the last hand-over, and about their money. Raises Forbidden."""
    if chosen.owner_id != present.owner_id and asks_money(chosen):
        raise Forbidden(
            f'Version {chosen.version} of the rule "{present.name}" looked at the portfolios of an earlier author, so it '
            "cannot be used again; write its condition as a rule of your own."
        )


def _check_author(present: Rule, made: Rule) -> None:
    """Nobody finds out about another one's money by asking it other questions. Raises Forbidden."""
    asks = [(one.expression, one.recover) for one in (present, made)]
    if asks[0] != asks[1] and asks_money(made):
        raise Forbidden(
            f'The rule "{made.name}" would look at the portfolios of whoever wrote it, so nobody else may change its '
            "condition; copy it as a rule of your own."
        )
