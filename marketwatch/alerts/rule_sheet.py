"""A rule as a body or a form writes it. The reader of the rules file reads it, so one mistake is one mistake everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import MarketwatchError
from ..model.alerts import Rule
from .rule_file import RULE_KEYS, read_rule
from .yaml_tree import Fields, Items, RulesFileError, Text, Tree

Sheet = Mapping[str, str | Sequence[str]]
"""Texts by the keys of the rules file; an empty one says nothing."""
_PLACEHOLDERS = {"name": "name", "expression": "price > 0"}


class Mistake(NamedTuple):
    """What is wrong with a field. `column` counts from 1 in its text."""

    field: str
    column: int
    message: str
    hint: str = ""

    def detail(self) -> dict[str, Any]:
        """As the API's `details` show it."""
        return self._asdict()


class RuleRefused(MarketwatchError):
    """A rule cannot be taken as it is written; `mistakes` has one for each field that is wrong."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        first = mistakes[0]
        place = f"{first.field}, column {first.column}: " if first.column > 1 else ""
        super().__init__(f"{place}{first.message}{' ' + first.hint if first.hint else ''}")
        self.mistakes = list(mistakes)


def read_sheet(sheet: Sheet) -> Rule:
    """The rule, without an id, of version 1. Raises RuleRefused with every field that is wrong."""
    given = {key: value for key, value in sheet.items() if not isinstance(value, str) or value.strip()}
    mistakes: list[Mistake] = []
    for key in sorted(RULE_KEYS & _PLACEHOLDERS.keys() - given.keys(), reverse=True):
        mistakes.append(Mistake(key, 1, f"The rule has no {key}."))
        given[key] = _PLACEHOLDERS[key]
    while True:
        found = _read(given)
        if isinstance(found, Rule):
            break
        mistakes.append(found)
        if found.field in _PLACEHOLDERS:
            given[found.field] = _PLACEHOLDERS[found.field]
        else:
            del given[found.field]
    if mistakes:
        raise RuleRefused(mistakes)
    return found._replace(rule_id="", origin="user")


def _read(given: Mapping[str, str | Sequence[str]]) -> Rule | Mistake:
    """The rule, or its first mistake. Each field is a line of a file, which is how a mistake is found again."""
    names = list(given)
    values = {name: (_text(name, line), _tree(given[name], line)) for line, name in enumerate(names, 1)}
    try:
        return read_rule(Fields(values, 0, 1))
    except RulesFileError as error:
        return Mistake(names[error.line - 1], error.column, error.message, error.hint)


def _tree(value: str | Sequence[str], line: int) -> Tree:
    return _text(value, line) if isinstance(value, str) else Items([_text(one, line) for one in value], line, 1)


def _text(value: str, line: int) -> Text:
    return Text(value, line, 1, 1, plain=True)
