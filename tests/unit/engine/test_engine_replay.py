"""A window says the same to the last bit, whenever the engine began: what replay stands on."""

from __future__ import annotations

import numpy as np
import pytest

from marketwatch.model.metrics import WINDOW_METRICS

from .test_engine import a_market, an_engine

LENGTHS = (2, 7, 30)


@pytest.mark.parametrize(("seed", "later"), [(1, 0), (2, 37), (3, 100)])
def test_engine_three_windows_after_any_start_says_the_same_bits(seed: int, later: int) -> None:
    """On a market without gaps; after a gap, and where cancellation makes a sum be built anew, the last bit may differ."""
    market = a_market(seed, 320, step=1e-4, start=100.0, busy=0.9, hold=0.3, jump=0.0, gap=0.0)
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
