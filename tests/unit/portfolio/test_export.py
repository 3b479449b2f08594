"""Exports can be read again, and no cell begins a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.model.portfolio import Transaction
from marketwatch.portfolio.entry import order
from marketwatch.portfolio.errors import ImportRefused
from marketwatch.portfolio.export import from_json, to_csv, to_json
from marketwatch.portfolio.imports.generic import guarded, unguarded
from marketwatch.portfolio.imports.read import preview
from marketwatch.portfolio.ledger import Ledger
from tests.kit.books import entry, history, portfolio


def booked(seed: int) -> list[Transaction]:
    """What can be booked of a generated history."""
    found: list[Transaction] = []
    for one in history(seed, most=30):
        try:
            Ledger.replay(portfolio(), [*found, one])
        except Exception:
            continue
        found.append(one._replace(note=f"=HYPERLINK({seed})", external_id=f"+{one.transaction_id}"))
    return sorted(found, key=order)


@pytest.mark.parametrize("seed", range(20))
def test_json_comes_back_equal(seed: int) -> None:
    entries = booked(seed)
    book = portfolio("fifo", "USD")._replace(name="Grüße")
    assert from_json(to_json(book, entries), book._replace(name="other")) == (book, entries)


@pytest.mark.parametrize("seed", range(20))
def test_csv_comes_back_as_the_same_books(seed: int) -> None:
    entries = booked(seed)
    found = preview(to_csv(entries).encode(), portfolio())
    again = found.new if entries else []
    assert Ledger.replay(portfolio(), again).statement()._replace(remarks=()) == Ledger.replay(
        portfolio(), entries
    ).statement()._replace(remarks=())
    assert [(one.note, one.external_id, one.source) for one in again] == [
        (one.note, one.external_id, one.source) for one in entries
    ]


@given(st.text(max_size=30))
def test_no_cell_begins_a_formula(text: str) -> None:
    one = entry("buy", "BTC", 1, 1)._replace(note=text, source=text)
    cells = list(csv.reader(io.StringIO(to_csv([one]), newline="")))[1]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"format":"marketwatch-portfolio","version":2,"portfolio":{},"transactions":[]}',
        to_json(portfolio(), [entry("buy", "BTC", 1, 1)]).replace(b'"quantity":"1"', b'"quantity":"-1"'),
        to_json(portfolio(), [entry("buy", "BTC", 1, 1)]).replace(b'"quantity":"1"', b'"quantity":"NaN"'),
        to_json(portfolio(), [entry("buy", "BTC", 1, 1)]).replace(b'"buy"', b'"steal"'),
    ],
)
def test_json_that_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(ImportRefused):
        from_json(data, portfolio())
