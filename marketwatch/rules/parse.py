"""The parser: a small Pratt parser over words, bounded in depth and size."""

from __future__ import annotations

from typing import NamedTuple

from .errors import RuleError, shown
from .tokens import Sort, Token, tokens
from .tree import Binary, Call, Chain, Literal, Text, Tree, Unary

MOST_DEPTH = 40
MOST_NODES = 300
_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _NEGATE = range(1, 8)
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_POWER = {"or": _OR, "and": _AND, "+": _ADD, "-": _ADD, "*": _MULTIPLY, "/": _MULTIPLY} | dict.fromkeys(_COMPARISONS, _COMPARE)
_KEYWORDS = frozenset({"and", "or", "not", "for"})
_LITERALS = frozenset({Sort.NUMBER, Sort.DURATION, Sort.PERCENT})


class Parsed(NamedTuple):
    """`for_s`: how long the expression has to hold; 0 without a `for`."""

    tree: Tree
    for_s: float


def parse(source: str) -> Parsed:
    """The tree of a rule. Raises RuleError and nothing else."""
    return _Parser(tokens(source)).rule()


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0
        self._depth = 0
        self._nodes = 0

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        word = self._words[self._at]
        self._at += word.sort is not Sort.END
        return word

    def rule(self) -> Parsed:
        tree = self._expression(0)
        held = self._for() if self._next == (Sort.NAME, "for", 0.0, self._next.column) else 0.0
        if self._next.sort is not Sort.END:
            raise self._unexpected("The rule should end here")
        return Parsed(tree, held)

    def _for(self) -> float:
        self._take()
        word = self._take()
        if word.sort is not Sort.DURATION:
            raise RuleError(word.column, "After for stands a duration.", "Write for 30s.")
        return word.value

    def _expression(self, power: int) -> Tree:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise RuleError(self._next.column, f"The rule is nested more than {MOST_DEPTH} deep.", "Split it.")
        left = self._prefix()
        while (own := self._power(self._next)) > power:
            left = self._infix(left, own)
        self._depth -= 1
        return left

    @staticmethod
    def _power(word: Token) -> int:
        return _POWER.get(word.text, 0) if word.sort in (Sort.SIGN, Sort.NAME) else 0

    def _count(self, column: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise RuleError(column, f"The rule has more than {MOST_NODES} parts.", "Split it.")

    def _infix(self, left: Tree, power: int) -> Tree:
        word = self._next
        if power == _COMPARE:
            return self._chain(left)
        self._take()
        self._count(word.column)
        right = self._expression(power)
        if power in (_OR, _AND) and isinstance(left, Binary) and left.operator == word.text and left.column > 0:
            return Binary(word.text, (*left.operands, right), left.column)
        return Binary(word.text, (left, right), word.column)

    def _chain(self, first: Tree) -> Tree:
        operands, operators, columns = [first], [], []
        while self._power(self._next) == _COMPARE:
            word = self._take()
            self._count(word.column)
            operators.append(word.text)
            columns.append(word.column)
            operands.append(self._expression(_COMPARE))
        return Chain(tuple(operands), tuple(operators), tuple(columns), columns[0])

    def _prefix(self) -> Tree:
        word = self._take()
        self._count(word.column)
        if word.sort in _LITERALS:
            return Literal(word, word.column)
        if word.sort is Sort.TEXT:
            return Text(word.text, word.column)
        if word.sort is Sort.NAME and word.text not in _KEYWORDS:
            return self._call(word)
        if word.text == "not" and word.sort is Sort.NAME:
            return Unary("not", self._expression(_NOT), word.column)
        if word.sort is Sort.SIGN and word.text in "+-":
            return self._signed(word)
        if word.sort is Sort.SIGN and word.text == "(":
            inside = self._expression(0)
            self._close(word)
            return inside
        self._at -= word.sort is not Sort.END
        raise self._unexpected("A value is missing here")

    def _signed(self, word: Token) -> Tree:
        operand = self._expression(_NEGATE)
        if word.text == "+":
            return operand
        if isinstance(operand, Literal):
            token = operand.token
            negative = token._replace(value=-token.value, text="-" + token.text)
            return Literal(negative if not token.text.startswith("-") else negative._replace(text=token.text[1:]), word.column)
        return Unary("-", operand, word.column)

    def _call(self, word: Token) -> Call:
        call = Call(word.text, (), False, word.column)
        if self._next.sort is Sort.SIGN and self._next.text == "(":
            call = Call(word.text, self._arguments(self._take()), True, word.column)
        if self._next.sort is Sort.SIGN and self._next.text == ".":
            self._take()
            field = self._take()
            if field.sort is not Sort.NAME:
                raise RuleError(
                    field.column, "After the dot stands the name of an output.", "Write macd(12, 26, 9, 1m).macdsignal."
                )
            call = Call(call.name, call.arguments, call.called, call.column, field.text, field.column)
        return call

    def _arguments(self, opening: Token) -> tuple[Tree, ...]:
        if self._next.text == ")" and self._next.sort is Sort.SIGN:
            self._take()
            return ()
        found = [self._expression(0)]
        while self._next.sort is Sort.SIGN and self._next.text == ",":
            self._take()
            found.append(self._expression(0))
        self._close(opening)
        return tuple(found)

    def _close(self, opening: Token) -> None:
        word = self._next
        if word.sort is not Sort.SIGN or word.text != ")":
            raise RuleError(word.column, f"The parenthesis of column {opening.column} is not closed.", "Write ).")
        self._take()

    def _unexpected(self, what: str) -> RuleError:
        word = self._next
        there = "the rule ends" if word.sort is Sort.END else f"there is '{shown(word.text)}'"
        return RuleError(word.column, f"{what}, but {there}.")
