"""A window says the same to the last bit, whenever the engine began: what replay stands on."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marketwatch.model.metrics import WINDOW_METRICS

from .test_engine import a_market, an_engine

LENGTHS = (2, 7, 30)


@settings(max_examples=6)
@example(seed=3, later=9, step=1e-2, start=1.0, busy=0.5, hold=0.5, jump=0.02, gap=0.03)
@example(seed=9, later=27, step=1e-4, start=100.0, busy=0.9, hold=0.3, jump=0.0, gap=0.03)
@given(
    seed=st.integers(0, 2**32), later=st.integers(0, 100), step=st.sampled_from([0.0, 1e-6, 1e-4, 1e-2]),
    start=st.sampled_from([1e-8, 1.0, 6e4]), busy=st.sampled_from([0.05, 0.5, 1.0]), hold=st.sampled_from([0.0, 0.5, 0.97]),
    jump=st.sampled_from([0.0, 0.02]), gap=st.sampled_from([0.0, 0.03]),
)  # fmt: skip
def test_engine_three_windows_after_any_start_says_the_same_bits(seed: int, later: int, **market: Any) -> None:
    """Gaps and sums built anew included. Averages that remember everything come near in twenty windows, not to the bit."""
    steps = a_market(seed, 230, **market)
    names = tuple(str(length) for length in LENGTHS)
    (first, tables), (second, others) = an_engine(names), an_engine(names)
    for samples in steps:
        first.on_samples(samples)
    for samples in steps[later:]:
        second.on_samples(samples)
    for ours, theirs in zip(tables[later + 3 * max(LENGTHS) :], others[3 * max(LENGTHS) :], strict=True):
        assert ours.time_ms == theirs.time_ms
        for name in names:
            for metric in WINDOW_METRICS:
                if metric != "ema":
                    a, b = ours.values[name][metric], theirs.values[name][metric]
                    assert np.array_equal(a, b, equal_nan=True), (name, metric, ours.time_ms)
