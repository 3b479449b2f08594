"""The bounded memory before the database."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.ports import WriteBatch
from marketwatch.store.alert_rows import notices_of
from marketwatch.store.backlog import KINDS, Backlog, Raised, Shed, halves
from tests.kit.alerts import alert
from tests.kit.facts import T0, candle, gap, step, trade, traded, whale


def filled(count: int = 10) -> Backlog:
    backlog = Backlog()
    for i in range(count):
        backlog.add("trades", [trade(trade_id=i)])
        backlog.add("samples", step(T0 + 500 * i, {"A": traded(1.0), "B": {"price": 1.0}}))
        backlog.add("candles", [candle(time_ms=T0 + i)])
        backlog.add("gaps", [gap(f"g{i}")])
        backlog.add("whales", [whale(trade_id=i)])
    return backlog


def test_take_answers_the_oldest_in_order_and_frees_their_bytes() -> None:
    backlog = filled()
    first = backlog.take(10**9)
    assert [s.time_ms for s in first.samples] == [T0 + 500 * i for i in range(10)]
    assert [t.trade_id for t in first.trades] == list(range(10))
    assert len(first) == 50
    assert (backlog.bytes, len(backlog), len(backlog.take(10**9))) == (0, 0, 0)


def test_take_little_comes_in_pieces_that_make_the_whole() -> None:
    backlog = filled()
    pieces = []
    while len(piece := backlog.take(1000)):
        pieces.append(piece)
    assert len(pieces) > 3
    assert [t.trade_id for piece in pieces for t in piece.trades] == list(range(10))


def test_shed_drops_trades_first_then_samples_and_names_the_spans() -> None:
    backlog, shed = filled(), Shed()
    backlog.shed(backlog.bytes - 100, shed)
    left = backlog.take(10**9)
    assert ([t.trade_id for t in left.trades], len(left.samples)) == (list(range(1, 10)), 10)
    backlog = filled()
    candles_and_more = backlog.bytes - 10 * (200 + 700)
    backlog.shed(candles_and_more, shed)
    left = backlog.take(10**9)
    assert (len(left.trades), len(left.samples), len(left.candles), len(left.gaps), len(left.whales)) == (0, 0, 10, 10, 10)
    assert shed.spans == {"A": (T0, T0 + 5000)}
    assert shed.facts == 1 + 10 + 10


def test_halves_of_a_batch_with_several_kinds_keep_kinds_apart() -> None:
    left, right = halves(WriteBatch(trades=[trade()], gaps=[gap()]))
    assert (len(left), len(right)) == (1, 1)


@given(st.integers(2, 50), st.sampled_from(["trades", "candles", "gaps", "whales"]))
def test_halves_make_progress_and_lose_nothing(count: int, kind: str) -> None:
    makers: dict[str, Callable[[int], object]] = {
        "trades": lambda i: trade(trade_id=i),
        "candles": lambda i: candle(time_ms=i),
        "gaps": lambda i: gap(str(i)),
        "whales": lambda i: whale(trade_id=i),
    }
    items = [makers[kind](i) for i in range(count)]
    left, right = halves(WriteBatch(**{kind: items}))  # type: ignore[arg-type]
    assert getattr(left, kind) + getattr(right, kind) == items
    assert len(left) < count
    assert len(right) < count


def raised(number: int) -> Raised:
    return Raised([alert(str(number))], notices_of(alert(str(number)), ("app", "mail"), T0))


def test_take_little_never_parts_an_alert_from_its_notices() -> None:
    backlog = filled()
    for i in range(10):
        backlog.add("alerts", raised(i))
    taken: list[str] = []
    while len(piece := backlog.take(1)):
        assert [n.alert_id for n in piece.notifications] == [a.alert_id for a in piece.alerts for _ in range(2)]
        taken += [one.alert_id for one in piece.alerts]
    assert taken == [str(i) for i in range(10)]


def test_shed_takes_alerts_last_of_all() -> None:
    backlog, shed = filled(), Shed()
    backlog.add("alerts", raised(1))
    backlog.shed(3_000, shed)
    assert (len(backlog), len(backlog.take(10**9).alerts), shed.facts) == (1, 1, 50)
    backlog.add("alerts", raised(2))
    backlog.shed(0, shed)
    assert (len(backlog), shed.facts) == (0, 51)


@given(st.integers(2, 20))
def test_halves_keep_notices_with_their_alerts(count: int) -> None:
    made = [raised(number) for number in range(count)]
    whole = WriteBatch(alerts=[one for r in made for one in r.alerts], notifications=[n for r in made for n in r.notifications])
    left, right = halves(whole)
    assert left.alerts + right.alerts == whole.alerts
    assert left.notifications + right.notifications == whole.notifications
    for part in (left, right):
        assert {n.alert_id for n in part.notifications} == {a.alert_id for a in part.alerts}
        assert len(part) < count


def test_kinds_are_fields_of_a_batch() -> None:
    assert all(isinstance(getattr(WriteBatch(), kind), list) for kind in KINDS)
