"""TA-Lib's functions: what they are asked, and that nothing they are asked makes them fail."""

from __future__ import annotations

import random

import numpy as np
import pytest
import talib

from marketwatch.rules.nodes import Indicator
from marketwatch.rules.program import compile_rule
from marketwatch.rules.talib import FIELDS, average, completed, output, run, studies
from marketwatch.rules.truth import F8


def awkward(source: random.Random) -> dict[str, F8]:
    """Candles of every length: random, nothing, huge, unknown at first or in the middle."""
    rows = source.choice((1, 2, 3, 10, 60, 300))
    column = np.cumsum(np.random.default_rng(source.randrange(2**32)).normal(size=rows)) + 100
    match source.randrange(5):
        case 1:
            column[:] = 0.0
        case 2:
            column[:] = 1e308
        case 3:
            column[: rows // 2] = np.nan
        case 4:
            column[rows // 2] = np.nan
    return {name: column.copy() for name in FIELDS}


def test_every_function_answers_a_column_whatever_it_is_asked() -> None:
    source = random.Random(9)
    answered, refused = set(), set()
    for name, study in list(studies().items()) * 12:
        whole, real = (0, 1, 2, 3, 5, 14, 100, 1000), (0.0, 0.5, 2.0, 1e6, -1e6, 1e-9)
        given = [
            source.choice(whole) if isinstance(default, int) else source.choice(real) for default in study.parameters.values()
        ]
        try:
            values = completed(study, given)
        except ValueError:
            refused.add(name)
            continue
        candles = awkward(source)
        for which in range(len(study.outputs)):
            column = output(study, values, candles, which)
            assert column.shape == candles["close"].shape
            assert not np.isinf(column).any()
            answered.add(name)
    assert len(answered) > 190
    assert {"rsi", "macd"} <= refused


def test_direct_calls_are_what_the_abstract_interface_answers() -> None:
    from talib import abstract

    random_ = np.random.default_rng(4)
    candles = {name: 10 + np.abs(random_.normal(size=250)) for name in FIELDS}
    for name, study in studies().items():
        expected = abstract.Function(name)(dict(candles))  # type: ignore[attr-defined]
        expected = expected if isinstance(expected, list) else [expected]
        for ours, theirs in zip(run(study, tuple(study.parameters.values()), candles), expected, strict=True):
            finite = np.isfinite(theirs)
            np.testing.assert_array_equal(ours[finite], theirs[finite], err_msg=name)


def test_parameters_that_are_left_out_have_their_defaults() -> None:
    assert completed(studies()["macd"], [5]) == (5, 26, 9)
    with pytest.raises(ValueError, match="rsi takes 1 number before the interval, not 3"):
        completed(studies()["rsi"], [1, 2, 3])


def test_average_is_seeded_with_the_mean_of_the_first_values() -> None:
    assert np.isnan(average(np.array([1.0, 2.0]), 3)).all()
    np.testing.assert_allclose(average(np.array([1.0, 2.0, 3.0, 10.0]), 3)[2:], [2.0, 6.0])


def test_every_function_of_the_library_is_a_term_by_its_own_name_with_each_of_its_outputs() -> None:
    functions = {name.lower() for name in talib.get_functions()}  # type: ignore[no-untyped-call]
    assert functions - set(studies()) == {"mavp"}  # it takes a second series, of periods
    for study in studies().values():
        numbers = "".join(f"{value:g}, " for value in study.parameters.values())
        names = [f".{output}" for output in study.outputs] if len(study.outputs) > 1 else [""]
        for name in names:
            (term,) = compile_rule(f"{study.name}({numbers}5m){name} > 0").terms
            assert isinstance(term, Indicator) or study.name == "vwap"  # `vwap(5m)` is the window's
