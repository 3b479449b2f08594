"""The rules file: from YAML to rules. Every mistake is one sentence with its line and column.

::

    alert_thresholds:          # the three rules that hold without a file; `off` switches one off
      volatility: 0.5          # volatility(60) above, per cent
      drawdown: -2             # drawdown(1h) below, per cent
      data_age: 30s            # no trade for so long, and longer than is usual for the symbol
    rules:
      - name: Fast fall
        expression: change(5m) < -3
        symbols: [BTCUSDT, ETHUSDT]      # or "*", which is the default
        for: 30s
        recover: -2                      # a threshold, or a condition of its own
        keep_firing_for: 1m
        cooldown: 10m
        repeat: 1h
        severity: critical               # info, warning, critical
        channels: [app]
        enabled: yes
        expires: 2027-01-01T00:00:00Z
        schedule: Mon-Fri 08:00-18:00 Europe/Berlin
        intrabar: no                     # yes: candle terms look at the open candle too
        muted: no                        # yes, or a time until which nobody is told
        note: What the person who is woken should know.
    watchlists:                          # for `symbols: watchlist/main`
      main: [BTCUSDT, ETHUSDT]
    tests: []                            # for `marketwatch test`, see `cases.py`
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from ..config import duration_ms
from ..model.alerts import FOREVER_MS, Rule
from ..model.system import Level
from ..rules.errors import RuleError
from .compiled import LIST_PREFIX, program_of, recovery
from .schedule import ScheduleError, read_schedule
from .yaml_tree import Fields, Items, RulesFileError, Text, Tree, parse_yaml

MOST_RULES = 1000
_MOST_MS = 30 * 86_400_000
_LATEST_MS = 253_402_300_799_999
_MOST_NAME = 100
_MOST_SYMBOLS = 2000
_MOST_LISTS = 200
MOST_NOTE = 500
_LIST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}")

THRESHOLDS = {"volatility": "0.5", "drawdown": "-2", "data_age": "30s"}
"""What `alert_thresholds` may hold, with the values that hold where it is silent."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "volatility": {"name": "Volatility", "text": "volatility(60) > {}", "keep_firing_ms": 30_000, "cooldown_ms": 300_000},
    "drawdown": {"name": "Drawdown", "text": "drawdown(1h) < {}", "keep_firing_ms": 60_000, "cooldown_ms": 900_000},
    "data_age": {"name": "No data", "text": "stale and data_age > {}", "for_ms": 10_000, "cooldown_ms": 300_000},
}


def default_rules(thresholds: dict[str, str | None] | None = None) -> list[Rule]:
    """The rules that hold without a file; a threshold of None switches its rule off."""
    chosen: dict[str, str | None] = {**THRESHOLDS, **(thresholds or {})}
    rules = []
    for key, threshold in chosen.items():
        given = {name: value for name, value in _DEFAULTS[key].items() if name != "text"}
        if threshold is not None:
            expression = _DEFAULTS[key]["text"].format(threshold)
            rules.append(Rule(f"default-{key.replace('_', '-')}", 1, expression=expression, origin="file", **given))
    return rules


class RulesFile(NamedTuple):
    """What a file says: rules, all of version 1, watchlists by name, and the tree of its tests, None without any."""

    rules: list[Rule]
    watchlists: dict[str, tuple[str, ...]]
    tests: Tree | None = None


def read_file(data: bytes) -> RulesFile:
    """All of a file but its tests, which are not looked into. Raises RulesFileError."""
    tree = parse_yaml(data)
    top = fields_of(tree, "The file", {"alert_thresholds", "rules", "watchlists", "tests"}) if tree is not None else {}
    rules = default_rules(_thresholds(top["alert_thresholds"][1]) if "alert_thresholds" in top else None)
    if "rules" in top:
        rules += _rules(top["rules"][1])
    lists = _watchlists(top["watchlists"][1]) if "watchlists" in top else {}
    return RulesFile(rules, lists, top["tests"][1] if "tests" in top else None)


def read_rules(data: bytes) -> list[Rule]:
    """The rules of a file. Raises RulesFileError."""
    return read_file(data).rules


def _watchlists(tree: Tree) -> dict[str, tuple[str, ...]]:
    if isinstance(tree, Text) and not tree.value:
        return {}
    if not isinstance(tree, Fields) or len(tree.values) > _MOST_LISTS:
        raise RulesFileError(tree.line, tree.column, f"`watchlists` holds up to {_MOST_LISTS} lines of `name: [symbols]`.")
    found: dict[str, tuple[str, ...]] = {}
    for name, (key, value) in tree.values.items():
        if not _LIST_NAME.fullmatch(name):
            raise RulesFileError(
                key.line, key.column, "The name of a watchlist has up to 50 letters, digits, dots, dashes and underscores."
            )
        found[name] = tuple(one.upper() for one in _names(value, name))
    return found


def fields_of(tree: Tree, what: str, known: set[str]) -> dict[str, tuple[Text, Tree]]:
    """The fields of a mapping, all of them `known`. Raises RulesFileError."""
    if not isinstance(tree, Fields):
        raise RulesFileError(tree.line, tree.column, f"{what} must be a list of `key: value` lines.")
    for name, (key, _) in tree.values.items():
        if name not in known:
            raise RulesFileError(key.line, key.column, f"{name[:40]!r} is not known here. {_nearest(name, known)}")
    return tree.values


def _nearest(name: str, known: set[str]) -> str:
    close = get_close_matches(name[:40], sorted(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else f"It may be one of {', '.join(sorted(known))}."


def _thresholds(tree: Tree) -> dict[str, str | None]:
    if isinstance(tree, Text) and tree.value in ("off", "no", "false"):
        return dict.fromkeys(THRESHOLDS)
    if isinstance(tree, Text) and not tree.value:
        return {}
    found: dict[str, str | None] = {}
    for name, (_, value) in fields_of(tree, "alert_thresholds", set(THRESHOLDS)).items():
        text = text_of(value, name)
        if text.value in ("off", "no", "false"):
            found[name] = None
        else:
            expression = _DEFAULTS[name]["text"].format(text.value)
            if not re.fullmatch(r"[-+]?[\d.]+(%|ms|s|m|h|d)?", text.value):
                raise RulesFileError(
                    text.line, text.column, f"The threshold of {name} was {text.value[:40]!r}; write a number."
                )
            checked(text, lambda: program_of(expression))  # noqa: B023
            found[name] = text.value
    return found


def _rules(tree: Tree) -> list[Rule]:
    if isinstance(tree, Text) and not tree.value:
        return []
    if not isinstance(tree, Items):
        raise RulesFileError(tree.line, tree.column, "`rules` must be a list: each rule begins with a dash.")
    if len(tree.values) > MOST_RULES - len(THRESHOLDS):
        raise RulesFileError(tree.line, tree.column, f"There are {len(tree.values)} rules; {MOST_RULES} are the most.")
    rules: dict[str, Rule] = {}
    for one in tree.values:
        rule, name = _rule(one)
        if rule.rule_id in rules:
            raise RulesFileError(
                name.line, name.column, f"There is another rule of the name {name.value[:40]!r}; names differ."
            )
        rules[rule.rule_id] = rule
    return list(rules.values())


def rule_id(name: str) -> str:
    """The id of a rule of the file: its name as a word. Names with nothing to make a word of get a number of their own."""
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    plain = word and re.fullmatch(r"[\x20-\x7e]{1,40}", name)
    return f"file-{word}" if plain else f"file-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}"


def read_rule(tree: Tree) -> Rule:
    """One rule out of its fields, of version 1. Raises RulesFileError."""
    return _rule(tree)[0]


def _rule(tree: Tree) -> tuple[Rule, Text]:
    fields = fields_of(tree, "A rule", set(RULE_KEYS))
    for needed in ("name", "expression"):
        if needed not in fields:
            raise RulesFileError(tree.line, tree.column, f"The rule has no {needed}.")
    name = text_of(fields["name"][1], "name")
    if len(name.value) > _MOST_NAME or not name.value.isprintable():
        raise RulesFileError(name.line, name.column, f"A name has at most {_MOST_NAME} printable characters.")
    return rule_of_fields(fields, name.value), name


def rule_of_fields(fields: dict[str, tuple[Text, Tree]], name: str) -> Rule:
    """The rule that fields of a file make, `expression` among them. Raises RulesFileError."""
    expression = text_of(fields["expression"][1], "expression")
    program = checked(expression, lambda: program_of(expression.value))
    given: dict[str, Any] = {}
    for key, (_, value) in fields.items():
        if key in _READERS:
            field, read = _READERS[key]
            given[field] = read(value, key)
    if "recover" in fields and given["recover"] is not None:
        checked(text_of(fields["recover"][1], "recover"), lambda: program_of(recovery(program, given["recover"])))
    return Rule(rule_id(name), 1, name, expression.value, origin="file", **given)


def checked(text: Text, work: Callable[[], Any]) -> Any:
    """Do `work`; the place of a mistake in the text becomes a place in the file."""
    try:
        return work()
    except (RuleError, ScheduleError) as error:
        column = text.inside + error.column - 1 if text.inside else text.column
        raise RulesFileError(text.line, column, error.message, error.hint) from None


def text_of(tree: Tree, key: str) -> Text:
    """The one value of a key, not empty. Raises RulesFileError."""
    if not isinstance(tree, Text):
        raise RulesFileError(tree.line, tree.column, f"{key!r} must be one value.")
    if not tree.value.strip():
        raise RulesFileError(tree.line, tree.column, f"{key!r} is empty.")
    return tree


def _ms(tree: Tree, key: str) -> int:
    text = text_of(tree, key)
    try:
        ms = 0 if text.value == "0" else duration_ms(text.value)
    except ValueError:
        ms = -1
    if not 0 <= ms <= _MOST_MS:
        raise RulesFileError(
            text.line, text.column, f"{key!r} was {text.value[:40]!r}; write a duration up to 30d, such as 30s or 5m."
        )
    return ms


def _switch(tree: Tree, key: str) -> bool:
    text = text_of(tree, key)
    if text.value.lower() not in ("yes", "true", "on", "no", "false", "off"):
        raise RulesFileError(text.line, text.column, f"{key!r} was {text.value[:40]!r}; write yes or no.")
    return text.value.lower() in ("yes", "true", "on")


def _severity(tree: Tree, key: str) -> Level:
    text = text_of(tree, key)
    if text.value not in set(Level):
        raise RulesFileError(
            text.line,
            text.column,
            f"{key!r} was {text.value[:40]!r}; it is one of {', '.join(level.value for level in Level)}.",
        )
    return Level(text.value)


def time_of(tree: Tree, key: str) -> int:
    """A moment in ms; without a zone it is UTC. Raises RulesFileError."""
    text = text_of(tree, key)
    try:
        moment = datetime.fromisoformat(text.value)
        found = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        if not 0 <= found <= _LATEST_MS:
            raise ValueError(text.value)
        return found
    except (ValueError, OverflowError):
        raise RulesFileError(
            text.line, text.column, f"{key!r} was {text.value[:40]!r}; write a time such as 2027-01-01T00:00:00Z."
        ) from None


def _names(tree: Tree, key: str) -> tuple[str, ...]:
    texts = [text_of(one, key) for one in tree.values] if isinstance(tree, Items) else [text_of(tree, key)]
    if not texts or len(texts) > _MOST_SYMBOLS:
        raise RulesFileError(tree.line, tree.column, f"{key!r} must have from 1 to {_MOST_SYMBOLS} entries.")
    for text in texts:
        if len(text.value) > _MOST_NAME or not text.value.isprintable():
            raise RulesFileError(text.line, text.column, f"An entry of {key!r} has at most {_MOST_NAME} printable characters.")
    return tuple(dict.fromkeys(text.value for text in texts))


def _symbols(tree: Tree, key: str) -> tuple[str, ...]:
    return tuple(name if name.startswith(LIST_PREFIX) else name.upper() for name in _names(tree, key))


def _condition(tree: Tree, key: str) -> str:
    return text_of(tree, key).value


def _schedule(tree: Tree, key: str) -> str:
    text = text_of(tree, key)
    checked(text, lambda: read_schedule(text.value))
    return text.value


def _muted(tree: Tree, key: str) -> int | None:
    text = text_of(tree, key)
    if text.value[:1].isdigit():
        return time_of(tree, key)
    return FOREVER_MS if _switch(tree, key) else None


def _note(tree: Tree, key: str) -> str:
    text = text_of(tree, key)
    if len(text.value) > MOST_NOTE or not text.value.replace("\n", "").replace("\t", "").isprintable():
        raise RulesFileError(text.line, text.column, f"{key!r} has at most {MOST_NOTE} printable characters.")
    return text.value.strip()


_READERS: dict[str, tuple[str, Callable[[Tree, str], Any]]] = {
    "symbols": ("symbols", _symbols), "for": ("for_ms", _ms), "recover": ("recover", _condition),
    "keep_firing_for": ("keep_firing_ms", _ms), "cooldown": ("cooldown_ms", _ms), "repeat": ("repeat_ms", _ms),
    "severity": ("severity", _severity), "channels": ("channels", _names), "enabled": ("enabled", _switch),
    "expires": ("expires_ms", time_of), "schedule": ("schedule", _schedule), "intrabar": ("intrabar", _switch),
    "muted": ("muted_until_ms", _muted), "note": ("note", _note),
}  # fmt: skip

RULE_KEYS = frozenset({"name", "expression", *_READERS})
"""What a rule of the file may say."""
