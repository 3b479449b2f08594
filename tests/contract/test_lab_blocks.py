"""The lab says the same of packed hours and of plain rows, and reads no column that a rule needs as if it were not there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketwatch.clock import SystemClock
from marketwatch.engine.grids import window_of
from marketwatch.lab.lab import Lab
from marketwatch.lab.preview import Preview
from marketwatch.lab.question import Durations, question
from marketwatch.model.market import GapState
from marketwatch.ports import SampleColumns, WriteBatch
from marketwatch.rules.along import along
from marketwatch.rules.catalogue import METRICS, POINTS
from marketwatch.rules.history import EVERY_COLUMN, densify
from marketwatch.rules.needs import columns_of
from marketwatch.rules.program import compile_rule
from marketwatch.store.blocks import HOUR_MS
from marketwatch.store.sqlite import SqliteStore
from tests.contract.test_store_blocks import LATER, STEP_MS, market, pack_all
from tests.kit.databases import MakeStore
from tests.kit.facts import T0, gap, whale

HOURS = 6
RULES = (
    "price > 100", "change(5m) <= -0.1", "volatility(60) > 0.01 and drawdown(1h) < -0.1", "volume(10m) > 2", "high(5m) > 101.5",
    "buy_ratio(5m) < 0.4 or trade_rate(5m) > 1", "vwap(10m) > price", "data_age > 30s", "whales(1h) >= 1", "spread_bps > 99",
    "low(5m) < 98", "crosses_above(price, sma(10m))", "rsi(14, 1m) < 40", "zscore(volume(1m), 10m) > 2",
    "price('A') / price('B') > 3.1", "correlation(10m) > 0.2", "bid > 99",
)  # fmt: skip


class Pair:
    """The same market in rows alone, and with every finished hour packed."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.stores = [SqliteStore(folder / name, clock=SystemClock()) for name in ("rows.db", "blocks.db")]
        self.loop.run_until_complete(self._fill())

    async def _fill(self) -> None:
        gaps = [gap(to_ms=T0 + 2 * HOUR_MS + 700_000, from_ms=T0 + 2 * HOUR_MS + 400_000, symbol="A", state=GapState.LOST)]
        for store in self.stores:
            await store.open()
            await store.write(WriteBatch(samples=market(HOURS), gaps=gaps, whales=[whale("A", time_ms=T0 + HOUR_MS)]))
        await pack_all(self.stores[1], T0 + HOURS * HOUR_MS)

    def previews(self, expression: str, from_ms: int, to_ms: int, durations: Durations, per_day: float | None) -> list[Preview]:
        asked = question(
            expression, symbols=("A", "B"), watched=("A", "B"), from_ms=from_ms, to_ms=to_ms, sample_ms=STEP_MS,
            reference="B", durations=durations,
        )  # fmt: skip
        return [self.loop.run_until_complete(Lab(store).preview(asked, per_day=per_day)) for store in self.stores]

    def close(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    expression=st.sampled_from(RULES),
    start=st.integers(0, HOURS * HOUR_MS - 60_000),
    length=st.integers(60_000, HOURS * HOUR_MS),
    wait=st.sampled_from([0, 20_000]),
    per_day=st.none() | st.floats(1, 500),
)
def test_preview_of_packed_hours_is_that_of_the_rows(
    pair: Pair, expression: str, start: int, length: int, wait: int, per_day: float | None
) -> None:
    rows, packed = pair.previews(expression, T0 + start, T0 + start + length, Durations(wait, 10_000, 60_000), per_day)
    assert packed == rows
    assert 0 <= rows.completeness <= 100


async def test_preview_is_the_same_in_both_databases_before_and_after_packing(make_store: MakeStore) -> None:
    store = make_store()
    await store.open()
    await store.write(WriteBatch(samples=market(3)))
    asked = question(
        "volatility(60) > 0.9", symbols=("A", "B"), watched=("A", "B"), from_ms=T0, to_ms=T0 + 3 * HOUR_MS,
        sample_ms=STEP_MS, reference="A",
    )  # fmt: skip
    rows = await Lab(store).preview(asked, per_day=24)
    assert rows.fired > 0
    assert rows.trace is not None
    assert await pack_all(store, LATER) > 0
    assert await Lab(store).preview(asked, per_day=24) == rows
    await store.close()


def columns() -> SampleColumns:
    random = np.random.default_rng(5)
    size = 1000
    price = 100 + np.cumsum(random.normal(size=size))
    trades = random.integers(0, 4, size)
    volume = random.exponential(size=size) * (trades > 0)
    return SampleColumns(
        "A", 1000, T0 + 1000 * np.arange(size), price - 0.1, price + 0.2, price - 0.3, price, volume, volume * price,
        volume / 3, trades, price - 1, price + 2, trades, trades, random.random(size) < 0.02,
    )  # fmt: skip


CANDLE_RULES = ("open(1m)", "close(1m)", "rsi(3, 1m)", "atr(3, 1m)", "obv(1m)", "mfi(3, 1m)", "adosc(1m)")
EVERY_TERM = tuple(
    [f"{one.name}(1m)" for one in METRICS]
    + [one.name for one in POINTS]
    + ["data_age", "zscore(volume(10s), 1m)", *CANDLE_RULES]
)


@pytest.mark.parametrize("text", EVERY_TERM)
def test_every_term_has_the_columns_that_it_needs(text: str) -> None:
    program = compile_rule(text, condition=False)
    windows = {name: window_of(name, sample_ms=1000, symbols=1) for name in program.windows}
    lanes = [
        densify(columns(), [], from_ms=T0, to_ms=T0 + 1_000_000, sample_ms=1000, wanted=wanted)
        for wanted in (EVERY_COLUMN, columns_of(program))
    ]
    whole, lean = (along(program, one, windows=windows, reference=lanes[0]).values for one in lanes)
    np.testing.assert_array_equal(lean, whole)
    assert np.isfinite(whole).any()
