"""The rules file while the program runs: read again when it changes, left alone when it is broken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from marketwatch.alerts import yaml_tree
from marketwatch.alerts.rule_file import RULE_KEYS, default_rules, read_rules
from marketwatch.alerts.rulebook import Rulebook
from marketwatch.alerts.yaml_tree import RulesFileError
from marketwatch.clock import ManualClock
from marketwatch.config import Settings, load
from marketwatch.model.alerts import Rule
from marketwatch.model.system import Notice

ONE = "alert_thresholds: off\nrules:\n  - {name: One, expression: price > 1}\n"


class Desk:
    """A rulebook over a file, and what it said."""

    def __init__(self, path: Path) -> None:
        self.changes: list[list[Rule]] = []
        self.notices: list[Notice] = []
        self.path = path
        self.clock = ManualClock(1_000)
        self.book = Rulebook(path=path, clock=self.clock, publish=self.notices.append, on_change=self.changes.append)
        self._stamp = 10**18

    async def write(self, text: str) -> None:
        """Another content, another time of change."""
        self.path.write_text(text, "utf-8")
        self._stamp += 10**9
        os.utime(self.path, ns=(self._stamp, self._stamp))
        await self.book.refresh()


async def test_without_a_file_the_default_rules_hold(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "rules.yml")
    await desk.book.refresh()
    assert desk.changes == [default_rules()]
    assert desk.notices == []


async def test_file_that_appears_changes_and_goes_is_followed(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "rules.yml")
    await desk.book.refresh()
    await desk.write(ONE)
    await desk.write(ONE.replace("> 1", "> 2"))
    desk.path.unlink()
    await desk.book.refresh()
    assert [[(rule.rule_id, rule.version) for rule in rules] for rules in desk.changes[1:3]] == [
        [("file-one", 1)],
        [("file-one", 2)],
    ]
    assert desk.changes[3] == default_rules()


async def test_broken_file_keeps_the_rules_and_says_where_until_it_is_mended(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "rules.yml")
    await desk.write(ONE)
    await desk.write(ONE + "  - {name: Two, expresion: price > 1}\n")
    assert [rule.rule_id for rule in desk.book.rules] == ["file-one"]
    assert len(desk.changes) == 1
    (notice,) = desk.notices
    assert "rules.yml: Line 4, column 17: 'expresion' is not known here. Did you mean 'expression'?" in notice.message
    await desk.book.refresh()
    assert len(desk.notices) == 1
    await desk.write(ONE)
    assert [one.over for one in desk.notices] == [False, True]
    assert len(desk.changes) == 1


async def test_file_that_is_broken_from_the_start_leaves_the_default_rules(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "rules.yml")
    await desk.write("rules: [")
    assert desk.changes == [default_rules()]
    assert len(desk.notices) == 1


async def test_path_that_is_a_folder_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.book.refresh()
    assert desk.changes == [default_rules()]
    assert "cannot be read" in desk.notices[0].message


async def test_same_content_at_another_time_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "rules.yml")
    await desk.write(ONE)
    await desk.write(ONE)
    await desk.write("# a remark\n" + ONE)
    assert len(desk.changes) == 1


def test_rules_file_is_in_the_data_directory_unless_it_is_set(tmp_path: Path) -> None:
    assert Settings.of(data_dir=tmp_path).rules_file == tmp_path / "rules.yml"
    assert load(environ={"MARKETWATCH_RULES": "/etc/alerts.yml"}).rules_file == Path("/etc/alerts.yml")


def test_example_of_the_documentation_is_a_rules_file(root: Path) -> None:
    text = (root / "docs" / "rules-file.md").read_text("utf-8")
    rules = read_rules(text.split("```yaml\n")[1].split("```")[0].encode())
    assert rules[:3] == default_rules()
    assert [rule.name for rule in rules[3:]] == ["Fast fall"]


def test_documentation_lists_every_key(root: Path) -> None:
    text = (root / "docs" / "rules-file.md").read_text("utf-8").partition("## Tests of rules")[0]
    assert {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")} == RULE_KEYS


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_places_are_the_same_with_and_without_the_compiled_parser(loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_tree, "_LOADER", loader)
    for text, place in ((b"rules:\n  - {name: a, expression: 'volme(1m) > 1'}\n", (2, 28)), (b"a: &x 1\n", (1, 4))):
        with pytest.raises(RulesFileError) as raised:
            read_rules(text)
        assert (raised.value.line, raised.value.column) == place
