"""Tests of rules: series in short, cases of a file with every mistake in its place, and what a mismatch says."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from marketwatch.alerts.cases import cases_of, read_cases
from marketwatch.alerts.rehearsal import Verdict, rehearse, shown_ms
from marketwatch.alerts.rule_file import read_file
from marketwatch.alerts.series import HELD, LOST, MOST_STEPS, SeriesError, read_series
from marketwatch.alerts.yaml_tree import RulesFileError
from marketwatch.cli import main
from marketwatch.errors import ConfigError
from tests.kit.watches import test_settings

DOCS = Path(__file__).parents[3] / "docs" / "rules-file.md"


def examples() -> str:
    """The file of the documentation."""
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    return next(text for text in blocks if "tests:" in text)


def verdicts(text: str) -> list[Verdict]:
    file = read_file(text.encode())
    return [rehearse(case, test_settings()) for case in read_cases(file, file.tests)]


def test_examples_of_the_documentation_hold() -> None:
    found = verdicts(examples())
    assert [one.mistakes for one in found] == [(), ()]
    assert found[0].lines() == ["ok    a fall fires after half a minute and is told once"]


def test_series_in_short_is_a_value_for_each_step() -> None:
    found = read_series("100 100+1x3 9-0.5x2 _ ?x2 1.5e2 -3")
    assert np.array_equal(found, [100, 100, 101, 102, 9, 8.5, HELD, LOST, LOST, 150, -3], equal_nan=True)


@pytest.mark.parametrize(
    ("text", "column"),
    [("", 1), ("1 2 x3", 5), ("1x0", 1), (f"1 1x{MOST_STEPS}", 3), ("1x999999999", 1), ("1+", 1), ("9 1+1.1.1x2", 3),
     ("1e99", 1), ("٣", 1), ("nan", 1), ("1e2+1e2+1e2", 1)],
)  # fmt: skip
def test_mistake_in_a_series_is_told_with_its_column(text: str, column: int) -> None:
    with pytest.raises(SeriesError) as caught:
        read_series(text)
    assert caught.value.column == column


def test_ten_thousand_hostile_series_raise_their_own_error_only() -> None:
    chance = random.Random(3)
    pieces = ["1", "x", "_", "?", "+", "-", ".", " ", "e9", "99999", "0", "\x00", "\ud800", "²", "inf", "nan", "\n"]
    read = 0
    for _ in range(10_000):
        try:
            read += len(read_series("".join(chance.choices(pieces, k=chance.randint(0, 9))))) <= MOST_STEPS
        except SeriesError:
            continue
    assert read > 100


BASE = """\
rules:
  - name: Up
    expression: price > 100
tests:
  - name: one
    rule: Up
    input:
      BTCUSDT: 99x5 101x5
    expect:
      - {at: 5s, state: normal}
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "word"),
    [
        ("rule: Up", "rule: Down", (6, 11), "there are Volatility"),
        ("rule: Up", "expression: prise > 1", (6, 17), "Did you mean price"),
        ("rule: Up", "rule: Up\n    for: 3s", (7, 5), "belongs to an `expression`"),
        ("    rule: Up\n", "", (5, 5), "either"),
        ("99x5 101x5", "99x5 1O1x5", (8, 21), "no part of a series"),
        ("99x5 101x5", "0x5", (8, 16), "range"),
        ("99x5 101x5", "{volume: 1}", (8, 16), "no price"),
        ("99x5 101x5", "{price: 1, vol: 1}", (8, 27), "volume"),
        ("at: 5s", "at: soon", (10, 14), "1m30s"),
        ("state: normal", "state: happy", (10, 25), "one of normal"),
        ("state: normal", "symbol: ETHUSDT, state: normal", (10, 26), "BTCUSDT"),
        ("state: normal", "notices: 1.5", (10, 27), "whole"),
        ("state: normal", "symbol: BTCUSDT", (10, 9), "`state`"),
        ("tests:", "tests: 5\nother:", (5, 1), "not known"),
        ("rule: Up", "rule: Up\n    interval: 7s", (7, 15), "part of a minute"),
        ("rule: Up", "rule: Up\n    start: 2026-01-05T00:00:00.5Z", (7, 12), "multiple"),
    ],
)
def test_mistake_in_a_test_is_told_with_its_place(old: str, new: str, place: tuple[int, int], word: str) -> None:
    with pytest.raises(RulesFileError) as caught:
        verdicts(BASE.replace(old, new))
    assert (caught.value.line, caught.value.column) == place
    assert word in str(caught.value)


def test_mismatch_tells_what_was_expected_what_was_and_the_course() -> None:
    (found,) = verdicts(BASE.replace("state: normal", "state: firing, value: 3, notices: 2").replace("at: 5s", "at: 10s"))
    assert found.lines() == [
        "FAIL  one (line 5)",
        "      10s BTCUSDT: value 3 expected, was 101; notices 2 expected, were 1. price = 101",
        "      What happened:",
        "        6s BTCUSDT firing (price = 101), notice 1",
    ]


@pytest.mark.parametrize(
    ("series", "at", "state"),
    [
        ("101x3", "1s", "firing"),
        ("101x3 99", "4s", "resolved"),
        ("101x3 99 101 99", "6s", "resolved"),
        ("101 ?x5", "4s", "no data"),
        ("101 ?x5", "4s", "firing"),
        ("_x5", "4s", "no data"),
        ("99 _x5", "6s", "normal"),
        ("99", "1m", "normal"),
    ],
)  # fmt: skip
def test_state_of_a_moment_is_told_by_its_name(series: str, at: str, state: str) -> None:
    (found,) = verdicts(BASE.replace("99x5 101x5", series).replace("at: 5s, state: normal", f"at: {at}, state: {state}"))
    assert found.mistakes == ()


def test_resolved_is_not_said_of_what_never_fired() -> None:
    (found,) = verdicts(BASE.replace("state: normal", "state: resolved"))
    assert "state resolved expected, was normal" in found.mistakes[0]


def test_rules_with_whales_candles_and_other_symbols_are_rehearsed_too() -> None:
    text = """\
tests:
  - name: whales
    expression: whales(5s) >= 2 and close(1m) > 10 and price('ETHUSDT') < 5
    input:
      BTCUSDT: {price: 11x70, whales: 0x65 2 0}
      ETHUSDT: 4x70
    expect:
      - {at: 65s, symbol: BTCUSDT, state: normal}
      - {at: 1m6s, symbol: BTCUSDT, state: firing, value: 2}
      - {at: 1m6s, symbol: ETHUSDT, state: normal}
"""
    assert [one.mistakes for one in verdicts(text)] == [()]


def test_offsets_are_shown_as_people_write_them() -> None:
    assert [shown_ms(ms) for ms in (0, 500, 90_000, 3_600_000)] == ["0s", "0.5s", "1m30s", "1h0m0s"]


def test_command_answers_zero_one_and_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules, tests = tmp_path / "rules.yml", tmp_path / "tests.yml"
    rules.write_text(BASE)
    assert main(["test", str(rules)]) == 0
    assert capsys.readouterr().out == "ok    one\n1 test, none failed.\n"
    rules.write_text(BASE.partition("tests:")[0])
    tests.write_text("tests:" + BASE.partition("tests:")[2].replace("normal", "firing"))
    assert main(["test", str(rules), str(tests)]) == 1
    assert "1 test, 1 failed." in capsys.readouterr().out
    tests.write_text("tests:\n  - name: [1]\n")
    assert main(["test", str(rules), str(tests)]) == 2
    assert f"{tests}: Line 2, column 5: The test has no input." in capsys.readouterr().err


def test_file_without_tests_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("rules:\n")
    with pytest.raises(ConfigError, match="has no tests"):
        cases_of(tmp_path / "rules.yml")
    with pytest.raises(ConfigError, match="cannot be read"):
        cases_of(tmp_path / "nowhere.yml")
