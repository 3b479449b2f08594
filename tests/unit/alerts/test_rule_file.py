"""The rules file: what it says, and every mistake with its line and column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.alerts.rule_file import THRESHOLDS, default_rules, read_rules
from marketwatch.alerts.rulebook import versioned
from marketwatch.alerts.yaml_tree import MOST_BYTES, RulesFileError
from marketwatch.model.alerts import Rule
from marketwatch.model.system import Level

WHOLE = b"""\
alert_thresholds: off
rules:
  - name: Fast fall
    expression: change(5m) < -3 and volume(1m) > 0
    symbols: [btcusdt, ETHUSDT]
    for: 30s
    recover: -2
    keep_firing_for: 1m
    cooldown: 10m
    repeat: 1h
    severity: critical
    channels: [app, ops]
    enabled: no
    expires: 2027-01-01T00:00:00Z
"""


def test_whole_rule_is_read() -> None:
    assert read_rules(WHOLE) == [
        Rule(
            "file-fast-fall", 1, "Fast fall", "change(5m) < -3 and volume(1m) > 0", ("BTCUSDT", "ETHUSDT"), 30_000, "-2",
            60_000, 600_000, 3_600_000, Level.CRITICAL, ("app", "ops"), False, 1_798_761_600_000, "file",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"rules:\n", b"alert_thresholds:\n", b"---\n"])
def test_silent_file_gives_the_default_rules(text: bytes) -> None:
    assert read_rules(text) == default_rules()


def test_default_rules_are_those_of_the_documentation() -> None:
    rules = {rule.rule_id: rule for rule in default_rules()}
    assert {key: rule.expression for key, rule in rules.items()} == {
        "default-volatility": "volatility(60) > 0.5",
        "default-drawdown": "drawdown(1h) < -2",
        "default-data-age": "stale and data_age > 30s",
    }  # fmt: skip
    assert rules["default-data-age"].for_ms == 10_000
    assert {rule.symbols for rule in rules.values()} == {("*",)}


def test_thresholds_change_and_switch_off_default_rules() -> None:
    rules = read_rules(b"alert_thresholds:\n  volatility: 1.5\n  data_age: off\n")
    assert [rule.expression for rule in rules] == ["volatility(60) > 1.5", "drawdown(1h) < -2"]
    assert set(THRESHOLDS) == {"volatility", "drawdown", "data_age"}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        (b"rules:\n  - name: a\n    expression: volatilty(60) > 1\n", 3, 17, "volatility"),
        (b"rules:\n  - name: a\n    expression: 'change(5m) > oops'\n", 3, 31, "oops"),
        (b"rules:\n  - name: a\n    expresion: x\n", 3, 5, "Did you mean 'expression'?"),
        (b"rulez: []\n", 1, 1, "Did you mean 'rules'?"),
        (b"rules:\n  - name: a\n", 2, 5, "no expression"),
        (b"rules:\n  - expression: change(5m) > 1\n", 2, 5, "no name"),
        (b"rules:\n  - {name: a, expression: change(5m) > 1, for: soon}\n", 2, 48, "'soon'"),
        (b"rules:\n  - {name: a, expression: change(5m) > 1, for: 31d}\n", 2, 48, "30d"),
        (b"rules:\n  - {name: a, expression: change(5m) > 1, severity: loud}\n", 2, 53, "critical"),
        (b"rules:\n  - {name: a, expression: change(5m) > 1, enabled: maybe}\n", 2, 52, "yes or no"),
        (b"rules:\n  - {name: a, expression: change(5m) > 1, expires: tomorrow}\n", 2, 52, "2027-01-01"),
        (b"rules:\n  - {name: a, expression: change(5m) > 1, recover: volume(}\n", 2, 59, ""),
        (
            b"rules:\n  - {name: a, expression: change(5m) > 1}\n  - {name: A, expression: change(5m) > 1}\n",
            3,
            12,
            "names differ",
        ),
        (b"rules:\n  a: 1\n", 2, 3, "must be a list"),
        (b"rules: [1]\n", 1, 9, "key: value"),
        (b"rules: [\n", 2, 1, "cannot be read"),
        (b"alert_thresholds:\n  volatility: high\n", 2, 15, "'high'"),
        (b"alert_thresholds:\n  volatilty: 1\n", 2, 3, "Did you mean 'volatility'?"),
        (b"a: 1\na: 2\n", 2, 1, "twice"),
        (b"a: &x 1\n", 1, 4, "aliases"),
        (b"a: !!python/object:os.system 1\n", 1, 4, "tag"),
        (b"--- 1\n--- 2\n", 2, 1, "one document"),
        (b"? [a]\n: 1\n", 1, 3, "must be a word"),
    ],
)
def test_mistake_is_told_with_line_and_column(text: bytes, line: int, column: int, words: str) -> None:
    with pytest.raises(RulesFileError) as raised:
        read_rules(text)
    assert (raised.value.line, raised.value.column) == (line, column), str(raised.value)
    assert words in str(raised.value)
    assert str(raised.value).endswith((".", "?"))


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9)) for name in range(98, 107)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        b"[" * 100_000,
        b"a: " + b"x" * MOST_BYTES,
        b"- x\n" * 60_000,
        b"\xff\xfe\x00",
        b"rules:\n\t- a",
        b"%YAML 9.9\n--- a",
    ],
    ids=["aliases", "nesting", "size", "count", "bytes", "tab", "version"],
)
def test_hostile_file_is_refused_with_a_sentence(text: bytes) -> None:
    with pytest.raises(RulesFileError, match=r"^Line [0-9]+, column [0-9]+: "):
        read_rules(text)


_PIECES = [
    *"[]{}#|>\t\n\x00é'", '"', "  ", "- ", "&a", "*a", "!!", "rules:", "name: ", "expression: ", "change(5m)", " < ", "-3",
    "off", "alert_thresholds:", "volatility: ", "for: ", "1e999", "recover: ",
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=40).map("".join) | st.text(max_size=80) | st.binary(max_size=80))
def test_any_file_gives_rules_or_one_error_of_its_own(text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    rules, error = _read(data)
    assert error is None or min(error.line, error.column) >= 1
    assert all(rule.rule_id and rule.expression for rule in rules)


def _read(data: bytes) -> tuple[list[Rule], RulesFileError | None]:
    try:
        return read_rules(data), None
    except RulesFileError as error:
        return [], error


def test_versions_go_on_where_a_rule_changed_and_stay_where_it_did_not() -> None:
    first, second = read_rules(WHOLE), read_rules(WHOLE.replace(b"30s", b"45s"))
    known = {rule.rule_id: rule for rule in versioned(first, {})}
    assert [rule.version for rule in versioned(first, known)] == [1]
    changed = versioned(second, known)
    assert [rule.version for rule in changed] == [2]
    back = versioned(first, {rule.rule_id: rule for rule in changed})
    assert [rule.version for rule in back] == [3]


def test_names_without_letters_get_different_ids() -> None:
    text = "rules:\n" + "".join(f"  - {{name: {name}, expression: change(5m) > 1}}\n" for name in ("急落", "急騰", "x" * 60))
    ids = {rule.rule_id for rule in read_rules(text.encode()) if not rule.rule_id.startswith("default-")}
    assert len(ids) == 3
