"""Sliding windows against the plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.rules import sliding
from marketwatch.rules.truth import F8


def plainly(column: F8, length: int) -> dict[str, F8]:
    """Everything, window by window."""
    out = {name: np.full(len(column), np.nan) for name in ("known", "mean", "squares", "away", "sum", "top", "bottom", "ratio",
                                                         "weights", "weighted")}  # fmt: skip
    for at in range(len(column)):
        window = column[max(0, at - length + 1) : at + 1]
        known = ~np.isnan(window)
        weights = (np.arange(len(window)) + 1.0) * known
        out["known"][at], out["sum"][at], out["weights"][at] = known.sum(), np.nansum(window), weights.sum()
        if known.any():
            wide = window.astype(np.longdouble)
            mean = np.nanmean(wide)
            out["mean"][at], out["squares"][at] = mean, np.nansum((wide - mean) ** 2)
            out["away"][at] = wide[-1] - mean
            out["top"][at], out["bottom"][at] = np.nanmax(window), np.nanmin(window)
            out["ratio"][at] = np.nanmin(window / np.fmax.accumulate(window))
            out["weighted"][at] = np.nansum(wide * weights) / weights.sum()
    return out


def ours(column: F8, length: int) -> dict[str, F8]:
    moments, (weights, weighted) = sliding.moments(column, length), sliding.weighted(column, length)
    slide = sliding.slides(column, column, column / column, length)
    return {
        "known": moments.known, "mean": moments.mean, "squares": moments.squares, "away": moments.away,
        "sum": sliding.sums(column, length), "top": sliding.highest(column, length),
        "bottom": sliding.lowest(column, length), "ratio": slide.ratio, "weights": weights, "weighted": weighted,
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 150),
    length=st.integers(1, 60),
    lost=st.sampled_from([0.0, 0.1, 0.7]),
    move=st.sampled_from([0.0, 1e-6, 1e-2]),
    piece=st.sampled_from([16, 32_768]),
)
def test_every_window_is_the_plain_one(seed: int, size: int, length: int, lost: float, move: float, piece: int) -> None:
    random = np.random.default_rng(seed)
    column = 60_000 * np.exp(np.cumsum(random.normal(0, move, size)))
    column[random.random(size) < lost] = np.nan
    column[size // 3 : size // 3 + int(lost * 40)] = np.nan
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(sliding, "_PIECE", piece)
        found, plain = ours(column, length), plainly(column, length)
    for name, expected in plain.items():
        there = plain["known"] > 0 if name == "squares" else np.ones(size, np.bool_)
        slack = {"squares": 1e-6 * move * move * 60_000**2 + 1e-15, "away": 1e-9}.get(name, 0.0)
        np.testing.assert_allclose(found[name][there], expected[there], rtol=1e-9, atol=slack, err_msg=name)


def test_deviation_of_a_column_that_stands_still_is_exactly_nothing() -> None:
    moments = sliding.moments(np.full(500, 0.1 + 0.2), 60)
    assert not moments.squares.any()
    assert not moments.away.any()
    assert set(moments.mean.tolist()) == {0.1 + 0.2}


def test_small_moves_after_a_large_jump_keep_their_digits() -> None:
    random = np.random.default_rng(2)
    column = np.concatenate([np.full(997, 1e9), 1.0 + random.normal(0, 1e-6, 1003)])
    found = sliding.moments(column, 60)
    plain = plainly(column, 60)
    np.testing.assert_allclose(found.squares[1060:], plain["squares"][1060:], rtol=1e-9)
