"""The rulebook: the rules of the file as it is now, with versions, read again when it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..bus import Publish
from ..clock import Clock
from ..model.alerts import Rule, Watchlists
from ..model.system import Level, Notice
from .rule_file import RulesFile, default_rules, read_file
from .yaml_tree import MOST_BYTES, RulesFileError

_POLL_S = 2.0
_KEY = "rules-file"
Stamp = tuple[int, int, int] | None


def versioned(rules: Iterable[Rule], before: Mapping[str, Rule]) -> list[Rule]:
    """The rules with versions: that of the rule of the same id in `before` where its content is the same, else the next one."""
    return [_versioned(rule, before.get(rule.rule_id)) for rule in rules]


def _versioned(rule: Rule, old: Rule | None) -> Rule:
    if old is None:
        return rule
    return rule._replace(version=old.version + (rule.content != old.content))


def with_mute(rules: Iterable[Rule], rule_id: str, until_ms: int | None) -> list[Rule]:
    """The rules with one of them muted until then; None: not muted. Its version and its episodes stay."""
    return [rule._replace(muted_until_ms=until_ms) if rule.rule_id == rule_id else rule for rule in rules]


class Rulebook:
    """The rules of the file at `path`, or the default rules where there is none.

    A file that cannot be used changes nothing and is told in a notice with line and column; the notice ends when the file is
    mended. `known`: the newest versions that the store has, so that versions go on after a restart. `on_change` is called with
    all rules of the file whenever they change; its watchlists are published before. `current`: the rules in force by id, from
    which a rule keeps its mute as long as the file does not say another one than before.
    """

    def __init__(
        self,
        *,
        path: Path,
        clock: Clock,
        publish: Publish,
        on_change: Callable[[list[Rule]], None],
        known: Iterable[Rule] = (),
        current: Callable[[], Mapping[str, Rule]] = dict,
    ) -> None:
        self.path = path
        self.rules: list[Rule] = []
        self.error: str | None = None
        self._clock = clock
        self._publish = publish
        self._on_change = on_change
        self._versions = {rule.rule_id: rule for rule in known if rule.origin == "file"}
        self._current = current
        self._said: dict[str, int | None] = {}
        self._lists: dict[str, tuple[str, ...]] = {}
        self._stamp: Stamp = (-1, -1, -1)

    async def refresh(self) -> None:
        """Read the file when it is another one than before. The first call always ends with rules."""
        stamp, data = await asyncio.to_thread(self._look)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            if isinstance(data, OSError):
                raise RulesFileError(1, 1, f"The file cannot be read: {data.strerror or data}.")
            found = await asyncio.to_thread(read_file, data) if data is not None else RulesFile(default_rules(), {})
        except RulesFileError as error:
            self._say_broken(str(error))
            if not self.rules:
                self._take(RulesFile(default_rules(), {}))
            return
        self._say_mended()
        self._take(found)

    async def run(self) -> None:
        """Look every two seconds, until cancelled."""
        while True:
            await self._clock.sleep(_POLL_S)
            await self.refresh()

    def _look(self) -> tuple[Stamp, bytes | OSError | None]:
        """What the file is like, and what it holds when it changed."""
        stamp: Stamp = None
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return stamp, None
            with self.path.open("rb") as file:
                return stamp, file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return None, None
        except OSError as error:
            return stamp, error

    def _take(self, found: RulesFile) -> None:
        named = [self._muted(rule) for rule in versioned(found.rules, self._versions)]
        self._said = {rule.rule_id: rule.muted_until_ms for rule in found.rules}
        self._versions |= {rule.rule_id: rule for rule in named}
        if found.watchlists != self._lists:
            self._lists = found.watchlists
            self._publish(Watchlists("file", found.watchlists))
        if named != self.rules:
            self.rules = named
            self._on_change(named)

    def _muted(self, rule: Rule) -> Rule:
        """The rule with the mute that it has, unless the file says something new about it."""
        if rule.muted_until_ms != self._said.get(rule.rule_id):
            return rule
        held = self._current().get(rule.rule_id) or self._versions.get(rule.rule_id)
        return rule if held is None else rule._replace(muted_until_ms=held.muted_until_ms)

    def _say_broken(self, message: str) -> None:
        self.error = f"{self.path.name}: {message} The rules from before stay in force."
        self._publish(Notice(_KEY, Level.WARNING, self.error, self._clock.now_ms()))

    def _say_mended(self) -> None:
        if self.error is not None:
            self._publish(Notice(_KEY, Level.INFO, f"{self.path.name} is in order again.", self._clock.now_ms(), over=True))
            self.error = None
