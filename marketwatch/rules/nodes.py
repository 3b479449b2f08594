"""What a rule means: typed nodes. Equal nodes have equal `key`s within a rule and equal `identity`s over all rules, which share
what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TypeVar


class Kind(StrEnum):
    """What a value is. Per cent values count in per cent, durations in seconds, truths are 1, 0 (unknown) and -1."""

    NUMBER = "number"
    PERCENT = "percent"
    DURATION = "duration"
    BOOL = "bool"


@dataclass(frozen=True)
class Span:
    """A window: a count of samples, or a duration. `text` is its one way of being written: `60`, `5m`, `1d`."""

    text: str
    count: int = 0
    ms: int = 0


@dataclass(frozen=True)
class Node:
    """Part of an expression."""

    @property
    def kind(self) -> Kind:
        return Kind.NUMBER

    @property
    def parts(self) -> tuple[Node, ...]:
        return ()

    @cached_property
    def key(self) -> str:
        """The node as text, with the parentheses that it needs."""
        return self._text()

    @property
    def whose(self) -> str:
        """The id of the person whose money is in it, "" without any."""
        return next((part.whose for part in self.parts if part.whose), "")

    @cached_property
    def identity(self) -> str:
        """What tells it from every other node: its text, and whose money it is about."""
        return f"{self.key}\0{self.whose}" if self.whose else self.key

    def _text(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class Constant(Node):
    """A number as written; per cent in per cent, a duration in seconds."""

    value: float
    unit: Kind
    text: str

    @property
    def kind(self) -> Kind:
        return self.unit

    def _text(self) -> str:
        return self.text


@dataclass(frozen=True)
class Term(Node):
    """A number that the market gives. `symbol` None: the symbol for which the rule is asked."""

    name: str
    unit: Kind
    symbol: str | None = None

    @property
    def kind(self) -> Kind:
        return self.unit

    def _call(self, *arguments: str) -> str:
        inside = ([f"'{self.symbol}'"] if self.symbol is not None else []) + list(arguments)
        return f"{self.name}({', '.join(inside)})" if inside else self.name

    def _text(self) -> str:
        return self._call()


@dataclass(frozen=True)
class Metric(Term):
    """A column of the metric table; without `window` one of its points. `other`: the symbol that it is compared with, where
    that is not the reference symbol."""

    window: Span | None = None
    other: str | None = None

    def _text(self) -> str:
        if self.other is not None and self.window is not None:
            return f"{self.name}('{self.other}', {self.window.text})"
        return self._call(*([self.window.text] if self.window is not None else []))


@dataclass(frozen=True)
class Fact(Term):
    """Something the program knows about itself or a symbol's data: `data_age`, `feed_lag`, `stale`."""


@dataclass(frozen=True)
class WhaleCount(Term):
    """Whale trades in the window that ends with the step."""

    window: Span = Span("1m", ms=60_000)

    def _text(self) -> str:
        return self._call(self.window.text)


@dataclass(frozen=True)
class Indicator(Term):
    """One output of a TA-Lib function over closed candles, or (without a function) a field of the last closed candle.

    `intrabar`: the open candle, as far as it goes, counts as the last one.
    """

    interval: str = "1m"
    parameters: tuple[float, ...] = ()
    output: int = 0
    output_name: str = ""
    intrabar: bool = False

    def _text(self) -> str:
        mark = ("intrabar",) if self.intrabar else ()
        call = self._call(*(f"{value:g}" for value in self.parameters), self.interval, *mark)
        return f"{call}.{self.output_name}" if self.output_name else call


@dataclass(frozen=True)
class Derived(Node):
    """A statistic of an expression over a window of its own past."""

    name: str
    inner: Node
    window: Span
    unit: Kind

    @property
    def kind(self) -> Kind:
        return self.unit

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.inner,)

    def _text(self) -> str:
        return f"{self.name}({self.inner.key}, {self.window.text})"


@dataclass(frozen=True)
class Apply(Node):
    """Arithmetic: `+ - * /` of two, `neg` and `abs` of one, `min` and `max` of several."""

    operator: str
    operands: tuple[Node, ...]
    unit: Kind

    @property
    def kind(self) -> Kind:
        return self.unit

    @property
    def parts(self) -> tuple[Node, ...]:
        return self.operands

    def _text(self) -> str:
        if self.operator in "+-*/":
            return f" {self.operator} ".join(_wrapped(one) for one in self.operands)
        if self.operator == "neg":
            return f"-{_wrapped(self.operands[0])}"
        return f"{self.operator}({', '.join(one.key for one in self.operands)})"


def _wrapped(node: Node) -> str:
    return f"({node.key})" if isinstance(node, Apply) and node.operator in ("+", "-", "*", "/", "neg") else node.key


@dataclass(frozen=True)
class Truth(Node):
    """A node that is true, false or unknown."""

    @property
    def kind(self) -> Kind:
        return Kind.BOOL


@dataclass(frozen=True)
class Compare(Truth):
    """`left operator right`."""

    operator: str
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def _text(self) -> str:
        return f"{self.left.key} {self.operator} {self.right.key}"


@dataclass(frozen=True)
class Crosses(Truth):
    """True at the step at which `left` gets above (below) `right`, against the last step at which both were known."""

    above: bool
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def _text(self) -> str:
        return f"crosses_{'above' if self.above else 'below'}({self.left.key}, {self.right.key})"


@dataclass(frozen=True)
class Logic(Truth):
    """`and`, `or` of several, `not` of one."""

    operator: str
    operands: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        return self.operands

    def _text(self) -> str:
        wrapped = [f"({one.key})" if isinstance(one, Logic) else one.key for one in self.operands]
        return f"not {wrapped[0]}" if self.operator == "not" else f" {self.operator} ".join(wrapped)


N = TypeVar("N", bound=Node)


def with_each(node: Node, kind: type[N], change: Callable[[N], Node]) -> Node:
    """The node with all of a class in it changed."""
    match node:
        case Derived():
            return replace(node, inner=with_each(node.inner, kind, change))
        case Compare() | Crosses():
            left, right = with_each(node.left, kind, change), with_each(node.right, kind, change)
            return replace(node, left=left, right=right)
        case Apply() | Logic():
            return replace(node, operands=tuple(with_each(one, kind, change) for one in node.operands))
        case _:
            return change(node) if isinstance(node, kind) else node


def walk(node: Node) -> Iterator[Node]:
    """The node and everything in it, parts before wholes, in the order of the text."""
    for part in node.parts:
        yield from walk(part)
    yield node


def of_type(node: Node, kind: type[N]) -> list[N]:
    """All nodes of a class, each once."""
    return list({one.key: one for one in walk(node) if isinstance(one, kind)}.values())
