"""What a screen asks: texts read, bounded, and refused with the place of every mistake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.screener.question import COLUMNS, FILTER, Mistake, Question, ScreenRefused, read, split
from marketwatch.screener.ready import READY


def mistakes(question: Question) -> tuple[Mistake, ...]:
    with pytest.raises(ScreenRefused) as caught:
        read(question)
    return caught.value.mistakes


def test_columns_are_split_at_commas_outside_of_calls_and_quotes() -> None:
    sieve = read(Question("", "price,rsi(14, 1m) , price('A,B') / min(price, sma(5m)),,"))
    assert sieve.names == ("price", "rsi(14, 1m)", "price('A,B') / min(price, sma(5m))")
    assert sieve.filter is None


def test_columns_written_in_two_ways_are_one_column_and_one_screen() -> None:
    one, other = read(Question("change(5m)<-1", "change(24h), change( 1d )")), read(Question("change(300s) < -1", "change(1d)"))
    assert one.names == ("change(1d)",)
    assert one.key == other.key
    assert one.key != read(Question("change(5m)<-1", "change(1d), price")).key


def test_mistakes_of_both_fields_are_told_with_their_columns() -> None:
    first, second = mistakes(Question("change(5m) < -1 and volum(5m) > 3", "price, foo(1)"))
    assert (first.field, first.column, "Did you mean volume" in first.hint) == (FILTER, 21, True)
    assert (second.field, second.column) == (COLUMNS, 8)


@pytest.mark.parametrize(
    ("filter_text", "columns", "field", "column", "word"),
    [
        ("change(5m)", "price", FILTER, 1, "condition"),
        ("change(5m) < -1 for 30s", "price", FILTER, 17, "nothing has to hold"),
        ("price > 1 and portfolio('main').upnl < 0", "price", FILTER, 15, "same for every symbol"),
        ("", "price, zscore(position('BTC').value, 1h)", COLUMNS, 15, "same for every symbol"),
        ("", ", ".join(f"price + {n}" for n in range(13)), COLUMNS, 135, "12 are the most"),
        ("", ", ".join(f"change({n}m)" for n in range(1, 7)) + ", max(" + ", ".join(f"low({n}m)" for n in range(7, 15)) + ")",
         COLUMNS, 0, "14 different windows"),
        ("", ", ".join(f"stdev(price, {n}m)" for n in range(1, 8)), COLUMNS, 0, "7 different statistics"),
        ("price > 1" + " " * 2000, "price", FILTER, 1000, "2009 characters"),
        ("", "price" + " " * 2000, COLUMNS, 1000, "1000 are the most"),
    ],
)  # fmt: skip
def test_screen_that_cannot_be_is_refused(filter_text: str, columns: str, field: str, column: int, word: str) -> None:
    found = mistakes(Question(filter_text, columns))[0]
    assert (found.field, found.column) == (field, column)
    assert word in found.sentence


@pytest.mark.parametrize("one", READY, ids=lambda one: one.name)
def test_ready_made_screen_can_be_evaluated_and_sorts_by_a_column_of_its_own(one: object) -> None:
    assert isinstance(one, type(READY[0]))
    assert read(one.question).place(one.question.sort) is not None


@given(st.text(alphabet="price(),'\" 5m+<>", max_size=60))
def test_split_loses_nothing_and_reading_raises_nothing_else(text: str) -> None:
    pieces = split(text)
    assert ",".join(piece for _, piece in pieces) == text
    assert all(text[at : at + len(piece)] == piece for at, piece in pieces)
    found: tuple[Mistake, ...] = ()
    try:
        read(Question(text, text))
    except ScreenRefused as error:
        found = error.mistakes
    assert all(0 <= one.column <= len(text) + 1 for one in found)
