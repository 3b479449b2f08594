"""What a screen asks: a filter and columns in the rule language, read and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from ..errors import MarketwatchError
from ..rules.errors import RuleError
from ..rules.holdings import Holding
from ..rules.nodes import Crosses, Fact, Indicator, of_type
from ..rules.program import MOST_DERIVED, MOST_INDICATORS, MOST_WINDOWS, Program, compile_rule

MOST_COLUMNS = 12
MOST_TEXT = 1000
DEFAULT_COLUMNS = "price, change(1h), change(24h), volatility(60), drawdown(1h)"
SORT_BY_SYMBOL = "symbol"
FILTER, COLUMNS, SORT = "filter", "columns", "sort"
_FOR = re.compile(r"\bfor\b[^()]*\Z", re.IGNORECASE)


class Question(NamedTuple):
    """A screen as somebody wrote it. `sort`: a column's text, `symbol`, or empty for the watch's own order; `direction`: `asc`,
    `desc`, or empty for the natural one."""

    filter: str = ""
    columns: str = DEFAULT_COLUMNS
    watchlist_id: str = ""
    sort: str = ""
    direction: str = ""


class Mistake(NamedTuple):
    """What is wrong with a field; `column` counts from 1 in its text, 0 where it is about the whole."""

    field: str
    column: int
    message: str
    hint: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ScreenRefused(MarketwatchError):
    """A screen that cannot be evaluated, with every mistake that was found."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(" ".join(f"{one.field}: {one.sentence}" for one in self.mistakes))


@dataclass(frozen=True, eq=False)
class Sieve:
    """A screen ready to be evaluated. `filter` None: every symbol passes. `columns`: different programs, in their order."""

    filter: Program | None
    columns: tuple[Program, ...]

    @property
    def programs(self) -> tuple[Program, ...]:
        return (self.filter, *self.columns) if self.filter is not None else self.columns

    @cached_property
    def key(self) -> str:
        """Screens with equal keys are one screen, however they were written."""
        return "\n".join(("" if self.filter is None else self.filter.expression.key, *self.names))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns, each in its one way of being written."""
        return tuple(one.expression.key for one in self.columns)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The columns as they were written."""
        return tuple(" ".join(one.source.split()) for one in self.columns)

    def place(self, text: str) -> int | None:
        """Which column somebody means by a text, written in either way."""
        wanted = " ".join(text.split())
        return next((at for at, pair in enumerate(zip(self.names, self.labels, strict=True)) if wanted in pair), None)

    @property
    def windows(self) -> tuple[str, ...]:
        """The engine's windows that it needs."""
        return tuple(dict.fromkeys(name for one in self.programs for name in one.windows))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Windows and symbols of its comparisons with another symbol than the reference."""
        return tuple(dict.fromkeys(pair for one in self.programs for pair in one.pairs))

    @cached_property
    def indicators(self) -> tuple[Indicator, ...]:
        """Its different indicators over candles."""
        return tuple({node.key: node for one in self.programs for node in of_type(one.expression, Indicator)}.values())

    @cached_property
    def lasting(self) -> tuple[Program, ...]:
        """Its programs that remember what was before: those with statistics of expressions or crossings."""
        return tuple(one for one in self.programs if one.statistics or of_type(one.expression, Crosses))

    @cached_property
    def market_only(self) -> bool:
        """The filter looks at the market alone: of a symbol that went quiet it says nothing."""
        return self.filter is not None and not of_type(self.filter.expression, Fact)


def read(question: Question) -> Sieve:
    """The sieve of a question. Raises ScreenRefused."""
    return _read(question.filter, question.columns)


@lru_cache(maxsize=256)
def _read(filter_text: str, columns_text: str) -> Sieve:
    mistakes: list[Mistake] = []
    condition = _condition(filter_text, mistakes) if filter_text.strip() else None
    columns = _columns(columns_text if columns_text.strip(" ,") else DEFAULT_COLUMNS, mistakes)
    if mistakes:
        raise ScreenRefused(mistakes)
    sieve = Sieve(condition, columns)
    _bound(len(sieve.windows), MOST_WINDOWS, "windows")
    statistics = {one.key for program in sieve.programs for one in program.statistics}
    _bound(len(statistics), MOST_DERIVED, "statistics of expressions")
    _bound(len(sieve.indicators), MOST_INDICATORS, "candle indicators")
    return sieve


def _bound(count: int, most: int, what: str) -> None:
    if count > most:
        sentence = f"The filter and the columns together have {count} different {what}; {most} are the most."
        raise ScreenRefused([Mistake(COLUMNS, 0, sentence, "Leave some out.")])


def _condition(text: str, mistakes: list[Mistake]) -> Program | None:
    if len(text) > MOST_TEXT:
        mistakes.append(_too_long(FILTER, text))
        return None
    try:
        return _momentary(compile_rule(text), text)
    except RuleError as error:
        mistakes.append(Mistake(FILTER, error.column, error.message, error.hint))
        return None


def _columns(text: str, mistakes: list[Mistake]) -> tuple[Program, ...]:
    if len(text) > MOST_TEXT:
        mistakes.append(_too_long(COLUMNS, text))
        return ()
    pieces = [(at, piece) for at, piece in split(text) if piece.strip()]
    if len(pieces) > MOST_COLUMNS:
        sentence = f"There are {len(pieces)} columns; {MOST_COLUMNS} are the most."
        at, piece = pieces[MOST_COLUMNS]
        mistakes.append(Mistake(COLUMNS, at + len(piece) - len(piece.lstrip()) + 1, sentence, "Leave some out."))
        return ()
    found: dict[str, Program] = {}
    for at, piece in pieces:
        try:
            program = _momentary(compile_rule(piece, condition=False), piece)
        except RuleError as error:
            mistakes.append(Mistake(COLUMNS, at + error.column, error.message, error.hint))
            return ()
        found.setdefault(program.expression.key, program)
    return tuple(found.values())


def _momentary(program: Program, text: str) -> Program:
    """The program, if it is about the moment and about the market. Raises RuleError."""
    if program.for_s:
        place = _FOR.search(text)
        where = 1 if place is None else place.start() + 1
        raise RuleError(where, "A screen shows the moment: nothing has to hold for a while.", "Leave out for; alerts have it.")
    for node in of_type(program.expression, Holding):
        raise RuleError(_place(text, node.name), f"{node.name} is one's own and the same for every symbol.", "Alerts know it.")
    return program


def _place(text: str, name: str) -> int:
    return max(0, text.lower().find(name)) + 1


def _too_long(field: str, text: str) -> Mistake:
    return Mistake(field, MOST_TEXT, f"This has {len(text)} characters; {MOST_TEXT} are the most.", "Shorten it.")


def split(text: str) -> list[tuple[int, str]]:
    """The pieces between commas that stand in no parentheses and no quotes, each with where it begins."""
    pieces: list[tuple[int, str]] = []
    depth, start, quote = 0, 0, ""
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "," and depth <= 0:
            pieces.append((start, text[start:at]))
            start = at + 1
        else:
            depth += (sign == "(") - (sign == ")")
    return [*pieces, (start, text[start:])]
