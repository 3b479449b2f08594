"""Indicators: edges that the published values do not reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.engine import indicators

PRICES = st.lists(st.floats(1e-6, 1e6), max_size=40)


@pytest.mark.parametrize("n", [-1, 0, 6, 100])
def test_averages_with_an_impossible_window_are_unknown_throughout(n: int) -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    for average in (indicators.sma, indicators.ema, indicators.wma, indicators.stddev, indicators.rsi):
        assert np.isnan(average(values, n)).all()
        assert len(average(values, n)) == 5
    assert np.isnan(indicators.vwap(values, values, n)).all()


@given(PRICES, st.integers(1, 12))
def test_averages_lie_between_lowest_and_highest_price(values: list[float], n: int) -> None:
    for average in (indicators.sma, indicators.ema, indicators.wma):
        found = average(values, n)
        assert len(found) == len(values)
        known = found[~np.isnan(found)]
        assert len(known) == max(0, len(values) - n + 1)
        assert not len(known) or min(values) * (1 - 1e-9) <= known.min() <= known.max() <= max(values) * (1 + 1e-9)


def test_vwap_without_volume_is_unknown() -> None:
    found = indicators.vwap([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 3.0], 2)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 3.0, 3.75])


def test_unknown_price_makes_only_the_windows_that_hold_it_unknown() -> None:
    values = [1.0, 2.0, np.nan, 4.0, 5.0, 6.0]
    np.testing.assert_array_equal(indicators.sma(values, 2), [np.nan, 1.5, np.nan, np.nan, 4.5, 5.5])


@given(PRICES)
def test_drawdown_is_never_above_zero_and_zero_at_a_new_high(values: list[float]) -> None:
    falls = indicators.drawdown(values)
    assert (falls <= 0.0).all()
    assert not values or falls[int(np.argmax(values))] == 0.0


def test_max_drawdown_is_the_worst_fall_to_a_later_trough() -> None:
    assert indicators.max_drawdown([100.0, 120.0, 90.0, 200.0, 180.0]) == pytest.approx(-25.0)
    assert np.isnan(indicators.max_drawdown([1.0]))


def test_realized_vol_is_annualised_and_needs_two_returns() -> None:
    close = [100.0, 101.0, 100.0, 102.0]
    expected = 100 * np.diff(np.log(close)).std(ddof=1) * np.sqrt(365)
    assert indicators.realized_vol(close, 365) == pytest.approx(expected)
    assert np.isnan(indicators.realized_vol([100.0, 101.0], 365))
    assert np.isnan(indicators.realized_vol([], 365))


def test_correlation_uses_pairs_that_are_both_known() -> None:
    a, b = [1.0, 2.0, np.nan, 4.0, 7.0], [2.0, 4.0, 6.0, 8.0, 14.0]
    assert indicators.correlation(a, b) == pytest.approx(1.0)
    assert indicators.beta(b, a) == pytest.approx(2.0)
    assert indicators.correlation(a, [-one for one in b]) == pytest.approx(-1.0)


def test_correlation_with_something_that_never_moves_is_unknown() -> None:
    assert np.isnan(indicators.correlation([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]))
    assert np.isnan(indicators.beta([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]))
    assert np.isnan(indicators.correlation([], []))


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 3 values"):
        indicators.correlation([1.0, 2.0], [1.0, 2.0, 3.0])


def test_rsi_of_a_price_that_only_rises_is_100() -> None:
    assert indicators.rsi(np.arange(1.0, 30.0), 14)[-1] == 100.0


def test_atr_of_nothing_is_empty() -> None:
    assert len(indicators.atr([], [], [], 14)) == 0
