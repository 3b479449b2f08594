"""The words of the language: what they mean, and what is said when they mean nothing. Nothing raises but RuleError."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marketwatch.model.metrics import POINT_METRICS, WINDOW_METRICS
from marketwatch.rules import catalogue
from marketwatch.rules.errors import RuleError
from marketwatch.rules.nodes import Kind
from marketwatch.rules.parse import MOST_DEPTH, MOST_NODES
from marketwatch.rules.program import FirstComparison, Program, compile_rule, windows_of
from marketwatch.rules.tokens import MOST_CHARACTERS


@pytest.mark.parametrize(
    ("source", "canonical"),
    [
        ("volatility(60) > 0.5 and drawdown(1h) < -2", "volatility(60) > 0.5 and drawdown(1h) < -2"),
        ("change(5m) <= -3 for 30s", "change(5m) <= -3"),
        ("crosses_above(ema(20, 1m), ema(50, 1m))", "crosses_above(ema(20, 1m), ema(50, 1m))"),
        ("crosses_below(price,sma(5m))", "crosses_below(price, sma(5m))"),
        ("price('BTCUSDT') / price('ETHUSDT') > 20", "price('BTCUSDT') / price('ETHUSDT') > 20"),
        ("whales(5m) >= 3", "whales(5m) >= 3"),
        ("zscore(volume(1m), 1h) > 4", "zscore(volume(1m), 1h) > 4"),
        ("data_age > 10s", "data_age > 10s"),
        ("RSI(14, 1m) < 30", "rsi(14, 1m) < 30"),
        ("rsi(1m) < 30", "rsi(14, 1m) < 30"),
        ("0 < price < 5", "0 < price and price < 5"),
        ("price > 1 + 2 * 3 - -4", "price > (1 + (2 * 3)) - -4"),
        ("price > (1 + 2) * 3", "price > (1 + 2) * 3"),
        ("not price > 1 or stale and gaps > 0", "(not price > 1) or (stale and gaps > 0)"),
        ("change(60s) > 2%", "change(1m) > 2%"),
        ("high(90s) > low(24h)", "high(90s) > low(1d)"),
        ("max(30, 1m) > max(price, 3)", "max(30, 1m) > max(price, 3)"),
        ("bbands(20, 2, 2, 0, 5m).lowerband > close(5m)", "bbands(20, 2, 2, 0, 5m).lowerband > close(5m)"),
        ('volatility("BTCUSDT", 60) > 1', "volatility('BTCUSDT', 60) > 1"),
        ("- - 3 < abs(-price)", "3 < abs(-price)"),
    ],
)
def test_rule_is_read_as_meant(source: str, canonical: str) -> None:
    program = compile_rule(source)
    assert program.expression.key == canonical
    assert compile_rule(canonical).expression.key == canonical


@pytest.mark.parametrize(
    ("source", "column", "message", "hint"),
    [
        ("volatilty(60) > 1", 1, "volatilty is not known.", "Did you mean volatility?"),
        ("price > 1 and rsii(14, 1m) < 3", 15, "rsii is not known.", "rsi"),
        ("price > 2%", 7, "2% goes with per cent values only.", "Write 0.02 or 2."),
        ("buy_ratio(5m) > 60%", 15, "60% goes with per cent values only.", "0.6"),
        ("price * 2% > 1", 7, "2% cannot be multiplied or divided.", "0.02"),
        ("data_age > 10", 10, "A duration goes with a duration only.", "10s"),
        ("(price > 2", 11, "The parenthesis of column 1 is not closed.", ")"),
        ("price >", 8, "A value is missing here, but the rule ends.", ""),
        ("price > 3 x", 11, "The rule should end here, but there is 'x'.", ""),
        ("price > 3 for 5", 15, "After for stands a duration.", "for 30s"),
        ("price", 1, "A rule is a condition, and this is a value.", "Compare it"),
        ("price and stale", 1, "Here stands a number where a condition is needed.", ""),
        ("abs(stale) > 1", 5, "A condition is no number.", ""),
        ("price = 3", 7, "'=' cannot stand here.", "=="),
        ("price > 1 && stale", 11, "'&' cannot stand here.", "Write and."),
        ("'BTCUSDT' > 1", 1, "The symbol 'BTCUSDT' is not a value.", "price('BTCUSDT')"),
        ("price > 'BTCUSDT'", 9, "The symbol 'BTCUSDT' is not a value.", ""),
        ("1e999 > price", 1, "The number 1e999 is too large", ""),
        ("sma(1) > 1", 5, "A window has a whole number of samples", ""),
        ("sma(2.5) > 1", 5, "A window has a whole number of samples", ""),
        ("sma(999999) > 1", 5, "A window has a whole number of samples", ""),
        ("sma(price) > 1", 5, "A window is written out", "5m"),
        ("sma(10ms) > 1", 5, "A window is at least a second long.", ""),
        ("sma(400d) > 1", 5, "The duration 400d is too long", ""),
        ("sma(5x) > 1", 5, "5x is not a number.", "Units"),
        ("rsi(14, 2m) < 30", 9, "There are no candles of 2m.", "1m, 5m"),
        ("rsi(14) < 30", 1, "rsi is not written like this.", "interval"),
        ("rsi(1, 2, 1m) < 30", 5, "rsi takes 1 number before the interval, not 2.", ""),
        ("rsi(1.5, 1m) < 30", 5, "timeperiod of rsi is a whole number", ""),
        ("rsi(1, 1m) < 30", 5, "TA-Lib refuses these parameters of rsi", "timeperiod"),
        ("macd(3, 5, 2, 1m).hist > 0", 19, "macd has no output hist.", "macdhist"),
        ("rsi(14, 1m).up > 0", 13, "rsi has one output only.", ".up"),
        ("correlation('ETHUSDT') > 0", 1, "correlation is not written like this.", "['SYMBOL',] window"),
        ("whales(2d) > 0", 8, "Whales are counted over a duration of up to 1d.", ""),
        ("zscore(3, 1h) > 0", 8, "A constant has no past.", ""),
        ("zscore(price, 60) > 0", 15, "The window of an expression is a duration.", ""),
        ("true", 1, "There is no constant true.", ""),
        ("feed_lag('BTCUSDT') > 1s", 1, "feed_lag is not written like this.", ""),
        ("", 1, "A value is missing here, but the rule ends.", ""),
        ("(" * 60 + "1" + ")" * 60 + " > price", MOST_DEPTH + 1, "nested more than", "Split"),
        ("bid>1" + " and bid>1" * 150, 0, f"more than {MOST_NODES} parts", "Split"),
        ("x" * 3000, MOST_CHARACTERS, "The rule has 3000 characters", "Split"),
        (" + ".join(f"sma({n})" for n in range(2, 30)) + " > 1", 1, "28 different windows", "Split"),
    ],
)
def test_wrong_rule_says_where_what_and_what_instead(source: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(RuleError) as caught:
        compile_rule(source)
    error = caught.value
    assert message in error.message
    assert hint in error.hint
    assert error.column == column or not column
    assert error.detail() == {"column": error.column, "message": error.message, "hint": error.hint}
    assert len(str(error)) < 1200


def test_for_is_answered_beside_the_expression() -> None:
    assert compile_rule("price > 1 for 1.5m").for_s == 90.0
    assert compile_rule("price > 1").for_s == 0.0


def test_program_says_what_it_needs() -> None:
    program = compile_rule(
        "volatility(60) > sma('ETHUSDT', 1h) and rsi(14, 5m) < 3 and zscore(volume(60s), 1h) > price('X') or gaps > 0"
    )
    assert windows_of(program) == ("60", "1h", "1m")
    assert program.intervals == ("5m",)
    assert program.symbols == ("ETHUSDT", "X")
    assert program.live_only == ("gaps",)
    assert [node.key for node in program.terms] == [
        "volatility(60)", "sma('ETHUSDT', 1h)", "rsi(14, 5m)", "volume(1m)", "zscore(volume(1m), 1h)", "price('X')", "gaps",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("volatility(60) > 0.5 and price < 3", FirstComparison("volatility(60)", ">", 0.5)),
        ("0.5 < volatility(60) < 2", FirstComparison("volatility(60)", ">", 0.5)),
        ("not (price / 2 <= sma(60))", FirstComparison("price / 2", "<=", None)),
        ("stale", None),
    ],
)
def test_first_comparison_is_what_an_alert_names(source: str, first: FirstComparison | None) -> None:
    assert compile_rule(source).first_comparison == first


def test_value_is_accepted_where_no_condition_is_asked_for() -> None:
    assert compile_rule("change(5m) + 1", condition=False).kind is Kind.PERCENT
    assert compile_rule("data_age / 2", condition=False).kind is Kind.DURATION
    assert compile_rule("data_age / data_age", condition=False).kind is Kind.NUMBER


def test_rule_without_candles_does_not_touch_talib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketwatch.rules.check.studies", lambda: pytest.fail("TA-Lib was asked"))
    assert compile_rule("change(5m) > 1 and max(ema(60), price) > 0 and zscore(volume(1m), 1h) > 4 and whales(5m) > 0")


# The catalogue


def test_catalogue_has_every_metric_and_every_function_of_talib() -> None:
    import talib

    functions: list[str] = talib.get_functions()  # type: ignore[no-untyped-call]
    names = catalogue.names()
    assert set(WINDOW_METRICS) | set(POINT_METRICS) <= names
    assert {name.lower() for name in functions} - names == {"mavp"}


def test_every_example_of_the_catalogue_is_a_rule() -> None:
    for entry in catalogue.catalogue():
        compile_rule(entry.example, condition=False)
        assert entry.doc.endswith(".")
        assert entry.name in entry.signature


# Hostile input

WORDS = (
    "price", "bid", "stale", "gaps", "feed_lag", "data_age", "volatility", "sma", "ema", "zscore", "change", "whales", "rsi",
    "macd", ".", "macdhist", "crosses_above", "abs", "min", "max", "and", "or", "not", "for", "true", "(", ")", "(", ")", ",",
    "<", "<=", ">", ">=", "==", "!=", "+", "-", "*", "/", "60", "2", "0", "1e9", "1e309", "0.5", ".5", "5.", "2%", "10s", "5m",
    "1h", "1d", "500ms", "9999999999d", "'BTCUSDT'", '"', "'", "''", "\x00", "é", "=", "&", "|", "!", "\n", "\ud800", "٣",
    "1_0", "obv", "cdldoji", "mavp", "stdev", "lag", "correlation", "close", "__import__", "lambda", "1m", "9" * 20,
)  # fmt: skip


NUMBERS = ("price", "sma(60)", "volatility(5m)", "2", "0.5", "rsi(14, 1m)", "change(1h)", "whales(5m)", "3%", "10s", "data_age",
           "macd(12, 26, 9, 1m).macdhist", "price('BTCUSDT')", "zscore(volume(1m), 1h)")  # fmt: skip


def number(source: random.Random, depth: int) -> str:
    if depth <= 0 or source.random() < 0.3:
        return source.choice(NUMBERS)
    left, right = number(source, depth - 1), number(source, depth - 1)
    operator = source.choice("+-*/")
    return source.choice((f"({left} {operator} {right})", f"-{left}", f"max({left}, {right})", f"abs({left})", left))


def grown(source: random.Random, depth: int) -> str:
    """A condition from the grammar, sound but for its kinds."""
    if depth <= 0 or source.random() < 0.2:
        operator = source.choice(("<", "<=", ">", ">=", "==", "!="))
        left, right = number(source, depth - 1), number(source, depth - 1)
        return source.choice(("stale", f"{left} {operator} {right}", f"crosses_above({left}, {right})"))
    left, right = grown(source, depth - 1), grown(source, depth - 1)
    return source.choice((f"{left} and {right}", f"({left} or {right})", f"not ({left})", f"{left} or {right} for 30s"))


def mutated(source: random.Random, rule: str) -> str:
    characters = list(rule)
    for _ in range(source.randrange(4)):
        at = source.randrange(len(characters) + 1)
        match source.randrange(3):
            case 0:
                characters.insert(at, source.choice(WORDS))
            case 1 if characters:
                del characters[min(at, len(characters) - 1)]
            case _:
                characters[at:at] = characters[: source.randrange(1, 20)]
    return "".join(characters)


def compiled(rule: str) -> Program | None:
    """None where it is refused; any error but RuleError goes through."""
    try:
        return compile_rule(rule)
    except RuleError as error:
        refusal = error
    assert 1 <= refusal.column <= MOST_CHARACTERS + 1
    assert refusal.message.endswith(".")
    return None


def test_ten_thousand_generated_rules_raise_nothing_but_rule_errors() -> None:
    source = random.Random(42)
    slowest, sound = 0.0, 0
    for count in range(10_000):
        rule = grown(source, source.randrange(5))
        rule = rule if count % 2 else mutated(source, rule)
        start = time.process_time()
        program = compiled(rule)
        slowest = max(slowest, time.process_time() - start)
        if program is not None:
            sound += 1
            assert compile_rule(program.expression.key).expression.key == program.expression.key
    assert sound > 1000
    assert slowest < 5.0  # a bound against blow-ups, not a measure


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)
    | st.text(max_size=200)
    | st.text("()-+<notad1% m'", max_size=2100)
)
@example("-" * 2000)
@example("not " * 500)
@example("(" * 2000)
@example("1<" * 999)
@example("price" + "<price" * 300)
@example("abs(" * 400)
@example("." * 50)
def test_any_text_raises_nothing_but_rule_errors(rule: str) -> None:
    compiled(rule)
