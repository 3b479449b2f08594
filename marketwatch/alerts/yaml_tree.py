"""YAML as a small tree of texts with places: no tags, no aliases, no guessing of types, bounded in every direction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import MarketwatchError

MOST_BYTES = 1_000_000
_MOST_NODES, _DEEPEST = 50_000, 8
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RulesFileError(MarketwatchError):
    """The rules file cannot be used. One sentence that names line and column, both from 1; `hint`: what to write instead."""

    def __init__(self, line: int, column: int, message: str, hint: str = "") -> None:
        super().__init__(f"Line {line}, column {column}: {message}{' ' + hint if hint else ''}")
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as written. `inside`: where its first character stands, 0 where that says nothing about the others."""

    value: str
    line: int
    column: int
    inside: int
    plain: bool


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    values: list[Tree]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping, keys in order and different."""

    values: dict[str, tuple[Text, Tree]]
    line: int
    column: int


Tree = Text | Items | Fields


def parse_yaml(data: bytes) -> Tree | None:
    """The tree of a document, None of an empty one. Raises RulesFileError only."""
    if len(data) > MOST_BYTES:
        raise RulesFileError(1, 1, f"The file has {len(data)} bytes; {MOST_BYTES} are the most.")
    try:
        return _Reader(yaml.parse(data.decode("utf-8"), Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = str(error.problem or "this is no YAML").rstrip(".")
        raise RulesFileError(_line(mark), _column(mark), f"The YAML cannot be read: {said}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        raise RulesFileError(1, 1, f"The file cannot be read as YAML in UTF-8: {said}.") from None


def _line(mark: Any) -> int:
    return 1 if mark is None else mark.line + 1


def _column(mark: Any) -> int:
    return 1 if mark is None else mark.column + 1


class _Reader:
    """Builds the tree from the events of the parser."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._nodes = 0

    def document(self) -> Tree | None:
        tree: Tree | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if tree is not None:
                    raise RulesFileError(_line(event.start_mark), 1, "A rules file holds one document only.")
                tree = self._node(next(self._events), 0)
        return None if isinstance(tree, Text) and not tree.value else tree

    def _node(self, event: Any, depth: int) -> Tree:
        line, column = _line(event.start_mark), _column(event.start_mark)
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise RulesFileError(line, column, f"The file has more than {_MOST_NODES} values.")
        if depth > _DEEPEST:
            raise RulesFileError(line, column, f"The file is nested more than {_DEEPEST} levels deep.")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise RulesFileError(line, column, "Anchors and aliases are not allowed here; write the value out.")
        if event.tag is not None:
            raise RulesFileError(line, column, f"The tag {event.tag!r} is not allowed here; remove it.")
        if isinstance(event, yaml.ScalarEvent):
            return _text(event, line, column)
        if isinstance(event, yaml.SequenceStartEvent):
            return Items([self._node(one, depth + 1) for one in self._until(yaml.SequenceEndEvent)], line, column)
        return self._fields(line, column, depth)

    def _until(self, end: type[Any]) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _fields(self, line: int, column: int, depth: int) -> Fields:
        values: dict[str, tuple[Text, Tree]] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Text):
                raise RulesFileError(key.line, key.column, "A key must be a word.")
            if key.value in values:
                raise RulesFileError(key.line, key.column, f"The key {key.value[:40]!r} stands here twice.")
            values[key.value] = (key, self._node(next(self._events), depth + 1))
        return Fields(values, line, column)


def _text(event: Any, line: int, column: int) -> Text:
    plain = not event.style
    one_line = event.start_mark.line == event.end_mark.line and event.style in (None, "", "'", '"')
    return Text(event.value, line, column, (column + (0 if plain else 1)) if one_line else 0, plain)
