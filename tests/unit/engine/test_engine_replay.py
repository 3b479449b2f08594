"""A window says the same to the last bit, whenever the engine began: what replay stands on."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.model.metrics import WINDOW_METRICS

from .test_engine import a_market, an_engine

LENGTHS = (2, 7, 30)


@settings(max_examples=6)
@given(
    seed=st.integers(0, 2**32), step=st.sampled_from([0.0, 1e-6, 1e-4, 1e-2]), busy=st.sampled_from([0.1, 0.9]),
    gap=st.sampled_from([0.0, 0.02]), later=st.integers(0, 100),
)  # fmt: skip
def test_engine_three_windows_after_any_start_says_the_same_bits(
    seed: int, step: float, busy: float, gap: float, later: int
) -> None:
    market = a_market(seed, 320, step=step, start=100.0, busy=busy, hold=0.3, jump=0.0, gap=gap)
    names = tuple(str(length) for length in LENGTHS)
    (first, tables), (second, others) = an_engine(names), an_engine(names)
    for samples in market:
        first.on_samples(samples)
    for samples in market[later:]:
        second.on_samples(samples)
    for ours, theirs in zip(tables[later + 3 * max(LENGTHS) :], others[3 * max(LENGTHS) :], strict=True):
        assert ours.time_ms == theirs.time_ms
        for name in names:
            for metric in WINDOW_METRICS:
                if metric != "ema":  # it remembers everything; twenty windows bring it near, not to the bit
                    a, b = ours.values[name][metric], theirs.values[name][metric]
                    assert np.array_equal(a, b, equal_nan=True), (name, metric, ours.time_ms)
