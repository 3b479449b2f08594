"""The lab's turns: one question at a time, places that people see, questions taken back, errors as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from marketwatch.errors import Conflict, StoreUnavailable
from marketwatch.lab.lab import Lab, Progress
from marketwatch.lab.line import Line
from marketwatch.lab.preview import Preview
from marketwatch.lab.question import Question, question
from marketwatch.model.market import Gap, QuietSpan
from marketwatch.ports import MarketStore, SampleColumns

HOUR = 3_600_000


def price_at(times: NDArray[np.int64]) -> NDArray[np.float64]:
    return 100.0 + np.sin(times / 50_000)


class HeldStore:
    """Answers samples only while `open`; `asked` counts the questions."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked: list[str] = []
        self.broken = False
        self.reached = asyncio.Event()

    async def samples(
        self, symbol: str, from_ms: int, to_ms: int, *, held_ms: int = 0, columns: Collection[str] | None = None
    ) -> SampleColumns:
        self.asked.append(symbol)
        self.reached.set()
        await self.open.wait()
        if self.broken:
            raise StoreUnavailable("The disk has gone.")
        times = np.arange(from_ms, to_ms, 1000, dtype=np.int64)
        price = price_at(times)
        whole, no = np.ones(len(times), np.int64), np.zeros(len(times), np.bool_)
        return SampleColumns(
            symbol, 1000, times, price, price, price, price, price, price, price, whole, price, price, whole, whole, no
        )

    async def gaps(self, symbol: str, *, from_ms: int, to_ms: int, limit: int) -> list[Gap]:
        return []

    async def quiet(self, symbol: str, *, from_ms: int, to_ms: int) -> list[QuietSpan]:
        return []


def asked(*symbols: str, expression: str = "change(1m) > 0.5") -> Question:
    return question(
        expression, symbols=symbols, watched=symbols, from_ms=HOUR, to_ms=3 * HOUR, sample_ms=1000, reference=symbols[0]
    )


@pytest.fixture
async def store() -> HeldStore:
    return HeldStore()


@pytest.fixture
async def lab(store: HeldStore) -> Lab:
    return Lab(cast("MarketStore", store))


def start(lab: Lab, one: Question, told: list[Progress], asker: str | None = None) -> asyncio.Task[Preview]:
    return asyncio.ensure_future(lab.preview(one, asker=asker, report=told.append))


async def test_progress_ends_at_the_whole_and_names_every_symbol(lab: Lab, store: HeldStore) -> None:
    told: list[Progress] = []
    store.open.set()
    found = await start(lab, asked("A", "B", "C"), told)
    assert found.fired > 0
    assert [one.share for one in told] == sorted(one.share for one in told)
    assert told[-1].share == 1.0
    assert {one.symbol for one in told[1:]} == {"A", "B", "C"}


async def test_who_comes_later_sees_the_place_move_up(lab: Lab, store: HeldStore) -> None:
    told: list[list[Progress]] = [[], [], []]
    tasks = [start(lab, asked("A"), mine) for mine in told]
    await store.reached.wait()
    assert [mine[-1].place for mine in told] == [0, 1, 2]
    assert store.asked == ["A"]
    store.open.set()
    await asyncio.gather(*tasks)
    assert [list(dict.fromkeys(one.place for one in mine)) for mine in told] == [[0], [1, 0], [2, 1, 0]]


async def test_newer_question_of_the_same_page_takes_the_place_of_the_earlier(lab: Lab, store: HeldStore) -> None:
    first = start(lab, asked("A"), [], "page 1")
    other = start(lab, asked("A"), [], "page 2")
    await store.reached.wait()
    second = start(lab, asked("B"), [], "page 1")
    with pytest.raises(Conflict):
        await first
    store.open.set()
    assert (await other).symbols == ("A",)
    assert (await second).symbols == ("B",)


async def test_cancelled_question_leaves_the_line_and_reads_no_further(lab: Lab, store: HeldStore) -> None:
    first, second = start(lab, asked("A", "B", "C", "D"), []), start(lab, asked("Z"), [])
    await store.reached.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    store.open.set()
    assert (await second).symbols == ("Z",)
    assert not {"C", "D"} & set(store.asked)


async def test_failure_of_the_store_is_told_as_it_is_and_the_next_question_goes_on(lab: Lab, store: HeldStore) -> None:
    store.open.set()
    store.broken = True
    with pytest.raises(StoreUnavailable, match="disk"):
        await start(lab, asked("A", "B"), [])
    store.broken = False
    assert (await start(lab, asked("A"), [])).fired > 0


async def test_line_tells_nobody_who_has_left() -> None:
    line = Line()
    told: list[int] = []
    async with line.turn(told.append):
        assert len(line) == 1
    assert told == [0]
    assert len(line) == 0


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("change(1m) > 0.5", "change(1m) > "),
        ("  change( 1m ) >=0.5 for 30s", "  change( 1m ) >="),
        ("price < 100.25", "price < "),
    ],
)
async def test_suggestion_keeps_the_rule_as_written_and_counts_what_it_would_do(
    lab: Lab, store: HeldStore, rule: str, said: str
) -> None:
    store.open.set()
    tip = (await lab.preview(asked("A", expression=rule), per_day=300)).suggestion
    assert tip is not None
    assert tip.expression.startswith(said)
    assert tip.expression.endswith("for 30s") == rule.endswith("for 30s")
    again = await lab.preview(asked("A", expression=tip.expression))
    assert (again.fired, again.notices) == (tip.firings, tip.notices)


async def test_trace_holds_the_extremes_of_the_metric(lab: Lab, store: HeldStore) -> None:
    store.open.set()
    trace = (await lab.preview(asked("A", expression="price > 100.5"))).trace
    assert trace is not None
    assert (trace.metric, trace.operator, trace.threshold, trace.grid_ms) == ("price", ">", 100.5, 60_000)
    assert [at for at, *_ in trace.points] == list(range(HOUR, 3 * HOUR, 60_000))
    for at, low, high, last in trace.points:
        own = price_at(np.arange(at, at + 60_000, 1000))
        assert (low, high, last) == (own.min(), own.max(), own[-1])
    nothing = await lab.preview(asked("A", expression="price > 100.5 and price < 101"))
    assert nothing.trace is None
