"""What rules need of a running engine: windows that the start did not know, and closed candles as columns."""

from __future__ import annotations

import numpy as np
import pytest

from marketwatch.engine.candles import CandleBook
from marketwatch.engine.engine import Engine
from marketwatch.errors import ConfigError
from marketwatch.model.market import Candle, VenueCandles
from marketwatch.model.metrics import MetricTable, WindowState
from tests.unit.rules.test_along import SYMBOLS, a_market

SAMPLES = a_market(21, 900, gaps=0.003, first=1_000_000)


def an_engine(*windows: str) -> tuple[Engine, list[MetricTable]]:
    tables: list[MetricTable] = []
    return Engine(symbols=SYMBOLS, sample_ms=500, windows=windows, reference="A", publish=tables.append), tables


def test_window_added_on_a_known_grid_is_as_if_it_had_been_there() -> None:
    late, tables = an_engine("60", "5m", "15m")
    early, expected = an_engine("60", "5m", "15m", "30", "4m", "20m")
    for number, samples in enumerate(SAMPLES):
        if number == 500:
            late.require(["30", "4m", "20m"])
        late.on_samples(samples)
        early.on_samples(samples)
    assert [window.name for window in tables[-1].windows] == ["60", "5m", "15m", "30", "4m", "20m"]
    for name in ("60", "5m", "15m", "30", "4m", "20m"):
        for metric, column in tables[-1].values[name].items():
            np.testing.assert_allclose(
                column, expected[-1].values[name][metric], rtol=1e-9, atol=1e-9, err_msg=f"{metric}({name})"
            )
        np.testing.assert_array_equal(tables[-1].state[name], expected[-1].state[name])
        np.testing.assert_array_equal(tables[-1].filled[name], expected[-1].filled[name])


def test_longer_window_starts_from_what_the_ring_held_and_goes_on() -> None:
    late, tables = an_engine("60")
    early, expected = an_engine("60", "5m")
    for number, samples in enumerate(SAMPLES[:700]):
        if number == 200:
            late.require(["5m"])
        late.on_samples(samples)
        early.on_samples(samples)
    for metric in ("sma", "drawdown", "volume", "change"):
        np.testing.assert_allclose(tables[-1].values["5m"][metric], expected[-1].values["5m"][metric], rtol=1e-9)


def test_window_on_a_new_grid_starts_from_the_last_samples() -> None:
    engine, tables = an_engine("60")
    for samples in SAMPLES[:400]:
        engine.on_samples(samples)
    engine.require(["1h"])
    engine.on_samples(SAMPLES[400])
    assert tables[-1].windows[-1].name == "1h"
    assert (tables[-1].filled["1h"] >= 2).any()
    candles = [
        Candle("A", "1m", SAMPLES[400].time_ms // 60_000 * 60_000 - back * 60_000, 1, 2, 0.5, 1, 1, 1, 1, 0.5)
        for back in range(70, 0, -1)
    ]
    engine.on_venue_candles(VenueCandles("v", candles, history=True))
    engine.on_samples(SAMPLES[401])
    assert not tables[-1].state["1h"][0] & WindowState.WARMUP
    assert tables[-1].filled["1h"][0] == 60


def test_window_that_is_there_under_another_name_is_not_added_again() -> None:
    engine, _ = an_engine("60", "24h")
    engine.require(["30s", "1d", "1440m"])
    assert [window.name for window in engine.windows] == ["60", "24h"]


def test_windows_before_the_first_sample_and_too_many_of_them() -> None:
    engine, tables = an_engine("60")
    engine.require(["2h", "30"])
    engine.on_samples(SAMPLES[0])
    assert {"60", "2h", "30"} == set(tables[-1].values)
    with pytest.raises(ConfigError, match="64 are the most"):
        engine.require([str(length) for length in range(100, 200)])
    with pytest.raises(ConfigError, match="neither a count"):
        engine.require(["soon"])
    assert len(engine.windows) == 3


def test_candle_columns_are_the_closed_candles_and_are_copied_once_per_close() -> None:
    book = CandleBook(symbols=SYMBOLS, publish=lambda event: None)
    assert book.columns("1m") is None
    for samples in SAMPLES[:700]:
        book.on_samples(samples)
    columns = book.columns("1m")
    assert columns is not None
    assert columns is book.columns("1m")
    for number, symbol in enumerate(SYMBOLS):
        recent = book.recent(symbol, "1m", 100)
        known = ~np.isnan(columns.close[:, number])
        assert columns.close[known, number].tolist() == [candle.close for candle in recent]
        assert columns.high[known, number].tolist() == [candle.high for candle in recent]
        assert columns.volume[known, number].tolist() == [candle.volume for candle in recent]
        assert recent[-1].time_ms == columns.newest_ms
    for samples in SAMPLES[700:840]:
        book.on_samples(samples)
    later = book.columns("1m")
    assert later is not None
    assert later.newest_ms > columns.newest_ms
