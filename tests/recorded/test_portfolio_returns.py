"""Figures over returns against published values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from marketwatch.portfolio import returns as figures

F8 = NDArray[np.float64]


class Published:
    """The values that the authors of empyrical hold their own functions to (252 days a year)."""

    def __init__(self, folder: Path) -> None:
        self._all = orjson.loads((folder / "reference" / "empyrical_expected_values.json").read_bytes())

    def series(self, name: str) -> F8:
        """One of the series, as plain returns."""
        values = self._all["series_percent"][name]
        return np.array([value for value in values if value is not None], np.float64) / 100.0

    def value(self, figure: str, name: str) -> float:
        return float(self._all[figure][name])


@pytest.fixture(scope="module")
def known(recorded: Path) -> Published:
    return Published(recorded)


@pytest.mark.parametrize("name", ["mixed_returns", "positive_returns", "negative_returns"])
def test_sharpe_is_the_published_one(known: Published, name: str) -> None:
    assert figures.sharpe(known.series(name), 252) == pytest.approx(known.value("sharpe_daily_rf0", name), rel=1e-12)


@pytest.mark.parametrize("name", ["mixed_returns", "negative_returns"])
def test_sortino_is_the_published_one(known: Published, name: str) -> None:
    assert figures.sortino(known.series(name), 252) == pytest.approx(known.value("sortino_daily_rf0", name), rel=1e-12)


@pytest.mark.parametrize("name", ["mixed_returns", "simple_benchmark", "positive_returns", "negative_returns"])
def test_max_drawdown_counts_from_the_starting_capital(known: Published, name: str) -> None:
    """The published value for losses from the first day on, -36.59 %, is right only with the start as a peak."""
    assert figures.max_drawdown(known.series(name)) == pytest.approx(known.value("max_drawdown", name), abs=1e-5)


def test_volatility_and_growth_are_the_published_ones(known: Published) -> None:
    """The published growth counts the first day, of which nothing is known, as a day of 0 %."""
    mixed = known.series("mixed_returns")
    assert figures.volatility(mixed, 252) == pytest.approx(known.value("annual_volatility", "mixed_returns_daily"), rel=1e-12)
    assert figures.total(mixed) == pytest.approx(known.value("cum_returns_final", "mixed_returns"), abs=5e-6)
    grown = figures.cagr(np.concatenate([[0.0], mixed]), 252)
    assert grown == pytest.approx(known.value("annual_return", "mixed_returns_daily"), rel=1e-9)


def test_calmar_is_growth_over_the_worst_fall(known: Published) -> None:
    """Growth of 8 days at +1 %, -10 % ...: by the published values, with 252 days a year."""
    mixed = known.series("mixed_returns")
    grown, worst = figures.cagr(mixed, 252), figures.max_drawdown(mixed)
    assert grown is not None
    assert worst is not None
    assert figures.calmar(mixed, 252) == pytest.approx(grown / 0.1, rel=1e-9)
