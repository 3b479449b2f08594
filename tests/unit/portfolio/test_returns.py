"""Figures over returns: what cannot be said, and the money-weighted return against published examples."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from marketwatch.portfolio import returns as figures


def test_figures_that_cannot_be_said_are_none() -> None:
    flat, empty = np.full(9, 0.01), np.empty(0)
    assert figures.sharpe(flat) is None
    assert figures.sortino(np.array([0.01, 0.02])) is None
    assert figures.calmar(np.array([0.01, 0.02])) is None
    for figure in (figures.sharpe, figures.sortino, figures.cagr, figures.calmar, figures.volatility):
        assert figure(empty) is None
    assert figures.max_drawdown(empty) is None
    assert figures.total(empty) is None
    assert figures.sharpe(np.array([0.1])) is None


def times(*days: str) -> NDArray[np.int64]:
    return np.array([datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000 for day in days], np.int64)


def test_xirr_is_the_one_of_the_spreadsheets_manual() -> None:
    """The example in the documentation of Excel's XIRR answers 37.34 % (0.373362535)."""
    dates = times("2008-01-01", "2008-03-01", "2008-10-30", "2009-02-15", "2009-04-01")
    rate = figures.xirr(dates, np.array([-10_000.0, 2750.0, 4250.0, 3250.0, 2750.0]))
    assert rate == pytest.approx(0.373362535, abs=1e-8)


def test_xirr_counts_365_days_a_year() -> None:
    """100 that become 110 in 365 days grow 10 % a year; over the 366 days of a leap year a little less: 1.1^(365/366) - 1."""
    money = np.array([-100.0, 110.0])
    assert figures.xirr(times("2023-01-01", "2024-01-01"), money) == pytest.approx(0.1, abs=1e-9)
    assert figures.xirr(times("2024-01-01", "2025-01-01"), money) == pytest.approx(1.1 ** (365 / 366) - 1, abs=1e-9)


def test_xirr_without_a_change_of_sign_is_none() -> None:
    dates = times("2024-01-01", "2024-06-01")
    assert figures.xirr(dates, np.array([-100.0, 0.0])) is None
    assert figures.xirr(dates, np.array([100.0, 5.0])) is None
    assert figures.xirr(dates[:1], np.array([100.0])) is None
    assert figures.xirr(times("2024-01-01", "2024-01-01"), np.array([-100.0, 105.0])) is None
