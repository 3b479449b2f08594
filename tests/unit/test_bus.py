"""The bus: order, isolation, unsubscribing; the mailbox: order, bounds, episodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.bus import Bus, Mailbox


class Ping(NamedTuple):
    number: int


class Pong(NamedTuple):
    number: int


def test_publish_several_subscribers_called_in_order_of_subscription() -> None:
    bus = Bus(on_error=lambda name, error: None)
    seen: list[tuple[str, int]] = []
    for name in ("a", "b", "c"):
        bus.subscribe(Ping, lambda event, name=name: seen.append((name, event.number)), name=name)  # type: ignore[misc]
    bus.publish(Ping(1))
    bus.publish(Pong(2))
    assert seen == [("a", 1), ("b", 1), ("c", 1)]


def test_publish_one_subscriber_raises_the_next_is_called_and_the_failure_is_named() -> None:
    failures: list[tuple[str, str]] = []
    bus = Bus(on_error=lambda name, error: failures.append((name, str(error))))
    seen: list[int] = []

    def broken(_: Ping) -> None:
        raise ValueError("broken")

    bus.subscribe(Ping, broken, name="first")
    bus.subscribe(Ping, lambda event: seen.append(event.number), name="second")
    bus.publish(Ping(7))
    assert seen == [7]
    assert failures == [("first", "broken")]


def test_unsubscribe_during_publish_takes_effect_with_the_next_event() -> None:
    bus = Bus(on_error=lambda name, error: None)
    seen: list[str] = []
    removers: list[Callable[[], None]] = []

    def once(_: Ping) -> None:
        seen.append("once")
        removers[0]()

    removers.append(bus.subscribe(Ping, once, name="once"))
    bus.subscribe(Ping, lambda _: seen.append("always"), name="always")
    bus.publish(Ping(1))
    bus.publish(Ping(2))
    assert seen == ["once", "always", "always"]


def test_publish_from_a_handler_is_delivered_before_publish_returns() -> None:
    bus = Bus(on_error=lambda name, error: None)
    seen: list[str] = []
    bus.subscribe(Ping, lambda event: bus.publish(Pong(event.number)), name="chain")
    bus.subscribe(Pong, lambda _: seen.append("pong"), name="pong")
    bus.subscribe(Ping, lambda _: seen.append("ping"), name="ping")
    bus.publish(Ping(1))
    assert seen == ["pong", "ping"]


@given(st.lists(st.integers(), max_size=60), st.integers(1, 20))
def test_mailbox_more_items_than_it_holds_keeps_the_newest_in_order(items: list[int], capacity: int) -> None:
    episodes: list[int] = []

    async def fill() -> tuple[list[int], int]:
        box: Mailbox[int] = Mailbox(capacity, on_overflow=episodes.append)
        for item in items:
            box.put(item)
        return box.take(), box.dropped

    kept, dropped = asyncio.run(fill())
    assert kept == items[-capacity:]
    assert dropped == max(0, len(items) - capacity)
    assert len(episodes) == (1 if dropped else 0)


async def test_mailbox_overflow_after_it_was_emptied_is_a_new_episode() -> None:
    episodes: list[int] = []
    box: Mailbox[int] = Mailbox(1, on_overflow=episodes.append)
    for number in (1, 2, 3):
        box.put(number)
    assert box.take() == [3]
    box.put(4)
    box.put(5)
    assert episodes == [1, 3]


async def test_mailbox_drain_on_empty_box_waits_for_the_first_item() -> None:
    box: Mailbox[str] = Mailbox(10)
    waiting = asyncio.create_task(box.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.put("a")
    box.put("b")
    assert await waiting == ["a", "b"]
    assert len(box) == 0
