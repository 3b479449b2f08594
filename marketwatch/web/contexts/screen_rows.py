"""What a screen found, in words: rows, a sentence, and what is not known yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from ...rules.nodes import Derived, Indicator, Kind, Metric, Node
from ...rules.program import Program
from ...screener.question import Question, Sieve, read
from ...screener.sight import Match, Matches, arrange, reasons
from ...watch import Watch
from .. import format as fmt
from .frame import symbol_href

if TYPE_CHECKING:
    from ..api.desk import Desk

MOST_ROWS = 100
_NAMED = 60
_PRICES = frozenset({"price", "bid", "ask", "sma", "ema", "wma", "vwap", "high", "low", "open", "close", "price_std"})
Shown = Callable[[float, int], fmt.Signed]


class Scope(NamedTuple):
    """Whose watchlist limits a screen; both empty for all symbols."""

    owner_id: str
    watchlist_id: str


class Found(NamedTuple):
    """A screen at a step."""

    sieve: Sieve
    matches: Matches


class MatchView(NamedTuple):
    """A symbol that passes. `key` as in the overview."""

    key: int
    symbol: str
    href: str
    add: str
    cells: tuple[fmt.Signed, ...]


class MatchesView(NamedTuple):
    """The body of the table. `width`: its columns; `filtered`: there is a condition that nothing may pass."""

    rows: tuple[MatchView, ...]
    width: int
    filtered: bool


class UnknownView(NamedTuple):
    """Symbols that cannot be told yet for one reason; `more` are not named."""

    reason: str
    symbols: tuple[str, ...]
    more: int


class SaidView(NamedTuple):
    """What was found, in a sentence. `unknown`: how many symbols are not known yet, with their names. `problem`: why nothing
    can be said."""

    sentence: str
    unknown: str
    groups: tuple[UnknownView, ...]
    problem: str = ""


def look(desk: Desk, question: Question, scope: Scope) -> Found:
    """Evaluate a screen. Raises ScreenRefused, TooMany, Unavailable."""
    sieve = read(question)
    sight = desk.screener.look(sieve)
    listed = desk.books.lists.at_hand(*scope) if scope.watchlist_id else None
    inside = None
    if scope.watchlist_id:
        inside = frozenset() if listed is None else frozenset(item.symbol for item in listed.items)
    return Found(sieve, arrange(sight, inside, question.sort, question.direction, MOST_ROWS))


def matches_view(watch: Watch, found: Found) -> MatchesView:
    """Rows in words."""
    shown = [shown_as(program) for program in found.sieve.columns]
    rows = tuple(_row(watch, one, shown) for one in found.matches.rows)
    return MatchesView(rows, len(shown) + 2, found.sieve.filter is not None)


def _row(watch: Watch, one: Match, shown: list[Shown]) -> MatchView:
    decimals = watch.instruments[one.symbol].price_decimals
    cells = tuple(
        fmt.NOTHING if value is None else write(value, decimals) for write, value in zip(shown, one.values, strict=True)
    )
    return MatchView(one.key, one.symbol, symbol_href(one.symbol), add_href(one.symbol), cells)


def add_href(symbol: str) -> str:
    """Where a symbol is put into a watchlist."""
    return "/watchlist?" + urlencode({"add": symbol}, errors="replace")


def said_view(found: Found) -> SaidView:
    """How many pass, and of how many that is not known."""
    matches = found.matches
    noun = "symbol" if matches.total == 1 else "symbols"
    if found.sieve.filter is None:
        sentence = f"{fmt.whole(matches.total)} {noun}, for there is no filter."
    else:
        verb = "passes" if matches.passing == 1 else "pass"
        sentence = f"{fmt.whole(matches.passing)} of {fmt.whole(matches.total)} {noun} {verb}."
    if matches.passing > len(matches.rows):
        sentence += f" The first {len(matches.rows)} are shown."
    count = len(matches.unknown)
    unknown = "" if not count else f"{fmt.whole(count)} {'symbol' if count == 1 else 'symbols'} not known yet"
    groups = tuple(
        UnknownView(reason, tuple(names[:_NAMED]), max(0, len(names) - _NAMED))
        for reason, names in reasons(matches.unknown).items()
    )
    return SaidView(sentence, unknown, groups)


def trouble(problem: str) -> SaidView:
    """Nothing can be said."""
    return SaidView("", "", (), problem)


# Columns in words


def shown_as(program: Program) -> Shown:
    """How the values of a column are written."""
    node = program.expression
    if node.kind is Kind.BOOL:
        return _truth
    if node.kind is Kind.DURATION:
        return lambda value, _decimals: fmt.Signed(fmt.duration(1000.0 * value), "flat")
    if node.kind is Kind.PERCENT:
        return _percent(node)
    return _number(node)


def _truth(value: float, _decimals: int) -> fmt.Signed:
    return fmt.NOTHING if value == 0 else fmt.Signed("yes" if value > 0 else "no", "flat")


def _percent(node: Node) -> Shown:
    if isinstance(node, Metric | Derived) and node.name == "change":
        return lambda value, _decimals: fmt.signed(value)
    digits = 3 if isinstance(node, Metric) and node.name == "volatility" else 2
    return lambda value, _decimals: fmt.Signed(fmt.percent(value, digits), "flat")


def _number(node: Node) -> Shown:
    name = node.name if isinstance(node, Metric | Indicator) else ""
    if name in _PRICES:
        return lambda value, decimals: fmt.Signed(fmt.price(value, decimals), "flat")
    if name == "spread_bps":
        return lambda value, _decimals: fmt.Signed(fmt.basis_points(value), "flat")
    return _plain


def _plain(value: float, _decimals: int) -> fmt.Signed:
    size = abs(value)
    if size >= 100_000:
        return fmt.Signed(fmt.compact(value), "flat")
    if 0 < size < 0.01:
        return fmt.Signed(f"{value:.3g}".replace("-", fmt.MINUS, value < 0), "flat")
    return fmt.Signed(fmt.number(value, 0 if value == int(value) and size < 1e15 else 2), "flat")
