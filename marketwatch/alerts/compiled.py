"""A rule made ready for evaluation: its programs, the symbols it is about, and what keeps it from being evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..model.alerts import Rule
from ..model.portfolio import LOCAL_OWNER
from ..rules.errors import RuleError
from ..rules.holdings import Holding
from ..rules.nodes import Fact, Term, of_type
from ..rules.program import Program, compile_rule
from .machine import Timing
from .schedule import Schedule, ScheduleError, read_schedule

_OF_A_SYMBOL = frozenset({"data_age", "gaps", "stale"})
LIST_PREFIX = "watchlist/"
Lists = Mapping[str, tuple[str, ...]]
_TURNED = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


class Scope(StrEnum):
    """What an episode of a rule is about: each symbol, the symbols that the rule names, or the program itself (`*`)."""

    SYMBOL = "symbol"
    NAMED = "named"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A rule over a fixed list of symbols. `applies`: bool over symbols. `error`: why it cannot be evaluated, or ""."""

    rule: Rule
    program: Program | None
    recover: Program | None
    scope: Scope
    applies: NDArray[np.bool_]
    market_only: bool
    error: str = ""
    schedule: Schedule | None = None

    def timing(self, recover_row: int) -> Timing:
        """Its durations; `for` may stand in the rule or behind its expression."""
        rule = self.rule
        written_ms = 0 if self.program is None else round(self.program.for_s * 1000.0)
        return Timing(rule.for_ms or written_ms, rule.keep_firing_ms, rule.cooldown_ms, rule.repeat_ms, recover_row)

    @property
    def rests_in_recovery(self) -> bool:
        """Whether silence inhibits the recovery too: both conditions are about the market alone."""
        return self.market_only and self.recover is not None and _market_only(self.recover)

    @property
    def programs(self) -> tuple[Program, ...]:
        return tuple(one for one in (self.program, self.recover) if one is not None)

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """Its terms of its author's own money, each once."""
        return tuple({node.key: node for program in self.programs for node in program.holdings}.values())

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Windows over which it compares with a symbol that is not the reference."""
        return tuple(dict.fromkeys(pair for program in self.programs for pair in program.pairs))

    @property
    def windows(self) -> tuple[str, ...]:
        """The engine's windows that it needs."""
        return tuple(dict.fromkeys(name for program in self.programs for name in program.windows))


@lru_cache(maxsize=4096)
def program_of(expression: str, intrabar: bool = False, owner_id: str = LOCAL_OWNER) -> Program:
    """The program of an expression, compiled once, for every change of a rule asks for all of them again. `owner_id`: whose
    portfolios it sees. Raises RuleError."""
    return compile_rule(expression, intrabar=intrabar, owner_id=owner_id)


def compiled(rule: Rule, symbols: Sequence[str], lists: Lists | None = None) -> Compiled:
    """The rule over `symbols`; `lists`: the watchlists. Never raises: what is wrong stands in `error`."""
    nowhere = np.zeros(len(symbols), np.bool_)
    try:
        program = program_of(rule.expression, rule.intrabar, rule.owner_id)
        wanted = None if rule.recover is None else recovery(program, rule.recover)
        recover = None if wanted is None else program_of(wanted, rule.intrabar, rule.owner_id)
        schedule = None if rule.schedule is None else read_schedule(rule.schedule)
    except (RuleError, ScheduleError) as error:
        return Compiled(rule, None, None, Scope.SYMBOL, nowhere, market_only=True, error=str(error))
    scope = _scope(program)
    applies = _applies(rule, program, scope, symbols, lists or {})
    wrong = _missing(rule, program, lists or {}, found=bool(applies.any()))
    return Compiled(rule, program, recover, scope, applies, _market_only(program), wrong, schedule)


def of_money_alone(expression: str) -> bool:
    """Whether a rule's expression is about its author's portfolios and about no symbol; False for one that does not compile."""
    try:
        program = program_of(expression)
    except RuleError:
        return False
    return bool(program.holdings) and _scope(program) is Scope.SYSTEM


def _missing(rule: Rule, program: Program, lists: Lists, *, found: bool) -> str:
    """What is wrong with the symbols of a rule, in a sentence."""
    for name in list_names(rule.symbols):
        if name not in lists:
            known = f"; there are {', '.join(sorted(lists))[:200]}" if lists else ""
            return f"There is no watchlist {name[:40]!r}{known}."
    return "" if found else f"None of its symbols ({', '.join(rule.symbols + program.symbols)[:80]}) is watched."


def list_names(symbols: Iterable[str]) -> list[str]:
    """The watchlists among the symbols of a rule."""
    return [one.removeprefix(LIST_PREFIX) for one in symbols if one.startswith(LIST_PREFIX)]


def listed(symbols: Iterable[str], lists: Lists) -> list[str]:
    """The symbols of a rule with every watchlist written out; one that is not there has none."""
    found = [lists.get(one.removeprefix(LIST_PREFIX), ()) if one.startswith(LIST_PREFIX) else (one,) for one in symbols]
    return list(dict.fromkeys(name for names in found for name in names))


def recovery(program: Program, recover: str) -> str:
    """The condition of recovery: `recover` itself, or, where it is a number, the first comparison turned round at that number.

    `volatility(60) > 0.5` that recovers at 0.4 recovers when `volatility(60) <= 0.4`. Raises RuleError.
    """
    if not re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*(%|ms|s|m|h|d|w)?\s*", recover):
        return recover
    first = program.first_comparison
    if first is None or first.threshold is None or first.operator not in _TURNED:
        raise RuleError(1, "A recovery threshold needs a rule with a comparison with a number.", "Write a condition.")
    return f"{first.metric} {_TURNED[first.operator]} {recover.strip()}"


def _terms(program: Program) -> list[Term]:
    return of_type(program.expression, Term)


def _scope(program: Program) -> Scope:
    own = [one for one in _terms(program) if one.symbol is None]
    if any(not isinstance(one, Fact) or one.name in _OF_A_SYMBOL for one in own):
        return Scope.SYMBOL
    return Scope.NAMED if program.symbols else Scope.SYSTEM


def _market_only(program: Program) -> bool:
    """Without a term about the program or its data: a rule that silence inhibits."""
    return not of_type(program.expression, Fact)


def _applies(rule: Rule, program: Program, scope: Scope, symbols: Sequence[str], lists: Lists) -> NDArray[np.bool_]:
    if scope is Scope.SYSTEM:
        return np.array([number == 0 for number in range(len(symbols))], np.bool_)
    if scope is Scope.NAMED:
        return np.array([symbol == program.symbols[0] for symbol in symbols], np.bool_)
    wanted = {name.upper() for name in listed(rule.symbols, lists)}
    return np.array(["*" in wanted or symbol.upper() in wanted for symbol in symbols], np.bool_)
