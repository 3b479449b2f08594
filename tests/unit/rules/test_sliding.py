"""Sliding windows against the plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketwatch.rules import moments, sliding
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
    found, (weights, weighted) = sliding.moments(column, length, newest=True), sliding.weighted(column, length)
    assert found.away is not None
    slide = sliding.slides(column, column, column / column, length)
    return {
        "known": found.known, "mean": found.mean, "squares": found.squares, "away": found.away,
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
        patch.setattr(moments, "_PIECE", 2 * piece)
        patch.setattr(moments, "_STRETCH", piece // 2)
        found, plain = ours(column, length), plainly(column, length)
    for name, expected in plain.items():
        there = plain["known"] > 0 if name == "squares" else np.ones(size, np.bool_)
        slack = {"squares": 1e-6 * move * move * 60_000**2 + 1e-15, "away": 1e-9}.get(name, 0.0)
        np.testing.assert_allclose(found[name][there], expected[there], rtol=1e-9, atol=slack, err_msg=name)


def test_deviation_of_a_column_that_stands_still_is_exactly_nothing() -> None:
    found = sliding.moments(np.full(500, 0.1 + 0.2), 60, newest=True)
    assert not found.squares.any()
    assert found.away is not None
    assert not found.away.any()
    assert set(found.mean.tolist()) == {0.1 + 0.2}


@pytest.mark.parametrize("length", [2, 60, 600])
@pytest.mark.parametrize("still", [0.0, 0.98])
def test_moments_of_a_long_walk_are_those_of_the_plain_definition(length: int, still: float) -> None:
    """Long enough for every way of summing, some windows of it without a move."""
    random = np.random.default_rng(length)
    column = 60_000 * np.exp(np.cumsum(random.normal(0, 1e-5, 6000) * (random.random(6000) >= still)))
    column[2000:2200] = column[2000]
    found = sliding.moments(column, length, newest=True)
    assert found.away is not None
    windows = np.lib.stride_tricks.sliding_window_view(column, length).astype(np.longdouble)
    mean = windows.mean(axis=1)
    squares = np.square(windows - mean[:, None]).sum(axis=1)
    np.testing.assert_allclose(found.mean[length - 1 :], mean.astype(np.float64), rtol=1e-14)
    np.testing.assert_allclose(found.squares[length - 1 :], squares.astype(np.float64), rtol=1e-9, atol=1e-18)
    np.testing.assert_allclose(found.away[length - 1 :], (windows[:, -1] - mean).astype(np.float64), atol=2e-11)


def test_small_moves_after_a_large_jump_keep_their_digits() -> None:
    random = np.random.default_rng(2)
    column = np.concatenate([np.full(997, 1e9), 1.0 + random.normal(0, 1e-6, 1003)])
    found = sliding.moments(column, 60)
    plain = plainly(column, 60)
    np.testing.assert_allclose(found.squares[1060:], plain["squares"][1060:], rtol=1e-9)
