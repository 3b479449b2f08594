"""The rulebook: the rules of the file as it is now, with versions, read again when it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..bus import Publish
from ..clock import Clock
from ..model.alerts import Rule
from ..model.system import Level, Notice
from .rule_file import default_rules, read_rules
from .yaml_tree import MOST_BYTES, RulesFileError

_POLL_S = 2.0
_KEY = "rules-file"
Stamp = tuple[int, int, int] | None


def versioned(rules: Iterable[Rule], before: Mapping[str, Rule]) -> list[Rule]:
    """The rules with versions: that of the rule of the same id in `before` where nothing changed, else the next one."""
    return [_versioned(rule, before.get(rule.rule_id)) for rule in rules]


def _versioned(rule: Rule, old: Rule | None) -> Rule:
    if old is None:
        return rule
    same = rule._replace(version=old.version)
    return same if same == old else rule._replace(version=old.version + 1)


class Rulebook:
    """The rules of the file at `path`, or the default rules where there is none.

    A file that cannot be used changes nothing and is told in a notice with line and column; the notice ends when the file is
    mended. `known`: the newest versions that the store has, so that versions go on after a restart. `on_change` is called with
    all rules of the file whenever they change.
    """

    def __init__(
        self,
        *,
        path: Path,
        clock: Clock,
        publish: Publish,
        on_change: Callable[[list[Rule]], None],
        known: Iterable[Rule] = (),
    ) -> None:
        self.path = path
        self.rules: list[Rule] = []
        self.error: str | None = None
        self._clock = clock
        self._publish = publish
        self._on_change = on_change
        self._versions = {rule.rule_id: rule for rule in known if rule.origin == "file"}
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
            rules = await asyncio.to_thread(read_rules, data) if data is not None else default_rules()
        except RulesFileError as error:
            self._say_broken(str(error))
            if not self.rules:
                self._take(default_rules())
            return
        self._say_mended()
        self._take(rules)

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

    def _take(self, rules: list[Rule]) -> None:
        named = versioned(rules, self._versions)
        self._versions |= {rule.rule_id: rule for rule in named}
        if named != self.rules:
            self.rules = named
            self._on_change(named)

    def _say_broken(self, message: str) -> None:
        self.error = f"{self.path.name}: {message} The rules from before stay in force."
        self._publish(Notice(_KEY, Level.WARNING, self.error, self._clock.now_ms()))

    def _say_mended(self) -> None:
        if self.error is not None:
            self._publish(Notice(_KEY, Level.INFO, f"{self.path.name} is in order again.", self._clock.now_ms(), over=True))
            self.error = None
