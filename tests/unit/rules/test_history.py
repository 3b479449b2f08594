"""Stored rows on a dense grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from marketwatch.model.market import Gap, GapReason, GapState
from marketwatch.ports import SampleColumns
from marketwatch.rules.history import densify

START = 1_000_000
NAN = float("nan")


def rows(
    steps: Sequence[int], price: Sequence[float], trades: Sequence[int], gap: Sequence[bool] | None = None
) -> SampleColumns:
    """Rows at `START + 500 * step`; highs 1 above the price, lows 1 below, opens half above, volume as many as trades."""
    prices, counts, volume = np.array(price, np.float64), np.array(trades, np.int64), np.array(trades, np.float64)
    return SampleColumns(
        "A", 500, START + 500 * np.array(steps, np.int64), prices + 0.5, prices + 1, prices - 1, prices, volume,
        volume * prices, volume / 2, counts, prices - 0.1, prices + 0.1, counts, counts,
        np.zeros(len(prices), np.bool_) if gap is None else np.array(gap),
    )  # fmt: skip


def a_gap(first: int, last: int, state: GapState, symbol: str = "A") -> Gap:
    return Gap("g", "v", symbol, GapReason.DISCONNECT, state, START + 500 * first, START + 500 * last)


def test_between_two_rows_the_first_holds_without_trades() -> None:
    history = densify(rows([1, 4], [10.0, 20.0], [2, 3]), [], from_ms=START, to_ms=START + 3000)
    np.testing.assert_array_equal(history.price, [NAN, 10, 10, 10, 20, 20])
    np.testing.assert_array_equal(history.high, [NAN, 11, 10, 10, 21, 20])
    np.testing.assert_array_equal(history.open, [NAN, 10.5, 10, 10, 20.5, 20])
    np.testing.assert_array_equal(history.low, [NAN, 9, 10, 10, 19, 20])
    np.testing.assert_array_equal(history.volume, [0, 2, 0, 0, 3, 0])
    np.testing.assert_array_equal(history.trades, [0, 2, 0, 0, 3, 0])
    np.testing.assert_allclose(history.bid, [NAN, 9.9, 9.9, 9.9, 19.9, 19.9])
    assert history.end_ms.tolist() == [START + 500 * step for step in range(1, 7)]
    assert not history.gap.any()


def test_row_before_the_span_holds_at_its_beginning() -> None:
    history = densify(rows([-7, 2], [10.0, 20.0], [2, 3]), [], from_ms=START, to_ms=START + 1500)
    assert history.price.tolist() == [10.0, 10.0, 20.0]
    assert history.volume.tolist() == [0.0, 0.0, 3.0]


def test_stored_gap_is_held_until_the_next_row() -> None:
    history = densify(
        rows([0, 1, 3], [10.0, NAN, 10.0], [1, 0, 0], [False, True, False]), [], from_ms=START, to_ms=START + 2000
    )
    np.testing.assert_array_equal(history.price, [10, NAN, NAN, 10])
    assert history.gap.tolist() == [False, True, True, False]


@pytest.mark.parametrize(("state", "lost"), [(GapState.OPEN, True), (GapState.LOST, True), (GapState.CLOSED, False)])
def test_gap_that_is_not_closed_hides_steps_without_trades(state: GapState, lost: bool) -> None:
    history = densify(
        rows([0, 3], [10.0, 12.0], [1, 1]), [a_gap(1, 4, state), a_gap(0, 9, GapState.LOST, "B")],
        from_ms=START, to_ms=START + 3000,
    )  # fmt: skip
    assert history.gap.tolist() == [False, lost, lost, False, lost, False]
    hidden = NAN if lost else 10.0
    np.testing.assert_array_equal(history.price, [10, hidden, hidden, 12, NAN if lost else 12.0, 12])


def test_no_rows_at_all_are_a_history_of_nothing() -> None:
    history = densify(rows([], [], []), [], from_ms=START, to_ms=START + 1000, sample_ms=500)
    assert np.isnan(history.price).all()
    assert history.volume.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("from_ms", "to_ms", "sample_ms"), [(10, 10, 500), (10, 5, 500), (0, 500, -1), (0, 10**18, 1)])
def test_span_that_is_none_is_refused(from_ms: int, to_ms: int, sample_ms: int) -> None:
    with pytest.raises(ValueError, match="cannot be cut into steps"):
        densify(rows([], [], []), [], from_ms=from_ms, to_ms=to_ms, sample_ms=sample_ms)
