"""Below the rule's form: what each term says now, whether the rule would be true, and how often it would have fired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...lab.preview import Preview
from .. import format as fmt
from .rule_form import Entry, FieldError
from .rule_words import pointed

MONEY = "your portfolios"
"""What a rule of money alone is looked at for."""


class TermView(NamedTuple):
    """A term and its value at the moment."""

    term: str
    value: str


class Now(NamedTuple):
    """What an expression says at the moment."""

    truth: str
    sentence: str
    terms: tuple[TermView, ...]


@dataclass(frozen=True, slots=True)
class TrialView:
    """`truth`: true, false or unknown; empty before a rule is written. `mistake`: what is wrong with the expression.

    `history`: a sentence about the last 24 hours; `lab`: the lab with the whole rule."""

    mistake: FieldError | None
    truth: str
    sentence: str
    symbol: str
    terms: tuple[TermView, ...]
    history: str
    lab: str
    note: str = ""


def history_of(found: Preview, symbols: int, *, money: bool = False) -> str:
    """How often a rule would have fired in the span of a preview. `money`: it is about portfolios, and no symbol."""
    times = "once" if found.fired == 1 else f"{fmt.whole(found.fired)} times"
    noun = "notice" if found.notices == 1 else "notices"
    where = found.symbols[0] if len(found.symbols) == 1 else f"{len(found.symbols)} symbols"
    left = f" ({symbols - len(found.symbols)} more are not looked at here)" if symbols > len(found.symbols) else ""
    if money:
        where, left = MONEY, ""
    if not found.fired:
        return f"In the last 24 hours it would not have fired for {where}{left}."
    return f"In the last 24 hours it would have fired {times} for {where}{left}, with {fmt.whole(found.notices)} {noun}."


@dataclass(frozen=True, slots=True)
class CheckPage:
    """The page `/alerts/rules/check`, for browsers without scripts."""

    entry: Entry
    trial: TrialView


def trial_of(entry: Entry, symbol: str, said: Now | None, *, history: str = "", note: str = "") -> TrialView:
    """What is known of a rule; `said` None before one is written."""
    if said is None:
        return TrialView(None, "", "", symbol, (), history, entry.lab(), note)
    return TrialView(None, said.truth, said.sentence, symbol, said.terms, history, entry.lab(), note)


def broken(entry: Entry, symbol: str, sentence: str, details: Sequence[Mapping[str, Any]]) -> TrialView:
    """What is wrong with the expression; `details` as the API has them."""
    first = details[0] if details else {}
    if "column" not in first:
        return TrialView(FieldError(sentence), "", "", symbol, (), "", entry.lab())
    text = f"{first['message']} {first['hint']}".strip()
    return TrialView(FieldError(text, *pointed(entry.expression, int(first["column"]))), "", "", symbol, (), "", entry.lab())
