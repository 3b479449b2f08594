"""What is asked of the lab: a rule, symbols and a span, checked and bounded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..alerts.compiled import Compiled, Lists, Scope, compiled, listed, recovery
from ..alerts.schedule import ScheduleError, read_schedule
from ..engine.grids import window_of
from ..errors import ConfigError, InvalidRequest
from ..model.alerts import Rule
from ..model.metrics import Window
from ..model.portfolio import LOCAL_OWNER
from ..portfolio.timeline import Money
from ..rules.catalogue import INTERVALS
from ..rules.errors import RuleError
from ..rules.holdings import Holding
from ..rules.needs import columns_of
from ..rules.nodes import Compare, Constant, Derived, Fact, Indicator, Metric, WhaleCount, of_type
from ..rules.program import Program, compile_rule

DAY_MS = 86_400_000
MOST_SPAN_MS = 31 * DAY_MS
MOST_SYMBOLS = 20
MOST_STEPS = 60_000_000
MOST_INTRABAR = 2_000_000
_MOST_LEAD_MS = 7 * DAY_MS
_LONGEST_MS = 30 * DAY_MS
_CANDLES = 250
_EMA_SPANS = 12
_NUMBER = re.compile(r"(.*[<>]=?\s*)[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*%?(\s*|\s+for\s.*)", re.DOTALL)


class Durations(NamedTuple):
    """The times of the rule, in ms; `for_ms` None: as written behind the expression. `schedule`, `intrabar` as in `Rule`."""

    for_ms: int | None = None
    keep_ms: int = 0
    cooldown_ms: int = 0
    schedule: str | None = None
    intrabar: bool = False


@dataclass(frozen=True, eq=False)
class Question:
    """A checked question. `lead_ms`: how much earlier the evaluation begins, so that windows are full at `from_ms`."""

    rule: Compiled
    program: Program
    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int
    sample_ms: int
    windows: dict[str, Window]
    reference: str | None
    lead_ms: int
    notes: tuple[str, ...]
    money: Money | None = None
    """The books of who asks; without them terms of one's own money are unknown."""

    @cached_property
    def holdings(self) -> tuple[Holding, ...]:
        """Terms of one's own money that can be told."""
        return self.rule.holdings if self.money is not None else ()

    @cached_property
    def priced(self) -> tuple[str, ...]:
        """The symbols that price what is held."""
        return self.money.symbols(self.holdings) if self.money is not None and self.holdings else ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Every symbol whose samples are read beside the one that is looked at."""
        wanted = [*self.program.symbols, *(self.rule.recover.symbols if self.rule.recover is not None else ()), *self.priced]
        return tuple(dict.fromkeys([*wanted, *([self.reference] if self.reference is not None else [])]))

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the histories that the rule looks at, beside price and gap."""
        return frozenset().union(*(columns_of(one) for one in self.rule.programs))

    @property
    def steps(self) -> int:
        """Sample steps of one symbol."""
        return (self.to_ms - self.from_ms + self.lead_ms) // self.sample_ms

    @property
    def counts_whales(self) -> bool:
        return any(of_type(one.expression, WhaleCount) for one in self.rule.programs)


def question(
    expression: str,
    *,
    symbols: Sequence[str],
    watched: Sequence[str],
    from_ms: int,
    to_ms: int,
    sample_ms: int,
    reference: str,
    recover: str | None = None,
    durations: Durations | None = None,
    lists: Lists | None = None,
    money: Money | None = None,
) -> Question:
    """Check what is asked. Raises RuleError for a rule that cannot be understood, InvalidRequest for what is too much.

    `symbols` may hold `watchlist/NAME`, resolved by `lists`; what of them is not watched is left out. `money`: the books of who
    asks, for terms of their own money.
    """
    durations = durations or Durations()
    owner_id = LOCAL_OWNER if money is None else money.owner_id
    program = compile_rule(expression, intrabar=durations.intrabar, owner_id=owner_id)
    if recover is not None:
        _recovering(program, recover)
    if durations.schedule is not None:
        _scheduled(durations.schedule)
    rule = Rule(
        "lab", 1, "Lab", expression, tuple(symbols), durations.for_ms or 0, recover, durations.keep_ms, durations.cooldown_ms,
        schedule=durations.schedule, intrabar=durations.intrabar, owner_id=owner_id,
    )  # fmt: skip
    one = compiled(rule, watched, lists)
    if one.error.startswith("There is no watchlist"):
        raise InvalidRequest(one.error)
    named = [name for name in listed(symbols, lists or {}) if name in symbols or name in watched]
    chosen = _chosen(one, program, named, watched[:1])
    _bounded(chosen, from_ms, to_ms)
    windows = _windows(one, sample_ms, len(watched))
    lead_ms = _lead_ms(one, windows)
    if (steps := len(chosen) * (to_ms - from_ms + lead_ms) // sample_ms) > MOST_STEPS:
        raise InvalidRequest(
            f"{len(chosen)} symbols over this span are {steps:,} sample steps; {MOST_STEPS:,} are the most. "
            "Choose a shorter span or fewer symbols."
        )
    _bounded_intrabar(one, steps)
    compares = any(
        m.name in ("correlation", "beta") and m.other is None for p in one.programs for m in of_type(p.expression, Metric)
    )
    return Question(
        one, program, chosen, from_ms, to_ms, sample_ms, windows, reference if compares else None, lead_ms,
        _notes(one, known=money is not None), money,
    )  # fmt: skip


def _recovering(program: Program, recover: str) -> None:
    """Raise what is wrong with a recovery condition as its own: its column counts in its own text."""
    try:
        compile_rule(recovery(program, recover))
    except RuleError as error:
        raise RuleError(error.column, f"In the recovery: {error.message}", error.hint) from None


def _scheduled(text: str) -> None:
    """Raise what is wrong with a schedule as the language's own error: its column counts in its own text."""
    try:
        read_schedule(text)
    except ScheduleError as error:
        raise RuleError(error.column, f"In the schedule: {error.message}", error.hint) from None


def _chosen(one: Compiled, program: Program, symbols: Sequence[str], any_symbol: Sequence[str]) -> tuple[str, ...]:
    """The symbols of which there can be episodes. A rule about nothing but one's own money is looked at beside any symbol."""
    if one.scope is Scope.SYSTEM and program.holdings:
        return tuple(any_symbol)
    if one.scope is Scope.SYSTEM:
        raise InvalidRequest(
            "This rule is about the program itself, and nobody stores how the program was; the lab cannot look back.",
            [{"column": 1, "message": "Nothing of the market stands in this rule.", "hint": "Add a term such as change(5m)."}],
        )
    if one.scope is Scope.NAMED:
        return program.symbols[:1]
    return tuple(dict.fromkeys(symbols))


def _bounded(symbols: Sequence[str], from_ms: int, to_ms: int) -> None:
    if not symbols:
        raise InvalidRequest("No symbol is chosen; choose at least one.")
    if len(symbols) > MOST_SYMBOLS:
        raise InvalidRequest(f"{len(symbols)} symbols are chosen; {MOST_SYMBOLS} are the most that the lab looks at at once.")
    if to_ms <= from_ms:
        raise InvalidRequest("The span ends before it begins; `to` must be later than `from`.")
    if to_ms - from_ms > MOST_SPAN_MS:
        raise InvalidRequest(f"The span is longer than {MOST_SPAN_MS // DAY_MS} days; choose a shorter one.")


def _bounded_intrabar(one: Compiled, steps: int) -> None:
    """Raises InvalidRequest where looking into open candles, which is asked anew at every step, would take too long."""
    terms = sum(indicator.intrabar for program in one.programs for indicator in of_type(program.expression, Indicator))
    if terms * steps > MOST_INTRABAR:
        raise InvalidRequest(
            f"{terms} intrabar terms over {steps:,} sample steps are more than {MOST_INTRABAR:,} looks into open candles. "
            "Choose a shorter span or fewer symbols, or leave out intrabar."
        )


def _windows(one: Compiled, sample_ms: int, width: int) -> dict[str, Window]:
    try:
        return {name: window_of(name, sample_ms=sample_ms, symbols=width) for name in one.windows}
    except ConfigError as error:
        raise RuleError(1, str(error), "Use a shorter window.") from None


def _lead_ms(one: Compiled, windows: dict[str, Window]) -> int:
    """How long it takes until every term is as it would be had the evaluation always run."""
    spans = [0]
    for program in one.programs:
        for metric in of_type(program.expression, Metric):
            times = _EMA_SPANS if metric.name == "ema" else 1
            spans.append(0 if metric.window is None else times * windows[metric.window.text].span_ms)
        spans += [_CANDLES * INTERVALS[indicator.interval] for indicator in of_type(program.expression, Indicator)]
        spans += [count.window.ms for count in of_type(program.expression, WhaleCount)]
    statistics = [d.window.ms or 0 for p in one.programs for d in of_type(p.expression, Derived)]
    plain = max((window.span_ms for window in windows.values()), default=0) + sum(statistics)
    return min(max(max(spans) + sum(statistics) + 60_000, plain), max(_MOST_LEAD_MS, min(plain, _LONGEST_MS)))


def _notes(one: Compiled, *, known: bool) -> tuple[str, ...]:
    """What to know about the answer; `known`: the books are at hand."""
    found = []
    money = [node.key for node in one.holdings]
    live = [name for program in one.programs for name in program.live_only if name not in money]
    if live:
        found.append(f"Nobody stores {', '.join(dict.fromkeys(live))}; in the past it counts as unknown.")
    if money and not known:
        found.append(
            f"{', '.join(money)}: that is somebody's own money, which others do not see, so here it counts as unknown."
        )
    return tuple(found)


def single_comparison(program: Program) -> tuple[Compare, float] | None:
    """The comparison of a rule that is nothing but `metric <, <=, >, >= number`; the metric stands left."""
    node = program.expression
    if not isinstance(node, Compare) or node.operator not in ("<", "<=", ">", ">="):
        return None
    if isinstance(node.right, Constant) and not isinstance(node.left, Constant):
        return (node, node.right.value) if not isinstance(node.left, Fact) else None
    return None


def split_at_number(expression: str) -> tuple[str, str] | None:
    """What is written before and behind the number of a rule that ends in a comparison with a plain one; None for others."""
    match = _NUMBER.fullmatch(expression)
    return None if match is None else (match[1], match[2])


def rewritten(program: Program, threshold: str) -> str:
    """A rule of one comparison with another number, otherwise as it was written. Raises ValueError for other rules."""
    single = single_comparison(program)
    if single is None:
        raise ValueError(f"{program.source!r} is not one comparison with a number.")
    before, after = split_at_number(program.source) or (f"{single[0].left.key} {single[0].operator} ", "")
    return f"{before}{threshold}{after}"
