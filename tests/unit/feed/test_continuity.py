"""The ledger: every id is admitted exactly once or lies inside a recorded gap, whatever a line does to the order."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketwatch.feed.continuity import Hole, Ledger
from marketwatch.model.market import GapReason, GapState, Trade


def trade(number: int, *, quantity: float = 1.0, time_ms: int | None = None, symbol: str = "A", trades: int = 1) -> Trade:
    return Trade(symbol, number, 10.0, quantity, 1_000_000 + number if time_ms is None else time_ms, False, trades)


def ledger(*, space: str = "trade", resume: dict[str, tuple[int, int]] | None = None) -> Ledger:
    return Ledger(["A", "B"], venue="v", space=space, resume=resume)


def ids(trades: list[Trade]) -> list[int]:
    return [t.trade_id for t in trades]


def test_trades_in_order_are_admitted_without_a_gap() -> None:
    book = ledger()
    assert ids(book.admit([trade(n) for n in range(5, 15)])) == list(range(5, 15))
    assert book.take_changed() == []
    assert book.last("A") == trade(14)


def test_duplicates_are_dropped_and_counted() -> None:
    book = ledger()
    assert ids(book.admit([trade(1), trade(1), trade(2), trade(1), trade(2)])) == [1, 2]
    assert book.duplicates == 3


def test_symbol_that_nobody_watches_is_counted() -> None:
    book = ledger()
    assert book.admit([trade(1, symbol="Z")]) == []
    assert book.unknown == 1


def test_jump_opens_a_gap_that_late_trades_close() -> None:
    book = ledger()
    book.admit([trade(1), trade(5)])
    (hole,) = book.take_changed()
    gap = hole.fact()
    assert (gap.gap_id, gap.reason, gap.state) == ("v:A:t2", GapReason.ID_JUMP, GapState.OPEN)
    assert (gap.from_id, gap.to_id, gap.from_ms, gap.to_ms) == (2, 4, 1_000_001, 1_000_005)
    assert ids(book.admit([trade(3), trade(3)])) == [3]
    assert book.take_changed()[0].fact().refilled == 1
    assert ids(book.admit([trade(2), trade(4)])) == [2, 4]
    assert book.take_changed()[0].fact().state is GapState.CLOSED
    assert book.open_holes("A") == []


def test_gap_that_opens_and_closes_in_one_gulp_is_not_told() -> None:
    book = ledger()
    book.admit([trade(1), trade(3), trade(2)])
    assert book.take_changed() == []


def test_mark_names_the_reason_of_the_next_jump_only() -> None:
    book = ledger()
    book.admit([trade(1)])
    book.mark(["A", "Z"], GapReason.DISCONNECT)
    book.admit([trade(3), trade(5)])
    assert [hole.reason for hole in book.take_changed()] == [GapReason.DISCONNECT, GapReason.ID_JUMP]


def test_mark_is_forgotten_when_the_next_trade_follows_on() -> None:
    book = ledger()
    book.admit([trade(1)])
    book.mark(["A"], GapReason.SILENCE)
    book.admit([trade(2), trade(4)])
    assert [hole.reason for hole in book.take_changed()] == [GapReason.ID_JUMP]


def test_start_after_stored_trades_opens_a_restart_gap() -> None:
    book = ledger(resume={"A": (100, 900_000), "Z": (1, 1)})
    book.mark(["A"], GapReason.DISCONNECT)
    assert ids(book.admit([trade(100), trade(104)])) == [104]
    gap = book.take_changed()[0].fact()
    assert (gap.reason, gap.from_id, gap.to_id, gap.from_ms) == (GapReason.RESTART, 101, 103, 900_000)


def test_stream_that_begins_in_disorder_loses_nothing() -> None:
    book = ledger()
    assert ids(book.admit([trade(10), trade(7), trade(9)])) == [10, 7, 9]
    assert book.open_holes("A")[0].missing == [(8, 8)]
    assert book.admit([trade(7), trade(9)]) == []


def test_absurd_id_waits_for_a_second_one() -> None:
    book = ledger()
    book.admit([trade(1)])
    assert book.admit([trade(10**15, time_ms=1_000_002)]) == []
    assert ids(book.admit([trade(2), trade(3)])) == [2, 3]
    assert book.take_changed() == []
    assert book.doubtful == 1


def test_absurd_jump_that_goes_on_is_believed() -> None:
    book = ledger()
    book.admit([trade(1)])
    assert ids(book.admit([trade(10**9), trade(10**9 + 1)])) == [10**9, 10**9 + 1]
    assert book.take_changed()[0].size == 10**9 - 2


def test_numbering_that_begins_anew_is_followed_after_three_proofs() -> None:
    book = ledger()
    book.admit([trade(10_000)])
    fresh = [trade(n, time_ms=2_000_000 + n) for n in (5, 6, 7, 8)]
    assert ids(book.admit(fresh)) == [5, 6, 7, 8]
    assert book.restarted == ["A"]
    assert book.duplicates == 0


def test_fill_takes_aggregates_that_lie_inside() -> None:
    book = ledger()
    book.admit([trade(1), trade(10)])
    (hole,) = book.take_changed()
    assert book.fill(hole, trade(4, quantity=3.0, trades=3)) == trade(4, quantity=3.0, trades=3)
    assert book.fill(hole, trade(4, quantity=3.0, trades=3)) is None
    assert book.fill(hole, trade(1, trades=1)) is None
    assert hole.missing == [(5, 9)]


def test_fill_gives_the_exact_rest_of_an_aggregate_that_the_border_cuts() -> None:
    book = ledger()
    book.admit([trade(7, quantity=0.1, time_ms=5), trade(8, quantity=0.2, time_ms=5), trade(11, quantity=0.4, time_ms=5)])
    (hole,) = book.take_changed()
    rest = book.fill(hole, trade(11, quantity=1.5, time_ms=5, trades=5))
    assert rest == trade(10, quantity=0.8, time_ms=5, trades=2)
    assert hole.state is GapState.CLOSED


def test_fill_leaves_what_it_cannot_split() -> None:
    book = ledger(resume={"A": (8, 5)})
    book.admit([trade(11)])
    (hole,) = book.take_changed()
    assert book.fill(hole, trade(10, quantity=1.0, trades=4)) is None
    assert hole.left == 2


def test_fill_never_invents_a_quantity() -> None:
    book = ledger()
    book.admit([trade(1, quantity=5.0), trade(3)])
    (hole,) = book.take_changed()
    assert book.fill(hole, trade(2, quantity=5.0, trades=2)) is None
    assert hole.left == 1


def test_fill_of_an_absurdly_wide_aggregate_is_refused() -> None:
    book = ledger()
    book.admit([trade(10**12), trade(10**12 + 2)])
    (hole,) = book.take_changed()
    assert book.fill(hole, trade(10**12 + 1, trades=10**12)) is None


def test_aggregate_space_fills_by_its_own_ids() -> None:
    book = ledger(space="aggtrade")
    book.admit([trade(1, trades=5), trade(4, trades=7)])
    (hole,) = book.take_changed()
    assert hole.fact().gap_id == "v:A:a2"
    assert book.fill(hole, trade(2, trades=9)) == trade(2, trades=9)
    assert hole.missing == [(3, 3)]


def test_lost_gap_stays_visible_and_may_still_be_filled() -> None:
    book = ledger()
    book.admit([trade(1), trade(3)])
    (hole,) = book.take_changed()
    book.give_up(hole)
    assert [h.fact().state for h in book.take_changed()] == [GapState.LOST]
    assert ids(book.admit([trade(2)])) == [2]
    assert [h.fact().state for h in book.take_changed()] == [GapState.CLOSED]


def test_number_of_open_gaps_is_bounded() -> None:
    book = ledger()
    book.admit([trade(n) for n in range(0, 1000, 2)])
    assert len(book.open_holes("A")) == 200
    told = [hole.fact() for hole in book.take_changed()]
    assert sum(gap.state is GapState.LOST for gap in told) == 299
    assert len(told) == 499


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[int]]:
    """Ids 1..n with losses, doubles and disorder, cut into gulps."""
    count = draw(st.integers(1, 60))
    numbers = [n for n in range(1, count + 1) for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2])))]
    if draw(st.booleans()):
        random.Random(draw(st.integers(0, 2**16))).shuffle(numbers)
    cuts = sorted({0, len(numbers), *draw(st.lists(st.integers(0, len(numbers)), max_size=8))})
    return [numbers[a:b] for a, b in pairwise(cuts)]


@given(deliveries())
def test_every_id_is_admitted_once_or_lies_in_a_gap(gulps: list[list[int]]) -> None:
    book = ledger(resume={"A": (0, 0)})
    seen = Counter[int]()
    holes: dict[str, Hole] = {}
    for gulp in gulps:
        seen.update(ids(book.admit([trade(n) for n in gulp])))
        holes |= {hole.fact().gap_id: hole for hole in book.take_changed()}
    assert set(seen.values()) <= {1}
    missing = {n for hole in holes.values() for a, b in hole.missing for n in range(a, b + 1)}
    assert not missing & seen.keys()
    assert missing | seen.keys() == set(range(1, max(seen, default=0) + 1))
    assert seen.keys() == {n for gulp in gulps for n in gulp}


@given(deliveries(), st.integers(1, 7), st.integers(0, 2**16))
def test_refill_with_aggregates_conserves_every_id_and_quantity(gulps: list[list[int]], width: int, seed: int) -> None:
    """Aggregates of one taker order share time and price; what is admitted in total equals what happened."""
    flat = [n for gulp in gulps for n in gulp]
    top = max(flat, default=0)
    sizes = random.Random(seed)
    quantity = {n: round(sizes.uniform(0.001, 9.0), 5) for n in range(top + 1)}
    live = {n: trade(n, quantity=quantity[n], time_ms=n // width) for n in range(1, top + 1)}
    book = ledger(resume={"A": (0, 0)})
    admitted = [t for gulp in gulps for t in book.admit([live[n] for n in gulp])]
    for hole in list(book.open_holes("A")):
        for low in range(0, top + 1, width):
            parts = [live[n] for n in range(max(1, low), min(low + width, top + 1))]
            if parts:
                total = round(sum(part.quantity for part in parts), 5)
                row = parts[-1]._replace(quantity=total, trades=len(parts))
                part = book.fill(hole, row)
                admitted += [part] if part else []
    covered = Counter(n for t in admitted for n in range(t.trade_id - t.trades + 1, t.trade_id + 1))
    missing = {n for hole in book.open_holes("A") for a, b in hole.missing for n in range(a, b + 1)}
    assert set(covered.values()) <= {1}
    assert covered.keys() | missing == set(range(1, top + 1))
    assert not covered.keys() & missing
    assert sum(t.quantity for t in admitted) == pytest.approx(sum(quantity[n] for n in covered), abs=1e-6)


def test_trades_that_the_venue_made_meanwhile_open_a_gap_before_the_next_one_comes() -> None:
    book = ledger()
    book.admit([trade(1)])
    book.mark(["A"], GapReason.DISCONNECT)
    book.missed("A", 4, 1_000_004)
    gap = book.take_changed()[0].fact()
    assert (gap.reason, gap.from_id, gap.to_id, gap.to_ms) == (GapReason.DISCONNECT, 2, 4, 1_000_004)
    assert ids(book.admit([trade(3), trade(5), trade(3)])) == [3, 5]
    assert book.open_holes("A")[0].missing == [(2, 2), (4, 4)]


@pytest.mark.parametrize("newest", [-5, 0, 1, 10**12])
def test_nothing_new_at_the_venue_opens_no_gap(newest: int) -> None:
    book = ledger()
    book.admit([trade(1)])
    book.missed("A", newest, 1_000_004)
    book.missed("B", 7, 1_000_004)
    assert book.take_changed() == []
    assert ids(book.admit([trade(2)])) == [2]
