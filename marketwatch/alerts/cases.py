"""Tests of rules as they stand in a file, read into cases. Every mistake is one sentence with its line and column.

::

    tests:
      - name: a fall fires after half a minute
        rule: Fast fall              # the name of a rule of the file, or an `expression` with `for`, `recover` ... of its own
        interval: 1s                 # the sample step; default 1s
        start: 2026-01-05T08:00:00Z  # default: Monday, 2026-01-05, 00:00 UTC
        input:
          BTCUSDT: 100x300 96x60     # prices; or {price: ..., volume: ...} and others of `COLUMNS`
        expect:
          - {at: 5m, state: normal}
          - {at: 5m30s, symbol: BTCUSDT, state: firing, value: -4, notices: 1}
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import duration_ms
from ..errors import ConfigError
from ..model.alerts import Rule
from .rule_file import RULE_KEYS, RulesFile, fields_of, read_file, rule_of_fields, text_of, time_of
from .series import SeriesError, read_series
from .yaml_tree import MOST_BYTES, Fields, Items, RulesFileError, Text, Tree, parse_yaml

MOST_CASES, MOST_EXPECTED, MOST_SYMBOLS, MOST_CELLS = 1000, 1000, 100, 2_000_000
_START_MS = 1_767_571_200_000
_LONGEST_MS = 30 * 86_400_000
COLUMNS = ("price", "volume", "trades", "buy_ratio", "bid", "ask", "whales")
STATES = ("normal", "pending", "firing", "recovering", "resolved", "warmup", "no data", "paused", "error")
_OWN = RULE_KEYS - {"name", "enabled", "channels", "severity", "muted", "note", "symbols"}
_KEYS = frozenset({"name", "rule", "interval", "start", "input", "expect"} | _OWN)
_TIME = re.compile(r"(\d+(?:\.\d+)?(?:ms|[smhd]))+")
Series = dict[str, NDArray[np.float64]]


class Expected(NamedTuple):
    """What has to be `at_ms` after the start; None where nothing is said about it."""

    at_ms: int
    symbol: str
    state: str | None
    value: float | None
    notices: int | None


class Case(NamedTuple):
    """One test: the rule, columns of `COLUMNS` by symbol, all of one length, and what is expected, by time."""

    name: str
    line: int
    rule: Rule
    interval_ms: int
    start_ms: int
    input: dict[str, Series]
    expected: tuple[Expected, ...]
    watchlists: dict[str, tuple[str, ...]]


def cases_of(rules: Path, tests: Path | None = None) -> list[Case]:
    """The cases of a rules file, and those of a second one. Raises ConfigError that names file, line and column."""
    at = rules
    try:
        file = read_file(_bytes(rules))
        found = read_cases(file, file.tests)
        if tests is not None:
            at, more = tests, parse_yaml(_bytes(tests))
            top = {} if more is None else fields_of(more, "A file of tests", {"tests"})
            found += read_cases(file, top["tests"][1] if "tests" in top else None)
    except RulesFileError as error:
        raise ConfigError(f"{at}: {error}") from None
    if not found:
        raise ConfigError(f"{at} has no tests; write them under `tests:`.")
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from None


def read_cases(file: RulesFile, tests: Tree | None) -> list[Case]:
    """The cases of the tree under `tests`. Raises RulesFileError."""
    if tests is None or (isinstance(tests, Text) and not tests.value):
        return []
    if not isinstance(tests, Items):
        raise RulesFileError(tests.line, tests.column, "`tests` must be a list: each test begins with a dash.")
    if len(tests.values) > MOST_CASES:
        raise RulesFileError(tests.line, tests.column, f"There are {len(tests.values)} tests; {MOST_CASES} are the most.")
    return [_case(one, file) for one in tests.values]


def _case(tree: Tree, file: RulesFile) -> Case:
    fields = fields_of(tree, "A test", set(_KEYS))
    for needed in ("name", "input", "expect"):
        if needed not in fields:
            raise RulesFileError(tree.line, tree.column, f"The test has no {needed}.")
    name = text_of(fields["name"][1], "name")
    interval_ms = _interval(fields["interval"][1]) if "interval" in fields else 1000
    start_ms = time_of(fields["start"][1], "start") if "start" in fields else _START_MS
    if start_ms < 0 or start_ms % interval_ms:
        raise RulesFileError(*_place(fields["start"][1]), "A test starts at a multiple of its interval, from 1970 on.")
    given = _input(fields["input"][1])
    rule = _rule(tree, fields, file)
    expected = _expected(fields["expect"][1], tuple(given))
    return Case(name.value, tree.line, rule, interval_ms, start_ms, given, expected, file.watchlists)


def _place(tree: Tree) -> tuple[int, int]:
    return tree.line, tree.column


def _rule(tree: Tree, fields: dict[str, tuple[Text, Tree]], file: RulesFile) -> Rule:
    """The rule that is tested; it is never muted or switched off."""
    if ("rule" in fields) == ("expression" in fields):
        raise RulesFileError(*_place(tree), "A test has either the name of a `rule` or an `expression`.")
    if "expression" in fields:
        return rule_of_fields({name: pair for name, pair in fields.items() if name in _OWN}, "expression")
    wanted = text_of(fields["rule"][1], "rule")
    extra = sorted(set(fields) & _OWN)
    if extra:
        key = fields[extra[0]][0]
        raise RulesFileError(key.line, key.column, f"{extra[0]!r} belongs to an `expression`; a `rule` has its own.")
    for rule in file.rules:
        if rule.name == wanted.value:
            return rule._replace(enabled=True, muted_until_ms=None)
    known = ", ".join(rule.name for rule in file.rules)[:200]
    raise RulesFileError(wanted.line, wanted.column, f"There is no rule {wanted.value[:40]!r}; there are {known}.")


def _interval(tree: Tree) -> int:
    ms = _duration(tree, "interval")
    if not 100 <= ms <= 60_000 or 60_000 % ms:
        raise RulesFileError(*_place(tree), "'interval' is from 100ms to 1m and a whole part of a minute, such as 500ms or 1s.")
    return ms


def _duration(tree: Tree, key: str) -> int:
    """A duration such as 90s or 1m30s; 0 as well."""
    text = text_of(tree, key)
    ms = -1
    if text.value == "0":
        return 0
    if len(text.value) <= 40 and _TIME.fullmatch(text.value):
        ms = sum(duration_ms(part) for part in re.findall(r"[\d.]+(?:ms|[smhd])", text.value))
    if not 0 <= ms <= _LONGEST_MS:
        raise RulesFileError(text.line, text.column, f"{key!r} was {text.value[:40]!r}; write a duration such as 30s or 1m30s.")
    return ms


# Input


def _input(tree: Tree) -> dict[str, Series]:
    if not isinstance(tree, Fields) or not 1 <= len(tree.values) <= MOST_SYMBOLS:
        raise RulesFileError(*_place(tree), f"`input` holds series of 1 to {MOST_SYMBOLS} symbols.")
    found = {name.upper(): _columns(value) for name, (_, value) in tree.values.items()}
    steps = max(len(column) for columns in found.values() for column in columns.values())
    if steps * len(found) > MOST_CELLS:
        raise RulesFileError(*_place(tree), f"The series have more than {MOST_CELLS:,} steps in all.")
    return found


def _columns(tree: Tree) -> Series:
    if isinstance(tree, Text):
        return {"price": _series(tree, "price")}
    fields = fields_of(tree, "The input of a symbol", set(COLUMNS))
    if "price" not in fields:
        raise RulesFileError(*_place(tree), "The input of a symbol has no price.")
    return {name: _series(value, name) for name, (_, value) in fields.items()}


def _series(tree: Tree, key: str) -> NDArray[np.float64]:
    text = text_of(tree, key)
    try:
        found = read_series(text.value)
    except SeriesError as error:
        raise RulesFileError(
            text.line, (text.inside or text.column - error.column + 1) + error.column - 1, error.message
        ) from None
    known = found[np.isfinite(found)]
    if (
        (known < 0).any()
        or (key in ("price", "bid", "ask") and (known == 0).any())
        or (key == "buy_ratio" and (known > 1).any())
    ):
        raise RulesFileError(text.line, text.column, f"A value of {key!r} is out of its range.")
    return found


# Expectations


def _expected(tree: Tree, symbols: tuple[str, ...]) -> tuple[Expected, ...]:
    if not isinstance(tree, Items) or not 1 <= len(tree.values) <= MOST_EXPECTED:
        raise RulesFileError(*_place(tree), f"`expect` is a list of 1 to {MOST_EXPECTED} lines with `at` and what is then.")
    found = [_one(one, symbols) for one in tree.values]
    return tuple(sorted(found, key=lambda one: one.at_ms))


def _one(tree: Tree, symbols: tuple[str, ...]) -> Expected:
    fields = fields_of(tree, "What is expected", {"at", "symbol", "state", "value", "notices"})
    if "at" not in fields or not set(fields) & {"state", "value", "notices"}:
        raise RulesFileError(*_place(tree), "What is expected has an `at` and a `state`, a `value` or `notices`.")
    symbol = _symbol(tree, fields, symbols)
    state = _chosen(fields["state"][1], "state", STATES) if "state" in fields else None
    value = _number(fields["value"][1], "value") if "value" in fields else None
    notices = _number(fields["notices"][1], "notices") if "notices" in fields else None
    if notices is not None and (notices != int(notices) or notices < 0):
        raise RulesFileError(*_place(fields["notices"][1]), "'notices' is a whole number.")
    return Expected(_duration(fields["at"][1], "at"), symbol, state, value, None if notices is None else int(notices))


def _symbol(tree: Tree, fields: dict[str, tuple[Text, Tree]], symbols: tuple[str, ...]) -> str:
    if "symbol" in fields:
        return _chosen(fields["symbol"][1], "symbol", (*symbols, "*"))
    if len(symbols) > 1:
        raise RulesFileError(*_place(tree), f"The input has {len(symbols)} symbols, so say which `symbol` is meant.")
    return symbols[0]


def _chosen(tree: Tree, key: str, known: Iterable[str]) -> str:
    text = text_of(tree, key)
    found = next((one for one in known if one.lower() == text.value.lower()), None)
    if found is None:
        raise RulesFileError(text.line, text.column, f"{key!r} was {text.value[:40]!r}; it is one of {', '.join(known)[:300]}.")
    return found


def _number(tree: Tree, key: str) -> float:
    text = text_of(tree, key)
    try:
        value = float(text.value) if len(text.value) <= 40 else float("nan")
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e300:
        raise RulesFileError(text.line, text.column, f"{key!r} was {text.value[:40]!r}; write a number.")
    return value
