"""What the parser makes of a rule: a tree of words, not yet of meanings."""

from __future__ import annotations

from dataclasses import dataclass

from .tokens import Token


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a duration or a per cent; `token.value` already has its sign."""

    token: Token
    column: int


@dataclass(frozen=True, slots=True)
class Text:
    """A symbol in quotes."""

    symbol: str
    column: int


@dataclass(frozen=True, slots=True)
class Call:
    """A name with its arguments. `called`: there were parentheses. `field`: what stands behind a dot."""

    name: str
    arguments: tuple[Tree, ...]
    called: bool
    column: int
    field: str | None = None
    field_column: int = 0


@dataclass(frozen=True, slots=True)
class Unary:
    """`-` or `not`."""

    operator: str
    operand: Tree
    column: int


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * /`, `and`, `or`; the last two hold as many operands as stand in a row."""

    operator: str
    operands: tuple[Tree, ...]
    column: int


@dataclass(frozen=True, slots=True)
class Chain:
    """`a < b <= c`: one operator fewer than operands, each with its column."""

    operands: tuple[Tree, ...]
    operators: tuple[str, ...]
    columns: tuple[int, ...]
    column: int


Tree = Literal | Text | Call | Unary | Binary | Chain
