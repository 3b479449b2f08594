"""The oracle must see every wrong: a checker that overlooks something proves nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.model.market import Gap, GapReason, GapState, Trade
from tests.kit.oracle import Checker
from tests.kit.venue_ledger import Ledger
from tests.kit.venue_tape import synthetic_tape

TAPE = synthetic_tape(["AAAUSDT"], seconds=10, rate=10, seed=1)
TRUTH = TAPE.trades("AAAUSDT")
FIRST = TRUTH[0].trade_id


def _ledger() -> Ledger:
    ledger = Ledger("AAAUSDT", TAPE.start_ms, 1.0, history_days=0)
    for event in TAPE.events:
        if event.kind == "trade":
            ledger.add(event.trade, event.ends_order)
    return ledger


LEDGER = _ledger()
CHECKER = Checker({"AAAUSDT": LEDGER})
ACCEPTED = [Trade(t.symbol, t.trade_id, float(t.price), float(t.quantity), t.time_ms, t.buyer_is_maker) for t in TRUTH]
NUMBERS = st.integers(0, len(TRUTH) - 1)


def _gap(low: int, high: int, state: GapState = GapState.LOST) -> Gap:
    return Gap("g", "binance", "AAAUSDT", GapReason.ID_JUMP, state, 0, 1, low, high)


@given(st.permutations(ACCEPTED))
def test_checker_accepts_every_print_once_in_any_order(trades: list[Trade]) -> None:
    assert CHECKER.check("AAAUSDT", trades, from_id=FIRST).ok


@given(st.sets(NUMBERS, min_size=1, max_size=20))
def test_checker_names_lost_prints_unless_a_gap_tells_them(numbers: set[int]) -> None:
    kept = [trade for number, trade in enumerate(ACCEPTED) if number not in numbers]
    lost = sorted(FIRST + number for number in numbers)
    assert CHECKER.check("AAAUSDT", kept, from_id=FIRST).lost == lost
    told = [_gap(number, number) for number in lost]
    assert CHECKER.check("AAAUSDT", kept, told, from_id=FIRST).ok
    assert CHECKER.check("AAAUSDT", kept, told, from_id=FIRST).in_gaps == len(lost)
    closed = [_gap(number, number, GapState.CLOSED) for number in lost]
    assert CHECKER.check("AAAUSDT", kept, closed, from_id=FIRST).lost == lost


@given(st.sets(NUMBERS, min_size=1, max_size=20))
def test_checker_names_doubled_prints(numbers: set[int]) -> None:
    twice = [*ACCEPTED, *(ACCEPTED[number] for number in numbers)]
    assert CHECKER.check("AAAUSDT", twice, from_id=FIRST).doubled == sorted(FIRST + number for number in numbers)


@given(NUMBERS, st.sampled_from([{"price": 1e6}, {"quantity": 1e6}, {"time_ms": 1}, {"trade_id": 5}]))
def test_checker_names_altered_and_invented_prints(number: int, change: dict[str, float]) -> None:
    wrong = list(ACCEPTED)
    wrong[number] = wrong[number]._replace(**change)  # type: ignore[arg-type]
    verdict = CHECKER.check("AAAUSDT", wrong, from_id=FIRST)
    assert verdict.invented == [5] if "trade_id" in change else len(verdict.altered) == 1


def test_checker_takes_a_refilled_aggregate_for_the_prints_that_it_covers() -> None:
    folded = [
        Trade("AAAUSDT", o.last_id, float(o.price), float(o.quantity), o.time_ms, o.buyer_is_maker, o.last_id - o.first_id + 1)
        for o in LEDGER.aggregates
    ]
    assert any(trade.trades > 1 for trade in folded)
    assert CHECKER.check("AAAUSDT", folded, from_id=FIRST).ok
    wrong = [trade._replace(quantity=trade.quantity * 2) if trade.trades > 1 else trade for trade in folded]
    assert CHECKER.check("AAAUSDT", wrong, from_id=FIRST).altered
