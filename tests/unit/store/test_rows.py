"""Which sample rows are stored, and the shapes of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.model.market import Samples
from marketwatch.store.rows import Quoted, clean, decode_samples, sample_rows, select
from tests.kit.facts import NAN, T0, step, traded


def test_select_quiet_symbol_with_unknown_price_is_left_out() -> None:
    which, _ = select(step(T0, {"A": {}, "B": traded(1.0)}), None)
    assert which.tolist() == [1]


def test_select_first_known_price_is_stored_without_a_trade() -> None:
    which, last = select(step(T0, {"A": {"price": 1.0}}), None)
    again, _ = select(step(T0 + 500, {"A": {"price": 1.0}}), last)
    assert (which.tolist(), again.tolist()) == ([0], [])


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        ({}, []),
        ({"bid": 9.0}, [0]),
        ({"ask": NAN}, [0]),
        ({"gap": True}, [0]),
        ({"trades": 1}, [0]),
        ({"high": 77.0}, []),
    ],
)
def test_select_row_with_news_is_stored(change: dict[str, object], stored: list[int]) -> None:
    base = {"price": 1.0, "bid": 0.5, "ask": 1.5}
    _, last = select(step(T0, {"A": base, "B": base}), None)
    which, _ = select(step(T0 + 500, {"A": {**base, **change}, "B": base}), last)
    assert which.tolist() == stored


def test_select_revision_stores_what_it_amends_and_changes_no_memory() -> None:
    _, last = select(step(T0, {"A": traded(1.0, bid=1.0), "B": traded(1.0)}), None)
    which, after = select(step(T0, {"A": traded(1.0, bid=5.0), "B": traded(1.0)}, revised=[1]), last)
    assert which.tolist() == [1]
    assert after[:5] == last[:5]


def test_select_other_symbols_begin_anew() -> None:
    _, last = select(step(T0, {"A": {"price": 1.0, "bid": 0.5}}), None)
    which, after = select(step(T0 + 500, {"B": {"price": 1.0}, "A": {"price": 1.0, "bid": 0.5}}), last)
    assert which.tolist() == [0, 1]
    assert after.symbols == ("B", "A")


def gaps_read(facts: list[Samples]) -> list[bool]:
    """The gap flag of symbol A at each step, read back from what is stored, one batch per fact, held from row to row."""
    last: Quoted | None = None
    stored: dict[int, bool] = {}
    for fact in facts:
        blocks, last = sample_rows([fact], last)
        for block in blocks:
            stored |= dict(zip(block.time.tolist(), block.gap.tolist(), strict=True))
    times, held, found = sorted({fact.time_ms for fact in facts}), False, []
    for time in times:
        held = stored.get(time, held)
        found.append(held)
    return found


LOST: dict[str, object] = {"price": NAN, "gap": True}
QUIET: dict[str, object] = {"price": 1.0}


def facts_of(first: list[dict[str, object]], *revisions: tuple[int, dict[str, object]]) -> list[Samples]:
    steps = [step(T0 + 500 * number, {"A": row}) for number, row in enumerate(first)]
    return steps + [step(T0 + 500 * number, {"A": row}, revised=[0]) for number, row in revisions]


@pytest.mark.parametrize(
    ("first", "revisions", "wanted"),
    [
        ([traded(1.0), LOST, LOST, LOST, LOST, traded(2.0)], [(2, traded(1.5))], [False, True, False, True, True, False]),
        ([traded(1.0), LOST, LOST, LOST], [(1, traded(1.5)), (3, traded(1.6))], [False, False, True, False]),
        ([traded(1.0), LOST, LOST, LOST], [(1, traded(1.5)), (2, traded(1.6))], [False, False, False, True]),
        ([traded(1.0), QUIET, QUIET, QUIET], [(1, LOST)], [False, True, False, False]),
    ],
)
def test_sample_rows_of_a_gap_refilled_in_part_read_back_as_they_were(
    first: list[dict[str, object]], revisions: list[tuple[int, dict[str, object]]], wanted: list[bool]
) -> None:
    assert gaps_read(facts_of(first, *revisions)) == wanted


def test_sample_rows_gap_that_goes_on_after_a_revised_newest_step_reads_back() -> None:
    facts = [*facts_of([traded(1.0), LOST], (1, traded(1.5))), step(T0 + 1000, {"A": LOST})]
    assert gaps_read(facts) == [False, False, True]


def test_sample_rows_remember_only_the_steps_that_can_be_amended() -> None:
    _, last = sample_rows([step(T0 + 500 * number, {"A": traded(1.0)}) for number in range(300)], None)
    assert last is not None
    assert (len(last.recent), min(last.recent)) == (240, T0 + 500 * 60)


@st.composite
def walks(draw: st.DrawFn) -> list[Samples]:
    """A few steps of three symbols with few distinct values, so that repetitions are common."""
    value = st.sampled_from([NAN, 1.0, 2.0])
    row = st.fixed_dictionaries({"price": value, "bid": value, "ask": value, "gap": st.booleans(), "trades": st.integers(0, 1)})
    rows = draw(st.lists(st.tuples(row, row, row), min_size=1, max_size=12))
    return [step(T0 + 500 * i, dict(zip("ABC", three, strict=True))) for i, three in enumerate(rows)]


@given(walks())
def test_select_rows_that_are_left_out_follow_from_the_row_before(steps: list[Samples]) -> None:
    last: Quoted | None = None
    held: dict[int, tuple[float, float, bool]] = {}
    for one in steps:
        which, last = select(one, last)
        for index in range(3):
            now = (float(one.bid[index]), float(one.ask[index]), bool(one.gap[index]))
            if index in which:
                held[index] = now
            else:
                assert one.trades[index] == 0
                assert np.array_equal(held.get(index, (NAN, NAN, False)), now, equal_nan=True)


@given(walks())
def test_sample_rows_of_one_batch_equal_those_of_single_steps(steps: list[Samples]) -> None:
    together, _ = sample_rows(steps, None)
    last: Quoted | None = None
    count = 0
    for one in steps:
        blocks, last = sample_rows([one], last)
        count += sum(map(len, blocks))
    assert sum(map(len, together)) == count


def test_sample_rows_keep_the_newest_fact_of_a_step() -> None:
    first, amended = step(T0, {"A": traded(1.0)}), step(T0, {"A": traded(2.0)}, revised=[0])
    (block,), _ = sample_rows([first, step(T0 + 500, {"A": traded(3.0)}), amended], None)
    assert (block.time.tolist(), block.price.tolist()) == ([T0, T0 + 500], [2.0, 3.0])


def test_decode_samples_of_nothing_is_empty_columns() -> None:
    assert decode_samples("A", []).trades.dtype == np.int64


@given(st.text())
def test_clean_text_can_be_stored_and_ordinary_text_is_untouched(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned
    assert len(cleaned) == len(text)
    if "\x00" not in text:
        assert cleaned == text


def test_clean_lone_surrogate_is_replaced() -> None:
    assert clean("a\ud800b") == "a�b"
